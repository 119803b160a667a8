// Stands in for service_commands.cc in builds without gRPC.
#include "client/cli/commands.h"

namespace dcac::cli {

void AddServiceCommands(CLI::App& /*app*/, Action& /*action*/) {}

}  // namespace dcac::cli
