#include "server/call_metrics.h"

#include <array>
#include <utility>

namespace dcac::server {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;

const Histogram::BucketBoundaries kSeconds = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                              0.2,    0.5,   1,     2,     5,    10,   30,   120};
const Histogram::BucketBoundaries kSegmentSeconds = {0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
                                                     0.05,   0.1,    0.2,    0.5,   1,     2,     5};
const Histogram::BucketBoundaries kRatios = {0.99, 1.1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10, 20, 50, 100};

// Of deploy/prometheus/alerts.yml.
constexpr std::array kCodesOfAlerts = {absl::StatusCode::kUnknown, absl::StatusCode::kInternal,
                                       absl::StatusCode::kDataLoss};

double Seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

double ToDouble(std::uint64_t value) {
  return static_cast<double>(value);
}

}  // namespace

void CallMetrics::SegmentHistogram::OnSegment(const SegmentWork& work) {
  histogram_.Observe(Seconds(work.duration));
}

Family<Histogram>& CallMetrics::Histograms(const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_);
}
Family<Counter>& CallMetrics::Counters(const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry_);
}

CallMetrics::CallMetrics()
    : calls_(Counters("dcac_server_calls_total", "Ended calls, by method and status code")),
      refused_calls_(Counters("dcac_server_refused_calls_total", "Calls that the server would not serve, by reason")),
      idle_streams_(Counters("dcac_server_idle_streams_total",
                             "Streams that were ended because their client neither sent nor read")
                        .Add({})),
      raw_bytes_(Counters("dcac_server_raw_bytes_total",
                          "Bytes of tensors that were compressed or restored by successful calls")),
      stored_bytes_(Counters("dcac_server_stored_bytes_total", "Bytes of the frames of these tensors")),
      ratios_(Histograms("dcac_server_compression_ratio",
                         "Raw bytes by stored bytes of successful compressing calls, by sample type")),
      stages_(Histograms("dcac_server_stage_duration_seconds",
                         "What a call that had work spent in all waiting for a thread (queue), coding (work), and "
                         "handing messages to the transport (send)")),
      segments_(Histograms("dcac_server_segment_duration_seconds", "What a segment took a thread")),
      queue_stage_(stages_.Add({{"stage", "queue"}}, kSeconds)),
      work_stage_(stages_.Add({{"stage", "work"}}, kSeconds)),
      send_stage_(stages_.Add({{"stage", "send"}}, kSeconds)),
      encoder_segments_(segments_.Add({{"direction", "compress"}}, kSegmentSeconds)),
      decoder_segments_(segments_.Add({{"direction", "decompress"}}, kSegmentSeconds)) {
  Family<Histogram>& durations =
      Histograms("dcac_server_call_duration_seconds", "From the beginning of a call to its end, by method");
  for (int method = 0; method < kNumMethods; ++method) {
    const std::string name(MethodName(static_cast<Method>(method)));
    durations_.push_back(&durations.Add({{"method", name}}, kSeconds));
    // Prometheus sees no increase where a series begins: the first failure would be no alert.
    for (const absl::StatusCode code : kCodesOfAlerts) CallsOf(static_cast<Method>(method), code);
  }
  for (const Refusal refusal : kAllRefusals) refused_calls_.Add({{"reason", std::string(RefusalName(refusal))}});
}

void CallMetrics::OnCallEnd(const CallInfo& info, const CallFacts& facts, absl::StatusCode code,
                            std::chrono::nanoseconds duration) {
  {
    const std::lock_guard lock(mutex_);
    CallsOf(info.method, code).Increment();
  }
  durations_.at(static_cast<std::size_t>(info.method))->Observe(Seconds(duration));
  if (facts.refusal) refused_calls_.Add({{"reason", std::string(RefusalName(*facts.refusal))}}).Increment();
  if (facts.ended_idle) idle_streams_.Increment();
  if (facts.stages.work.count() > 0) {
    queue_stage_.Observe(Seconds(facts.stages.queue));
    work_stage_.Observe(Seconds(facts.stages.work));
    send_stage_.Observe(Seconds(facts.stages.send));
  }
  const std::optional<Direction> direction = DirectionOf(info.method);
  if (code == absl::StatusCode::kOk && direction && facts.dtype) CountBytes(*direction, info, facts);
}

void CallMetrics::CountBytes(Direction direction, const CallInfo& info, const CallFacts& facts) {
  const std::lock_guard lock(mutex_);
  ByteCounters& counters = BytesOf({direction, *facts.dtype, facts.level.value_or(0), TenantLabel(info.tenant)});
  counters.raw.Increment(ToDouble(facts.raw_bytes));
  counters.stored.Increment(ToDouble(facts.stored_bytes));
  if (direction != Direction::kCompress || facts.raw_bytes == 0 || facts.stored_bytes == 0) return;
  RatioOf(*facts.dtype).Observe(ToDouble(facts.raw_bytes) / ToDouble(facts.stored_bytes));
}

Counter& CallMetrics::CallsOf(Method method, absl::StatusCode code) {
  const auto found = calls_of_.find({method, code});
  if (found != calls_of_.end()) return found->second;
  Counter& counter =
      calls_.Add({{"method", std::string(MethodName(method))}, {"code", absl::StatusCodeToString(code)}});
  calls_of_.emplace(std::pair(method, code), counter);
  return counter;
}

Histogram& CallMetrics::RatioOf(DType dtype) {
  const auto found = ratio_of_.find(dtype);
  if (found != ratio_of_.end()) return found->second;
  Histogram& histogram = ratios_.Add({{"dtype", std::string(DTypeName(dtype))}}, kRatios);
  ratio_of_.emplace(dtype, histogram);
  return histogram;
}

CallMetrics::ByteCounters& CallMetrics::BytesOf(const BytesKey& key) {
  const auto found = bytes_.find(key);
  if (found != bytes_.end()) return found->second;
  const auto& [direction, dtype, level, tenant] = key;
  const prometheus::Labels labels = {{"direction", std::string(DirectionName(direction))},
                                     {"dtype", std::string(DTypeName(dtype))},
                                     {"level", level == 0 ? "none" : std::to_string(level)},
                                     {"tenant", tenant}};
  return bytes_.emplace(key, ByteCounters{raw_bytes_.Add(labels), stored_bytes_.Add(labels)}).first->second;
}

std::string CallMetrics::TenantLabel(const std::string& tenant) {
  const auto found = tenants_.find(tenant);
  if (found != tenants_.end()) return found->second;
  if (tenants_.size() >= kMaxTenants) return "other";
  return tenants_.emplace(tenant, tenant).first->second;
}

}  // namespace dcac::server
