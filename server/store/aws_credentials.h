// Where requests to an S3 store get their keys, region and endpoint: the variables and files that AWS's own tools read.
#ifndef DCAC_SERVER_STORE_AWS_CREDENTIALS_H_
#define DCAC_SERVER_STORE_AWS_CREDENTIALS_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace dcac::store {

struct AwsCredentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // may be empty

  friend bool operator==(const AwsCredentials&, const AwsCredentials&) = default;
};

// The value of an environment variable; nothing: it is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;

std::optional<std::string> ReadEnvironment(const char* name);

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; without them the profile AWS_PROFILE ("default") of
// AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials).
// Errors: FailedPrecondition (there are none; the message tells where they were looked for, never what was found).
absl::StatusOr<AwsCredentials> FindAwsCredentials(const Environment& environment);

// AWS_REGION, AWS_DEFAULT_REGION, or us-east-1.
std::string FindAwsRegion(const Environment& environment);

// AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or empty: AWS itself.
std::string FindAwsEndpoint(const Environment& environment);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_AWS_CREDENTIALS_H_
