// What the system knows of this process.
#ifndef DCAC_SERVER_PROCESS_STATUS_H_
#define DCAC_SERVER_PROCESS_STATUS_H_

#include <cstdint>

namespace dcac::server {

struct ProcessStatus {
  std::uint64_t rss_bytes = 0;
  std::uint64_t peak_rss_bytes = 0;
  std::uint64_t cpu_ms = 0;  // user and system time
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
};

// What the system does not tell is 0.
ProcessStatus ReadProcessStatus();

}  // namespace dcac::server

#endif  // DCAC_SERVER_PROCESS_STATUS_H_
