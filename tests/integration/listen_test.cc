// Addresses: one server each.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "dcac/client.h"
#include "server/health_probe.h"
#include "tests/integration/fixture.h"
#include "tests/integration/raw_calls.h"

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

TEST(ListenTest, OldConnectionsAreReplaced) {
  server::ServerOptions options = LoopbackOptions();
  options.connections.max_age = std::chrono::milliseconds(50);
  const auto server = StartServer(options);
  const auto channel = MakeChannel(server->addresses()[0], grpc::InsecureChannelCredentials());
  EXPECT_TRUE(Call(channel, server::Method::kGetCapabilities).ok());
  EXPECT_TRUE(Eventually([&] { return channel->GetState(false) != GRPC_CHANNEL_READY; }));
  EXPECT_TRUE(Call(channel, server::Method::kGetCapabilities).ok()) << "the next call connects anew";
}

TEST(ListenTest, NewLimitsAreThoseOfNewCalls) {
  const server::ServerOptions options = LoopbackOptions();
  const auto server = StartServer(options);
  const client::Client client = ConnectTo(server->addresses()[0]);
  EXPECT_EQ(client.GetCapabilities()->max_tensor_bytes, options.limits.max_tensor_bytes);
  server::ServerOptions next = options;
  next.limits.max_tensor_bytes = 1000;
  server->SetOptions(next);
  EXPECT_EQ(client.GetCapabilities()->max_tensor_bytes, 1000u);
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
