// Where settings come from: the command line, the environment, the configuration file, in this order; else the default.
#ifndef DCAC_SERVER_SETTING_SOURCES_H_
#define DCAC_SERVER_SETTING_SOURCES_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/server.h"
#include "server/settings.h"

namespace dcac::server {

using Environment = std::map<std::string, std::string, std::less<>>;

// Those variables of this process whose names begin with kEnvironmentPrefix and that are not empty.
Environment ProcessEnvironment();

inline constexpr char kConfigFileVariable[] = "DCAC_SERVER_CONFIG";

struct SettingSources {
  SettingSources();

  std::vector<std::vector<std::string>> flags;  // of each of Settings(), as often as given
  Environment environment;
  std::string config_file;  // empty: the variable kConfigFileVariable; neither: none
};

struct LoadedSettings {
  ServerOptions options;
  std::vector<std::string> origins;  // of each of Settings(): "flag", "file:line", name of the variable, "default"
};

// Reads the configuration file.
// Errors: InvalidArgument (value, unknown key or variable), and those of ReadSmallFile.
absl::StatusOr<LoadedSettings> LoadSettings(const SettingSources& sources);

}  // namespace dcac::server

#endif  // DCAC_SERVER_SETTING_SOURCES_H_
