// AWS Signature Version 4: what proves to an S3 store who asks.
#ifndef DCAC_SERVER_STORE_AWS_SIGNATURE_H_
#define DCAC_SERVER_STORE_AWS_SIGNATURE_H_

#include <map>
#include <string>
#include <string_view>

#include "server/store/aws_credentials.h"
#include "server/store/block_store.h"

namespace dcac::store {

// Percent-encodes all but letters, digits and "-._~" (and '/' if asked to).
std::string UriEncoded(std::string_view text, bool keep_slashes);

// SHA-256 in hexadecimal.
std::string Sha256Hex(std::string_view text);

struct SignedParts {
  std::string method;
  std::string path;                            // encoded
  std::map<std::string, std::string> query;    // not encoded
  std::map<std::string, std::string> headers;  // of the request, names in lower case; must have "host"
};

// "a=1&b=2", encoded, in the order that is signed.
std::string CanonicalQuery(const std::map<std::string, std::string>& query);

// Adds the headers x-amz-date, x-amz-security-token and authorization.  `payload_hash` is the value of the header
// x-amz-content-sha256 where there is one.
void SignRequest(const AwsCredentials& credentials, std::string_view region, std::string_view service,
                 std::string_view payload_hash, Time now, SignedParts& request);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_AWS_SIGNATURE_H_
