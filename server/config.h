// The command line of dcac-server.
#ifndef DCAC_SERVER_CONFIG_H_
#define DCAC_SERVER_CONFIG_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "server/server.h"

namespace dcac::server {

struct Config {
  enum class Action {
    kServe,
    kProbeHealth,  // of health_target
    kExit,         // with exit_status: help or version was asked for, or the command line is wrong
  };

  Action action = Action::kServe;
  ServerOptions server;
  std::string health_target;
  int exit_status = 0;
};

// `arguments`: without the program's name.  What was asked for goes to `out`, errors to `err`.
Config ParseCommandLine(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err);

}  // namespace dcac::server

#endif  // DCAC_SERVER_CONFIG_H_
