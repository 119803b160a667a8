// The RPCs of AdminService.
#ifndef DCAC_SERVER_ADMIN_SERVICE_IMPL_H_
#define DCAC_SERVER_ADMIN_SERVICE_IMPL_H_

#include <functional>
#include <utility>

#include "dcac/v1/admin.grpc.pb.h"
#include "server/call_gate.h"
#include "server/metrics.h"
#include "server/telemetry/status_report.h"

namespace dcac::server {

void FillStatus(const LiveState& live, const Metrics& metrics, v1::GetStatusResponse* response);

// What its constructor gets must outlive all calls.
class AdminServiceImpl final : public v1::AdminService::WithRawCallbackMethod_GetStatus<v1::AdminService::Service> {
 public:
  using FillStatus = std::function<void(v1::GetStatusResponse*)>;  // thread-safe

  AdminServiceImpl(CallGate& gate, FillStatus fill) : gate_(gate), fill_(std::move(fill)) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* answer) override;

 private:
  CallGate& gate_;
  const FillStatus fill_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_ADMIN_SERVICE_IMPL_H_
