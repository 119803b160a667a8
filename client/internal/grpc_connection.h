// Connections over gRPC; beside their credentials the only part of the client that knows it.
#ifndef DCAC_CLIENT_INTERNAL_GRPC_CONNECTION_H_
#define DCAC_CLIENT_INTERNAL_GRPC_CONNECTION_H_

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/internal/connection.h"
#include "dcac/client_options.h"

namespace dcac::client::internal {

// options.connections of them to each of `targets`; neighbours go to different targets.
// Errors: InvalidArgument (targets, credentials), Unavailable (no healthy server answered at any of the targets within
// options.connect_timeout).
absl::StatusOr<std::vector<std::unique_ptr<Connection>>> ConnectGrpc(std::string_view targets,
                                                                     const ClientOptions& options);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_GRPC_CONNECTION_H_
