#include "server/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <atomic>
#include <deque>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"
#include "dcac/simd_target.h"
#include "proto/wire/limits.h"
#include "server/admin_service_impl.h"
#include "server/admission.h"
#include "server/authenticator.h"
#include "server/call_gate.h"
#include "server/cpu_budget.h"
#include "server/idle_watch.h"
#include "server/process_status.h"
#include "server/service_impl.h"
#include "server/socket_lock.h"
#include "server/version.h"
#include "server/worker_pool.h"

namespace dcac::server {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr int kMaxThreads = 1024;

// Pings find peers that vanished.  Clients may ping as often as every 30 s; ours do every 60 s.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
constexpr int kMinClientPingIntervalMs = 30'000;

absl::Status CheckOptions(const ServerOptions& options) {
  if (options.listen.empty()) return absl::InvalidArgumentError("no address to listen on");
  if (options.threads < 0 || options.threads > kMaxThreads) {
    return absl::InvalidArgumentError(absl::StrCat("threads: ", options.threads, " is not in 0..", kMaxThreads));
  }
  return absl::OkStatus();
}

void SetChannelArguments(grpc::ServerBuilder& builder) {
  // Or a second server on the same port would start without an error and get some of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinClientPingIntervalMs);
  builder.SetMaxReceiveMessageSize(static_cast<int>(wire::kMaxMessageBytes));
  builder.SetMaxSendMessageSize(static_cast<int>(wire::kMaxMessageBytes));
}

// `address` with the port that the system chose.
std::string WithPort(const std::string& address, int port) {
  return absl::StrCat(address.substr(0, address.rfind(':') + 1), port);
}

}  // namespace

// Members are destroyed from the last up: the transport first, then what its calls use, then the locks of its sockets.
struct Server::Impl {
  explicit Impl(const ServerOptions& server_options)
      : options(server_options),
        threads(options.threads > 0 ? options.threads : CpuBudget()),
        workers(threads),
        admission({.budget_bytes = options.limits.budget_bytes, .max_calls = options.limits.max_streams}),
        gate(authenticator, admission, metrics),
        watch(options.stream_idle_timeout),
        service(options.limits, gate, workers, watch),
        admin_service(gate, [this](v1::GetStatusResponse* response) { FillStatus(response); }) {}

  void FillStatus(v1::GetStatusResponse* response) const;

  absl::Status Listen();

  const ServerOptions options;
  const int threads;
  std::vector<std::string> addresses;
  std::vector<SocketLock> locks;
  Metrics metrics;
  WorkerPool workers;
  Admission admission;
  NoAuthenticator authenticator;
  CallGate gate;
  IdleWatch watch;
  CompressionServiceImpl service;
  AdminServiceImpl admin_service;
  const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  std::atomic<bool> draining{false};
  std::unique_ptr<grpc::Server> transport;
};

void Server::Impl::FillStatus(v1::GetStatusResponse* response) const {
  const auto uptime = std::chrono::steady_clock::now() - start;
  const ProcessStatus process = ReadProcessStatus();
  response->set_server_version(std::string(Version()));
  response->set_simd_target(std::string(ActiveTarget()));
  response->set_threads(static_cast<std::uint32_t>(threads));
  response->set_uptime_ms(
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(uptime).count()));
  response->set_serving(!draining.load());
  response->set_rss_bytes(process.rss_bytes);
  response->set_peak_rss_bytes(process.peak_rss_bytes);
  response->set_cpu_ms(process.cpu_ms);
  response->set_reserved_bytes(admission.held_bytes());
  response->set_budget_bytes(admission.limits().budget_bytes);
  response->set_open_calls(admission.open_calls());
  response->set_max_calls(admission.limits().max_calls);
  for (int code = 0; code < static_cast<int>(Metrics::kNumCodes); ++code) {
    const std::uint64_t calls = metrics.calls(static_cast<absl::StatusCode>(code));
    if (calls != 0) (*response->mutable_calls_by_code())[code] = calls;
  }
  response->set_received_bytes(metrics.request_bytes());
  response->set_sent_bytes(metrics.response_bytes());
}

absl::Status Server::Impl::Listen() {
  grpc::ServerBuilder builder;
  SetChannelArguments(builder);
  std::deque<int> ports;  // gRPC writes into them; elements stay where they are
  for (const std::string& address : options.listen) {
    if (address.starts_with(kUnixPrefix)) {
      DCAC_ASSIGN_OR_RETURN(SocketLock lock, SocketLock::Acquire(address.substr(kUnixPrefix.size())));
      locks.push_back(std::move(lock));
    }
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &ports.emplace_back(0));
  }
  builder.RegisterService(&service);
  builder.RegisterService(&admin_service);
  transport = builder.BuildAndStart();
  if (transport == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", absl::StrJoin(options.listen, ", ")));
  }
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const std::string& address = options.listen[i];
    addresses.push_back(address.starts_with(kUnixPrefix) ? address : WithPort(address, ports[i]));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  DCAC_RETURN_IF_ERROR(CheckOptions(options));
  static const bool plugins_registered = [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  static_cast<void>(plugins_registered);
  auto impl = std::make_unique<Impl>(options);
  DCAC_RETURN_IF_ERROR(impl->Listen());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  impl_->transport->Shutdown(std::chrono::system_clock::now());
}

void Server::Drain() {
  impl_->draining = true;
  impl_->transport->GetHealthCheckService()->SetServingStatus(false);
  std::this_thread::sleep_for(impl_->options.lame_duck);
  impl_->transport->Shutdown(std::chrono::system_clock::now() + impl_->options.drain);
}

const std::vector<std::string>& Server::addresses() const {
  return impl_->addresses;
}
int Server::threads() const {
  return impl_->threads;
}
const Metrics& Server::metrics() const {
  return impl_->metrics;
}

}  // namespace dcac::server
