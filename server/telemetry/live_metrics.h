// The gauges of /metrics.
#ifndef DCAC_SERVER_TELEMETRY_LIVE_METRICS_H_
#define DCAC_SERVER_TELEMETRY_LIVE_METRICS_H_

#include <prometheus/metric_family.h>

#include <vector>

#include "server/telemetry/status_report.h"

namespace dcac::server {

// Families of one value each, and that of the build.
std::vector<prometheus::MetricFamily> LiveMetrics(const LiveState& live, const BuildInfo& build);

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_LIVE_METRICS_H_
