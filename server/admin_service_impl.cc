#include "server/admin_service_impl.h"

#include <string>

#include "server/status_reader.h"
#include "server/unary_reactor.h"

namespace dcac::server {

void FillStatus(const LiveState& live, const Metrics& metrics, v1::GetStatusResponse* response) {
  response->set_server_version(std::string(ThisBuild().version));
  response->set_simd_target(std::string(ThisBuild().simd_target));
  response->set_threads(static_cast<std::uint32_t>(live.threads));
  response->set_uptime_ms(static_cast<std::uint64_t>(live.uptime.count()));
  response->set_serving(live.serving);
  response->set_rss_bytes(live.rss_bytes);
  response->set_peak_rss_bytes(live.peak_rss_bytes);
  response->set_cpu_ms(live.cpu_ms);
  response->set_reserved_bytes(live.reserved_bytes);
  response->set_budget_bytes(live.budget_bytes);
  response->set_open_calls(live.open_calls);
  response->set_max_calls(live.max_calls);
  for (int code = 0; code < static_cast<int>(Metrics::kNumCodes); ++code) {
    const std::uint64_t calls = metrics.calls(static_cast<absl::StatusCode>(code));
    if (calls != 0) (*response->mutable_calls_by_code())[code] = calls;
  }
  response->set_received_bytes(live.received_bytes);
  response->set_sent_bytes(live.sent_bytes);
}

grpc::ServerUnaryReactor* AdminServiceImpl::GetStatus(grpc::CallbackServerContext* context,
                                                      const grpc::ByteBuffer* request, grpc::ByteBuffer* answer) {
  return AnswerAtOnce<v1::GetStatusRequest, v1::GetStatusResponse>(gate_, Method::kGetStatus, *context, *request,
                                                                   answer, fill_);
}

}  // namespace dcac::server
