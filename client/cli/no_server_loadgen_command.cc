// Stands in for loadgen_command.cc in builds without gRPC: they have no such verb.
#include "client/cli/commands.h"

namespace dcac::cli {

void AddLoadgenCommand(CLI::App& /*app*/, Action& /*action*/) {}

}  // namespace dcac::cli
