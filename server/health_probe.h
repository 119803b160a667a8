// Asks a server whether it serves, for a container's health check.
#ifndef DCAC_SERVER_HEALTH_PROBE_H_
#define DCAC_SERVER_HEALTH_PROBE_H_

#include <chrono>
#include <string>

#include "absl/status/status.h"

namespace dcac::server {

// Errors: Unavailable (nobody answers at `target` within `timeout`, or it says that it is not serving).
absl::Status ProbeHealth(const std::string& target, std::chrono::milliseconds timeout);

}  // namespace dcac::server

#endif  // DCAC_SERVER_HEALTH_PROBE_H_
