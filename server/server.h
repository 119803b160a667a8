// A server in this process: what the program dcac-server runs, and tests start.
#ifndef DCAC_SERVER_SERVER_H_
#define DCAC_SERVER_SERVER_H_

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/limits.h"
#include "server/metrics.h"

namespace dcac::server {

struct ServerOptions {
  std::vector<std::string> listen = {"127.0.0.1:50051"};  // unix:PATH or HOST:PORT; port 0 = any free one
  int threads = 0;                                        // that code segments; 0 = as many as there are processors
  Limits limits;
  std::chrono::milliseconds stream_idle_timeout{60'000};  // of a stream whose client neither sends nor reads

  // Drain: how long the server still takes calls after it said that it is not serving, and then how long running calls
  // may take to end.
  std::chrono::milliseconds lame_duck{1000};
  std::chrono::milliseconds drain{30000};
};

class Server {
 public:
  // Errors: InvalidArgument (options), AlreadyExists (another server listens on a Unix socket), Unavailable (an address
  // cannot be listened on).
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);

  // Stops; calls that run are cut.
  ~Server();

  // Stops as clients want it: reports NOT_SERVING, waits, takes no more calls, lets running calls end, cuts the rest.
  void Drain();

  const std::vector<std::string>& addresses() const;  // that clients connect to, with the ports in use
  int threads() const;
  const Metrics& metrics() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_SERVER_H_
