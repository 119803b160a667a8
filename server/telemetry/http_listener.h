// A small HTTP server for those that watch this one: Prometheus, load balancers, people.
#ifndef DCAC_SERVER_TELEMETRY_HTTP_LISTENER_H_
#define DCAC_SERVER_TELEMETRY_HTTP_LISTENER_H_

#include <array>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "server/telemetry/http_connection.h"

namespace dcac::server {

// Two threads serve a connection each, one request long; others wait in the kernel.  So nobody makes it hold more than
// two requests of 8 KiB and their answers.
class HttpListener {
 public:
  // `port` 0: any free one.  `handler` is called from any thread.
  // Errors: Unavailable (the address cannot be listened on).
  static absl::StatusOr<std::unique_ptr<HttpListener>> Start(const std::string& host, int port, HttpHandler handler);

  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  // Ends connections, answered or not.
  ~HttpListener();

  int port() const { return port_; }  // that is in use

 private:
  HttpListener(int socket, int port, int stop, HttpHandler handler);
  void Run() const;

  const int socket_;
  const int port_;
  const int stop_;  // an eventfd, readable once all is to end
  const HttpHandler handler_;
  std::array<std::thread, 2> threads_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_HTTP_LISTENER_H_
