// The XML of an S3 store's answers, as far as it is of use.
#ifndef DCAC_SERVER_STORE_S3_XML_H_
#define DCAC_SERVER_STORE_S3_XML_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/store/s3_client.h"

namespace dcac::store {

// An answer of ListObjectsV2.  Errors: Internal (it is none).
absl::StatusOr<S3ListPage> ParseListAnswer(std::string_view text);

// Of the answer to a request that failed; what is not there is empty.
struct S3Error {
  std::string code;     // letters, digits and dots
  std::string message;  // in the server's own words: printable and at most 200 characters
};
S3Error ParseErrorAnswer(std::string_view text);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_S3_XML_H_
