// Addresses: one server each.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "dcac/client.h"
#include "server/health_probe.h"
#include "tests/integration/fixture.h"

namespace dcac::testing {
namespace {

constexpr std::chrono::milliseconds kShort{200};

TEST(ListenTest, SecondServerOnAUnixSocketIsRefused) {
  const TempFolder folder;
  server::ServerOptions options = LoopbackOptions();
  options.listen = {"unix:" + folder.File("socket")};
  {
    const auto first = StartServer(options);
    EXPECT_EQ(server::Server::Start(options).status().code(), absl::StatusCode::kAlreadyExists);
    EXPECT_TRUE(ConnectTo(options.listen[0]).GetCapabilities().ok()) << "the first is unharmed";
  }
  EXPECT_TRUE(server::Server::Start(options).ok()) << "after the first has ended";
}

TEST(ListenTest, SecondServerOnAPortIsRefused) {
  const auto first = StartServer();
  server::ServerOptions options = LoopbackOptions();
  options.listen = first->addresses();
  EXPECT_EQ(server::Server::Start(options).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(ConnectTo(options.listen[0]).GetCapabilities().ok()) << "the first is unharmed";
}

TEST(ListenTest, ClientReportsThatNobodyListens) {
  const TempFolder folder;
  const auto client = client::Client::Connect("unix:" + folder.File("none"), {.connect_timeout = kShort});
  EXPECT_EQ(client.status().code(), absl::StatusCode::kUnavailable);
}

TEST(ListenTest, TargetsOfEveryKindConnect) {
  const auto server = StartServer();
  const std::string& address = server->addresses()[0];
  for (const std::string& target : {address, "ipv4:" + address, "dns:///" + address}) {
    EXPECT_TRUE(client::Client::Connect(target).ok()) << target;
  }
}

TEST(ListenTest, HealthProbeTellsServingFromNot) {
  std::string address;
  {
    const auto server = StartServer();
    address = server->addresses()[0];
    EXPECT_TRUE(server::ProbeHealth(address, std::chrono::seconds(10)).ok());
  }
  EXPECT_EQ(server::ProbeHealth(address, kShort).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace dcac::testing
