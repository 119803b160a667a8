#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "client/cli/commands.h"
#include "client/cli/file_run.h"
#include "client/cli/store_report.h"

namespace dcac::cli {
namespace {

struct LsOptions {
  ServerOptions server;
  std::string prefix;
  bool details = false;
  bool json = false;
};

std::string LineOf(const client::StoredObject& object, std::chrono::system_clock::time_point now) {
  return absl::StrFormat("%14d %14d %8s %6s %6s %s %s", object.raw_bytes, object.stored_bytes,
                         RatioText(object.raw_bytes, object.stored_bytes), AgeText(now - object.created),
                         TtlText(object, now), object.pinned ? "p" : "-", OneLine(object.key));
}

int RunLs(const LsOptions& options) {
  return RunOnStore(options.server, options.json, [&](const client::Store& store, Report& report) {
    const auto now = std::chrono::system_clock::now();
    if (options.details && !options.json) {
      PrintResult(report, {},
                  absl::StrFormat("%14s %14s %8s %6s %6s %s %s", "raw", "stored", "ratio", "age", "ttl", "p", "key"));
    }
    return store.ForEach(options.prefix, [&](const client::StoredObject& object) {
      PrintResult(report, ToJson(object), options.details ? LineOf(object, now) : OneLine(object.key));
      return absl::OkStatus();
    });
  });
}

}  // namespace

void AddLsCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("ls", "List what the store of a server holds");
  auto options = std::make_shared<LsOptions>();
  AddServerOptions(*command, options->server)->required();
  command->add_option("PREFIX", options->prefix, "What the keys begin with; all unless told");
  command->add_flag("-l,--long", options->details, "Bytes, ratio, age, time to live, whether pinned");
  command->add_flag("--json", options->json, "One JSON object a line and key on stdout");
  command->callback([options, &action] { action = [options] { return RunLs(*options); }; });
}

}  // namespace dcac::cli
