// The RPCs of CompressionService: one session and one reactor for each stream.
#ifndef DCAC_SERVER_SERVICE_IMPL_H_
#define DCAC_SERVER_SERVICE_IMPL_H_

#include "dcac/v1/compression.grpc.pb.h"
#include "server/call_gate.h"
#include "server/idle_watch.h"
#include "server/live_limits.h"
#include "server/unary_reactor.h"
#include "server/worker_pool.h"

namespace dcac::server {

// What its constructor gets must outlive all calls.
class CompressionServiceImpl final : public v1::CompressionService::CallbackService {
 public:
  CompressionServiceImpl(const LiveLimits& limits, CallGate& gate, WorkerPool& workers, IdleWatch& watch)
      : limits_(limits), gate_(gate), workers_(workers), watch_(watch) {}

  grpc::ServerBidiReactor<v1::CompressRequest, v1::CompressResponse>* Compress(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<v1::DecompressRequest, v1::DecompressResponse>* Decompress(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<v1::InspectRequest, v1::InspectResponse>* Inspect(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<v1::BatchCompressRequest, v1::BatchCompressResponse>* BatchCompress(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* CompressTensor(grpc::CallbackServerContext* context,
                                           const v1::CompressTensorRequest* request,
                                           v1::CompressTensorResponse* response) override;
  grpc::ServerUnaryReactor* DecompressTensor(grpc::CallbackServerContext* context,
                                             const v1::DecompressTensorRequest* request,
                                             v1::DecompressTensorResponse* response) override;
  grpc::ServerUnaryReactor* GetCapabilities(grpc::CallbackServerContext* context, const v1::GetCapabilitiesRequest*,
                                            v1::GetCapabilitiesResponse* response) override;

 private:
  template <typename SessionType, typename Request, typename Response>
  grpc::ServerBidiReactor<Request, Response>* StartStream(Method method, grpc::CallbackServerContext& context);

  // A call that holds `memory_bytes` and works on a worker.
  grpc::ServerUnaryReactor* StartUnary(Method method, grpc::CallbackServerContext& context, std::uint64_t memory_bytes,
                                       const UnaryReactor::Messages& messages, UnaryReactor::Work work);

  const LiveLimits& limits_;
  CallGate& gate_;
  WorkerPool& workers_;
  IdleWatch& watch_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_SERVICE_IMPL_H_
