#include "client/internal/grpc_connection.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/internal/call_metadata.h"
#include "client/internal/cancel_state.h"
#include "client/internal/grpc_credentials.h"
#include "client/internal/target.h"
#include "core/base/status_macros.h"
#include "dcac/v1/admin.grpc.pb.h"
#include "dcac/v1/compression.grpc.pb.h"
#include "dcac/v1/store.grpc.pb.h"
#include "proto/wire/message_bytes.h"
#include "proto/wire/status_code.h"

namespace dcac::client::internal {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

// A channel counts as connected when the server's health service says so.  Calls are repeated by RetryPolicy, which
// knows RetryInfo and what was handed out; gRPC repeats only what never left this machine.
constexpr char kServiceConfig[] =
    R"({"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}})";

// Servers cut off clients that ping more often than they allow; ours allow this.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;

// A server that restarts is back within seconds; gRPC would wait for up to two minutes.
constexpr int kFirstReconnectMs = 100;
constexpr int kMaxReconnectMs = 5000;

constexpr std::chrono::hours kLongestConnect{24};

grpc::ChannelArguments ChannelArguments(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(kServiceConfig);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  // Otherwise channels to one address would share one connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (options.tls && !options.tls->server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.tls->server_name);
  }
  return arguments;
}

// What gRPC needs of one call.
class CallState {
 public:
  CallState(const CallContext& call, const Metadata& metadata)
      : on_cancel_(call.cancel, [this] { context_.TryCancel(); }) {
    if (call.deadline != CallContext::kNoDeadline) {
      context_.set_deadline(system_clock::now() + (call.deadline - std::chrono::steady_clock::now()));
    }
    for (const auto& [name, value] : metadata) context_.AddMetadata(name, value);
    if (!call.traceparent.empty()) context_.AddMetadata("traceparent", call.traceparent);
  }
  grpc::ClientContext* context() { return &context_; }

 private:
  grpc::ClientContext context_;
  OnCancel on_cancel_;  // uses the context
};

// kWithFirstRequest: of calls whose first request is always written.
enum class StreamBegin { kAtOnce, kWithFirstRequest };

// Moves bytes, so that data of chunks need not be copied into messages and out of them.
template <typename Request, typename Response>
class GrpcStream final : public Stream<Request, Response> {
 public:
  GrpcStream(const CallContext& call, const Metadata& metadata, grpc::GenericStub& stub, const std::string& method,
             StreamBegin begin)
      : state_(call, metadata) {
    state_.context()->set_initial_metadata_corked(begin == StreamBegin::kWithFirstRequest);
    call_ = stub.PrepareCall(state_.context(), method, &queue_);
    call_->StartCall(this);
    if (begin == StreamBegin::kAtOnce) Await();
  }

  ~GrpcStream() override {
    call_.reset();
    queue_.Shutdown();
    Await();
  }

  bool Write(const Request& request) override { return Send(wire::ToByteBuffer(request), grpc::WriteOptions()); }
  bool WriteMore(const Request& request) override {
    return Send(wire::ToByteBuffer(request), grpc::WriteOptions().set_buffer_hint());
  }
  void WriteLast(const Request& request) override {
    Send(wire::ToByteBuffer(request), grpc::WriteOptions().set_last_message());
  }
  bool WriteChunk(Request& request, wire::SharedBytes data, bool more) override {
    grpc::WriteOptions options;
    if (more) options.set_buffer_hint();
    return Send(wire::ToByteBuffer(request, std::move(data)), options);
  }
  void WritesDone() override {
    call_->WritesDone(this);
    Await();
  }
  bool Read(Response* response, wire::SharedPieces* data) override {
    grpc::ByteBuffer bytes;
    if (!Receive(&bytes)) return false;
    if (wire::FromByteBuffer(bytes, response, data)) return true;
    error_ = absl::InternalError("server: a response that is no message of the contract");
    Cancel();
    return false;
  }
  void Cancel() override { state_.context()->TryCancel(); }

  absl::Status Finish() override {
    // gRPC gives the status only after all responses were read.
    grpc::ByteBuffer dropped;
    while (Receive(&dropped)) {
    }
    grpc::Status status;
    call_->Finish(&status, this);
    Await();
    return error_.ok() ? wire::FromGrpcStatus(status) : error_;
  }

 private:
  // Waits for the operation that was started; one at a time is.
  bool Await() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  bool Send(const grpc::ByteBuffer& bytes, grpc::WriteOptions options) {
    call_->Write(bytes, options, this);
    return Await();
  }

  bool Receive(grpc::ByteBuffer* bytes) {
    call_->Read(bytes, this);
    return Await();
  }

  CallState state_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;  // uses both
  absl::Status error_;                                          // of what the server sent
};

class GrpcConnection final : public Connection {
 public:
  GrpcConnection(std::shared_ptr<grpc::Channel> channel, const Metadata& metadata)
      : channel_(std::move(channel)),
        streams_(channel_),
        compression_(v1::CompressionService::NewStub(channel_)),
        admin_(v1::AdminService::NewStub(channel_)),
        store_(v1::ActivationStoreService::NewStub(channel_)),
        metadata_(metadata) {}

  bool ready() override { return channel_->GetState(/*try_to_connect=*/true) == GRPC_CHANNEL_READY; }

  bool WaitUntilReady(system_clock::time_point until) override { return channel_->WaitForConnected(until); }

  std::unique_ptr<CompressCall> Compress(const CallContext& call) override {
    return Start<v1::CompressionService, v1::CompressRequest, v1::CompressResponse>(call, "Compress",
                                                                                    StreamBegin::kWithFirstRequest);
  }

  std::unique_ptr<DecompressCall> Decompress(const CallContext& call) override {
    return Start<v1::CompressionService, v1::DecompressRequest, v1::DecompressResponse>(call, "Decompress",
                                                                                        StreamBegin::kWithFirstRequest);
  }

  std::unique_ptr<InspectCall> Inspect(const CallContext& call) override {
    return Start<v1::CompressionService, v1::InspectRequest, v1::InspectResponse>(call, "Inspect",
                                                                                  StreamBegin::kAtOnce);
  }

  std::unique_ptr<BatchCompressCall> BatchCompress(const CallContext& call) override {
    return Start<v1::CompressionService, v1::BatchCompressRequest, v1::BatchCompressResponse>(call, "BatchCompress",
                                                                                              StreamBegin::kAtOnce);
  }

  absl::StatusOr<v1::CompressTensorResponse> CompressTensor(const CallContext& call,
                                                            const v1::CompressTensorRequest& request) override {
    return Unary<v1::CompressTensorResponse>(call, [&](grpc::ClientContext* context, auto* response) {
      return compression_->CompressTensor(context, request, response);
    });
  }

  absl::StatusOr<v1::DecompressTensorResponse> DecompressTensor(const CallContext& call,
                                                                const v1::DecompressTensorRequest& request) override {
    return Unary<v1::DecompressTensorResponse>(call, [&](grpc::ClientContext* context, auto* response) {
      return compression_->DecompressTensor(context, request, response);
    });
  }

  absl::StatusOr<v1::GetCapabilitiesResponse> GetCapabilities(const CallContext& call) override {
    return Unary<v1::GetCapabilitiesResponse>(call, [&](grpc::ClientContext* context, auto* response) {
      return compression_->GetCapabilities(context, v1::GetCapabilitiesRequest(), response);
    });
  }

  absl::StatusOr<v1::GetStatusResponse> GetStatus(const CallContext& call) override {
    return Unary<v1::GetStatusResponse>(call, [&](grpc::ClientContext* context, auto* response) {
      return admin_->GetStatus(context, v1::GetStatusRequest(), response);
    });
  }

  std::unique_ptr<PutCall> Put(const CallContext& call) override {
    return Start<v1::ActivationStoreService, v1::PutRequest, v1::PutResponse>(call, "Put",
                                                                              StreamBegin::kWithFirstRequest);
  }

  std::unique_ptr<GetCall> Get(const CallContext& call, const v1::GetRequest& request) override {
    return StartReading<v1::GetResponse>(call, "Get", request);
  }

  std::unique_ptr<BatchPutCall> BatchPut(const CallContext& call) override {
    return Start<v1::ActivationStoreService, v1::BatchPutRequest, v1::BatchPutResponse>(call, "BatchPut",
                                                                                        StreamBegin::kAtOnce);
  }

  std::unique_ptr<BatchGetCall> BatchGet(const CallContext& call, const v1::BatchGetRequest& request) override {
    return StartReading<v1::BatchGetResponse>(call, "BatchGet", request);
  }

  absl::StatusOr<v1::QueryUploadResponse> QueryUpload(const CallContext& call,
                                                      const v1::QueryUploadRequest& request) override {
    return Unary<v1::QueryUploadResponse>(call, [&](grpc::ClientContext* context, auto* response) {
      return store_->QueryUpload(context, request, response);
    });
  }

  absl::StatusOr<v1::FindMissingResponse> FindMissing(const CallContext& call,
                                                      const v1::FindMissingRequest& request) override {
    return Unary<v1::FindMissingResponse>(call, [&](grpc::ClientContext* context, auto* response) {
      return store_->FindMissing(context, request, response);
    });
  }

  absl::StatusOr<v1::StatResponse> Stat(const CallContext& call, const v1::StatRequest& request) override {
    return Unary<v1::StatResponse>(
        call, [&](grpc::ClientContext* context, auto* response) { return store_->Stat(context, request, response); });
  }

  absl::StatusOr<v1::ListResponse> List(const CallContext& call, const v1::ListRequest& request) override {
    return Unary<v1::ListResponse>(
        call, [&](grpc::ClientContext* context, auto* response) { return store_->List(context, request, response); });
  }

  absl::StatusOr<v1::DeleteResponse> Delete(const CallContext& call, const v1::DeleteRequest& request) override {
    return Unary<v1::DeleteResponse>(
        call, [&](grpc::ClientContext* context, auto* response) { return store_->Delete(context, request, response); });
  }

  absl::StatusOr<v1::DeletePrefixResponse> DeletePrefix(const CallContext& call,
                                                        const v1::DeletePrefixRequest& request) override {
    return Unary<v1::DeletePrefixResponse>(call, [&](grpc::ClientContext* context, auto* response) {
      return store_->DeletePrefix(context, request, response);
    });
  }

  absl::StatusOr<v1::TouchResponse> Touch(const CallContext& call, const v1::TouchRequest& request) override {
    return Unary<v1::TouchResponse>(
        call, [&](grpc::ClientContext* context, auto* response) { return store_->Touch(context, request, response); });
  }

  absl::StatusOr<v1::PinResponse> Pin(const CallContext& call, const v1::PinRequest& request) override {
    return Unary<v1::PinResponse>(
        call, [&](grpc::ClientContext* context, auto* response) { return store_->Pin(context, request, response); });
  }

  absl::StatusOr<v1::GetUsageResponse> GetUsage(const CallContext& call, const v1::GetUsageRequest& request) override {
    return Unary<v1::GetUsageResponse>(call, [&](grpc::ClientContext* context, auto* response) {
      return store_->GetUsage(context, request, response);
    });
  }

  absl::StatusOr<v1::ScrubResponse> Scrub(const CallContext& call, const v1::ScrubRequest& request) override {
    return Unary<v1::ScrubResponse>(
        call, [&](grpc::ClientContext* context, auto* response) { return store_->Scrub(context, request, response); });
  }

 private:
  template <typename Service, typename Request, typename Response>
  std::unique_ptr<Stream<Request, Response>> Start(const CallContext& call, const char* method, StreamBegin begin) {
    return std::make_unique<GrpcStream<Request, Response>>(
        call, metadata_, streams_, absl::StrCat("/", Service::service_full_name(), "/", method), begin);
  }

  // A call that has no other requests.
  template <typename Response, typename Request>
  std::unique_ptr<Stream<Request, Response>> StartReading(const CallContext& call, const char* method,
                                                          const Request& request) {
    auto stream = Start<v1::ActivationStoreService, Request, Response>(call, method, StreamBegin::kWithFirstRequest);
    stream->WriteLast(request);
    return stream;
  }

  template <typename Response, typename MakeCall>
  absl::StatusOr<Response> Unary(const CallContext& call, MakeCall make_call) {
    CallState state(call, metadata_);
    Response response;
    DCAC_RETURN_IF_ERROR(wire::FromGrpcStatus(make_call(state.context(), &response)));
    return response;
  }

  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub streams_;
  std::unique_ptr<v1::CompressionService::Stub> compression_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
  std::unique_ptr<v1::ActivationStoreService::Stub> store_;
  const Metadata metadata_;
};

using GrpcConnections = std::vector<std::unique_ptr<GrpcConnection>>;

bool AnyReady(GrpcConnections& connections, system_clock::time_point until) {
  for (const auto& connection : connections) {
    if (connection->ready()) return true;
  }
  do {
    for (const auto& connection : connections) {
      if (connection->WaitUntilReady(std::min(until, system_clock::now() + kConnectSlice))) return true;
    }
  } while (system_clock::now() < until);
  return false;
}

// Why a call would not reach a server; empty: unknown.
std::string WhyNotReady(GrpcConnection& connection) {
  constexpr milliseconds kPatience{100};
  CallContext call;
  call.deadline = std::chrono::steady_clock::now() + kPatience;
  const absl::Status status = connection.GetCapabilities(call).status();
  return status.code() == absl::StatusCode::kUnavailable ? absl::StrCat(": ", status.message()) : std::string();
}

}  // namespace

absl::StatusOr<std::vector<std::unique_ptr<Connection>>> ConnectGrpc(std::string_view targets,
                                                                     const ClientOptions& options) {
  const system_clock::time_point until =
      system_clock::now() + std::min<milliseconds>(options.connect_timeout, kLongestConnect);
  DCAC_ASSIGN_OR_RETURN(const std::vector<Target> parsed, ParseTargets(targets));
  DCAC_ASSIGN_OR_RETURN(const Metadata metadata, CallMetadata(options, parsed));
  DCAC_ASSIGN_OR_RETURN(const auto credentials, MakeCredentials(options.tls));
  GrpcConnections connections;
  for (int i = 0; i < options.connections; ++i) {
    for (const Target& target : parsed) {
      connections.push_back(std::make_unique<GrpcConnection>(
          grpc::CreateCustomChannel(target.address, credentials, ChannelArguments(options)), metadata));
    }
  }
  if (!AnyReady(connections, until)) {
    return absl::UnavailableError(absl::StrCat("no healthy server answered within ", options.connect_timeout.count(),
                                               " ms", WhyNotReady(*connections.front())));
  }
  return std::vector<std::unique_ptr<Connection>>(std::move_iterator(connections.begin()),
                                                  std::move_iterator(connections.end()));
}

}  // namespace dcac::client::internal
