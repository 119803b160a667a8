// What the server did: counts, and a record of each call for the log and the status page.
#ifndef DCAC_SERVER_METRICS_H_
#define DCAC_SERVER_METRICS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/call_info.h"
#include "server/call_metrics.h"
#include "server/store_metrics.h"
#include "server/telemetry/log.h"
#include "server/telemetry/slow_calls.h"
#include "server/telemetry/status_report.h"
#include "server/telemetry/throughput.h"

namespace dcac::server {

// Thread-safe; reading gives no consistent cut through all counters.
class Metrics {
 public:
  static constexpr std::size_t kNumCodes = 17;

  // Ended calls go to `log`, which must outlive this; null: nowhere.
  explicit Metrics(Log* log = nullptr) : log_(log) {}

  void OnRequest(std::size_t message_bytes);
  void OnResponse(std::size_t message_bytes);

  // Of each call, also of those that were refused.
  void OnCallEnd(const CallInfo& info, CallFacts facts, const absl::Status& status);

  SegmentObserver& encoder_segments() { return call_metrics_.encoder_segments(); }
  SegmentObserver& decoder_segments() { return call_metrics_.decoder_segments(); }

  store::StoreMeter& store_calls() { return store_metrics_; }

  std::uint64_t request_bytes() const { return request_bytes_.load(std::memory_order_relaxed); }
  std::uint64_t response_bytes() const { return response_bytes_.load(std::memory_order_relaxed); }
  std::uint64_t calls(absl::StatusCode code) const {
    return calls_.at(static_cast<std::size_t>(code)).load(std::memory_order_relaxed);
  }
  std::uint64_t all_calls() const;

  // For /metrics.
  std::vector<prometheus::MetricFamily> Collect() const;

  // Fills all that is counted here, but for the live state.
  void Fill(StatusReport* report) const;

 private:
  // Of successful calls of a direction and sample type.
  struct Totals {
    std::atomic<std::uint64_t> calls{0};
    std::atomic<std::uint64_t> raw_bytes{0};
    std::atomic<std::uint64_t> stored_bytes{0};
  };
  static constexpr std::size_t kNumDirections = 2;
  static constexpr std::size_t kMaxDTypes = 32;  // their numbers are those of the format

  void CountTensor(Method method, const CallFacts& facts);

  Log* const log_;
  std::atomic<std::uint64_t> request_bytes_{0};
  std::atomic<std::uint64_t> response_bytes_{0};
  std::array<std::atomic<std::uint64_t>, kNumCodes> calls_{};  // ended ones, by status code
  std::array<std::array<Totals, kMaxDTypes>, kNumDirections> totals_;
  CallMetrics call_metrics_;
  StoreMetrics store_metrics_;
  SlowCalls slow_calls_;
  Throughput received_;
  Throughput sent_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_METRICS_H_
