#include "server/call_gate.h"

#include <grpc/grpc_security_constants.h>

#include <string>
#include <utility>
#include <vector>

namespace dcac::server {
namespace {

constexpr std::size_t kMaxCallerLength = 64;

// The first value of a key; empty: there is none.
std::string_view Metadata(const grpc::CallbackServerContext& context, const char* key) {
  const auto& all = context.client_metadata();
  const auto found = all.find(key);
  return found == all.end() ? std::string_view() : std::string_view(found->second.data(), found->second.size());
}

// Without what differs between connections of one host, which is not to have a share for each of them.
std::string HostOf(const std::string& peer) {
  return peer.starts_with("unix:") ? peer : peer.substr(0, peer.rfind(':'));
}

// Of the certificate that the transport has verified; empty: there is none.
std::string CertificateName(const grpc::CallbackServerContext& context) {
  const auto connection = context.auth_context();
  if (connection == nullptr || !connection->IsPeerAuthenticated()) return {};
  const std::vector<grpc::string_ref> names = connection->FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
  return names.empty() ? std::string() : std::string(names.front().data(), names.front().size());
}

CallInfo Describe(Method method, const grpc::CallbackServerContext& context) {
  CallInfo info{.method = method, .peer = context.peer(), .request_id = NewId()};
  info.start = std::chrono::steady_clock::now();
  const std::string_view caller = Metadata(context, "dcac-caller");
  info.caller = caller.empty() ? HostOf(info.peer) : std::string(caller.substr(0, kMaxCallerLength));
  info.trace = ParseTraceContext(Metadata(context, "traceparent"), Metadata(context, "tracestate"));
  return info;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Call>> CallGate::Begin(Method method, grpc::CallbackServerContext& context) {
  CallInfo info = Describe(method, context);
  context.AddInitialMetadata("dcac-request-id", info.request_id);
  const std::string certificate_name = CertificateName(context);
  const Credentials credentials{.authorization = Metadata(context, "authorization"),
                                .tenant = Metadata(context, "dcac-tenant"),
                                .certificate_name = certificate_name};
  absl::StatusOr<Identity> identity = authenticator_.Authenticate(credentials, RequiredScope(method));
  if (!identity.ok()) {
    metrics_.OnCallEnd(info, CallFacts(), identity.status());
    return identity.status();
  }
  info.tenant = std::move(identity->tenant);
  info.store_tenant = !info.tenant.empty()         ? info.tenant
                      : credentials.tenant.empty() ? "default"
                                                   : std::string(credentials.tenant);
  const Caller caller{.tenant = info.tenant, .caller = info.caller};
  // Operators want to know how the server is most of all when it is busy.
  absl::StatusOr<Admission::Ticket> ticket =
      method == Method::kGetStatus ? admission_.EnterInAnyCase(caller) : admission_.Enter(caller);
  if (!ticket.ok()) {
    metrics_.OnCallEnd(info, {.refusal = Refusal::kCalls}, ticket.status());
    return ticket.status();
  }
  return std::make_unique<Call>(std::move(info), *std::move(ticket), metrics_);
}

}  // namespace dcac::server
