// The identity of the two ends of a channel.
#ifndef DCAC_CLIENT_INTERNAL_GRPC_CREDENTIALS_H_
#define DCAC_CLIENT_INTERNAL_GRPC_CREDENTIALS_H_

#include <grpcpp/security/credentials.h>

#include <memory>

#include "absl/status/statusor.h"
#include "dcac/client_options.h"

namespace dcac::client::internal {

// Reads the files.  Errors: InvalidArgument (a file that cannot be read or is no PEM, a certificate without its key).
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(const std::optional<TlsOptions>& tls);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_GRPC_CREDENTIALS_H_
