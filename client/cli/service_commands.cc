#include "client/cli/commands.h"

namespace dcac::cli {

void AddServiceCommands(CLI::App& app, Action& action) {
  AddStatusCommand(app, action);
  AddHealthCommand(app, action);
  AddLoadgenCommand(app, action);
  AddPutCommand(app, action);
  AddGetCommand(app, action);
  AddLsCommand(app, action);
  AddRmCommand(app, action);
  AddStatCommand(app, action);
  AddDuCommand(app, action);
  AddScrubCommand(app, action);
}

}  // namespace dcac::cli
