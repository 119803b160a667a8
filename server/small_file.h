// Files that an operator names: configuration, certificates, tokens.
#ifndef DCAC_SERVER_SMALL_FILE_H_
#define DCAC_SERVER_SMALL_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace dcac::server {

enum class Secrecy { kOpen, kSecret };

inline constexpr std::size_t kMaxSmallFileBytes = std::size_t{1} << 20;

// The whole file.  Errors: NotFound, PermissionDenied, InvalidArgument (a folder, too large; a secret file that all
// users may read); they name the file.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, Secrecy secrecy);

}  // namespace dcac::server

#endif  // DCAC_SERVER_SMALL_FILE_H_
