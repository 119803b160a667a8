// Clients that do what no client of ours does: they stand still, vanish, ask for too much or send what is no message.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "dcac/codec.h"
#include "dcac/v1/admin.grpc.pb.h"
#include "dcac/v1/compression.grpc.pb.h"
#include "proto/wire/convert.h"
#include "proto/wire/limits.h"
#include "proto/wire/retry_info.h"
#include "proto/wire/status_code.h"
#include "tests/integration/fixture.h"
#include "tests/integration/raw_calls.h"

namespace dcac::testing {
namespace {

using absl::StatusCode;

class HostileClientTest : public ::testing::Test {
 protected:
  void Start(const server::ServerOptions& options = LoopbackOptions()) {
    server_ = StartServer(options);
    Connect();
  }

  void Connect() {
    channel_ = grpc::CreateChannel(server_->addresses()[0], grpc::InsecureChannelCredentials());
    stub_ = v1::CompressionService::NewStub(channel_);
  }

  static v1::CompressRequest CompressHeader(const TensorSpec& spec) {
    v1::CompressRequest request;
    wire::ToProto(spec, request.mutable_header()->mutable_spec());
    return request;
  }

  std::uint64_t Calls(StatusCode code) const { return server_->metrics().calls(code); }

  v1::GetStatusResponse Status() {
    grpc::ClientContext context;
    v1::GetStatusResponse response;
    EXPECT_TRUE(v1::AdminService::NewStub(channel_)->GetStatus(&context, {}, &response).ok());
    return response;
  }

  // Nothing is open but the call that asks.
  void ExpectAllGivenBack() {
    // A call may reach the server when its client no longer waits.
    EXPECT_TRUE(Eventually([&] {
      const v1::GetStatusResponse status = Status();
      return status.open_calls() == 1 && status.reserved_bytes() == 0;
    }));
  }

  // Sends one message of any bytes to a method of the service and returns how the call ended.
  grpc::Status SendBytes(const std::string& method, const std::string& bytes) {
    grpc::CompletionQueue queue;
    grpc::ClientContext context;
    grpc::GenericStub stub(channel_);
    grpc::Slice slice(bytes);
    const auto call =
        stub.PrepareUnaryCall(&context, "/dcac.v1.CompressionService/" + method, grpc::ByteBuffer(&slice, 1), &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue.Next(&tag, &ok));
    return status;
  }

  std::unique_ptr<server::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::CompressionService::Stub> stub_;
  const Tensor tensor_ = MakeTensor(8);
};

TEST_F(HostileClientTest, WriterThatStandsStillIsEnded) {
  server::ServerOptions options = LoopbackOptions();
  options.stream_idle_timeout = std::chrono::milliseconds(40);
  Start(options);
  grpc::ClientContext context;
  const auto call = stub_->Compress(&context);
  ASSERT_TRUE(call->Write(CompressHeader(tensor_.spec)));
  // No further byte and no end.
  const grpc::Status status = call->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << status.error_message();
  EXPECT_NE(status.error_message(), "");
  ExpectAllGivenBack();
}

TEST_F(HostileClientTest, ReaderThatStandsStillIsEnded) {
  server::ServerOptions options = LoopbackOptions();
  options.stream_idle_timeout = std::chrono::milliseconds(40);
  Start(options);
  const TensorSpec spec{DType::kU8, {256, 16, 256, 256}, Layout::kNchw};
  const Bytes frame = *Compress(spec, Bytes(*TensorBytes(spec)));
  grpc::ClientContext context;
  const auto call = stub_->Decompress(&context);
  WriteFrame(frame, *call);
  EXPECT_TRUE(Eventually([&] { return Calls(StatusCode::kDeadlineExceeded) == 1; }));
  ExpectAllGivenBack();
  v1::DecompressResponse response;
  while (call->Read(&response)) {
  }
  EXPECT_FALSE(call->Finish().ok());
}

TEST_F(HostileClientTest, ReaderThatDoesNotTakeTheEndIsEnded) {
  server::ServerOptions options = LoopbackOptions();
  options.stream_idle_timeout = std::chrono::milliseconds(40);
  Start(options);
  // The client's transport takes 65,535 bytes unread: not the samples of the first size, of the second not the trailer.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  const auto stub = v1::CompressionService::NewStub(
      grpc::CreateCustomChannel(server_->addresses()[0], grpc::InsecureChannelCredentials(), arguments));
  std::uint64_t ended = 0;
  for (const std::uint64_t size : {300'000, 65'490}) {
    const TensorSpec spec{DType::kU8, {size}, Layout::kFlat};
    const Bytes frame = *Compress(spec, Bytes(size));
    grpc::ClientContext context;
    const auto call = stub->Decompress(&context);
    WriteFrame(frame, *call);
    call->WritesDone();
    ++ended;
    EXPECT_TRUE(Eventually([&] { return Calls(StatusCode::kDeadlineExceeded) == ended; })) << size;
    ExpectAllGivenBack();
    v1::DecompressResponse response;
    while (call->Read(&response)) {
    }
    EXPECT_FALSE(call->Finish().ok()) << size;
  }
}

TEST_F(HostileClientTest, ClientThatVanishesGivesEverythingBack) {
  Start();
  {
    const auto channel = grpc::CreateChannel(server_->addresses()[0], grpc::InsecureChannelCredentials());
    grpc::ClientContext context;
    const auto call = v1::CompressionService::NewStub(channel)->Compress(&context);
    ASSERT_TRUE(call->Write(CompressHeader(tensor_.spec)));
    EXPECT_TRUE(Eventually([&] { return Status().reserved_bytes() > tensor_.data.size(); }));
    context.TryCancel();
    EXPECT_EQ(call->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  EXPECT_TRUE(Eventually([&] { return Calls(StatusCode::kCancelled) == 1; }));
  ExpectAllGivenBack();
}

TEST_F(HostileClientTest, HalfCloseTooEarlyIsInvalid) {
  Start();
  grpc::ClientContext context;
  const auto call = stub_->Compress(&context);
  ASSERT_TRUE(call->Write(CompressHeader(tensor_.spec)));
  ASSERT_TRUE(call->WritesDone());
  const grpc::Status status = call->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  EXPECT_NE(status.error_message().find("0 bytes for a tensor of"), std::string::npos) << status.error_message();
}

TEST_F(HostileClientTest, NothingAtAllIsInvalid) {
  Start();
  grpc::ClientContext context;
  const auto call = stub_->Compress(&context);
  ASSERT_TRUE(call->WritesDone());
  EXPECT_EQ(call->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(HostileClientTest, BombEndsAtTheLimitOfBytesReallyDecoded) {
  server::ServerOptions options = LoopbackOptions();
  options.limits.max_tensor_bytes = 64u << 20;
  Start(options);
  const TensorSpec spec{DType::kU8, {(64u << 20) + 1}, Layout::kFlat};
  const Bytes bomb = *Compress(spec, Bytes(*TensorBytes(spec)));
  ASSERT_LT(bomb.size(), 10'000u);
  grpc::ClientContext context;
  const auto call = stub_->Decompress(&context);
  WriteFrame(bomb, *call);
  call->WritesDone();
  std::uint64_t received = 0;
  v1::DecompressResponse response;
  while (call->Read(&response)) received += response.chunk().data().size();
  const absl::Status status = wire::FromGrpcStatus(call->Finish());
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(wire::RetryDelay(status), std::nullopt) << "waiting does not help";
  EXPECT_EQ(received, 0u);
}

TEST_F(HostileClientTest, SlabBeyondTheBudgetIsRefusedBeforeItIsDecoded) {
  server::ServerOptions options = LoopbackOptions();
  options.limits.budget_bytes = 32u << 20;
  Start(options);
  const TensorSpec spec{DType::kU8, {4, 4096, 64, 64}, Layout::kNchw};
  const Bytes bomb = *Compress(spec, Bytes(*TensorBytes(spec)));
  grpc::ClientContext context;
  const auto call = stub_->Decompress(&context);
  WriteFrame(bomb, *call, bomb.size());
  call->WritesDone();
  v1::DecompressResponse response;
  while (call->Read(&response)) EXPECT_FALSE(response.has_chunk());
  const grpc::Status status = call->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_NE(status.error_message().find("budget"), std::string::npos) << status.error_message();
  ExpectAllGivenBack();
}

TEST_F(HostileClientTest, CallWithoutRoomIsToldWhenToComeBack) {
  server::ServerOptions options = LoopbackOptions();
  options.limits.budget_bytes = 16u << 20;
  Start(options);
  // The first holds more than half of the budget.
  const TensorSpec spec{DType::kU8, {3, 1u << 20}, Layout::kFlat};
  grpc::ClientContext first_context;
  const auto first = stub_->Compress(&first_context);
  ASSERT_TRUE(first->Write(CompressHeader(spec)));
  ASSERT_TRUE(Eventually([&] { return Status().reserved_bytes() > (8u << 20); }));

  const auto try_second = [&] {
    grpc::ClientContext context;
    const auto second = stub_->Compress(&context);
    second->Write(CompressHeader(spec));
    return wire::FromGrpcStatus(second->Finish());
  };
  const absl::Status refused = try_second();
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted) << refused;
  EXPECT_TRUE(wire::RetryDelay(refused).has_value());

  first_context.TryCancel();
  first->Finish();
  ExpectAllGivenBack();
  grpc::ClientContext context;
  const auto second = stub_->Compress(&context);
  ASSERT_TRUE(second->Write(CompressHeader(spec)));
  EXPECT_TRUE(Eventually([&] { return Status().reserved_bytes() > (8u << 20); })) << "there is room again";
  context.TryCancel();
  second->Finish();
}

TEST_F(HostileClientTest, UnaryRequestsThatAreNoMessageAreRefused) {
  Start();
  const std::string garbage(100, '\xff');
  for (const char* const method : {"CompressTensor", "DecompressTensor", "GetCapabilities"}) {
    EXPECT_EQ(SendBytes(method, garbage).error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
  }
  EXPECT_TRUE(Eventually([&] { return server_->metrics().calls(StatusCode::kInvalidArgument) == 3; })) << "all count";
  EXPECT_EQ(SendBytes("NoSuchMethod", garbage).error_code(), grpc::StatusCode::UNIMPLEMENTED);
  const client::Client client = ConnectTo(server_->addresses()[0]);
  EXPECT_TRUE(client.GetCapabilities().ok()) << "the server goes on";
}

TEST_F(HostileClientTest, OversizedMessagesAreRefused) {
  Start();
  const std::string large(wire::kMaxMessageBytes + 1, 'x');
  for (const char* const method : {"Compress", "CompressTensor"}) {
    EXPECT_EQ(SendBytes(method, large).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << method;
  }
}

TEST_F(HostileClientTest, UnaryDeadlineEndsTheWork) {
  Start();
  v1::CompressTensorRequest request;
  const TensorSpec spec{DType::kU8, {1, 64, 256, 256}, Layout::kNchw};
  wire::ToProto(spec, request.mutable_spec());
  request.mutable_options()->set_level(9);
  request.set_data(std::string(4u << 20, '\0'));
  for (std::size_t i = 0; i < request.data().size(); ++i) (*request.mutable_data())[i] = static_cast<char>(i * i >> 7);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(20));
  v1::CompressTensorResponse response;
  EXPECT_EQ(stub_->CompressTensor(&context, request, &response).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  ExpectAllGivenBack();
}

TEST_F(HostileClientTest, EveryCallHasARequestId) {
  Start();
  grpc::ClientContext context;
  v1::GetCapabilitiesResponse response;
  ASSERT_TRUE(stub_->GetCapabilities(&context, {}, &response).ok());
  EXPECT_EQ(context.GetServerInitialMetadata().count("dcac-request-id"), 1u);
}

}  // namespace
}  // namespace dcac::testing
