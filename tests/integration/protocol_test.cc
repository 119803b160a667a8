// Requests that no client of ours sends.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dcac/codec.h"
#include "dcac/v1/compression.grpc.pb.h"
#include "proto/wire/convert.h"
#include "proto/wire/limits.h"
#include "tests/integration/fixture.h"
#include "tests/integration/raw_calls.h"

namespace dcac::testing {
namespace {

const TensorSpec kSpec{DType::kU8, {100}, Layout::kNchw};

class ProtocolTest : public ::testing::Test {
 protected:
  static v1::CompressRequest Header() {
    v1::CompressRequest request;
    wire::ToProto(kSpec, request.mutable_header()->mutable_spec());
    return request;
  }

  static v1::CompressRequest Chunk(std::uint64_t offset, std::size_t size) {
    v1::CompressRequest request;
    request.mutable_chunk()->set_offset(offset);
    request.mutable_chunk()->set_data(std::string(size, 'x'));
    return request;
  }

  // Sends everything, then reads to the end.
  grpc::Status Send(const std::vector<v1::CompressRequest>& requests) {
    grpc::ClientContext context;
    const auto call = stub_->Compress(&context);
    for (const v1::CompressRequest& request : requests) {
      if (!call->Write(request)) break;
    }
    call->WritesDone();
    v1::CompressResponse response;
    while (call->Read(&response)) {
    }
    return call->Finish();
  }

  std::unique_ptr<server::Server> server_ = StartServer();
  std::unique_ptr<v1::CompressionService::Stub> stub_ =
      v1::CompressionService::NewStub(grpc::CreateChannel(server_->addresses()[0], grpc::InsecureChannelCredentials()));
};

TEST_F(ProtocolTest, WellFormedStreamSucceeds) {
  const grpc::Status status = Send({Header(), Chunk(0, 60), Chunk(60, 40)});
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(ProtocolTest, OffsetThatDoesNotContinueIsInvalid) {
  const grpc::Status status = Send({Header(), Chunk(0, 60), Chunk(59, 41)});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "chunk.offset: 59 does not continue at 60");
}

TEST_F(ProtocolTest, MissingHeaderIsInvalid) {
  EXPECT_EQ(Send({Chunk(0, 100)}).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Send({}).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ProtocolTest, OversizedChunkIsInvalidAndOversizedMessageExhausts) {
  EXPECT_EQ(Send({Header(), Chunk(0, wire::kMaxChunkBytes + 1)}).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Send({Header(), Chunk(0, wire::kMaxMessageBytes + 1)}).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ProtocolTest, BytesThatAreNoMessageAreInvalid) {
  server::ServerOptions options = LoopbackOptions();
  options.store.location = "memory:";
  const auto server = StartServer(options);
  grpc::GenericStub stub(grpc::CreateChannel(server->addresses()[0], grpc::InsecureChannelCredentials()));
  const grpc::Slice half("\x0a\xff");  // a header of 255 bytes, none of which come
  const grpc::ByteBuffer request(&half, 1);
  for (const char* const method :
       {"CompressionService/Compress", "CompressionService/Decompress", "CompressionService/Inspect",
        "CompressionService/BatchCompress", "CompressionService/CompressTensor", "CompressionService/DecompressTensor",
        "CompressionService/GetCapabilities", "AdminService/GetStatus", "ActivationStoreService/Get",
        "ActivationStoreService/Stat"}) {
    grpc::ClientContext context;
    grpc::ByteBuffer response;
    std::promise<grpc::Status> promise;
    stub.UnaryCall(&context, std::string("/dcac.v1.") + method, grpc::StubOptions(), &request, &response,
                   [&](grpc::Status ended) { promise.set_value(std::move(ended)); });
    const grpc::Status status = promise.get_future().get();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
    EXPECT_EQ(status.error_message(), "a request that is no message of the contract");
  }
}

TEST_F(ProtocolTest, RequestsAfterAnErrorAreNotWaitedFor) {
  // The client neither half-closes nor reads; the server ends the call all the same.
  grpc::ClientContext context;
  const auto call = stub_->Compress(&context);
  ASSERT_TRUE(call->Write(Chunk(0, 1)));
  EXPECT_TRUE(Eventually([&] { return server_->metrics().calls(absl::StatusCode::kInvalidArgument) == 1; }));
  EXPECT_EQ(call->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ProtocolTest, SlowReaderDoesNotGrowTheServer) {
  // A frame of little more than nothing that holds 256 MiB; the client asks for it and does not read.
  const TensorSpec spec{DType::kU8, {256, 16, 256, 256}, Layout::kNchw};
  EncodeOptions options;
  options.mode = Mode::kIntra;
  const std::uint64_t raw_bytes = *TensorBytes(spec);
  const Bytes frame = *Compress(spec, Bytes(raw_bytes), options);
  ASSERT_LT(frame.size(), wire::kMaxChunkBytes);

  grpc::ClientContext context;
  const auto call = stub_->Decompress(&context);
  WriteFrame(frame, *call);
  ASSERT_TRUE(call->WritesDone());

  // What was sent stops growing at what the two transports buffer.
  std::uint64_t before = ~std::uint64_t{0};
  const auto stalled = [&] { return std::exchange(before, server_->metrics().response_bytes()) == before; };
  std::size_t steady = 0;
  ASSERT_TRUE(Eventually([&] { return (steady = stalled() ? steady + 1 : 0) == 200; }));
  EXPECT_LT(server_->metrics().response_bytes(), raw_bytes / 4);

  std::uint64_t received = 0;
  v1::DecompressResponse response;
  while (call->Read(&response)) received += response.chunk().data().size();
  EXPECT_TRUE(call->Finish().ok());
  EXPECT_EQ(received, raw_bytes);
}

}  // namespace
}  // namespace dcac::testing
