// The command line of dcac-server.
#ifndef DCAC_SERVER_CONFIG_H_
#define DCAC_SERVER_CONFIG_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "server/server.h"
#include "server/setting_sources.h"
#include "server/token_commands.h"

namespace dcac::server {

struct Config {
  enum class Action {
    kServe,
    kCheckConfig,
    kProbeHealth,  // of health_target
    kHashToken,
    kNewToken,  // new_token
    kExit,      // with exit_status: all was said, or the command line or the configuration is wrong
  };

  Action action = Action::kServe;
  SettingSources sources;  // of `server`, to load it again
  ServerOptions server;
  std::string health_target;
  NewToken new_token;
  int exit_status = 0;
};

inline constexpr int kUsageError = 2;

// `arguments`: without the program's name.  What was asked for goes to `out`, errors to `err`.
Config ParseCommandLine(const std::vector<std::string>& arguments, const Environment& environment, std::ostream& out,
                        std::ostream& err);

}  // namespace dcac::server

#endif  // DCAC_SERVER_CONFIG_H_
