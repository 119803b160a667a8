// Shares the memory of the server between calls: a budget of bytes, and for whom there is no room a place in line.
#ifndef DCAC_SERVER_ADMISSION_H_
#define DCAC_SERVER_ADMISSION_H_

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dcac::server {

// Whom the budget is shared between: tenants first, then the callers of a tenant.
struct Caller {
  std::string tenant;
  std::string caller;
  friend auto operator<=>(const Caller&, const Caller&) = default;
};

struct AdmissionLimits {
  std::uint64_t budget_bytes = 0;
  std::uint64_t max_calls = 0;  // open at a time
};

// Nobody waits here: a call that finds no room is refused with the advice to come back (RetryInfo), and its caller
// keeps a place in line until a moment after that.  Room is kept for those that came earlier, so that whoever comes
// back is served in turn, however often others try.  While callers of several tenants compete, a tenant holds no more
// than its equal part; its places in line count for no more than that either, so that nobody gets more by many names.
//
// Thread-safe; must outlive its tickets.
class Admission {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  explicit Admission(const AdmissionLimits& limits, Clock clock = std::chrono::steady_clock::now)
      : clock_(std::move(clock)), limits_(limits) {}

  // The right to be open, and to hold memory; given back at its end.
  class Ticket {
   public:
    Ticket(Admission& admission, Caller caller) : admission_(&admission), caller_(std::move(caller)) {}
    Ticket(Ticket&& other) noexcept = default;
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket();

    // From now on the holder may have `bytes` of memory; less than before changes nothing.
    // Errors: ResourceExhausted (no room now, with RetryInfo; more than the whole budget, without).
    absl::Status Hold(std::uint64_t bytes);

   private:
    struct Disown {
      void operator()(Admission*) const {}
    };
    std::unique_ptr<Admission, Disown> admission_;  // null when moved from
    Caller caller_;
    std::uint64_t held_bytes_ = 0;
  };

  // Errors: ResourceExhausted with RetryInfo (too many open calls).
  absl::StatusOr<Ticket> Enter(Caller caller);

  // For calls that must be answered however busy the server is, and take no time.
  Ticket EnterInAnyCase(Caller caller);

  // Calls that hold more than the new limits allow keep what they have.
  void SetLimits(const AdmissionLimits& limits);

  AdmissionLimits limits() const;
  std::uint64_t held_bytes() const;
  std::uint64_t open_calls() const;
  std::size_t waiting_callers() const;  // places in line

 private:
  struct Place {
    Caller caller;
    std::uint64_t bytes = 0;  // that were refused; 0: a call
    std::chrono::steady_clock::time_point expiry;
  };
  struct Tenant {
    std::uint64_t held_bytes = 0;
    std::uint64_t open_calls = 0;
    std::size_t places = 0;
  };

  // All below: the mutex is held.
  Ticket Open(Caller caller);
  absl::Status Grow(const Caller& caller, std::uint64_t from, std::uint64_t to);
  bool HasRoom(const Caller& caller, std::uint64_t from, std::uint64_t to) const;
  std::uint64_t BytesAhead(const Caller& caller) const;
  std::uint64_t ShareBytes() const;
  absl::Status Refuse(const Caller& caller, std::uint64_t bytes, std::string_view what);
  void DropPlace(std::list<Place>::iterator place);
  void DropExpiredPlaces();
  void DropIfIdle(const std::string& tenant);
  std::list<Place>::iterator FindPlace(const Caller& caller);

  const Clock clock_;

  mutable std::mutex mutex_;  // guards all below
  AdmissionLimits limits_;
  std::uint64_t held_bytes_ = 0;
  std::uint64_t open_calls_ = 0;
  std::map<std::string, Tenant> tenants_;  // that hold something or stand in line
  std::list<Place> line_;                  // the earliest first
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_ADMISSION_H_
