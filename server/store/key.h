// What keys may be.
#ifndef DCAC_SERVER_STORE_KEY_H_
#define DCAC_SERVER_STORE_KEY_H_

#include <string_view>

#include "absl/status/status.h"

namespace dcac::store {

// Errors: InvalidArgument (as BlockStore describes keys; the message says what is wrong).
absl::Status CheckKey(std::string_view key);

// The first part.
std::string_view OwnerOf(std::string_view key);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_KEY_H_
