#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/file_run.h"
#include "client/cli/store_files.h"
#include "client/cli/store_report.h"

namespace dcac::cli {
namespace {

struct StatOptions {
  ServerOptions server;
  std::vector<std::string> keys;
  bool json = false;
};

std::string TextOf(const client::StoredObject& object) {
  const auto now = std::chrono::system_clock::now();
  std::string text = absl::StrCat(OneLine(object.key), ": ");
  if (object.kind == client::ObjectKind::kTensor) {
    absl::StrAppend(&text, std::string(DTypeName(object.spec.dtype)), " ", ShapeToString(object.spec.shape), " ",
                    std::string(LayoutName(object.spec.layout)));
  } else {
    absl::StrAppend(&text, "archive");
  }
  absl::StrAppend(&text, ", ", object.raw_bytes, " => ", object.stored_bytes, " bytes, ratio ",
                  RatioText(object.raw_bytes, object.stored_bytes), ", age ", AgeText(now - object.created), ", ttl ",
                  TtlText(object, now), object.pinned ? ", pinned" : "");
  return text;
}

int RunStat(const StatOptions& options) {
  return RunOnStore(options.server, options.json, [&](const client::Store& store, Report& report) {
    for (const std::string& key : options.keys) {
      const absl::StatusOr<client::StoredObject> object = store.Stat(key);
      if (object.ok()) {
        PrintResult(report, ToJson(*object), TextOf(*object));
      } else {
        report.Failure(key, FromStore(object.status()));
      }
    }
    return absl::OkStatus();
  });
}

}  // namespace

void AddStatCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("stat", "Show what the store of a server holds under keys");
  auto options = std::make_shared<StatOptions>();
  AddServerOptions(*command, options->server)->required();
  command->add_option("KEY", options->keys, "Keys")->required();
  command->add_flag("--json", options->json, "One JSON object a line and key on stdout");
  command->callback([options, &action] { action = [options] { return RunStat(*options); }; });
}

}  // namespace dcac::cli
