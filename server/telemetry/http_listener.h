// A small HTTP server for those that watch this one: Prometheus, load balancers, people.
#ifndef DCAC_SERVER_TELEMETRY_HTTP_LISTENER_H_
#define DCAC_SERVER_TELEMETRY_HTTP_LISTENER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace dcac::server {

struct HttpRequest {
  std::string path;
  std::map<std::string, std::string> query;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Answers GET and HEAD alone, a connection each, with two threads.  Connections that wait for a thread are few, and a
// client that is slow to send or to read is cut off: nobody makes it hold much.
class HttpListener {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;  // from any thread

  // `port` 0: any free one.
  // Errors: Unavailable (the address cannot be listened on).
  static absl::StatusOr<std::unique_ptr<HttpListener>> Start(const std::string& host, int port, Handler handler);

  // Ends when the requests under way are answered.
  ~HttpListener();

  int port() const;  // that is in use

 private:
  struct Impl;
  explicit HttpListener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_HTTP_LISTENER_H_
