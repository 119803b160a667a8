#include "server/telemetry/http_connection.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

namespace dcac::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kReadLimit{2};
constexpr std::chrono::seconds kWriteLimit{10};
constexpr std::chrono::seconds kLingerLimit{1};
constexpr std::size_t kMaxHeadBytes = 8192;
constexpr std::size_t kMaxLingerBytes = 1u << 20;

class Connection {
 public:
  Connection(int socket, int stop) : socket_(socket), stop_(stop) {}

  // A request's head; empty: none came in time.  Longer than kMaxHeadBytes: it was too long.
  std::string ReadHead() {
    const auto deadline = Clock::now() + kReadLimit;
    std::string head;
    while (head.size() <= kMaxHeadBytes && head.find("\r\n\r\n") == std::string::npos) {
      std::array<char, 4096> piece{};
      const std::size_t bytes = Read(piece.data(), piece.size(), deadline);
      if (bytes == 0) return "";
      head.append(piece.data(), bytes);
    }
    return head;
  }

  void Write(std::string_view bytes) {
    const auto deadline = Clock::now() + kWriteLimit;
    while (!bytes.empty() && Wait(POLLOUT, deadline)) {
      const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) return;
      if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  // Ends the sending side and reads what still comes: closing at once would make the other side lose the answer.
  void Linger() {
    shutdown(socket_, SHUT_WR);
    const auto deadline = Clock::now() + kLingerLimit;
    std::array<char, 4096> ignored{};
    for (std::size_t total = 0; total < kMaxLingerBytes;) {
      const std::size_t bytes = Read(ignored.data(), ignored.size(), deadline);
      if (bytes == 0) return;
      total += bytes;
    }
  }

 private:
  // 0: nothing came in time, or nothing comes any more.
  std::size_t Read(char* to, std::size_t max_bytes, Clock::time_point deadline) {
    while (Wait(POLLIN, deadline)) {
      const ssize_t bytes = recv(socket_, to, max_bytes, 0);
      if (bytes >= 0) return static_cast<std::size_t>(bytes);
      if (errno != EAGAIN && errno != EINTR) return 0;
    }
    return 0;
  }

  bool Wait(short event, Clock::time_point deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    std::array<pollfd, 2> descriptors = {
        {{.fd = socket_, .events = event, .revents = 0}, {.fd = stop_, .events = POLLIN, .revents = 0}}};
    const int ready = poll(descriptors.data(), descriptors.size(), static_cast<int>(std::max<std::int64_t>(0, left)));
    if (ready < 0 && errno == EINTR) return Wait(event, deadline);
    return ready > 0 && descriptors[1].revents == 0;
  }

  const int socket_;
  const int stop_;
};

HttpResponse Answer(const std::string& head, const std::optional<HttpRequest>& request, const HttpHandler& handler) {
  if (head.size() > kMaxHeadBytes) return {.status = 431, .body = "the request is too long\n"};
  if (!request) return {.status = 400, .body = "no request of HTTP/1.1\n"};
  if (request->method != "GET" && request->method != "HEAD") return {.status = 405, .body = "only GET is answered\n"};
  try {
    return handler(*request);
  } catch (const std::exception&) {
    return {.status = 500, .body = "internal error\n"};
  }
}

}  // namespace

void ServeHttpConnection(int socket, int stop, const HttpHandler& handler) {
  Connection connection(socket, stop);
  const std::string head = connection.ReadHead();
  if (head.empty()) return;
  const std::optional<HttpRequest> request = ParseHttpRequest(head);
  const bool with_body = !request || request->method != "HEAD";
  connection.Write(SerializeHttpResponse(Answer(head, request, handler), with_body));
  connection.Linger();
}

}  // namespace dcac::server
