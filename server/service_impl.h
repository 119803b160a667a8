// The RPCs: one session and one reactor for each stream.
#ifndef DCAC_SERVER_SERVICE_IMPL_H_
#define DCAC_SERVER_SERVICE_IMPL_H_

#include "dcac/v1/compression.grpc.pb.h"
#include "server/admission.h"
#include "server/limits.h"
#include "server/metrics.h"
#include "server/worker_pool.h"

namespace dcac::server {

// What its constructor gets must outlive all calls.
class CompressionServiceImpl final : public v1::CompressionService::CallbackService {
 public:
  CompressionServiceImpl(const Limits& limits, WorkerPool& workers, Admission& admission, Metrics& metrics)
      : limits_(limits), workers_(workers), admission_(admission), metrics_(metrics) {}

  grpc::ServerBidiReactor<v1::CompressRequest, v1::CompressResponse>* Compress(grpc::CallbackServerContext*) override;
  grpc::ServerBidiReactor<v1::DecompressRequest, v1::DecompressResponse>* Decompress(
      grpc::CallbackServerContext*) override;
  grpc::ServerUnaryReactor* GetCapabilities(grpc::CallbackServerContext* context, const v1::GetCapabilitiesRequest*,
                                            v1::GetCapabilitiesResponse* response) override;

 private:
  template <typename SessionType, typename Request, typename Response>
  grpc::ServerBidiReactor<Request, Response>* StartStream();

  const Limits limits_;
  WorkerPool& workers_;
  Admission& admission_;
  Metrics& metrics_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_SERVICE_IMPL_H_
