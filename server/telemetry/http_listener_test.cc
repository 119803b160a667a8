#include "server/telemetry/http_listener.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace dcac::server {
namespace {

HttpResponse Echo(const HttpRequest& request) {
  if (request.path == "/throw") throw std::runtime_error("a secret");
  std::string body = request.path;
  for (const auto& [key, value] : request.query) body += " " + key + "=" + value;
  return {.status = request.path == "/none" ? 404 : 200, .body = body};
}

class HttpListenerTest : public ::testing::Test {
 protected:
  static std::unique_ptr<HttpListener> Listen() {
    auto listener = HttpListener::Start("127.0.0.1", 0, Echo);
    if (!listener.ok()) throw std::runtime_error(listener.status().ToString());
    return *std::move(listener);
  }

  const std::unique_ptr<HttpListener> listener_ = Listen();
  httplib::Client client_{"127.0.0.1", listener_->port()};
};

TEST_F(HttpListenerTest, GetIsAnswered) {
  const auto result = client_.Get("/path?b=2&a=x%20y");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 200);
  EXPECT_EQ(result->body, "/path a=x y b=2");
  EXPECT_EQ(result->get_header_value("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(client_.Get("/none")->status, 404);
  EXPECT_EQ(client_.Head("/path")->status, 200);
}

TEST_F(HttpListenerTest, OtherMethodsAreRefused) {
  EXPECT_EQ(client_.Post("/path", "body", "text/plain")->status, 405);
  EXPECT_EQ(client_.Post("/path", std::string(100'000, 'x'), "text/plain")->status, 405);
  EXPECT_EQ(client_.Delete("/path")->status, 405);
  EXPECT_EQ(client_.Get("/path")->status, 200) << "the next connection is not disturbed";
}

TEST_F(HttpListenerTest, DefectsOfPagesTellNothing) {
  const auto result = client_.Get("/throw");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 500);
  EXPECT_EQ(result->body.find("secret"), std::string::npos);
}

TEST_F(HttpListenerTest, OversizedRequestsAreRefused) {
  const auto long_path = client_.Get("/" + std::string(100'000, 'x'));
  EXPECT_TRUE(!long_path || long_path->status >= 400);
  const auto long_header = client_.Get("/path", {{"X-Long", std::string(100'000, 'x')}});
  EXPECT_TRUE(!long_header || long_header->status >= 400 || long_header->body == "/path");
  EXPECT_EQ(client_.Get("/path")->status, 200);
}

TEST_F(HttpListenerTest, ManyConnectionsGetTheirTurn) {
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (int i = 0; i < 40; ++i) {
    threads.emplace_back([&] {
      httplib::Client client("127.0.0.1", listener_->port());
      const auto result = client.Get("/path");
      if (result && result->status == 200) ++answered;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 40);
}

TEST_F(HttpListenerTest, PortInUseIsReported) {
  EXPECT_EQ(HttpListener::Start("127.0.0.1", listener_->port(), Echo).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace dcac::server
