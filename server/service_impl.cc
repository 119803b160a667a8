#include "server/service_impl.h"

#include <memory>
#include <string>
#include <utility>

#include "dcac/options.h"
#include "proto/wire/limits.h"
#include "server/compress_session.h"
#include "server/decompress_session.h"
#include "server/stream_reactor.h"
#include "server/version.h"

namespace dcac::server {

// Every stream passes here before anything is done for it: the place of admission, and of authentication when there is.
template <typename SessionType, typename Request, typename Response>
grpc::ServerBidiReactor<Request, Response>* CompressionServiceImpl::StartStream() {
  // gRPC would answer UNIMPLEMENTED to an exception.
  try {
    absl::StatusOr<Admission::Ticket> ticket = admission_.Enter();
    if (ticket.ok()) {
      return new StreamReactor<Request, Response>(std::make_unique<SessionType>(limits_), *std::move(ticket), workers_,
                                                  metrics_);
    }
    metrics_.OnCallEnd(ticket.status().code());
    return new RefusedStream<Request, Response>(ticket.status());
  } catch (...) {
    return new RefusedStream<Request, Response>(absl::ResourceExhaustedError("the server is out of memory"));
  }
}

grpc::ServerBidiReactor<v1::CompressRequest, v1::CompressResponse>* CompressionServiceImpl::Compress(
    grpc::CallbackServerContext*) {
  return StartStream<CompressSession, v1::CompressRequest, v1::CompressResponse>();
}

grpc::ServerBidiReactor<v1::DecompressRequest, v1::DecompressResponse>* CompressionServiceImpl::Decompress(
    grpc::CallbackServerContext*) {
  return StartStream<DecompressSession, v1::DecompressRequest, v1::DecompressResponse>();
}

grpc::ServerUnaryReactor* CompressionServiceImpl::GetCapabilities(grpc::CallbackServerContext* context,
                                                                  const v1::GetCapabilitiesRequest*,
                                                                  v1::GetCapabilitiesResponse* response) {
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
  response->set_max_tensor_bytes(limits_.max_tensor_bytes);
  response->set_max_slab_bytes(limits_.max_slab_bytes);
  response->set_max_chunk_bytes(wire::kMaxChunkBytes);
  response->set_max_unanswered_chunks(wire::kMaxUnansweredChunks);
  response->set_max_streams(limits_.max_streams);
  metrics_.OnCallEnd(absl::StatusCode::kOk);
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace dcac::server
