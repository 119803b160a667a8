#include "client/cli/loadgen_report.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/file_run.h"

namespace dcac::cli {
namespace {

using loadgen::LoadOptions;
using loadgen::LoadResult;
using Seconds = std::chrono::duration<double>;

double Milliseconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double RawMbPerSecond(const LoadResult& result) {
  return result.raw_bytes / 1e6 / Seconds(result.duration).count();
}

double CallsPerSecond(const LoadResult& result) {
  return static_cast<double>(result.requests) / Seconds(result.duration).count();
}

std::uint64_t Errors(const LoadResult& result) {
  std::uint64_t errors = 0;
  for (const auto& [code, count] : result.errors_by_code) errors += count;
  return errors;
}

double ServerSeconds(const LoadResult& result) {
  return Seconds(result.usage_after.server_cpu - result.usage_before.server_cpu).count();
}

double ClientSeconds(const LoadResult& result) {
  return Seconds(result.usage_after.client_cpu - result.usage_before.client_cpu).count();
}

// Of client and server together, for 10^9 bytes of samples.
double SecondsPerGigabyte(const LoadResult& result) {
  return result.raw_bytes == 0 ? 0 : (ServerSeconds(result) + ClientSeconds(result)) / (result.raw_bytes / 1e9);
}

double RatioOf(const LoadResult& result) {
  return result.stored_bytes == 0 ? 1 : result.raw_bytes / result.stored_bytes;
}

// Of the calls that each worker completed.
std::pair<std::uint64_t, std::uint64_t> LeastAndMost(const LoadResult& result) {
  const auto [least, most] = std::ranges::minmax(result.completed_by_worker);
  return {least, most};
}

Json ErrorsToJson(const LoadResult& result) {
  Json errors = Json::object();
  for (const auto& [code, count] : result.errors_by_code) errors[absl::StatusCodeToString(code)] = count;
  return errors;
}

}  // namespace

Json ToJson(const LoadOptions& options, const LoadResult& result) {
  const auto [least, most] = LeastAndMost(result);
  Json json = {{"loop", options.rate ? "open" : "closed"},
               {"concurrency", options.concurrency},
               {"duration_s", Seconds(result.duration).count()},
               {"requests", result.requests},
               {"completed", result.completed},
               {"refused", result.refused},
               {"errors", Errors(result)},
               {"errors_by_code", ErrorsToJson(result)},
               {"requests_per_s", CallsPerSecond(result)},
               {"raw_mb_per_s", RawMbPerSecond(result)},
               {"raw_bytes", static_cast<std::uint64_t>(result.raw_bytes)},
               {"ratio", RatioOf(result)},
               {"mean_ms", Milliseconds(result.latency.mean())},
               {"p50_ms", Milliseconds(result.latency.Percentile(50))},
               {"p90_ms", Milliseconds(result.latency.Percentile(90))},
               {"p99_ms", Milliseconds(result.latency.Percentile(99))},
               {"p999_ms", Milliseconds(result.latency.Percentile(99.9))},
               {"max_ms", Milliseconds(result.latency.max())},
               {"worker_completed_min", least},
               {"worker_completed_max", most},
               {"completed_by_worker", result.completed_by_worker},
               {"server_cpu_s", ServerSeconds(result)},
               {"client_cpu_s", ClientSeconds(result)},
               {"cpu_s_per_gb", SecondsPerGigabyte(result)},
               {"server_peak_rss_bytes", result.usage_after.server_peak_rss_bytes}};
  if (options.rate) json["rate"] = *options.rate;
  return json;
}

std::string ToText(const LoadOptions& options, const LoadResult& result) {
  const auto [least, most] = LeastAndMost(result);
  const std::string loop = options.rate ? absl::StrFormat("open loop, %g calls/s", *options.rate) : "closed loop";
  std::string text =
      absl::StrFormat("%s, %d workers, %.1f s\n", loop, options.concurrency, Seconds(result.duration).count());
  absl::StrAppendFormat(&text, "  calls       %d: %d completed, %d refused, %d failed; %.1f/s\n", result.requests,
                        result.completed, result.refused, Errors(result), CallsPerSecond(result));
  if (!result.errors_by_code.empty()) {
    absl::StrAppendFormat(&text, "  failed      %s\n",
                          absl::StrJoin(result.errors_by_code, ", ", [](std::string* out, const auto& error) {
                            absl::StrAppendFormat(out, "%s %d", absl::StatusCodeToString(error.first), error.second);
                          }));
  }
  absl::StrAppendFormat(&text, "  throughput  %.1f MB/s of samples, ratio %.3f\n", RawMbPerSecond(result),
                        RatioOf(result));
  absl::StrAppendFormat(&text, "  latency     p50 %.3f, p90 %.3f, p99 %.3f, p99.9 %.3f, most %.3f ms\n",
                        Milliseconds(result.latency.Percentile(50)), Milliseconds(result.latency.Percentile(90)),
                        Milliseconds(result.latency.Percentile(99)), Milliseconds(result.latency.Percentile(99.9)),
                        Milliseconds(result.latency.max()));
  absl::StrAppendFormat(&text, "  workers     %d to %d calls completed by each\n", least, most);
  absl::StrAppendFormat(&text, "  processor   server %.2f s, client %.2f s; %.2f s/GB\n", ServerSeconds(result),
                        ClientSeconds(result), SecondsPerGigabyte(result));
  absl::StrAppendFormat(&text, "  memory      server %.1f MB at its peak",
                        static_cast<double>(result.usage_after.server_peak_rss_bytes) / 1e6);
  return text;
}

}  // namespace dcac::cli
