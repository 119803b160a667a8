#include "server/telemetry/http_listener.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace dcac::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

HttpResponse Echo(const HttpRequest& request) {
  if (request.path == "/throw") throw std::runtime_error("a secret");
  if (request.path == "/large") return {.body = std::string(10'000'000, 'x')};
  std::string body = request.path;
  for (const auto& [key, value] : request.query) body += " " + key + "=" + value;
  return {.status = request.path == "/none" ? 404 : 200, .body = body};
}

class Client {
 public:
  explicit Client(int port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(static_cast<std::uint16_t>(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { close(socket_); }

  // False: the server has closed the connection.
  bool Send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // All that comes until the server closes the connection.
  std::string Receive() const {
    std::string text;
    std::array<char, 4096> piece{};
    for (ssize_t n = 0; (n = recv(socket_, piece.data(), piece.size(), 0)) > 0;) {
      text.append(piece.data(), static_cast<std::size_t>(n));
    }
    return text;
  }

 private:
  const int socket_;
};

class HttpListenerTest : public ::testing::Test {
 protected:
  static std::unique_ptr<HttpListener> Listen() {
    auto listener = HttpListener::Start("127.0.0.1", 0, Echo);
    if (!listener.ok()) throw std::runtime_error(listener.status().ToString());
    return *std::move(listener);
  }

  std::string Exchange(const std::string& bytes) const {
    const Client client(listener_->port());
    client.Send(bytes);
    return client.Receive();
  }
  std::string Get(const std::string& target) const {
    return Exchange("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }

  std::unique_ptr<HttpListener> listener_ = Listen();
};

TEST_F(HttpListenerTest, GetIsAnswered) {
  const std::string answer = Get("/path?b=2&a=x%20y+z&b=3&c");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n/path a=x y z b=2 c=")) << answer;
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Length: 20\r\n"));
  EXPECT_THAT(Get("/none"), StartsWith("HTTP/1.1 404 "));
  EXPECT_EQ(Get("/large").size() - Exchange("HEAD /large HTTP/1.1\r\n\r\n").size(), 10'000'000u);
}

TEST_F(HttpListenerTest, RequestsMayComeInPieces) {
  const Client client(listener_->port());
  for (const char c : std::string_view("GET /path HTTP/1.0\r\nX: y\r\n\r\n")) client.Send(std::string_view(&c, 1));
  EXPECT_THAT(client.Receive(), HasSubstr("/path"));
}

TEST_F(HttpListenerTest, OtherMethodsAreRefused) {
  const std::string post = "POST /path HTTP/1.1\r\nContent-Length: 500000\r\n\r\n" + std::string(500'000, 'x');
  EXPECT_THAT(Exchange(post), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Exchange("DELETE /path HTTP/1.1\r\n\r\n"), HasSubstr("\r\nAllow: GET, HEAD\r\n"));
}

TEST_F(HttpListenerTest, WhatIsNoRequestIsRefused) {
  for (const char* bytes :
       {"\r\n\r\n", "GET\r\n\r\n", "GET /path\r\n\r\n", "GET path HTTP/1.1\r\n\r\n", "GET /path HTTP/2.0\r\n\r\n",
        "GET /path HTTP/1.1 \r\n\r\n", "GET http://x/path HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n",
        " / HTTP/1.1\r\n\r\n", "GET /path HTTP/1.1\nHost: x\r\n\r\n"}) {
    EXPECT_THAT(Exchange(bytes), StartsWith("HTTP/1.1 400 ")) << bytes;
  }
}

TEST_F(HttpListenerTest, DefectsOfPagesTellNothing) {
  EXPECT_THAT(Get("/throw"), StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(Get("/throw"), Not(HasSubstr("secret")));
}

TEST_F(HttpListenerTest, LongRequestsEndAtTheLimit) {
  EXPECT_THAT(Get("/" + std::string(20'000, 'x')), StartsWith("HTTP/1.1 431 "));
  const Client client(listener_->port());
  client.Send("GET /path HTTP/1.1\r\n");
  const std::string lines = "X: " + std::string(65'000, 'y') + "\r\n";
  std::size_t taken = 0;
  while (taken < 10'000 && client.Send(lines)) ++taken;
  EXPECT_LT(taken, 1000u) << "no more than what lingering and the system's buffers take";
}

TEST_F(HttpListenerTest, SilentClientsAreCutOff) {
  const Client silent(listener_->port()), half(listener_->port());
  half.Send("GET /path HTTP/1.1\r\n");
  EXPECT_EQ(silent.Receive(), "");
  EXPECT_EQ(half.Receive(), "");
  EXPECT_THAT(Get("/path"), HasSubstr("/path"));
}

TEST_F(HttpListenerTest, ManyConnectionsGetTheirTurn) {
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (int i = 0; i < 40; ++i) {
    threads.emplace_back([&] { answered += Get("/path").starts_with("HTTP/1.1 200 ") ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 40);
}

TEST_F(HttpListenerTest, EndDoesNotWaitForClients) {
  const Client silent(listener_->port()), slow(listener_->port());
  slow.Send("GET /large HTTP/1.1\r\n\r\n");
  listener_.reset();
  EXPECT_EQ(silent.Receive(), "");
}

TEST_F(HttpListenerTest, AddressThatCannotBeHadIsReported) {
  for (const auto& [host, port] : {std::pair{"127.0.0.1", listener_->port()}, {"203.0.113.1", 0}, {"no name", 0}}) {
    EXPECT_EQ(HttpListener::Start(host, port, Echo).status().code(), absl::StatusCode::kUnavailable) << host;
  }
}

}  // namespace
}  // namespace dcac::server
