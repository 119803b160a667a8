// The program dcac-server: how it starts and how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <string>

#include "dcac/client.h"
#include "dcac/codec.h"
#include "server/health_probe.h"
#include "tests/integration/fixture.h"
#include "tests/integration/server_process.h"

namespace dcac::testing {
namespace {

using ::testing::HasSubstr;

class DrainTest : public ::testing::Test {
 protected:
  bool Serving() const { return server::ProbeHealth(address_, std::chrono::milliseconds(100)).ok(); }

  // Compresses over a stream that stops in the middle, calls `then` there, and goes on.
  absl::Status CompressWithBreak(const std::function<void()>& then) {
    const client::Client client = ConnectTo(address_, {.chunk_bytes = 4096});
    Bytes frame;
    const auto source = PiecewiseSource(tensor_.data, 4096, [&](std::size_t given) {
      if (given == 8 * 4096) then();
    });
    const absl::Status status = client.CompressStream(tensor_.spec, {}, source, AppendTo(&frame)).status();
    EXPECT_TRUE(!status.ok() || frame == *Compress(tensor_.spec, tensor_.data));
    return status;
  }

  const TempFolder folder_;
  const std::string address_ = "unix:" + folder_.File("socket");
  const Tensor tensor_ = MakeTensor(4);
};

TEST_F(DrainTest, FirstLineNamesTheListeners) {
  ServerProcess server({"--listen=" + address_, "--listen=127.0.0.1:0", "--threads=2"});
  EXPECT_THAT(server.first_line(), HasSubstr("listening on " + address_ + ", 127.0.0.1:"));
  EXPECT_THAT(server.first_line(), HasSubstr("with 2 threads"));
}

TEST_F(DrainTest, RunningStreamFinishesAfterSigterm) {
  ServerProcess server({"--listen=" + address_, "--lame-duck-ms=300", "--drain-seconds=60"});
  const absl::Status status = CompressWithBreak([&] {
    server.Signal(SIGTERM);
    EXPECT_TRUE(Eventually([&] { return !Serving(); })) << "health says NOT_SERVING";
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_EQ(client::Client::Connect(address_, {.connect_timeout = std::chrono::milliseconds(200)}).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(DrainTest, StreamThatDoesNotEndIsCut) {
  ServerProcess server({"--listen=" + address_, "--lame-duck-ms=0", "--drain-seconds=0"});
  const absl::Status status = CompressWithBreak([&] {
    server.Signal(SIGTERM);
    EXPECT_EQ(server.Wait(), 0);
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST_F(DrainTest, SigintEndsAnIdleServer) {
  ServerProcess server({"--listen=" + address_, "--lame-duck-ms=0"});
  server.Signal(SIGINT);
  EXPECT_EQ(server.Wait(), 0);
}

TEST_F(DrainTest, ServerStartsAgainAfterACrash) {
  {
    ServerProcess server({"--listen=" + address_});
    server.Signal(SIGKILL);
    EXPECT_EQ(server.Wait(), -1);
  }
  ServerProcess server({"--listen=" + address_});
  EXPECT_TRUE(CompressWithBreak([] {}).ok());
}

TEST_F(DrainTest, AddressInUseIsReported) {
  ServerProcess first({"--listen=" + address_});
  ServerProcess second({"--listen=" + address_});
  EXPECT_THAT(second.first_line(), HasSubstr("another server listens there"));
  EXPECT_EQ(second.Wait(), 1);
}

}  // namespace
}  // namespace dcac::testing
