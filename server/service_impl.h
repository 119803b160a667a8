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

// Messages as bytes to gRPC.
using CompressionServiceBase = v1::CompressionService::WithRawCallbackMethod_Compress<
    v1::CompressionService::WithRawCallbackMethod_Decompress<v1::CompressionService::WithRawCallbackMethod_Inspect<
        v1::CompressionService::WithRawCallbackMethod_BatchCompress<
            v1::CompressionService::WithRawCallbackMethod_CompressTensor<
                v1::CompressionService::WithRawCallbackMethod_DecompressTensor<
                    v1::CompressionService::WithRawCallbackMethod_GetCapabilities<
                        v1::CompressionService::Service>>>>>>>;

// What its constructor gets must outlive all calls.
class CompressionServiceImpl final : public CompressionServiceBase {
 public:
  CompressionServiceImpl(const LiveLimits& limits, CallGate& gate, WorkerPool& workers, IdleWatch& watch)
      : limits_(limits), gate_(gate), workers_(workers), watch_(watch) {}

  ByteReactor* Compress(grpc::CallbackServerContext* context) override;
  ByteReactor* Decompress(grpc::CallbackServerContext* context) override;
  ByteReactor* Inspect(grpc::CallbackServerContext* context) override;
  ByteReactor* BatchCompress(grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* CompressTensor(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* DecompressTensor(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                             grpc::ByteBuffer* answer) override;
  grpc::ServerUnaryReactor* GetCapabilities(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                            grpc::ByteBuffer* answer) override;

 private:
  template <typename SessionType, typename Request, typename Response>
  ByteReactor* StartStream(Method method, grpc::CallbackServerContext& context);

  // A call that holds `memory_bytes(request)` and does `work` on a worker.
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* StartUnary(Method method, grpc::CallbackServerContext& context,
                                       const grpc::ByteBuffer& bytes, grpc::ByteBuffer* answer,
                                       std::uint64_t (*memory_bytes)(const Request&),
                                       absl::Status (*work)(const Request&, const Limits&, const WorkControl&,
                                                            Response*, CallFacts*));

  const LiveLimits& limits_;
  CallGate& gate_;
  WorkerPool& workers_;
  IdleWatch& watch_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_SERVICE_IMPL_H_
