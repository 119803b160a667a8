#include "server/telemetry/http_message.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace dcac::server {
namespace {

const char* Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

// The part of `text` before `mark`, which is taken off together with it; all of it where there is no mark.
std::string_view TakeUpTo(char mark, std::string_view* text) {
  const std::size_t end = text->find(mark);
  const std::string_view part = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return part;
}

bool IsHexDigit(char c) {
  return absl::ascii_isxdigit(static_cast<unsigned char>(c));
}

std::string DecodePercent(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && IsHexDigit(text[i + 1]) && IsHexDigit(text[i + 2])) {
      decoded += absl::HexStringToBytes(std::string(text.substr(i + 1, 2)));
      i += 2;
    } else {
      decoded += text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

}  // namespace

std::optional<HttpRequest> ParseHttpRequest(std::string_view head) {
  std::string_view line = TakeUpTo('\n', &head);
  if (!line.ends_with('\r')) return std::nullopt;
  line.remove_suffix(1);
  HttpRequest request;
  request.method = TakeUpTo(' ', &line);
  std::string_view target = TakeUpTo(' ', &line);
  if (request.method.empty() || !target.starts_with('/') || (line != "HTTP/1.1" && line != "HTTP/1.0")) {
    return std::nullopt;
  }
  request.path = TakeUpTo('?', &target);
  while (!target.empty()) {
    std::string_view pair = TakeUpTo('&', &target);
    const std::string key = DecodePercent(TakeUpTo('=', &pair));
    request.query.emplace(key, DecodePercent(pair));
  }
  return request;
}

std::string SerializeHttpResponse(const HttpResponse& response, bool with_body) {
  std::string bytes =
      absl::StrCat("HTTP/1.1 ", response.status, " ", Reason(response.status),
                   "\r\nContent-Type: ", response.content_type, "\r\nContent-Length: ", response.body.size(), "\r\n");
  if (response.status == 405) bytes += "Allow: GET, HEAD\r\n";
  bytes +=
      "Connection: close\r\n"
      "Cache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\n"
      "Referrer-Policy: no-referrer\r\n"
      // Nothing is loaded and nothing runs, whatever a page may have been made to hold.
      "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
      "form-action 'none'; frame-ancestors 'none'\r\n\r\n";
  if (with_body) bytes += response.body;
  return bytes;
}

}  // namespace dcac::server
