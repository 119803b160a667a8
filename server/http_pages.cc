#include "server/http_pages.h"

#include <prometheus/text_serializer.h>

#include <chrono>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "server/telemetry/live_metrics.h"
#include "server/telemetry/status_page.h"

namespace dcac::server {
namespace {

std::string QueryValue(const HttpRequest& request, const std::string& key) {
  const auto found = request.query.find(key);
  return found == request.query.end() ? std::string() : found->second;
}

// What is asked for with ?refresh=SECONDS; 0: nothing, or nothing sensible.
std::chrono::seconds RefreshOf(const HttpRequest& request) {
  constexpr int kMaxSeconds = 3600;
  int seconds = 0;
  if (!absl::SimpleAtoi(QueryValue(request, "refresh"), &seconds) || seconds < 0 || seconds > kMaxSeconds) seconds = 0;
  return std::chrono::seconds(seconds);
}

}  // namespace

HttpResponse HttpPages::Answer(const HttpRequest& request) const {
  if (request.path == "/metrics") return MetricsPage();
  if (request.path == "/healthz") return HealthPage();
  if (request.path == "/statusz") return StatusPage(request);
  return {.status = 404, .body = "there are /metrics, /healthz and /statusz\n"};
}

HttpResponse HttpPages::MetricsPage() const {
  std::vector<prometheus::MetricFamily> families = LiveMetrics(reader_.ReadLive(), ThisBuild());
  std::vector<prometheus::MetricFamily> counted = metrics_.Collect();
  families.insert(families.end(), std::make_move_iterator(counted.begin()), std::make_move_iterator(counted.end()));
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = prometheus::TextSerializer().Serialize(families)};
}

HttpResponse HttpPages::HealthPage() const {
  if (reader_.ReadLive().serving) return {.body = "serving\n"};
  return {.status = 503, .body = "not serving\n"};
}

HttpResponse HttpPages::StatusPage(const HttpRequest& request) const {
  const StatusReport report = reader_.Read();
  if (QueryValue(request, "format") == "json") {
    return {.content_type = "application/json", .body = StatusJson(report)};
  }
  return {.content_type = "text/html; charset=utf-8", .body = StatusHtml(report, RefreshOf(request))};
}

}  // namespace dcac::server
