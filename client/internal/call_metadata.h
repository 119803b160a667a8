// What a client tells servers about itself with every call.
#ifndef DCAC_CLIENT_INTERNAL_CALL_METADATA_H_
#define DCAC_CLIENT_INTERNAL_CALL_METADATA_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/internal/target.h"
#include "dcac/client_options.h"

namespace dcac::client::internal {

using Metadata = std::vector<std::pair<std::string, std::string>>;

// Token, tenant and caller of `options`.
// Errors: InvalidArgument (a value that cannot be sent, both a token and its file, a file that cannot be read, a token
// that would cross the network in plain text).  Messages do not quote tokens.
absl::StatusOr<Metadata> CallMetadata(const ClientOptions& options, const std::vector<Target>& targets);

// Errors: InvalidArgument (`value` is longer than `max_bytes` or has other than visible ASCII characters).
absl::Status CheckMetadataValue(const std::string& name, const std::string& value, std::size_t max_bytes);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_CALL_METADATA_H_
