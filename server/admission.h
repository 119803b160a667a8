// Decides whether a call may start.
#ifndef DCAC_SERVER_ADMISSION_H_
#define DCAC_SERVER_ADMISSION_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"

namespace dcac::server {

// Caps the open streams, for each of them may hold memory.  Thread-safe; must outlive its tickets.
class Admission {
 public:
  explicit Admission(std::uint64_t max_streams) : max_streams_(max_streams) {}

  // A stream is open as long as its ticket lives.
  class Ticket {
   public:
    explicit Ticket(Admission& admission) : admission_(&admission) {}

   private:
    struct Leave {
      void operator()(Admission* admission) const { admission->open_streams_.fetch_sub(1); }
    };
    std::unique_ptr<Admission, Leave> admission_;
  };

  // Errors: ResourceExhausted (too many open streams).
  absl::StatusOr<Ticket> Enter();

 private:
  const std::uint64_t max_streams_;
  std::atomic<std::uint64_t> open_streams_{0};
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_ADMISSION_H_
