// Addresses to listen on, and who can reach them.
#ifndef DCAC_SERVER_LISTEN_ADDRESS_H_
#define DCAC_SERVER_LISTEN_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dcac::server {

struct ListenAddress {
  bool is_unix = false;
  std::string path;         // of a Unix socket
  std::string host;         // of TCP, without brackets; empty: all addresses of the machine
  std::uint16_t port = 0;   // of TCP; 0: any free one
  bool is_private = false;  // only processes of this machine can connect
};

// unix:PATH or HOST:PORT, with IPv6 in brackets.  Private are Unix sockets, loopback addresses, and the name localhost
// where it stands for these alone; other names are not, whatever they stand for today.
// Errors: InvalidArgument.
absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text);

}  // namespace dcac::server

#endif  // DCAC_SERVER_LISTEN_ADDRESS_H_
