// Loads settings again for a server that runs.
#ifndef DCAC_SERVER_CONFIG_RELOAD_H_
#define DCAC_SERVER_CONFIG_RELOAD_H_

#include <vector>

#include "server/notice.h"
#include "server/server.h"
#include "server/setting_sources.h"

namespace dcac::server {

struct ReloadedSettings {
  ServerOptions options;        // those that ran, with what takes effect on reload
  std::vector<Notice> notices;  // what changed, what needs a restart, what is wrong: for the log
};

// A configuration that is wrong in anything changes nothing.
ReloadedSettings ReloadSettings(const SettingSources& sources, const ServerOptions& running);

}  // namespace dcac::server

#endif  // DCAC_SERVER_CONFIG_RELOAD_H_
