// What the calls of the store work on.
#ifndef DCAC_SERVER_STORE_CONTEXT_H_
#define DCAC_SERVER_STORE_CONTEXT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "server/limits.h"
#include "server/store/block_store.h"
#include "server/worker_pool.h"

namespace dcac::server {

// Of a block of the store, read at once.
inline constexpr std::size_t kStoreReadBytes = std::size_t{1} << 20;

// Of one call.
struct StoreContext {
  store::BlockStore& store;
  WorkerPool& workers;
  Limits limits;
  std::string tenant;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  // Of unary calls: reserves so many bytes beside those of their messages.  Errors: ResourceExhausted.
  std::function<absl::Status(std::uint64_t bytes)> hold = {};

  store::CallControl Control(const std::atomic<bool>& cancelled) const {
    return {.deadline = deadline, .cancelled = &cancelled};
  }

  // Runs `code`, which gives a status, among the tasks of those that code.
  template <typename Code>
  absl::Status Compute(const Code& code) const {
    return workers.Start([&code] { return code(); }).get();
  }
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_STORE_CONTEXT_H_
