// What the calls to the store behind the server take, for Prometheus.
#ifndef DCAC_SERVER_STORE_METRICS_H_
#define DCAC_SERVER_STORE_METRICS_H_

#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include <chrono>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/store/metered_store.h"

namespace dcac::server {

// Thread-safe.
class StoreMetrics final : public store::StoreMeter {
 public:
  StoreMetrics();

  void OnStoreCall(store::StoreVerb verb, absl::StatusCode code, std::chrono::nanoseconds duration) override;

  std::vector<prometheus::MetricFamily> Collect() const { return registry_.Collect(); }

 private:
  prometheus::Histogram& HistogramOf(store::StoreVerb verb, absl::StatusCode code);

  prometheus::Registry registry_;
  prometheus::Family<prometheus::Histogram>& durations_;
  std::mutex mutex_;  // guards what follows
  // Looking series up by their labels takes long.
  std::map<std::pair<store::StoreVerb, absl::StatusCode>, prometheus::Histogram*> histograms_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_STORE_METRICS_H_
