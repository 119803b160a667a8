#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/store_report.h"
#include "core/base/status_macros.h"

namespace dcac::cli {
namespace {

struct ScrubOptions {
  ServerOptions server;
  std::string prefix;
  bool json = false;
};

absl::Status Scrub(const client::Store& store, const ScrubOptions& options, Report& report) {
  std::uint64_t objects = 0, bytes = 0, damaged = 0;
  std::string last_key;
  do {
    DCAC_ASSIGN_OR_RETURN(const client::ScrubResult step, store.Scrub(options.prefix, last_key));
    objects += step.objects;
    bytes += step.bytes;
    damaged += step.damaged_keys.size();
    for (const std::string& key : step.damaged_keys) {
      report.Failure(key, absl::DataLossError("is damaged; put it anew or delete it"));
    }
    last_key = step.last_key;
  } while (!last_key.empty());
  PrintResult(report, {{"objects", objects}, {"bytes", bytes}, {"damaged", damaged}},
              absl::StrCat(objects, " objects, ", bytes, " bytes, ", damaged, " damaged"));
  return absl::OkStatus();
}

int RunScrub(const ScrubOptions& options) {
  return RunOnStore(options.server, options.json,
                    [&](const client::Store& store, Report& report) { return Scrub(store, options, report); });
}

}  // namespace

void AddScrubCommand(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("scrub", "Read what the store of a server holds and compare its checksums; 3 if damaged");
  auto options = std::make_shared<ScrubOptions>();
  AddServerOptions(*command, options->server)->required();
  command->add_option("PREFIX", options->prefix, "What the keys begin with; all unless told");
  command->add_flag("--json", options->json, "One JSON object on stdout");
  command->callback([options, &action] { action = [options] { return RunScrub(*options); }; });
}

}  // namespace dcac::cli
