// The verbs of the program, one file each.
#ifndef DCAC_CLIENT_CLI_COMMANDS_H_
#define DCAC_CLIENT_CLI_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <functional>

namespace dcac::cli {

// What the arguments ask for; returns the exit code.
using Action = std::function<int()>;

// Each adds its verb with its options to `app`; when that verb is parsed, `action` becomes what runs it.
void AddCompressCommand(CLI::App& app, Action& action);
void AddDecompressCommand(CLI::App& app, Action& action);
void AddTestCommand(CLI::App& app, Action& action);
void AddListCommand(CLI::App& app, Action& action);
void AddDiffCommand(CLI::App& app, Action& action);
void AddExplainCommand(CLI::App& app, Action& action);
void AddBenchCommand(CLI::App& app, Action& action);

// Those that ask a server; none in builds without gRPC.
void AddServiceCommands(CLI::App& app, Action& action);
void AddStatusCommand(CLI::App& app, Action& action);
void AddHealthCommand(CLI::App& app, Action& action);
void AddLoadgenCommand(CLI::App& app, Action& action);

// Those of the activation store of a server.
void AddPutCommand(CLI::App& app, Action& action);
void AddGetCommand(CLI::App& app, Action& action);
void AddLsCommand(CLI::App& app, Action& action);
void AddRmCommand(CLI::App& app, Action& action);
void AddStatCommand(CLI::App& app, Action& action);
void AddDuCommand(CLI::App& app, Action& action);
void AddScrubCommand(CLI::App& app, Action& action);

void AddCompletionCommand(CLI::App& app, Action& action);
void AddHelpCommand(CLI::App& app, Action& action);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_COMMANDS_H_
