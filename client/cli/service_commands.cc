#include "client/cli/commands.h"

namespace dcac::cli {

void AddServiceCommands(CLI::App& app, Action& action) {
  AddStatusCommand(app, action);
  AddHealthCommand(app, action);
  AddLoadgenCommand(app, action);
}

}  // namespace dcac::cli
