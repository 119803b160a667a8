// A server that runs for long: many calls, many connections, nothing left behind.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dcac/codec.h"
#include "dcac/v1/compression.grpc.pb.h"
#include "proto/wire/convert.h"
#include "tests/integration/fixture.h"
#include "tests/integration/server_process.h"

namespace dcac::testing {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
constexpr int kCalls = kSanitized ? 2'000 : 20'000;

class LeakTest : public ::testing::Test {
 protected:
  std::shared_ptr<grpc::Channel> NewChannel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // or all channels share a connection
    return grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments);
  }

  std::size_t OpenFiles() const {
    const std::filesystem::path folder = "/proc/" + std::to_string(server_.pid()) + "/fd";
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
  }

  std::uint64_t ResidentBytes() const {
    if (kSanitized) return 0;  // freed memory is kept to find uses of it, and its size tells nothing
    std::ifstream statm("/proc/" + std::to_string(server_.pid()) + "/statm");
    std::uint64_t size_pages = 0, resident_pages = 0;
    EXPECT_TRUE(statm >> size_pages >> resident_pages);
    return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }

  const TempFolder folder_;
  const std::string address_ = "unix:" + folder_.File("socket");
  // A busy machine is late to notice that streams were abandoned, and some hundred may seem open.
  const ServerProcess server_{
      {"--listen=" + address_, "--threads=2", "--log-level=error", "--max-streams=100000", "--budget-bytes=16GiB"}};
};

// Calls of every kind, good and bad.
class Caller {
 public:
  explicit Caller(const std::shared_ptr<grpc::Channel>& channel) : stub_(v1::CompressionService::NewStub(channel)) {
    wire::ToProto(tensor_.spec, unary_.mutable_spec());
    unary_.set_data(tensor_.data.data(), tensor_.data.size());
    frame_.set_frame(compressed_.data(), compressed_.size());
    damaged_.set_frame(compressed_.data(), compressed_.size() / 2);
    wire::ToProto(tensor_.spec, header_.mutable_header()->mutable_spec());
    chunk_.mutable_chunk()->set_data(tensor_.data.data(), tensor_.data.size());
  }

  void Run(int calls) {
    for (int i = 0; i < calls; ++i) (this->*kKinds[static_cast<std::size_t>(i) % kKinds.size()])();
  }

 private:
  using Kind = void (Caller::*)();

  void CompressTensor() {
    grpc::ClientContext context;
    v1::CompressTensorResponse response;
    const grpc::Status status = stub_->CompressTensor(&context, unary_, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  void DecompressTensor() {
    grpc::ClientContext context;
    v1::DecompressTensorResponse response;
    EXPECT_TRUE(stub_->DecompressTensor(&context, frame_, &response).ok());
  }
  void DecompressDamaged() {
    grpc::ClientContext context;
    v1::DecompressTensorResponse response;
    EXPECT_EQ(stub_->DecompressTensor(&context, damaged_, &response).error_code(), grpc::StatusCode::DATA_LOSS);
  }
  void Stream() {
    grpc::ClientContext context;
    const auto call = stub_->Compress(&context);
    call->Write(header_);
    call->Write(chunk_);
    call->WritesDone();
    v1::CompressResponse response;
    while (call->Read(&response)) {
    }
    EXPECT_TRUE(call->Finish().ok());
  }
  void AbandonedStream() {
    grpc::ClientContext context;
    const auto call = stub_->Compress(&context);
    call->Write(header_);
    context.TryCancel();
    EXPECT_FALSE(call->Finish().ok());
  }
  void StreamOutOfOrder() {
    grpc::ClientContext context;
    const auto call = stub_->Compress(&context);
    call->Write(chunk_);
    EXPECT_EQ(call->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }

  static constexpr std::array<Kind, 6> kKinds = {&Caller::CompressTensor,    &Caller::DecompressTensor,
                                                 &Caller::DecompressDamaged, &Caller::Stream,
                                                 &Caller::AbandonedStream,   &Caller::StreamOutOfOrder};

  const Tensor tensor_{{DType::kU8, {16, 32}, Layout::kFlat}, Bytes(512, std::byte{7})};
  const Bytes compressed_ = *Compress(tensor_.spec, tensor_.data);
  std::unique_ptr<v1::CompressionService::Stub> stub_;
  v1::CompressTensorRequest unary_;
  v1::DecompressTensorRequest frame_, damaged_;
  v1::CompressRequest header_, chunk_;
};

TEST_F(LeakTest, ManyCallsLeaveNothingBehind) {
  const auto channel = NewChannel();
  const auto run = [&](int calls) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { Caller(channel).Run(calls / 4); });
  };
  run(kCalls / 5);
  const std::uint64_t bytes_before = ResidentBytes();
  const std::size_t files_before = OpenFiles();
  run(kCalls);
  EXPECT_EQ(OpenFiles(), files_before);
  EXPECT_LT(ResidentBytes(), bytes_before + (8u << 20));
}

TEST_F(LeakTest, ThousandIdleConnectionsAreNoBurden) {
  const auto channel = NewChannel();
  Caller(channel).Run(60);
  const std::uint64_t bytes_before = ResidentBytes();
  const std::size_t files_before = OpenFiles();
  {
    std::vector<std::shared_ptr<grpc::Channel>> idle;
    for (int i = 0; i < 1000; ++i) {
      idle.push_back(NewChannel());
      idle.back()->GetState(/*try_to_connect=*/true);
    }
    for (const auto& connection : idle) {
      ASSERT_TRUE(connection->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(60)));
    }
    EXPECT_GE(OpenFiles(), files_before + 1000);
    Caller(channel).Run(60);
    EXPECT_LT(ResidentBytes(), bytes_before + (200u << 20)) << "200 KiB each";
  }
  EXPECT_TRUE(Eventually([&] { return OpenFiles() <= files_before; }));
  Caller(channel).Run(60);
}

}  // namespace
}  // namespace dcac::testing
