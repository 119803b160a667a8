// The configuration file: TOML with the keys of server/settings.h and no tables.
#ifndef DCAC_SERVER_CONFIG_FILE_H_
#define DCAC_SERVER_CONFIG_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/settings.h"

namespace dcac::server {

struct FileValue {
  const Setting* setting = nullptr;
  std::vector<std::string> texts;
  std::string place;  // FILE:LINE
};

// `name` is what errors call the file.
// Errors: InvalidArgument (no TOML; unknown key or table, value of another type), all with file and line.
absl::StatusOr<std::vector<FileValue>> ParseConfigFile(std::string_view text, const std::string& name);

}  // namespace dcac::server

#endif  // DCAC_SERVER_CONFIG_FILE_H_
