#include "server/telemetry/live_metrics.h"

#include <limits>
#include <string>
#include <utility>

namespace dcac::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr bool kCounter = true;
constexpr bool kGauge = false;

MetricFamily Family(bool counter, const char* name, const char* help, double value) {
  ClientMetric metric;
  (counter ? metric.counter.value : metric.gauge.value) = value;
  return {name, help, counter ? MetricType::Counter : MetricType::Gauge, {std::move(metric)}};
}

MetricFamily BuildFamily(const BuildInfo& build) {
  MetricFamily family =
      Family(kGauge, "dcac_server_build_info", "Always 1; what runs, and the SIMD target that was chosen", 1);
  family.metric.front().label = {{"version", std::string(build.version)},
                                 {"revision", std::string(build.revision)},
                                 {"simd_target", std::string(build.simd_target)}};
  return family;
}

double Seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

void AddStore(const StoreState& store, std::vector<MetricFamily>* families) {
  const auto add = [families](bool counter, const char* name, const char* help, std::uint64_t value) {
    families->push_back(Family(counter, name, help, static_cast<double>(value)));
  };
  add(kGauge, "dcac_server_store_objects", "Objects that the store holds", store.objects);
  add(kGauge, "dcac_server_store_stored_bytes", "Bytes of the frames and archives that the store holds",
      store.stored_bytes);
  add(kGauge, "dcac_server_store_raw_bytes", "Bytes of the tensors and files that these are of", store.raw_bytes);
  add(kGauge, "dcac_server_store_capacity_bytes", "Stored bytes beyond which objects are evicted; 0: no bound",
      store.capacity_bytes);
  add(kGauge, "dcac_server_store_reserved_bytes", "Bytes of the store that running uploads reserve",
      store.reserved_bytes);
  add(kGauge, "dcac_server_store_open_uploads", "Uploads that are under way", store.open_uploads);
  add(kGauge, "dcac_server_store_damaged_objects", "Objects in quarantine, whose bytes are not those that were put",
      store.damaged_objects);
  add(kCounter, "dcac_server_store_evicted_objects_total", "Objects that were evicted for want of room",
      store.evicted_objects);
  add(kCounter, "dcac_server_store_expired_objects_total", "Objects whose time to live ended", store.expired_objects);
  add(kCounter, "dcac_server_store_scrubbed_bytes_total", "Bytes that were read again to find damage",
      store.scrubbed_bytes);
  add(kGauge, "dcac_server_store_cache_capacity_bytes", "Memory that the cache of the store may take; 0: no cache",
      store.cache_capacity_bytes);
  add(kGauge, "dcac_server_store_cache_bytes", "Memory that the cache of the store takes", store.cache_bytes);
  add(kCounter, "dcac_server_store_cache_hits_total", "Pieces of 64 KiB that were read from the cache of the store",
      store.cache_hits);
  add(kCounter, "dcac_server_store_cache_misses_total", "Pieces that the cache of the store did not have",
      store.cache_misses);
}

}  // namespace

std::vector<MetricFamily> LiveMetrics(const LiveState& live, const BuildInfo& build) {
  std::vector<MetricFamily> families = {BuildFamily(build)};
  AddStore(live.store, &families);
  const auto add = [&families](bool counter, const char* name, const char* help, auto value) {
    families.push_back(Family(counter, name, help, static_cast<double>(value)));
  };
  add(kGauge, "dcac_server_serving", "1 while the server says that it is serving, 0 while it drains", live.serving);
  add(kGauge, "dcac_server_worker_threads", "Threads that code segments", live.threads);
  add(kGauge, "dcac_server_busy_worker_threads", "Threads that run a task", live.busy_threads);
  add(kGauge, "dcac_server_queued_tasks", "Tasks that wait for a thread", live.queued_tasks);
  add(kGauge, "dcac_server_budget_reserved_bytes", "Memory that open calls reserve", live.reserved_bytes);
  add(kGauge, "dcac_server_budget_bytes", "Memory that all calls together may reserve", live.budget_bytes);
  add(kGauge, "dcac_server_open_calls", "Calls that have begun and not ended", live.open_calls);
  add(kGauge, "dcac_server_max_calls", "Calls that may be open at a time", live.max_calls);
  add(kGauge, "dcac_server_waiting_callers", "Callers that were refused and have a place in line",
      live.waiting_callers);
  add(kCounter, "dcac_server_received_bytes_total", "Bytes of messages from clients", live.received_bytes);
  add(kCounter, "dcac_server_sent_bytes_total", "Bytes of messages to clients", live.sent_bytes);
  add(kCounter, "dcac_server_log_lines_total", "Lines of the log that were written", live.log_lines);
  add(kCounter, "dcac_server_log_lines_dropped_total", "Lines of the log that nobody read fast enough",
      live.dropped_log_lines);
  add(kGauge, "process_resident_memory_bytes", "Resident memory of the process", live.rss_bytes);
  add(kGauge, "process_resident_memory_peak_bytes", "Most resident memory that the process had", live.peak_rss_bytes);
  add(kCounter, "process_cpu_seconds_total", "User and system time of the process",
      static_cast<double>(live.cpu_ms) / 1000);
  add(kGauge, "process_open_fds", "Open file descriptors", live.open_fds);
  add(kGauge, "process_max_fds", "File descriptors that may be open", live.max_fds);
  add(kGauge, "process_start_time_seconds", "When the server began, since the Unix epoch", Seconds(live.start));
  add(kGauge, "dcac_server_certificate_expiry_seconds",
      "When the certificate in use expires, since the Unix epoch; infinite without TLS",
      live.certificate_expiry ? static_cast<double>(live.certificate_expiry->time_since_epoch().count())
                              : std::numeric_limits<double>::infinity());
  return families;
}

}  // namespace dcac::server
