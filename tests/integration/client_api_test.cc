// The client library's calls against real servers: what tests with scripted connections cannot show.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dcac/client.h"
#include "dcac/codec.h"
#include "tests/integration/fixture.h"
#include "tests/integration/server_process.h"

namespace dcac::testing {
namespace {

// A file without a name.
struct TempFile {
  std::unique_ptr<FILE, int (*)(FILE*)> file{tmpfile(), &fclose};
  int fd() const { return fileno(file.get()); }
  void Rewind() const { lseek(fd(), 0, SEEK_SET); }
  std::size_t size() const { return static_cast<std::size_t>(lseek(fd(), 0, SEEK_END)); }
};

class ClientApiTest : public ::testing::Test {
 protected:
  std::unique_ptr<server::Server> server_ = StartServer();
  client::Client client_ = ConnectTo(server_->addresses()[0]);
  const Tensor tensor_ = MakeTensor(4);
  const Bytes frame_ = *Compress(tensor_.spec, tensor_.data);
};

TEST_F(ClientApiTest, RestoresIntoMemoryOfTheCaller) {
  Bytes memory(tensor_.data.size());
  const auto spec = client_.DecompressInto(frame_, memory);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(*spec, tensor_.spec);
  EXPECT_TRUE(memory == tensor_.data);
  memory.pop_back();
  EXPECT_EQ(client_.DecompressInto(frame_, memory).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ClientApiTest, FilesToFiles) {
  const TempFile raw, frame, restored;
  ASSERT_EQ(write(raw.fd(), tensor_.data.data(), tensor_.data.size()), static_cast<ssize_t>(tensor_.data.size()));
  raw.Rewind();
  const auto compressed = client_.CompressFd(tensor_.spec, {}, raw.fd(), frame.fd());
  ASSERT_TRUE(compressed.ok()) << compressed.status();
  EXPECT_EQ(compressed->frame_bytes, frame.size());
  frame.Rewind();
  const auto decompressed = client_.DecompressFd(frame.fd(), restored.fd());
  ASSERT_TRUE(decompressed.ok()) << decompressed.status();
  EXPECT_EQ(decompressed->spec, tensor_.spec);
  EXPECT_EQ(decompressed->digest, ComputeDigest(tensor_.data));
  EXPECT_EQ(restored.size(), tensor_.data.size());
}

TEST_F(ClientApiTest, InspectSaysWhatTheLibrarySays) {
  const auto info = client_.Inspect(frame_);
  ASSERT_TRUE(info.ok()) << info.status();
  const FrameInfo here = *Inspect(frame_);
  EXPECT_EQ(info->spec, here.spec);
  EXPECT_EQ(info->digest, here.digest);
  EXPECT_EQ(info->frame_bytes, here.frame_bytes);
  ASSERT_EQ(info->segments.size(), here.segments.size());
  EXPECT_EQ(info->segments[0].method, here.segments[0].method);
  EXPECT_EQ(client_.Inspect(std::span(frame_).first(20)).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ClientApiTest, BatchGivesTheFramesOfSingleCalls) {
  constexpr std::size_t kItemBytes = 8 * 64 * 64;
  std::vector<client::BatchItem> items;
  for (std::size_t i = 0; i < 100; ++i) {
    items.push_back({.spec = {DType::kU8, {1, 8, 64, 64}, Layout::kNchw},
                     .data = std::span(tensor_.data).subspan(i * 400, kItemBytes),
                     .options = {.level = static_cast<int>(1 + i % 3)}});
  }
  items[50].spec.shape = {3};
  const auto frames = client_.BatchCompress(items);
  ASSERT_EQ(frames.size(), items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto here = Compress(items[i].spec, items[i].data, items[i].options);
    ASSERT_EQ(frames[i].status().code(), here.status().code()) << i << ": " << frames[i].status();
    EXPECT_TRUE(!here.ok() || *frames[i] == *here) << i;
  }
}

TEST_F(ClientApiTest, ServerSaysHowItIs) {
  const client::Client copy = client_;
  EXPECT_TRUE(copy.Compress(tensor_.spec, tensor_.data).ok());
  const auto status = copy.GetStatus();
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_TRUE(status->serving);
  EXPECT_GT(status->rss_bytes, 0u);
  EXPECT_GT(status->budget_bytes, 0u);
}

TEST_F(ClientApiTest, CancelledCallEnds) {
  const client::CallOptions call;
  // Input that stops until the call was given up.
  const auto source = PiecewiseSource(tensor_.data, 4096, [&](std::size_t given) {
    if (given == 8 * 4096) call.cancel.Cancel();
  });
  Bytes ignored;
  const auto stats = client_.CompressStream(tensor_.spec, {}, source, AppendTo(&ignored), call);
  EXPECT_EQ(stats.status().code(), absl::StatusCode::kCancelled) << stats.status();
  EXPECT_TRUE(client_.Compress(tensor_.spec, tensor_.data).ok()) << "others are not affected";
}

TEST_F(ClientApiTest, ConnectionsOfOneTargetAreUsedInTurn) {
  const client::Client client = ConnectTo(server_->addresses()[0], {.connections = 4});
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(client.Compress(tensor_.spec, tensor_.data).ok());
}

// Servers on Unix sockets, which gRPC cannot be given a list of.
class RollingRestartTest : public ::testing::Test {
 protected:
  std::unique_ptr<ServerProcess> Start(const std::string& name) const {
    return std::make_unique<ServerProcess>(
        std::vector<std::string>{"--listen=unix:" + folder_.File(name), "--lame-duck-ms=300"});
  }

  const TempFolder folder_;
};

TEST_F(RollingRestartTest, NoCallerSeesAnError) {
  std::vector<std::unique_ptr<ServerProcess>> servers;
  for (const char* name : {"a", "b"}) servers.push_back(Start(name));
  const client::Client client = ConnectTo("unix:" + folder_.File("a") + ",unix:" + folder_.File("b"));
  const Tensor tensor = MakeTensor(1);
  std::atomic<bool> stop = false;
  std::atomic<int> calls = 0;
  std::vector<absl::Status> failures(4);
  std::vector<std::thread> threads;
  for (absl::Status& failure : failures) {
    threads.emplace_back([&] {
      while (!stop && failure.ok()) {
        Bytes frame;
        const auto source = PiecewiseSource(tensor.data, 4096);
        failure = client.CompressStream(tensor.spec, {.level = 1}, source, AppendTo(&frame)).status();
        ++calls;
      }
    });
  }
  const auto more_calls = [&] {
    const int before = calls;
    EXPECT_TRUE(Eventually([&] { return calls > before + 20; }));
  };
  for (const char* name : {"a", "b"}) {
    std::unique_ptr<ServerProcess>& server = servers[name[0] - 'a'];
    more_calls();
    server->Signal(SIGTERM);
    EXPECT_EQ(server->Wait(), 0);
    more_calls();
    server = Start(name);
    // The other one goes only when this one has work again.
    const client::Client observer = ConnectTo("unix:" + folder_.File(name));
    EXPECT_TRUE(Eventually([&] { return observer.GetStatus()->received_bytes > 0; }));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& failure : failures) EXPECT_TRUE(failure.ok()) << failure;
}

}  // namespace
}  // namespace dcac::testing
