// Whether this machine has the places that options name.
#ifndef DCAC_SERVER_PLACE_CHECKS_H_
#define DCAC_SERVER_PLACE_CHECKS_H_

#include "absl/status/status.h"
#include "server/server.h"

namespace dcac::server {

// What would keep a server from starting with `options`, which have been checked: folders of its sockets and of its
// store, addresses that are not this machine's, credentials of S3.  Nothing is made, locked or asked of others, for a
// server may be running with them: so names of hosts are not looked up, and that a place is taken is not found out.
// Errors: FailedPrecondition, those of S3StoreOptionsOf; they name the setting.
absl::Status CheckPlaces(const ServerOptions& options);

}  // namespace dcac::server

#endif  // DCAC_SERVER_PLACE_CHECKS_H_
