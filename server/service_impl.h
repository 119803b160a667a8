// The RPCs of CompressionService: one session and one reactor for each stream.
#ifndef DCAC_SERVER_SERVICE_IMPL_H_
#define DCAC_SERVER_SERVICE_IMPL_H_

#include "dcac/v1/compression.grpc.pb.h"
#include "server/call_gate.h"
#include "server/idle_watch.h"
#include "server/live_limits.h"
#include "server/stream_reactor.h"
#include "server/unary_reactor.h"
#include "server/worker_pool.h"

namespace dcac::server {

// Messages of streams as bytes, the others parsed.
using CompressionServiceBase = v1::CompressionService::WithRawCallbackMethod_Compress<
    v1::CompressionService::WithRawCallbackMethod_Decompress<v1::CompressionService::WithRawCallbackMethod_Inspect<
        v1::CompressionService::WithRawCallbackMethod_BatchCompress<
            v1::CompressionService::WithCallbackMethod_CompressTensor<
                v1::CompressionService::WithCallbackMethod_DecompressTensor<
                    v1::CompressionService::WithCallbackMethod_GetCapabilities<v1::CompressionService::Service>>>>>>>;

// What its constructor gets must outlive all calls.
class CompressionServiceImpl final : public CompressionServiceBase {
 public:
  CompressionServiceImpl(const LiveLimits& limits, CallGate& gate, WorkerPool& workers, IdleWatch& watch)
      : limits_(limits), gate_(gate), workers_(workers), watch_(watch) {}

  ByteReactor* Compress(grpc::CallbackServerContext* context) override;
  ByteReactor* Decompress(grpc::CallbackServerContext* context) override;
  ByteReactor* Inspect(grpc::CallbackServerContext* context) override;
  ByteReactor* BatchCompress(grpc::CallbackServerContext* context) override;
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
  ByteReactor* StartStream(Method method, grpc::CallbackServerContext& context);

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
