// The metrics of calls and segments, for Prometheus.
#ifndef DCAC_SERVER_CALL_METRICS_H_
#define DCAC_SERVER_CALL_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "dcac/segment_observer.h"
#include "server/call_info.h"

namespace dcac::server {

// Thread-safe.  Nothing that callers choose freely becomes a label: tenants are those of the server's own token file,
// and from the kMaxTenants-th on they are "other".
class CallMetrics {
 public:
  static constexpr std::size_t kMaxTenants = 100;

  CallMetrics();

  void OnCallEnd(const CallInfo& info, const CallFacts& facts, absl::StatusCode code,
                 std::chrono::nanoseconds duration);

  SegmentObserver& encoder_segments() { return encoder_segments_; }
  SegmentObserver& decoder_segments() { return decoder_segments_; }

  std::vector<prometheus::MetricFamily> Collect() const { return registry_.Collect(); }

 private:
  class SegmentHistogram final : public SegmentObserver {
   public:
    explicit SegmentHistogram(prometheus::Histogram& histogram) : histogram_(histogram) {}
    void OnSegment(const SegmentWork& work) override;

   private:
    prometheus::Histogram& histogram_;
  };

  struct ByteCounters {
    prometheus::Counter& raw;
    prometheus::Counter& stored;
  };
  using BytesKey = std::tuple<Direction, DType, int, std::string>;  // level, 0: none; tenant

  prometheus::Family<prometheus::Histogram>& Histograms(const char* name, const char* help);
  prometheus::Family<prometheus::Counter>& Counters(const char* name, const char* help);
  void CountBytes(Direction direction, const CallInfo& info, const CallFacts& facts);

  // Looking series up by their labels takes the most of a microsecond: those that each call needs are remembered.
  // The mutex is held.
  prometheus::Counter& CallsOf(Method method, absl::StatusCode code);
  prometheus::Histogram& RatioOf(DType dtype);
  std::string TenantLabel(const std::string& tenant);
  ByteCounters& BytesOf(const BytesKey& key);

  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& calls_;
  prometheus::Family<prometheus::Counter>& refused_calls_;
  prometheus::Counter& idle_streams_;
  prometheus::Family<prometheus::Counter>& raw_bytes_;
  prometheus::Family<prometheus::Counter>& stored_bytes_;
  prometheus::Family<prometheus::Histogram>& ratios_;
  std::vector<prometheus::Histogram*> durations_;  // by method
  prometheus::Family<prometheus::Histogram>& stages_;
  prometheus::Family<prometheus::Histogram>& segments_;
  prometheus::Histogram& queue_stage_;
  prometheus::Histogram& work_stage_;
  prometheus::Histogram& send_stage_;
  SegmentHistogram encoder_segments_;
  SegmentHistogram decoder_segments_;

  std::mutex mutex_;  // guards all below
  std::map<std::pair<Method, absl::StatusCode>, prometheus::Counter&> calls_of_;
  std::map<DType, prometheus::Histogram&> ratio_of_;
  std::map<BytesKey, ByteCounters> bytes_;
  std::map<std::string, std::string> tenants_;  // labels of those that were seen
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_CALL_METRICS_H_
