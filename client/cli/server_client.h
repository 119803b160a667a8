// The connection of a command to its server.
#ifndef DCAC_CLIENT_CLI_SERVER_CLIENT_H_
#define DCAC_CLIENT_CLI_SERVER_CLIENT_H_

#include "absl/status/statusor.h"
#include "client/cli/server_options.h"
#include "dcac/client.h"

namespace dcac::cli {

// `base`: what the options do not say.
// Errors: those of Client::Connect, marked as from the server or as ones of usage.
absl::StatusOr<client::Client> ConnectToServer(const ServerOptions& options, client::ClientOptions base = {});

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_SERVER_CLIENT_H_
