// What gRPC and Protocol Buffers would write to stderr.
#ifndef DCAC_SERVER_LIBRARY_LOG_H_
#define DCAC_SERVER_LIBRARY_LOG_H_

#include "server/telemetry/log.h"

namespace dcac::server {

// Makes lines of a log of it, for as long as it lives; thereafter nothing is written.  Clients cause such lines at
// will: they are limited, and nobody waits for a reader of stderr.  One at a time.
class LibraryLog {
 public:
  explicit LibraryLog(Log& log);
  ~LibraryLog();
  LibraryLog(const LibraryLog&) = delete;
  LibraryLog& operator=(const LibraryLog&) = delete;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_LIBRARY_LOG_H_
