#include <chrono>
#include <memory>
#include <string>

#include "client/cli/commands.h"
#include "client/cli/exit_code.h"
#include "client/cli/report.h"
#include "client/cli/server_client.h"
#include "client/cli/server_options.h"
#include "client/cli/server_report.h"

namespace dcac::cli {
namespace {

struct HealthOptions {
  ServerOptions server;
  int timeout_ms = 3000;
  bool json = false;
  bool quiet = false;
};

int RunHealth(const HealthOptions& options) {
  // A connection counts as made once the server's health service says that it serves.
  const absl::Status status =
      ConnectToServer(options.server, {.connect_timeout = std::chrono::milliseconds(options.timeout_ms)}).status();
  if (!status.ok()) return ReportServerFailure(options.server, status, options.json);
  if (options.quiet && !options.json) return kExitOk;
  const std::string& server = options.server.targets;
  return ReportServerResult({{"server", server}, {"serving", true}}, server + ": serving", options.json);
}

}  // namespace

void AddHealthCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("health", "Say whether a server serves; exit status 4 if not");
  auto options = std::make_shared<HealthOptions>();
  AddServerOptions(*command, options->server)->required();
  command->add_option("--timeout", options->timeout_ms, "Milliseconds to wait for it")
      ->check(CLI::Range(1, 3600'000))
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object on stdout");
  command->add_flag("-q,--quiet", options->quiet, "Errors only");
  command->callback([options, &action] { action = [options] { return RunHealth(*options); }; });
}

}  // namespace dcac::cli
