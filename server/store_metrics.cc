#include "server/store_metrics.h"

#include <string>

namespace dcac::server {
namespace {

// From what an index in memory takes to a disk or a network that stalls.
const prometheus::Histogram::BucketBoundaries kSeconds = {0.00001, 0.00005, 0.0002, 0.001, 0.002, 0.005, 0.01, 0.02,
                                                          0.05,    0.1,     0.2,    0.5,   1,     2,     5,    30};

}  // namespace

StoreMetrics::StoreMetrics()
    : durations_(prometheus::BuildHistogram()
                     .Name("dcac_server_store_call_duration_seconds")
                     .Help("What calls to the store behind the server took, by verb and status code")
                     .Register(registry_)) {
  // Prometheus sees no increase where a series begins.
  for (std::size_t verb = 0; verb < store::kNumStoreVerbs; ++verb) {
    HistogramOf(static_cast<store::StoreVerb>(verb), absl::StatusCode::kOk);
  }
}

void StoreMetrics::OnStoreCall(store::StoreVerb verb, absl::StatusCode code, std::chrono::nanoseconds duration) {
  HistogramOf(verb, code).Observe(std::chrono::duration<double>(duration).count());
}

prometheus::Histogram& StoreMetrics::HistogramOf(store::StoreVerb verb, absl::StatusCode code) {
  const std::lock_guard lock(mutex_);
  prometheus::Histogram*& histogram = histograms_[{verb, code}];
  if (histogram == nullptr) {
    histogram = &durations_.Add(
        {{"verb", std::string(store::StoreVerbName(verb))}, {"code", absl::StatusCodeToString(code)}}, kSeconds);
  }
  return *histogram;
}

}  // namespace dcac::server
