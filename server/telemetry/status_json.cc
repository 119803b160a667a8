#include <nlohmann/json.hpp>

#include "absl/time/time.h"
#include "server/telemetry/status_page.h"

namespace dcac::server {
namespace {

using Json = nlohmann::ordered_json;

std::string TimeText(std::chrono::system_clock::time_point time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", absl::FromChrono(time), absl::UTCTimeZone());
}

Json ToJson(const CallRecord& call) {
  Json json = {{"request_id", call.request_id},
               {"method", call.method},
               {"tenant", call.tenant},
               {"caller", call.caller},
               {"peer", call.peer},
               {"dtype", call.dtype},
               {"level", call.level ? Json(*call.level) : Json()},
               {"raw_bytes", call.raw_bytes},
               {"stored_bytes", call.stored_bytes},
               {"code", call.code},
               {"end", TimeText(call.end)},
               {"duration_ms", std::chrono::duration<double, std::milli>(call.duration).count()}};
  if (call.trace) json["trace_id"] = call.trace->trace_id;
  return json;
}

Json ToJson(const DTypeTotals& totals) {
  return {{"direction", totals.direction},
          {"dtype", totals.dtype},
          {"calls", totals.calls},
          {"raw_bytes", totals.raw_bytes},
          {"stored_bytes", totals.stored_bytes}};
}

Json ToJson(const LiveState& live) {
  return {{"serving", live.serving},
          {"start", TimeText(live.start)},
          {"uptime_ms", live.uptime.count()},
          {"threads", live.threads},
          {"busy_threads", live.busy_threads},
          {"queued_tasks", live.queued_tasks},
          {"reserved_bytes", live.reserved_bytes},
          {"budget_bytes", live.budget_bytes},
          {"open_calls", live.open_calls},
          {"max_calls", live.max_calls},
          {"waiting_callers", live.waiting_callers},
          {"store_objects", live.store.objects},
          {"store_stored_bytes", live.store.stored_bytes},
          {"store_raw_bytes", live.store.raw_bytes},
          {"store_capacity_bytes", live.store.capacity_bytes},
          {"store_reserved_bytes", live.store.reserved_bytes},
          {"store_open_uploads", live.store.open_uploads},
          {"store_damaged_objects", live.store.damaged_objects},
          {"store_evicted_objects", live.store.evicted_objects},
          {"store_expired_objects", live.store.expired_objects},
          {"store_scrubbed_bytes", live.store.scrubbed_bytes},
          {"store_cache_capacity_bytes", live.store.cache_capacity_bytes},
          {"store_cache_bytes", live.store.cache_bytes},
          {"store_cache_hits", live.store.cache_hits},
          {"store_cache_misses", live.store.cache_misses},
          {"received_bytes", live.received_bytes},
          {"sent_bytes", live.sent_bytes},
          {"log_lines", live.log_lines},
          {"dropped_log_lines", live.dropped_log_lines},
          {"rss_bytes", live.rss_bytes},
          {"peak_rss_bytes", live.peak_rss_bytes},
          {"cpu_ms", live.cpu_ms},
          {"open_fds", live.open_fds},
          {"max_fds", live.max_fds}};
}

}  // namespace

std::string StatusJson(const StatusReport& report) {
  Json json = {{"version", report.build.version},
               {"revision", report.build.revision},
               {"simd_target", report.build.simd_target},
               {"addresses", report.addresses}};
  json.update(ToJson(report.live));
  Json& codes = json["calls_by_code"] = Json::object();
  for (const auto& [code, calls] : report.calls_by_code) codes[code] = calls;
  Json& dtypes = json["dtypes"] = Json::array();
  for (const DTypeTotals& totals : report.dtypes) dtypes.push_back(ToJson(totals));
  json["received_bytes_per_second"] = report.received_per_second;
  json["sent_bytes_per_second"] = report.sent_per_second;
  Json& calls = json["slowest_calls"] = Json::array();
  for (const CallRecord& call : report.slowest_calls) calls.push_back(ToJson(call));
  Json& settings = json["settings"] = Json::object();
  for (const auto& [key, value] : report.settings) settings[key] = value;
  return json.dump(2, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace) + "\n";
}

}  // namespace dcac::server
