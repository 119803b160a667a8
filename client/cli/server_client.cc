#include "client/cli/server_client.h"

#include <stdlib.h>

#include <utility>

#include "absl/synchronization/mutex.h"
#include "client/cli/report.h"

namespace dcac::cli {

absl::StatusOr<client::Client> ConnectToServer(const ServerOptions& options, client::ClientOptions base) {
  base.codec = options.codec == CodecPlace::kAuto ? client::Codec::kAuto : client::Codec::kServer;
  if (options.tls || !options.tls_ca.empty() || !options.tls_certificate.empty() || !options.tls_server_name.empty()) {
    base.tls = {.ca_file = options.tls_ca,
                .certificate_file = options.tls_certificate,
                .key_file = options.tls_key,
                .server_name = options.tls_server_name};
  }
  base.token_file = options.token_file;
  base.tenant = options.tenant;
  // gRPC would write lines of its own to stderr; what is wrong is in the status.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  // With few connections each waiting thread watches its own; the default has them take turns at watching all, and wake
  // each other for it.
  setenv("GRPC_POLL_STRATEGY", "poll", /*overwrite=*/0);
  // Debian's Abseil looks for deadlocks at every lock of gRPC.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  absl::StatusOr<client::Client> client = client::Client::Connect(options.targets, base);
  if (client.status().code() == absl::StatusCode::kInvalidArgument) return MarkUsage(client.status());
  if (!client.ok()) return MarkFromServer(client.status());
  return client;
}

}  // namespace dcac::cli
