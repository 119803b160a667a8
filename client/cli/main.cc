// The program `dcac`.
#include <CLI/CLI.hpp>
#include <cstddef>
#include <iostream>
#include <optional>
#include <span>
#include <string>

#include "client/cli/commands.h"
#include "client/cli/exit_code.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "client/cli/report.h"
#include "core/files/atomic_file.h"
#include "dcac/simd_target.h"

// Comes before the initialization of libraries, in which gRPC opens files.
__attribute__((section(".preinit_array"), used)) void (*const occupy_closed_streams)() = dcac::cli::OccupyClosedStreams;

int main(int argc, char** argv) {
  using namespace dcac::cli;
  if (const std::optional<std::string> option = FindEmptyValue(std::span(argv, static_cast<std::size_t>(argc)))) {
    return ReportUsageError(*option + " has no value, expected one");
  }
  CLI::App app("Lossless compression of the feature maps of neural networks.", "dcac");
  app.set_version_flag("--version", "dcac " DCAC_VERSION);
  app.require_subcommand(1);
  Action action;
  AddCompressCommand(app, action);
  AddDecompressCommand(app, action);
  AddTestCommand(app, action);
  AddListCommand(app, action);
  AddDiffCommand(app, action);
  AddExplainCommand(app, action);
  AddBenchCommand(app, action);
  AddServiceCommands(app, action);
  AddCompletionCommand(app, action);
  AddHelpCommand(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted_text) {
    return FlushResults(app.exit(wanted_text));
  } catch (const CLI::ParseError& error) {
    return ReportUsageError(error.what());
  }
  if (const absl::Status status = dcac::TargetStatus(); !status.ok()) {
    return ReportUsageError(std::string(status.message()));
  }
  dcac::files::RemoveTemporariesOnSignals();
  return FlushResults(action());
}
