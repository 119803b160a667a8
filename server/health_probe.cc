#include "server/health_probe.h"

#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"

namespace dcac::server {
namespace {

// With it a channel is ready only when the server's health service says SERVING.
constexpr char kServiceConfig[] =
    R"({"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}})";

}  // namespace

absl::Status ProbeHealth(const std::string& target, std::chrono::milliseconds timeout) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(kServiceConfig);
  const auto channel = grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
  if (channel->WaitForConnected(std::chrono::system_clock::now() + timeout)) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(target, ": not serving within ", timeout.count(), " ms"));
}

}  // namespace dcac::server
