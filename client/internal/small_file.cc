#include "client/internal/small_file.h"

#include <fstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace dcac::client::internal {
namespace {

constexpr std::size_t kMaxBytes = 4u << 20;  // a bundle of all public certificate authorities is 200 KiB

}  // namespace

absl::StatusOr<std::string> ReadSmallFile(const std::string& option, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.eof()) {
    return absl::InvalidArgumentError(file ? absl::StrCat(option, " ", path, ": exceeds ", kMaxBytes, " bytes")
                                           : absl::StrCat(option, " ", path, ": cannot be read"));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

}  // namespace dcac::client::internal
