// Files of credentials.
#ifndef DCAC_CLIENT_INTERNAL_SMALL_FILE_H_
#define DCAC_CLIENT_INTERNAL_SMALL_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace dcac::client::internal {

// The whole file.  `option` names it in messages.
// Errors: InvalidArgument (it cannot be read, or is larger than any such file).
absl::StatusOr<std::string> ReadSmallFile(const std::string& option, const std::string& path);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_SMALL_FILE_H_
