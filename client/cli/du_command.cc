#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/file_run.h"
#include "client/cli/store_report.h"
#include "core/base/status_macros.h"

namespace dcac::cli {
namespace {

struct DuOptions {
  ServerOptions server;
  std::vector<std::string> prefixes;
  bool json = false;
};

absl::Status ReportStoreUsage(const client::Store& store, const std::string& prefix, Report& report) {
  DCAC_ASSIGN_OR_RETURN(const client::StoreUsage usage, store.Usage(prefix));
  const Json json = {{"prefix", prefix},
                     {"objects", usage.objects},
                     {"raw_bytes", usage.raw_bytes},
                     {"stored_bytes", usage.stored_bytes},
                     {"ratio", Ratio(usage.raw_bytes, usage.stored_bytes)},
                     {"quota_bytes", usage.quota_bytes},
                     {"capacity_bytes", usage.capacity_bytes},
                     {"backend", usage.backend}};
  PrintResult(report, json,
              absl::StrCat(prefix.empty() ? "all" : prefix, ": ", usage.objects, " objects, ", usage.raw_bytes, " => ",
                           usage.stored_bytes, " bytes, ratio ", RatioText(usage.raw_bytes, usage.stored_bytes)));
  return absl::OkStatus();
}

int RunDu(const DuOptions& options) {
  return RunOnStore(options.server, options.json, [&](const client::Store& store, Report& report) -> absl::Status {
    if (options.prefixes.empty()) return ReportStoreUsage(store, "", report);
    for (const std::string& prefix : options.prefixes) DCAC_RETURN_IF_ERROR(ReportStoreUsage(store, prefix, report));
    return absl::OkStatus();
  });
}

}  // namespace

void AddDuCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("du", "Show how much the store of a server holds");
  auto options = std::make_shared<DuOptions>();
  AddServerOptions(*command, options->server)->required();
  command->add_option("PREFIX", options->prefixes, "What the keys begin with; all unless told");
  command->add_flag("--json", options->json, "One JSON object a line and prefix on stdout");
  command->callback([options, &action] { action = [options] { return RunDu(*options); }; });
}

}  // namespace dcac::cli
