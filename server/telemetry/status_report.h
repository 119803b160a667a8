// All that the status page and the gauges of /metrics tell of a server, as it is at a moment.
#ifndef DCAC_SERVER_TELEMETRY_STATUS_REPORT_H_
#define DCAC_SERVER_TELEMETRY_STATUS_REPORT_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/telemetry/call_record.h"

namespace dcac::server {

// Of the store; all zero where the server has none.
struct StoreState {
  std::uint64_t objects = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t capacity_bytes = 0;  // 0: no bound
  std::uint64_t reserved_bytes = 0;  // of uploads that run
  std::uint64_t open_uploads = 0;
  std::uint64_t damaged_objects = 0;  // in quarantine
  std::uint64_t evicted_objects = 0;  // since the start
  std::uint64_t expired_objects = 0;
  std::uint64_t scrubbed_bytes = 0;
  std::uint64_t cache_capacity_bytes = 0;  // 0: there is no cache
  std::uint64_t cache_bytes = 0;
  std::uint64_t cache_hits = 0;  // since the start
  std::uint64_t cache_misses = 0;
};

// What is read and not counted.
struct LiveState {
  bool serving = false;
  std::chrono::system_clock::time_point start;
  std::chrono::milliseconds uptime{};

  int threads = 0;  // that code segments
  std::uint64_t busy_threads = 0;
  std::uint64_t queued_tasks = 0;  // that wait for a thread

  std::uint64_t reserved_bytes = 0;
  std::uint64_t budget_bytes = 0;
  std::uint64_t open_calls = 0;
  std::uint64_t max_calls = 0;
  std::uint64_t waiting_callers = 0;  // places in line

  StoreState store;

  std::uint64_t received_bytes = 0;  // of messages
  std::uint64_t sent_bytes = 0;
  std::uint64_t log_lines = 0;
  std::uint64_t dropped_log_lines = 0;

  std::uint64_t rss_bytes = 0;  // of the process
  std::uint64_t peak_rss_bytes = 0;
  std::uint64_t cpu_ms = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;

  std::optional<std::chrono::sys_seconds> certificate_expiry;  // nothing: there is no certificate
};

struct BuildInfo {
  std::string_view version;
  std::string_view revision;  // "unknown" where the build was not told
  std::string_view simd_target;
};

// Successful calls of one direction and sample type.
struct DTypeTotals {
  std::string_view direction;  // "compress" or "decompress"
  std::string_view dtype;
  std::uint64_t calls = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t stored_bytes = 0;
};

struct StatusReport {
  BuildInfo build;
  LiveState live;
  std::vector<std::string> addresses;
  std::vector<std::pair<std::string, std::uint64_t>> calls_by_code;  // without those of no calls
  std::vector<DTypeTotals> dtypes;                                   // without those of no calls
  std::vector<double> received_per_second;                           // bytes; as Throughput gives them
  std::vector<double> sent_per_second;
  std::vector<CallRecord> slowest_calls;                      // of the last minutes
  std::vector<std::pair<std::string, std::string>> settings;  // without secrets
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_STATUS_REPORT_H_
