// HTTP requests over connections that are kept: with a deadline, cancellable, answers bounded.
#ifndef DCAC_SERVER_STORE_HTTP_CLIENT_H_
#define DCAC_SERVER_STORE_HTTP_CLIENT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/block_store.h"

namespace dcac::store {

struct HttpRequest {
  std::string method;
  std::string url;
  std::vector<std::string> headers;              // "name: value"
  std::vector<std::span<const std::byte>> body;  // in pieces, sent one after another; of PUT alone
  std::span<std::byte> out;                      // gets the body of an answer 2xx; none: the text does
  std::size_t max_text_bytes = std::size_t{8} << 20;
};

struct HttpResponse {
  int status = 0;
  std::string text;
  std::size_t out_bytes = 0;
  std::string etag;               // as the server writes it
  std::uint64_t total_bytes = 0;  // of what a range was asked of
};

struct HttpTimeouts {
  std::chrono::milliseconds connect{3'000};
  std::chrono::milliseconds stall{10'000};  // without a byte in either direction
};

// Thread-safe: as many connections as there are calls at a time, the last kIdleConnections are kept.
class HttpClient {
 public:
  // `use_proxy`: the one of the environment, as curl does.
  HttpClient(const HttpTimeouts& timeouts, bool use_proxy);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  // Any answer of the server is an answer.
  // Errors: Unavailable (no answer), ResourceExhausted (the answer is longer than asked for), DeadlineExceeded,
  // Cancelled.
  absl::StatusOr<HttpResponse> Do(const HttpRequest& request, const CallControl& control);

 private:
  static constexpr std::size_t kIdleConnections = 64;

  struct Connection;

  std::unique_ptr<Connection> Take();
  void GiveBack(std::unique_ptr<Connection> connection);

  const HttpTimeouts timeouts_;
  const bool use_proxy_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_HTTP_CLIENT_H_
