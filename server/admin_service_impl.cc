#include "server/admin_service_impl.h"

#include "server/unary_reactor.h"

namespace dcac::server {

grpc::ServerUnaryReactor* AdminServiceImpl::GetStatus(grpc::CallbackServerContext* context, const v1::GetStatusRequest*,
                                                      v1::GetStatusResponse* response) {
  return AnswerAtOnce(gate_, Method::kGetStatus, *context, [&] {
    fill_(response);
    return absl::OkStatus();
  });
}

}  // namespace dcac::server
