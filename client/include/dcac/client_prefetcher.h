// Takes tensors out of the store in a known order, some of them ahead of whoever uses them.
#ifndef DCAC_CLIENT_PREFETCHER_H_
#define DCAC_CLIENT_PREFETCHER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dcac/client_store.h"

namespace dcac::client {

struct PrefetchOptions {
  static constexpr int kMaxInFlight = 64;

  int max_in_flight = 4;  // tensors that are fetched at a time, 1 .. kMaxInFlight; each has a thread
  // Of tensors that are fetched or wait to be taken, with their frames while those are decoded.  One that is larger
  // than this is fetched alone.
  std::uint64_t max_bytes = std::uint64_t{256} << 20;
};

// Fetching begins at once and ends with this: what runs then is cancelled.  Used by one thread.
class Prefetcher {
 public:
  // `call`: of each tensor; its deadline counts from when that is asked for.
  // Errors: InvalidArgument (options).
  static absl::StatusOr<Prefetcher> Start(const Store& store, std::vector<std::string> keys,
                                          const PrefetchOptions& options = {}, const CallOptions& call = {});
  Prefetcher(Prefetcher&&) noexcept;
  Prefetcher& operator=(Prefetcher&&) noexcept;
  ~Prefetcher();

  // The tensor of the next key, or what is wrong with it, as Store::Get says; those behind it come all the same.
  // Waits for it.  Nothing: there are no more keys.
  std::optional<absl::StatusOr<StoredTensor>> Next();

 private:
  struct State;
  explicit Prefetcher(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace dcac::client

#endif  // DCAC_CLIENT_PREFETCHER_H_
