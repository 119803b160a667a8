#include "server/server.h"

#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/resource_quota.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <iterator>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/memory_budget.h"
#include "core/base/status_macros.h"
#include "proto/wire/limits.h"
#include "server/access.h"
#include "server/admin_service_impl.h"
#include "server/admission.h"
#include "server/call_gate.h"
#include "server/cpu_budget.h"
#include "server/http_pages.h"
#include "server/idle_watch.h"
#include "server/listen_address.h"
#include "server/live_limits.h"
#include "server/open_store.h"
#include "server/option_checks.h"
#include "server/service_impl.h"
#include "server/settings.h"
#include "server/socket_lock.h"
#include "server/status_reader.h"
#include "server/store/cached_store.h"
#include "server/store/discreet_store.h"
#include "server/store/metered_store.h"
#include "server/store/operator_text.h"
#include "server/store/store_keeper.h"
#include "server/store_service_impl.h"
#include "server/worker_pool.h"

namespace dcac::server {
namespace {

// Linking reflection puts it into every server of the process; this takes it out of those that are not to have it.
class NoReflectionOption final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    const std::string name = grpc::reflection::ProtoServerReflectionPlugin().name();
    std::erase_if(*plugins, [&](const auto& plugin) { return plugin->name() == name; });
  }
};

ServerOptions WithDefaults(ServerOptions options) {
  if (options.limits.budget_bytes == 0) options.limits.budget_bytes = DefaultMemoryBytes();
  return options;
}

AdmissionLimits ForAdmission(const Limits& limits) {
  return {.budget_bytes = limits.budget_bytes, .max_calls = limits.max_streams};
}

// In which clients of a server that shuts down read what was sent to them.
constexpr std::chrono::milliseconds kLinger{500};

// A connection that is not there by then holds a descriptor for nothing.
constexpr int kHandshakeTimeoutMs = 20'000;

int Milliseconds(std::chrono::milliseconds duration) {
  return static_cast<int>(std::clamp<std::int64_t>(duration.count(), 0, std::numeric_limits<int>::max()));
}

void SetChannelArguments(const ConnectionOptions& options, grpc::ServerBuilder& builder) {
  // Or a second server on the same port would start without an error and get some of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_time));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(options.min_client_ping_interval));
  if (options.max_age.count() > 0) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, Milliseconds(options.max_age));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, Milliseconds(options.max_age_grace));
  }
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, options.bdp_probe ? 1 : 0);
  builder.SetMaxReceiveMessageSize(static_cast<int>(wire::kMaxMessageBytes));
  builder.SetMaxSendMessageSize(static_cast<int>(wire::kMaxMessageBytes));
}

// gRPC has no way to offer it for one server: those of the process that start later have it too.
void OfferChannelz() {
  static const bool offered = [] {
    grpc::channelz::experimental::InitChannelzService();
    return true;
  }();
  static_cast<void>(offered);
}

// Messages are the transport's before a call is known to be anybody's: without a bound, half-sent ones of a single
// client take all memory.  It lies beyond what admitted calls need, for the transport resets streams where it is
// exceeded.
void BoundTransport(const Limits& limits, grpc::ServerBuilder& builder) {
  constexpr std::uint64_t kBeforeAdmissionBytes = std::uint64_t{256} << 20;
  grpc::ResourceQuota quota("dcac-server");
  quota.Resize(limits.budget_bytes + kBeforeAdmissionBytes);
  builder.SetResourceQuota(quota);
}

// What clients are not told of an error of the store, operators are.
store::Discretion DiscretionOf(const ServerOptions& options) {
  store::Discretion discretion{.folder = StoreFolder(options.store.location)};
  if (options.log == nullptr) return discretion;
  discretion.on_hidden = [log = options.log](const std::string& key, const absl::Status& error) {
    log->WriteLimited("store_error", LogEvent(LogLevel::kWarning, "store_error")
                                         .Text("key", key)
                                         .Text("code", absl::StatusCodeToString(error.code()))
                                         .Text("message", store::MessageForOperators(error)));
  };
  return discretion;
}

// With what takes calls to the store on the way: the cache before the meter, so that what it has is no call to the
// store.
std::unique_ptr<store::BlockStore> Wrap(std::unique_ptr<store::BlockStore> store, const ServerOptions& options,
                                        store::StoreMeter& meter) {
  if (store == nullptr) return nullptr;
  store = store::MakeMeteredStore(std::move(store), meter);
  if (options.store.cache_bytes > 0) store = store::MakeCachedStore(std::move(store), options.store.cache_bytes);
  return store::MakeDiscreetStore(std::move(store), DiscretionOf(options));
}

// `address` with the port that the system chose.
std::string WithPort(const std::string& address, int port) {
  return absl::StrCat(address.substr(0, address.rfind(':') + 1), port);
}

}  // namespace

// Members are destroyed from the last up: the transport first, then what its calls use, then the locks of its sockets.
struct Server::Impl {
  Impl(const ServerOptions& server_options, std::unique_ptr<Access> server_access,
       std::unique_ptr<store::BlockStore> server_store)
      : options(WithDefaults(server_options)),
        access(std::move(server_access)),
        metrics(options.log),
        store(Wrap(std::move(server_store), options, metrics.store_calls())),
        threads(options.threads > 0 ? options.threads : CpuBudget()),
        workers(threads),
        limits(options.limits),
        admission(ForAdmission(options.limits)),
        gate(access->authenticator(), admission, metrics),
        watch(options.stream_idle_timeout),
        service(limits, gate, workers, watch),
        admin_service(gate, [this](v1::GetStatusResponse* response) {
          FillStatus(status_reader.ReadLive(), metrics, response);
        }) {
    if (store == nullptr) return;
    store_threads.emplace(options.store.threads);
    store_service.emplace(*store, limits, gate, workers, *store_threads, watch);
    store_keeper.emplace(*store, KeeperOptions());
  }

  absl::Status Listen();
  absl::Status ListenForMetrics();
  store::StoreKeeperOptions KeeperOptions() const;

  ServerOptions options;
  const std::unique_ptr<Access> access;
  Metrics metrics;
  const std::unique_ptr<store::BlockStore> store;  // null: there is none, nor the four of it below
  const int threads;
  std::vector<std::string> addresses;
  std::string metrics_address;
  std::vector<SocketLock> locks;
  std::vector<std::shared_ptr<grpc::ServerCredentials>> credentials;  // of listeners, which use them to their end
  WorkerPool workers;
  LiveLimits limits;
  Admission admission;
  CallGate gate;
  IdleWatch watch;
  CompressionServiceImpl service;
  AdminServiceImpl admin_service;
  std::optional<IoPool> store_threads;
  std::optional<StoreServiceImpl> store_service;
  std::optional<store::StoreKeeper> store_keeper;
  std::atomic<bool> draining{false};
  StatusReader status_reader{{.metrics = metrics,
                              .access = *access,
                              .admission = admission,
                              .workers = workers,
                              .store = store.get(),
                              .draining = draining,
                              .log = options.log,
                              .threads = threads,
                              .addresses = addresses}};
  const HttpPages pages{metrics, status_reader};
  std::unique_ptr<grpc::Server> transport;
  std::unique_ptr<HttpListener> metrics_listener;
};

absl::Status Server::Impl::Listen() {
  grpc::ServerBuilder builder;
  SetChannelArguments(options.connections, builder);
  if (!options.reflection) builder.SetOption(std::make_unique<NoReflectionOption>());
  std::deque<int> ports;  // gRPC writes into them; elements stay where they are
  for (const std::string& text : options.listen) {
    DCAC_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(text));
    if (address.is_unix) {
      DCAC_ASSIGN_OR_RETURN(SocketLock lock, SocketLock::Acquire(address.path));
      locks.push_back(std::move(lock));
    }
    credentials.push_back(access->ListenerCredentials(address.is_unix));
    builder.AddListeningPort(text, credentials.back(), &ports.emplace_back(0));
  }
  BoundTransport(options.limits, builder);
  builder.RegisterService(&service);
  builder.RegisterService(&admin_service);
  if (store_service) builder.RegisterService(&*store_service);
  transport = builder.BuildAndStart();
  if (transport == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", absl::StrJoin(options.listen, ", ")));
  }
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const std::string& text = options.listen[i];
    DCAC_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(text));
    addresses.push_back(address.is_unix ? text : WithPort(text, ports[i]));
    if (address.is_unix && chmod(address.path.c_str(), options.unix_socket_mode) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("permissions of ", text));
    }
  }
  return absl::OkStatus();
}

store::StoreKeeperOptions Server::Impl::KeeperOptions() const {
  Log* const log = options.log;
  const auto write = [log](LogLevel level, std::string_view event, std::string_view name, const std::string& text) {
    if (log != nullptr) log->Write(LogEvent(level, event).Text(name, text));
  };
  return {.scrub_bytes_per_second = options.store.scrub_bytes_per_second,
          .on_damage = [write](const std::string& key) { write(LogLevel::kError, "damaged_object", "key", key); },
          .on_error =
              [write](const absl::Status& error) {
                write(LogLevel::kWarning, "store_upkeep_failed", "message", std::string(error.message()));
              }};
}

absl::Status Server::Impl::ListenForMetrics() {
  if (options.metrics_listen.empty()) return absl::OkStatus();
  DCAC_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(options.metrics_listen));
  const auto answer = [this](const HttpRequest& request) { return pages.Answer(request); };
  DCAC_ASSIGN_OR_RETURN(metrics_listener, HttpListener::Start(address.host, address.port, answer));
  metrics_address = WithPort(options.metrics_listen, metrics_listener->port());
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  DCAC_RETURN_IF_ERROR(CheckOptions(options));
  static std::once_flag health_enabled;
  std::call_once(health_enabled, [] { grpc::EnableDefaultHealthCheckService(true); });
  DCAC_ASSIGN_OR_RETURN(std::unique_ptr<Access> access, Access::Load(options));
  const auto warn = [log = options.log](const std::string& message) {
    if (log != nullptr) log->Write(LogEvent(LogLevel::kWarning, "store_log_cut").Text("message", message));
  };
  DCAC_ASSIGN_OR_RETURN(std::unique_ptr<store::BlockStore> store, OpenStore(options.store, warn));
  auto impl = std::make_unique<Impl>(options, std::move(access), std::move(store));
  if (options.channelz) OfferChannelz();
  DCAC_RETURN_IF_ERROR(impl->Listen());
  impl->status_reader.SetSettings(ShownSettings(impl->options));
  DCAC_RETURN_IF_ERROR(impl->ListenForMetrics());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

void Server::SetOptions(const ServerOptions& options) {
  const ServerOptions next = WithDefaults(options);
  impl_->options.lame_duck = next.lame_duck;
  impl_->options.drain = next.drain;
  impl_->options.limits = next.limits;
  impl_->limits.Set(next.limits);
  impl_->admission.SetLimits(ForAdmission(next.limits));
  impl_->options.log_level = next.log_level;
  impl_->status_reader.SetSettings(ShownSettings(impl_->options));
}

std::vector<Notice> Server::ReloadFiles() {
  return impl_->access->Reload();
}

Server::~Server() {
  impl_->transport->Shutdown(std::chrono::system_clock::now());
}

void Server::Drain() {
  impl_->draining = true;
  impl_->transport->GetHealthCheckService()->SetServingStatus(false);
  std::this_thread::sleep_for(impl_->options.lame_duck);
  impl_->watch.BeginLingering(kLinger);
  std::this_thread::sleep_for(kLinger);  // for calls that have just ended
  impl_->transport->Shutdown(std::chrono::system_clock::now() + impl_->options.drain);
}

std::vector<Notice> Server::Warnings() const {
  std::vector<Notice> warnings = OptionWarnings(impl_->options);
  std::ranges::move(impl_->access->Warnings(), std::back_inserter(warnings));
  return warnings;
}
const std::vector<std::string>& Server::addresses() const {
  return impl_->addresses;
}
const std::string& Server::metrics_address() const {
  return impl_->metrics_address;
}
int Server::threads() const {
  return impl_->threads;
}
const Metrics& Server::metrics() const {
  return impl_->metrics;
}

}  // namespace dcac::server
