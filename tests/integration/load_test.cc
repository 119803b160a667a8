// Many calls at a time: while the server drains, and beyond its budget.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dcac/codec.h"
#include "dcac/v1/compression.grpc.pb.h"
#include "proto/wire/convert.h"
#include "proto/wire/retry_info.h"
#include "proto/wire/status_code.h"
#include "tests/integration/fixture.h"
#include "tests/integration/server_process.h"

namespace dcac::testing {
namespace {

// Compresses over raw streams, which nobody repeats.
class RawCompressor {
 public:
  explicit RawCompressor(const std::string& address, std::string caller = "") : caller_(std::move(caller)) {
    stub_ = v1::CompressionService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
    wire::ToProto(tensor_.spec, header_.mutable_header()->mutable_spec());
    header_.mutable_header()->mutable_options()->set_level(1);
    chunk_.mutable_chunk()->set_data(tensor_.data.data(), tensor_.data.size());
  }

  struct Outcome {
    absl::Status status;
    bool accepted = false;  // a response came
  };

  Outcome Compress() {
    grpc::ClientContext context;
    if (!caller_.empty()) context.AddMetadata("dcac-caller", caller_);
    const auto call = stub_->Compress(&context);
    if (call->Write(header_)) call->Write(chunk_);
    call->WritesDone();
    Outcome outcome;
    v1::CompressResponse response;
    while (call->Read(&response)) outcome.accepted = true;
    outcome.status = wire::FromGrpcStatus(call->Finish());
    return outcome;
  }

 private:
  const std::string caller_;
  const Tensor tensor_ = MakeTensor(16);
  std::unique_ptr<v1::CompressionService::Stub> stub_;
  v1::CompressRequest header_, chunk_;
};

TEST(DrainUnderLoadTest, NoAcceptedCallIsLost) {
  const TempFolder folder;
  const std::string address = "unix:" + folder.File("socket");
  ServerProcess server({"--listen=" + address, "--lame-duck-ms=300", "--drain-seconds=60"});
  std::atomic<int> done{0}, wrong{0};
  std::mutex mutex;
  std::vector<std::string> lost;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      RawCompressor compressor(address);
      while (true) {
        const RawCompressor::Outcome outcome = compressor.Compress();
        if (outcome.status.ok()) {
          ++done;
          continue;
        }
        if (outcome.accepted) {
          const std::lock_guard lock(mutex);
          lost.push_back(outcome.status.ToString());
        }
        const bool late = absl::IsUnavailable(outcome.status) || absl::IsCancelled(outcome.status);
        wrong += late ? 0 : 1;
        return;
      }
    });
  }
  ASSERT_TRUE(Eventually([&] { return done > 30; }));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
  threads.clear();
  EXPECT_THAT(lost, ::testing::IsEmpty()) << "of " << done << " calls";
  EXPECT_EQ(wrong, 0);
}

TEST(BudgetUnderLoadTest, EveryCallerGetsItsTurn) {
  constexpr int kCallers = 12;
  constexpr int kCallsOfEach = 5;
  server::ServerOptions options = LoopbackOptions();
  options.limits.budget_bytes = 8u << 20;  // two or three calls at a time
  const auto server = StartServer(options);
  std::atomic<int> refused{0};
  std::vector<std::string> problems(kCallers);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kCallers; ++i) {
      threads.emplace_back([&, i] {
        RawCompressor compressor(server->addresses()[0], "caller-" + std::to_string(i));
        for (int calls = 0; calls < kCallsOfEach;) {
          const absl::Status status = compressor.Compress().status;
          if (status.ok()) {
            ++calls;
            continue;
          }
          const auto delay = wire::RetryDelay(status);
          if (!absl::IsResourceExhausted(status) || !delay) {
            problems[static_cast<std::size_t>(i)] = status.ToString();
            return;
          }
          ++refused;
          std::this_thread::sleep_for(*delay);
        }
      });
    }
  }
  EXPECT_THAT(problems, ::testing::Each(""));
  EXPECT_GT(refused, 0) << "the budget was never short, so that nothing was tested";
  // A call is counted after its client knows how it ended.
  EXPECT_TRUE(Eventually(
      [&] { return server->metrics().calls(absl::StatusCode::kOk) == std::uint64_t{kCallers * kCallsOfEach}; }));
}

}  // namespace
}  // namespace dcac::testing
