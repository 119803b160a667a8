// The connection over gRPC; the only part of the client that knows it.
#ifndef DCAC_CLIENT_INTERNAL_GRPC_CONNECTION_H_
#define DCAC_CLIENT_INTERNAL_GRPC_CONNECTION_H_

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "client/internal/connection.h"
#include "dcac/client.h"

namespace dcac::client::internal {

// Errors: Unavailable (no healthy server answered within options.connect_timeout).
absl::StatusOr<std::unique_ptr<Connection>> ConnectGrpc(std::string_view target, const ClientOptions& options);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_GRPC_CONNECTION_H_
