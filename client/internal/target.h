// The addresses of servers, as Connect takes them.
#ifndef DCAC_CLIENT_INTERNAL_TARGET_H_
#define DCAC_CLIENT_INTERNAL_TARGET_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dcac::client::internal {

struct Target {
  std::string address;  // as gRPC takes it; one of ipv4: and ipv6: may name several servers
  bool local = false;   // a Unix socket or the loopback interface: what is sent stays on this machine

  friend bool operator==(const Target&, const Target&) = default;
};

// One or more targets with commas between them.  After ipv4: and ipv6: an element without a scheme is one more address
// of the same target.  Errors: InvalidArgument (an empty element, a path that is too long for a socket).
absl::StatusOr<std::vector<Target>> ParseTargets(std::string_view text);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_TARGET_H_
