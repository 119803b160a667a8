#include "server/status_reader.h"

#include "dcac/simd_target.h"
#include "server/process_status.h"
#include "server/version.h"

namespace dcac::server {

namespace {

StoreState StateOf(const store::BlockStore* store) {
  if (store == nullptr) return {};
  const store::StoreStatus status = store->Status();
  return {.objects = status.usage.blocks,
          .stored_bytes = status.usage.stored_bytes,
          .raw_bytes = status.usage.raw_bytes,
          .capacity_bytes = status.capacity_bytes,
          .reserved_bytes = status.reserved_bytes,
          .open_uploads = status.open_uploads,
          .damaged_objects = status.damaged_blocks,
          .evicted_objects = status.evicted_blocks,
          .expired_objects = status.expired_blocks,
          .scrubbed_bytes = status.scrubbed_bytes,
          .cache_capacity_bytes = status.cache_capacity_bytes,
          .cache_bytes = status.cache_bytes,
          .cache_hits = status.cache_hits,
          .cache_misses = status.cache_misses};
}

}  // namespace

BuildInfo ThisBuild() {
  return {.version = Version(), .revision = Revision(), .simd_target = ActiveTarget()};
}

void StatusReader::SetSettings(ShownSettings settings) {
  const std::lock_guard lock(mutex_);
  settings_ = std::move(settings);
}

StatusReport StatusReader::Read() const {
  StatusReport report;
  report.build = ThisBuild();
  report.addresses = sources_.addresses;
  {
    const std::lock_guard lock(mutex_);
    report.settings = settings_;
  }
  report.live = ReadLive();
  sources_.metrics.Fill(&report);
  return report;
}

LiveState StatusReader::ReadLive() const {
  LiveState live;
  live.serving = !sources_.draining.load();
  live.start = start_time_;
  live.uptime = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start_);
  live.threads = sources_.threads;
  live.busy_threads = sources_.workers.busy_threads();
  live.queued_tasks = sources_.workers.queued_tasks();
  live.reserved_bytes = sources_.admission.held_bytes();
  live.budget_bytes = sources_.admission.limits().budget_bytes;
  live.open_calls = sources_.admission.open_calls();
  live.max_calls = sources_.admission.limits().max_calls;
  live.waiting_callers = sources_.admission.waiting_callers();
  live.store = StateOf(sources_.store);
  live.received_bytes = sources_.metrics.request_bytes();
  live.sent_bytes = sources_.metrics.response_bytes();
  if (sources_.log != nullptr) {
    live.log_lines = sources_.log->written_lines();
    live.dropped_log_lines = sources_.log->dropped_lines();
  }
  const ProcessStatus process = ReadProcessStatus();
  live.rss_bytes = process.rss_bytes;
  live.peak_rss_bytes = process.peak_rss_bytes;
  live.cpu_ms = process.cpu_ms;
  live.open_fds = process.open_fds;
  live.max_fds = process.max_fds;
  live.certificate_expiry = sources_.access.CertificateExpiry();
  return live;
}

}  // namespace dcac::server
