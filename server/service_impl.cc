#include "server/service_impl.h"

#include <memory>
#include <string>
#include <utility>

#include "dcac/options.h"
#include "proto/wire/limits.h"
#include "server/batch_session.h"
#include "server/compress_session.h"
#include "server/decompress_session.h"
#include "server/inspect_session.h"
#include "server/stream_reactor.h"
#include "server/tensor_calls.h"
#include "server/version.h"

namespace dcac::server {
namespace {

void Describe(const Limits& limits, v1::GetCapabilitiesResponse* response) {
  response->set_server_version(std::string(Version()));
  for (int dtype = v1::DataType_MIN + 1; dtype <= v1::DataType_MAX; ++dtype) {
    response->add_dtypes(static_cast<v1::DataType>(dtype));
  }
  for (int layout = v1::Layout_MIN + 1; layout <= v1::Layout_MAX; ++layout) {
    response->add_layouts(static_cast<v1::Layout>(layout));
  }
  for (int mode = v1::Mode_MIN; mode <= v1::Mode_MAX; ++mode) response->add_modes(static_cast<v1::Mode>(mode));
  response->set_min_level(EncodeOptions::kMinLevel);
  response->set_max_level(EncodeOptions::kMaxLevel);
  response->set_max_tensor_bytes(limits.max_tensor_bytes);
  response->set_max_slab_bytes(limits.max_slab_bytes);
  response->set_max_chunk_bytes(wire::kMaxChunkBytes);
  response->set_max_unanswered_chunks(wire::kMaxUnansweredChunks);
  response->set_max_streams(limits.max_streams);
  response->set_max_unary_bytes(wire::kMaxUnaryBytes);
  response->set_max_inspect_bytes(wire::kMaxInspectBytes);
  response->set_budget_bytes(limits.budget_bytes);
}

std::uint64_t MemoryOfCompressing(const v1::CompressTensorRequest& request) {
  return MemoryOfTensorCall(request.data().size(), request.data().size());
}

std::uint64_t MemoryOfDecompressing(const v1::DecompressTensorRequest& request) {
  return MemoryOfTensorCall(request.frame().size(), wire::kMaxUnaryBytes);
}

}  // namespace

template <typename SessionType, typename Request, typename Response>
ByteReactor* CompressionServiceImpl::StartStream(Method method, grpc::CallbackServerContext& context) {
  ByteReactor* reactor = nullptr;
  const absl::Status status = CatchAll([&] {
    absl::StatusOr<std::unique_ptr<Call>> call = gate_.Begin(method, context);
    if (!call.ok()) return call.status();
    reactor = new StreamReactor<Request, Response>(std::make_unique<SessionType>(limits_.Get()), *std::move(call),
                                                   context, workers_, watch_);
    return absl::OkStatus();
  });
  return status.ok() ? reactor : new RefusedStream<>(status);
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* CompressionServiceImpl::StartUnary(
    Method method, grpc::CallbackServerContext& context, const grpc::ByteBuffer& bytes, grpc::ByteBuffer* answer,
    std::uint64_t (*memory_bytes)(const Request&),
    absl::Status (*work)(const Request&, const Limits&, const WorkControl&, Response*, CallFacts*)) {
  grpc::ServerUnaryReactor* reactor = nullptr;
  const absl::Status status = CatchAll([&]() -> absl::Status {
    Request message;
    DCAC_ASSIGN_OR_RETURN(std::unique_ptr<Call> call, BeginWithRequest(gate_, method, context, bytes, &message));
    if (const absl::Status room = call->Hold(memory_bytes(message)); !room.ok()) {
      call->End(room, CallFacts());
      return room;
    }
    reactor = new UnaryReactor<Request, Response>(
        std::move(call), std::move(message), *answer, workers_,
        [work, limits = limits_.Get()](const Request& request, const WorkControl& control, Response* response,
                                       CallFacts* facts) { return work(request, limits, control, response, facts); });
    return absl::OkStatus();
  });
  return status.ok() ? reactor : new AnsweredCall(status);
}

ByteReactor* CompressionServiceImpl::Compress(grpc::CallbackServerContext* context) {
  return StartStream<CompressSession, v1::CompressRequest, v1::CompressResponse>(Method::kCompress, *context);
}

ByteReactor* CompressionServiceImpl::Decompress(grpc::CallbackServerContext* context) {
  return StartStream<DecompressSession, v1::DecompressRequest, v1::DecompressResponse>(Method::kDecompress, *context);
}

ByteReactor* CompressionServiceImpl::Inspect(grpc::CallbackServerContext* context) {
  return StartStream<InspectSession, v1::InspectRequest, v1::InspectResponse>(Method::kInspect, *context);
}

ByteReactor* CompressionServiceImpl::BatchCompress(grpc::CallbackServerContext* context) {
  return StartStream<BatchSession, v1::BatchCompressRequest, v1::BatchCompressResponse>(Method::kBatchCompress,
                                                                                        *context);
}

grpc::ServerUnaryReactor* CompressionServiceImpl::CompressTensor(grpc::CallbackServerContext* context,
                                                                 const grpc::ByteBuffer* request,
                                                                 grpc::ByteBuffer* answer) {
  return StartUnary(Method::kCompressTensor, *context, *request, answer, &MemoryOfCompressing, &server::CompressTensor);
}

grpc::ServerUnaryReactor* CompressionServiceImpl::DecompressTensor(grpc::CallbackServerContext* context,
                                                                   const grpc::ByteBuffer* request,
                                                                   grpc::ByteBuffer* answer) {
  return StartUnary(Method::kDecompressTensor, *context, *request, answer, &MemoryOfDecompressing,
                    &server::DecompressTensor);
}

grpc::ServerUnaryReactor* CompressionServiceImpl::GetCapabilities(grpc::CallbackServerContext* context,
                                                                  const grpc::ByteBuffer* request,
                                                                  grpc::ByteBuffer* answer) {
  return AnswerAtOnce<v1::GetCapabilitiesRequest, v1::GetCapabilitiesResponse>(
      gate_, Method::kGetCapabilities, *context, *request, answer,
      [this](v1::GetCapabilitiesResponse* response) { Describe(limits_.Get(), response); });
}

}  // namespace dcac::server
