#include "server/call_gate.h"

#include <grpc/grpc_security_constants.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"

namespace dcac::server {
namespace {

constexpr std::size_t kMaxCallerLength = 64;
constexpr std::size_t kTraceparentLength = 55;  // 00-TRACE-PARENT-FLAGS

// The first value of a key; empty: there is none.
std::string_view Metadata(const grpc::CallbackServerContext& context, const char* key) {
  const auto& all = context.client_metadata();
  const auto found = all.find(key);
  return found == all.end() ? std::string_view() : std::string_view(found->second.data(), found->second.size());
}

// W3C Trace Context, version 00: what goes into the log is of this shape and no other.
bool IsTraceparent(std::string_view text) {
  if (text.size() != kTraceparentLength || !text.starts_with("00-")) return false;
  for (std::size_t i = 3; i < text.size(); ++i) {
    const bool dash = i == 35 || i == 52;
    if (dash != (text[i] == '-')) return false;
    if (!dash && std::string_view("0123456789abcdef").find(text[i]) == std::string_view::npos) return false;
  }
  return true;
}

// Unlikely to be given twice, by this server or another.
std::string NewRequestId() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return absl::StrFormat("%016x", random());
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
  CallInfo info{.method = method, .peer = context.peer(), .request_id = NewRequestId()};
  info.start = std::chrono::steady_clock::now();
  const std::string_view caller = Metadata(context, "dcac-caller");
  info.caller = caller.empty() ? HostOf(info.peer) : std::string(caller.substr(0, kMaxCallerLength));
  const std::string_view traceparent = Metadata(context, "traceparent");
  if (IsTraceparent(traceparent)) info.traceparent = traceparent;
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
  absl::StatusOr<Admission::Ticket> ticket = admission_.Enter({.tenant = info.tenant, .caller = info.caller});
  if (!ticket.ok()) {
    metrics_.OnCallEnd(info, CallFacts(), ticket.status());
    return ticket.status();
  }
  return std::make_unique<Call>(std::move(info), *std::move(ticket), metrics_);
}

}  // namespace dcac::server
