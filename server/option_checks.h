// Whether options go together, before anything is started.
#ifndef DCAC_SERVER_OPTION_CHECKS_H_
#define DCAC_SERVER_OPTION_CHECKS_H_

#include <vector>

#include "absl/status/status.h"
#include "server/notice.h"
#include "server/server.h"

namespace dcac::server {

// Nothing that others can reach is open: such an address needs TLS and authentication, unless told `insecure`.
// Errors: InvalidArgument.
absl::Status CheckOptions(const ServerOptions& options);

// What `insecure` lets pass, for the log; the options have been checked.
std::vector<Notice> OptionWarnings(const ServerOptions& options);

}  // namespace dcac::server

#endif  // DCAC_SERVER_OPTION_CHECKS_H_
