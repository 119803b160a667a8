#include "client/internal/grpc_connection.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "dcac/v1/compression.grpc.pb.h"
#include "proto/wire/status_code.h"

namespace dcac::client::internal {
namespace {

// A channel counts as connected when the server's health service says so.  A call that meets a server just shutting
// down gets CANCELLED, so that is retried as well; streams are retried by gRPC only while no response was read.
constexpr char kServiceConfig[] = R"({
  "loadBalancingConfig": [{"round_robin": {}}],
  "healthCheckConfig": {"serviceName": ""},
  "methodConfig": [{"name": [{}], "retryPolicy": {
    "maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "0.5s", "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"]}}]})";

// A call is retried only while its requests fit into this buffer.
constexpr int kRetryBufferBytes = 4 << 20;

// Servers cut off clients that ping more often than they allow; ours allow this.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;

grpc::ChannelArguments ChannelArguments(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(kServiceConfig);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  arguments.SetInt(GRPC_ARG_PER_RPC_RETRY_BUFFER_SIZE, kRetryBufferBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  return arguments;
}

void SetDeadline(std::chrono::milliseconds deadline, grpc::ClientContext* context) {
  if (deadline.count() > 0) context->set_deadline(std::chrono::system_clock::now() + deadline);
}

template <typename Request, typename Response>
class GrpcStream final : public Stream<Request, Response> {
 public:
  using Call = std::unique_ptr<grpc::ClientReaderWriter<Request, Response>>;

  // `start`: starts the call on the context.
  template <typename Start>
  GrpcStream(std::chrono::milliseconds deadline, Start start) {
    SetDeadline(deadline, &context_);
    call_ = start(&context_);
  }

  bool Write(const Request& request) override { return call_->Write(request); }
  void WritesDone() override { call_->WritesDone(); }
  bool Read(Response* response) override { return call_->Read(response); }
  void Cancel() override { context_.TryCancel(); }

  absl::Status Finish() override {
    // gRPC gives the status only after all responses were read.
    Response dropped;
    while (call_->Read(&dropped)) {
    }
    return wire::FromGrpcStatus(call_->Finish());
  }

 private:
  grpc::ClientContext context_;
  Call call_;  // uses the context
};

class GrpcConnection final : public Connection {
 public:
  GrpcConnection(std::shared_ptr<grpc::Channel> channel, std::chrono::milliseconds deadline)
      : stub_(v1::CompressionService::NewStub(std::move(channel))), deadline_(deadline) {}

  std::unique_ptr<CompressCall> Compress() override {
    return std::make_unique<GrpcStream<v1::CompressRequest, v1::CompressResponse>>(
        deadline_, [this](grpc::ClientContext* context) { return stub_->Compress(context); });
  }

  std::unique_ptr<DecompressCall> Decompress() override {
    return std::make_unique<GrpcStream<v1::DecompressRequest, v1::DecompressResponse>>(
        deadline_, [this](grpc::ClientContext* context) { return stub_->Decompress(context); });
  }

  absl::StatusOr<v1::GetCapabilitiesResponse> GetCapabilities() override {
    grpc::ClientContext context;
    SetDeadline(deadline_, &context);
    v1::GetCapabilitiesResponse response;
    const absl::Status status =
        wire::FromGrpcStatus(stub_->GetCapabilities(&context, v1::GetCapabilitiesRequest(), &response));
    if (!status.ok()) return status;
    return response;
  }

 private:
  std::unique_ptr<v1::CompressionService::Stub> stub_;
  std::chrono::milliseconds deadline_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> ConnectGrpc(std::string_view target, const ClientOptions& options) {
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel(std::string(target), grpc::InsecureChannelCredentials(), ChannelArguments(options));
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + options.connect_timeout)) {
    return absl::UnavailableError(
        absl::StrCat("no healthy server answered within ", options.connect_timeout.count(), " ms"));
  }
  return std::make_unique<GrpcConnection>(channel, options.deadline);
}

}  // namespace dcac::client::internal
