#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/commands.h"
#include "client/cli/explain/text_table.h"
#include "client/cli/report.h"
#include "client/cli/server_client.h"
#include "client/cli/server_options.h"
#include "client/cli/server_report.h"
#include "core/base/status_macros.h"
#include "dcac/client_store.h"

namespace dcac::cli {
namespace {

struct StatusOptions {
  ServerOptions server;
  int timeout_ms = 5000;
  bool json = false;
};

struct Answer {
  client::ServerStatus status;
  client::Capabilities capabilities;
  std::optional<client::StoreUsage> store;  // nothing: the server has none, or does not tell
};

absl::StatusOr<Answer> Ask(const StatusOptions& options) {
  const std::chrono::milliseconds patience(options.timeout_ms);
  DCAC_ASSIGN_OR_RETURN(const client::Client client,
                        ConnectToServer(options.server, {.connect_timeout = patience, .deadline = patience}));
  absl::StatusOr<client::ServerStatus> status = client.GetStatus();
  if (!status.ok()) return MarkFromServer(status.status());
  absl::StatusOr<client::Capabilities> capabilities = client.GetCapabilities();
  if (!capabilities.ok()) return MarkFromServer(capabilities.status());
  absl::StatusOr<client::StoreUsage> usage = client::Store(client).Usage();
  Answer answer{*std::move(status), *std::move(capabilities), std::nullopt};
  if (usage.ok()) answer.store = *std::move(usage);
  return answer;
}

std::string CodeName(absl::StatusCode code) {
  return absl::StatusCodeToString(code);
}

Json StoreToJson(const std::optional<client::StoreUsage>& store) {
  if (!store) return {};
  return {{"backend", store->backend},         {"objects", store->objects},
          {"raw_bytes", store->raw_bytes},     {"stored_bytes", store->stored_bytes},
          {"quota_bytes", store->quota_bytes}, {"capacity_bytes", store->capacity_bytes}};
}

Json ToJson(const std::string& server, const Answer& answer) {
  const client::ServerStatus& status = answer.status;
  const client::Capabilities& limits = answer.capabilities;
  Json calls = Json::object();
  for (const auto& [code, count] : status.calls_by_code) calls[CodeName(code)] = count;
  return {{"server", server},
          {"server_version", status.server_version},
          {"simd_target", status.simd_target},
          {"threads", status.threads},
          {"uptime_ms", status.uptime.count()},
          {"serving", status.serving},
          {"rss_bytes", status.rss_bytes},
          {"peak_rss_bytes", status.peak_rss_bytes},
          {"cpu_ms", status.cpu_time.count()},
          {"reserved_bytes", status.reserved_bytes},
          {"budget_bytes", status.budget_bytes},
          {"open_calls", status.open_calls},
          {"max_calls", status.max_calls},
          {"calls_by_code", calls},
          {"received_bytes", status.received_bytes},
          {"sent_bytes", status.sent_bytes},
          {"max_tensor_bytes", limits.max_tensor_bytes},
          {"max_slab_bytes", limits.max_slab_bytes},
          {"max_chunk_bytes", limits.max_chunk_bytes},
          {"max_unary_bytes", limits.max_unary_bytes},
          {"max_inspect_bytes", limits.max_inspect_bytes},
          {"store", StoreToJson(answer.store)}};
}

std::string BytesText(std::uint64_t bytes) {
  constexpr double kMegabyte = 1e6, kGigabyte = 1e9;
  const auto value = static_cast<double>(bytes);
  if (value >= kGigabyte) return absl::StrFormat("%.2f GB", value / kGigabyte);
  return absl::StrFormat("%.1f MB", value / kMegabyte);
}

// "3 d 04:05:06"
std::string DurationText(std::chrono::milliseconds duration) {
  using namespace std::chrono;
  const auto days = duration_cast<hours>(duration).count() / 24;
  const std::string time =
      absl::StrFormat("%02d:%02d:%02d", duration_cast<hours>(duration).count() % 24,
                      duration_cast<minutes>(duration).count() % 60, duration_cast<seconds>(duration).count() % 60);
  return days > 0 ? absl::StrCat(days, " d ", time) : time;
}

std::string ToText(const std::string& server, const Answer& answer) {
  using Align = TextTable::Align;
  const client::ServerStatus& status = answer.status;
  const client::Capabilities& limits = answer.capabilities;
  TextTable load({{"load", Align::kLeft}, {"now", Align::kRight}, {"most", Align::kRight}, {"limit", Align::kRight}});
  load.AddRow({"open calls", absl::StrCat(status.open_calls), "", absl::StrCat(status.max_calls)});
  load.AddRow({"reserved by calls", BytesText(status.reserved_bytes), "", BytesText(status.budget_bytes)});
  load.AddRow({"resident memory", BytesText(status.rss_bytes), BytesText(status.peak_rss_bytes), ""});
  if (answer.store) {
    const std::uint64_t limit =
        answer.store->quota_bytes > 0 ? answer.store->quota_bytes : answer.store->capacity_bytes;
    load.AddRow({absl::StrCat("store (", answer.store->backend, ")"), BytesText(answer.store->stored_bytes), "",
                 limit > 0 ? BytesText(limit) : "none"});
  }
  load.AddRow({"largest tensor", "", "", BytesText(limits.max_tensor_bytes)});
  load.AddRow({"largest tensor of one message", "", "", BytesText(limits.max_unary_bytes)});

  TextTable calls({{"since it began", Align::kLeft}, {"", Align::kRight}});
  for (const auto& [code, count] : status.calls_by_code) {
    calls.AddRow({absl::StrCat("calls ", CodeName(code)), absl::StrCat(count)});
  }
  calls.AddRow({"received", BytesText(status.received_bytes)});
  calls.AddRow({"sent", BytesText(status.sent_bytes)});
  calls.AddRow({"processor time", DurationText(status.cpu_time)});
  return OneLine(absl::StrCat(server, ": ", status.serving ? "serving" : "draining", ", up ",
                              DurationText(status.uptime), ", version ", status.server_version, ", ", status.threads,
                              " threads, ", status.simd_target)) +
         load.ToString() + "\n" + calls.ToString();
}

int RunStatus(const StatusOptions& options) {
  const absl::StatusOr<Answer> answer = Ask(options);
  if (!answer.ok()) return ReportServerFailure(options.server, answer.status(), options.json);
  const std::string& server = options.server.targets;
  return ReportServerResult(ToJson(server, *answer), ToText(server, *answer), options.json);
}

}  // namespace

void AddStatusCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("status", "Show how a server is: its load, its calls so far, its limits");
  auto options = std::make_shared<StatusOptions>();
  AddServerOptions(*command, options->server)->required();
  command->add_option("--timeout", options->timeout_ms, "Milliseconds to wait for it, and for each answer")
      ->check(CLI::Range(1, 3600'000))
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object on stdout");
  command->callback([options, &action] { action = [options] { return RunStatus(*options); }; });
}

}  // namespace dcac::cli
