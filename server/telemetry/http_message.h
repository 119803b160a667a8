// As much of HTTP/1.1 as it takes to answer GET.
#ifndef DCAC_SERVER_TELEMETRY_HTTP_MESSAGE_H_
#define DCAC_SERVER_TELEMETRY_HTTP_MESSAGE_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace dcac::server {

struct HttpRequest {
  std::string method;
  std::string path;                          // as it came: nothing is decoded
  std::map<std::string, std::string> query;  // decoded; of keys that repeat, the first counts
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// `head`: the lines of a request up to the empty one; what follows the first is not looked at.
// Nothing: it is none of HTTP/1.
std::optional<HttpRequest> ParseHttpRequest(std::string_view head);

// All bytes of an answer, after which the connection ends; `with_body`: not for HEAD.
std::string SerializeHttpResponse(const HttpResponse& response, bool with_body);

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_HTTP_MESSAGE_H_
