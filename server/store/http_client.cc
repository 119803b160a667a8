#include "server/store/http_client.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace dcac::store {

struct HttpClient::Connection {
  CURL* handle = curl_easy_init();
  curl_socket_t socket = CURL_SOCKET_BAD;  // that was opened last
  ~Connection() { curl_easy_cleanup(handle); }
};

namespace {

struct Exchange {
  CURL* handle;
  curl_socket_t& socket;
  const HttpRequest& request;
  const CallControl& control;
  HttpResponse response;
  std::size_t piece = 0;  // of the body, and where in it
  std::size_t offset = 0;
  bool too_long = false;
};

Exchange& Of(void* data) {
  return *static_cast<Exchange*>(data);
}

bool IsCancelled(const CallControl& control) {
  return control.cancelled != nullptr && control.cancelled->load(std::memory_order_relaxed);
}

// Gives bytes of the body to curl.
std::size_t OnSend(char* buffer, std::size_t, std::size_t room, void* data) {
  Exchange& x = Of(data);
  std::size_t copied = 0;
  while (copied < room && x.piece < x.request.body.size()) {
    const auto piece = x.request.body[x.piece].subspan(x.offset);
    const std::size_t n = std::min(piece.size(), room - copied);
    if (n > 0) std::memcpy(buffer + copied, piece.data(), n);
    copied += n;
    x.offset += n;
    if (n == piece.size()) {
      ++x.piece;
      x.offset = 0;
    }
  }
  return copied;
}

// Curl goes back when a kept connection turns out to be closed.
int OnSeek(void* data, curl_off_t offset, int origin) {
  if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  Of(data).piece = 0;
  Of(data).offset = 0;
  return CURL_SEEKFUNC_OK;
}

std::size_t OnReceive(char* bytes, std::size_t, std::size_t size, void* data) {
  Exchange& x = Of(data);
  long status = 0;
  curl_easy_getinfo(x.handle, CURLINFO_RESPONSE_CODE, &status);
  const bool good = status >= 200 && status < 300;
  if (good && !x.request.out.empty()) {
    x.too_long = size > x.request.out.size() - x.response.out_bytes;
    if (x.too_long) return 0;
    std::memcpy(x.request.out.data() + x.response.out_bytes, bytes, size);
    x.response.out_bytes += size;
    return size;
  }
  x.too_long = size > x.request.max_text_bytes - x.response.text.size();
  if (x.too_long) return 0;
  x.response.text.append(bytes, size);
  return size;
}

// Servers that write headers and body one after another wait for the acknowledgement of the first before they send the
// second, and the system would hold that back for 40 ms.
void AcknowledgeAtOnce(curl_socket_t socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

curl_socket_t OnOpen(void* data, curlsocktype, curl_sockaddr* address) {
  return *static_cast<curl_socket_t*>(data) =
             socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t OnHeader(char* bytes, std::size_t, std::size_t size, void* data) {
  const absl::string_view line(bytes, size);
  AcknowledgeAtOnce(Of(data).socket);
  HttpResponse& response = Of(data).response;
  const auto value = [&](absl::string_view name) {
    return absl::StartsWithIgnoreCase(line, name) ? absl::StripAsciiWhitespace(line.substr(name.size())) : "";
  };
  if (const auto etag = value("etag:"); !etag.empty() && etag.size() < 256) response.etag = std::string(etag);
  if (const auto range = value("content-range:"); !range.empty()) {
    const std::size_t slash = range.find('/');
    if (slash != absl::string_view::npos) {
      std::from_chars(range.data() + slash + 1, range.data() + range.size(), response.total_bytes);
    }
  }
  return size;
}

int OnProgress(void* data, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return IsCancelled(Of(data).control) ? 1 : 0;
}

void SetUp(Exchange& x, curl_slist* headers, const HttpTimeouts& timeouts, bool use_proxy, long timeout_ms) {
  CURL* h = x.handle;
  curl_easy_reset(h);
  curl_easy_setopt(h, CURLOPT_URL, x.request.url.c_str());
  curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, OnOpen);
  curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, &x.socket);
  curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(timeouts.connect.count()));
  curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, std::max(1L, static_cast<long>(timeouts.stall.count() / 1000)));
  if (timeout_ms > 0) curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, timeout_ms);
  if (!use_proxy) curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(h, CURLOPT_BUFFERSIZE, 512L << 10);
  curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
  curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, OnReceive);
  curl_easy_setopt(h, CURLOPT_WRITEDATA, &x);
  curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(h, CURLOPT_HEADERDATA, &x);
  curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(h, CURLOPT_XFERINFODATA, &x);
  if (x.request.method == "PUT") {
    curl_off_t size = 0;
    for (const auto& piece : x.request.body) size += static_cast<curl_off_t>(piece.size());
    curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, size);
    curl_easy_setopt(h, CURLOPT_READFUNCTION, OnSend);
    curl_easy_setopt(h, CURLOPT_READDATA, &x);
    curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, OnSeek);
    curl_easy_setopt(h, CURLOPT_SEEKDATA, &x);
  } else if (x.request.method != "GET") {
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, x.request.method.c_str());
  }
}

}  // namespace

HttpClient::HttpClient(const HttpTimeouts& timeouts, bool use_proxy) : timeouts_(timeouts), use_proxy_(use_proxy) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

HttpClient::~HttpClient() = default;

std::unique_ptr<HttpClient::Connection> HttpClient::Take() {
  const std::scoped_lock lock(mutex_);
  if (idle_.empty()) return std::make_unique<Connection>();
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void HttpClient::GiveBack(std::unique_ptr<Connection> connection) {
  const std::scoped_lock lock(mutex_);
  if (idle_.size() < kIdleConnections) idle_.push_back(std::move(connection));
}

absl::StatusOr<HttpResponse> HttpClient::Do(const HttpRequest& request, const CallControl& control) {
  if (IsCancelled(control)) return absl::CancelledError("the call was cancelled");
  long timeout_ms = 0;
  if (control.deadline != std::chrono::steady_clock::time_point::max()) {
    const auto left = control.deadline - std::chrono::steady_clock::now();
    timeout_ms = static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(left).count());
    if (timeout_ms <= 0) return absl::DeadlineExceededError("the deadline of the call has passed");
  }
  auto connection = Take();
  Exchange x{connection->handle, connection->socket, request, control, {}};
  if (x.handle == nullptr) return absl::ResourceExhaustedError("no memory for a connection");
  curl_slist* headers = curl_slist_append(nullptr, "Expect:");  // no round trip before a body
  for (const std::string& header : request.headers) headers = curl_slist_append(headers, header.c_str());
  SetUp(x, headers, timeouts_, use_proxy_, timeout_ms);
  const CURLcode code = curl_easy_perform(x.handle);
  long status = 0;
  curl_easy_getinfo(x.handle, CURLINFO_RESPONSE_CODE, &status);
  curl_slist_free_all(headers);
  GiveBack(std::move(connection));
  if (IsCancelled(control)) return absl::CancelledError("the call was cancelled");
  if (x.too_long) return absl::ResourceExhaustedError("the answer is longer than what was asked for");
  if (code == CURLE_OPERATION_TIMEDOUT && timeout_ms > 0 && std::chrono::steady_clock::now() >= control.deadline) {
    return absl::DeadlineExceededError("no answer before the deadline of the call");
  }
  if (code != CURLE_OK) return absl::UnavailableError(curl_easy_strerror(code));
  x.response.status = static_cast<int>(status);
  return std::move(x.response);
}

}  // namespace dcac::store
