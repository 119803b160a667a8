// Counts of what the server did.
#ifndef DCAC_SERVER_METRICS_H_
#define DCAC_SERVER_METRICS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "server/call_info.h"

namespace dcac::server {

// Thread-safe; reading gives no consistent cut through all counters.
class Metrics {
 public:
  static constexpr std::size_t kNumCodes = 17;

  void OnRequest(std::size_t message_bytes) { request_bytes_.fetch_add(message_bytes, std::memory_order_relaxed); }
  void OnResponse(std::size_t message_bytes) { response_bytes_.fetch_add(message_bytes, std::memory_order_relaxed); }
  void OnCallEnd(const CallInfo&, const CallFacts&, const absl::Status& status) {
    calls_.at(static_cast<std::size_t>(status.code())).fetch_add(1, std::memory_order_relaxed);
  }

  std::uint64_t request_bytes() const { return request_bytes_.load(std::memory_order_relaxed); }
  std::uint64_t response_bytes() const { return response_bytes_.load(std::memory_order_relaxed); }
  std::uint64_t calls(absl::StatusCode code) const {
    return calls_.at(static_cast<std::size_t>(code)).load(std::memory_order_relaxed);
  }
  std::uint64_t all_calls() const {
    std::uint64_t sum = 0;
    for (const auto& count : calls_) sum += count.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  std::atomic<std::uint64_t> request_bytes_{0};
  std::atomic<std::uint64_t> response_bytes_{0};
  std::array<std::atomic<std::uint64_t>, kNumCodes> calls_{};  // ended ones, by status code
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_METRICS_H_
