#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/store_files.h"
#include "client/cli/store_report.h"
#include "core/base/status_macros.h"

namespace dcac::cli {
namespace {

struct RmOptions {
  ServerOptions server;
  std::vector<std::string> keys;
  bool recursive = false;
  bool json = false;
};

// How many objects went.
absl::StatusOr<std::uint64_t> Remove(const client::Store& store, const RmOptions& options, const std::string& key) {
  if (!options.recursive) {
    DCAC_RETURN_IF_ERROR(store.Delete(key));
    return 1;
  }
  std::uint64_t deleted = 0;
  while (true) {
    DCAC_ASSIGN_OR_RETURN(const client::PrefixDeletion step, store.DeletePrefix(FolderPrefix(key)));
    deleted += step.deleted_objects;
    if (!step.more) return deleted;
  }
}

int RunRm(const RmOptions& options) {
  return RunOnStore(options.server, options.json, [&](const client::Store& store, Report& report) {
    for (const std::string& key : options.keys) {
      const absl::StatusOr<std::uint64_t> deleted = Remove(store, options, key);
      if (!deleted.ok()) {
        report.Failure(key, FromStore(deleted.status()));
        continue;
      }
      PrintResult(report, {{"key", key}, {"deleted_objects", *deleted}}, absl::StrCat(key, ": ", *deleted, " deleted"));
    }
    return absl::OkStatus();
  });
}

}  // namespace

void AddRmCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("rm", "Delete objects of the store of a server");
  auto options = std::make_shared<RmOptions>();
  AddServerOptions(*command, options->server)->required();
  command->add_option("KEY", options->keys, "Keys; with -r, folders of keys")->required();
  command->add_flag("-r,--recursive", options->recursive, "All whose keys begin with KEY/");
  command->add_flag("--json", options->json, "One JSON object a line and key on stdout");
  command->callback([options, &action] { action = [options] { return RunRm(*options); }; });
}

}  // namespace dcac::cli
