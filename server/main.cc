// dcac-server: serves until SIGTERM or SIGINT, then drains.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "core/base/allocator.h"
#include "server/access.h"
#include "server/config.h"
#include "server/config_reload.h"
#include "server/health_probe.h"
#include "server/library_log.h"
#include "server/open_store.h"
#include "server/option_checks.h"
#include "server/place_checks.h"
#include "server/server.h"
#include "server/service_manager.h"
#include "server/telemetry/log.h"
#include "server/token_commands.h"
#include "server/version.h"

namespace dcac::server {
namespace {

constexpr std::chrono::milliseconds kHealthTimeout{3000};
constexpr std::chrono::milliseconds kWatchdogGrace{5000};

// For what is said before there is a log.  One write, so that lines of several threads do not mix.
void Say(const std::string& text) {
  std::cerr << absl::StrCat("dcac-server: ", text, "\n") << std::flush;
}

// Says what went wrong.  The exit status.
int Report(const absl::Status& status, int failure) {
  if (!status.ok()) Say(std::string(status.message()));
  return status.ok() ? 0 : failure;
}

LogLevel LevelOf(const ServerOptions& options) {
  return ParseLogLevel(options.log_level).value_or(LogLevel::kInfo);
}

// Blocked before any thread starts, so that all inherit it and Wait alone gets the signal.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  // 0: `limit` has passed, where there is one.
  int Wait(std::chrono::milliseconds limit) const {
    const timespec time{.tv_sec = limit.count() / 1000, .tv_nsec = limit.count() % 1000 * 1'000'000};
    while (true) {
      const int signal = limit.count() == 0 ? sigwaitinfo(&set_, nullptr) : sigtimedwait(&set_, nullptr, &time);
      if (signal > 0) return signal;
      if (errno == EAGAIN) return 0;
    }
  }

 private:
  sigset_t set_;
};

// All calls have ended; what is left is gRPC's own tidying up, which now and then waits for one of its pollers.
std::atomic<bool> drained{false};

// The transport waits without limit for calls that do not end.
void StartWatchdog(std::chrono::milliseconds limit) {
  std::thread([limit] {
    std::this_thread::sleep_for(limit);
    if (drained) _exit(0);
    Say("calls did not end when they were cut; exiting without them");
    _exit(1);
  }).detach();
}

std::string MetricsRemark(const Server& server) {
  return server.metrics_address().empty() ? "" : absl::StrCat(", metrics on http://", server.metrics_address());
}

void LogSummary(const Metrics& metrics, Log& log) {
  const std::uint64_t calls = metrics.all_calls();
  log.Write(LogEvent(LogLevel::kInfo, "stopped")
                .Number("calls", calls)
                .Number("failed_calls", calls - metrics.calls(absl::StatusCode::kOk))
                .Number("received_bytes", metrics.request_bytes())
                .Number("sent_bytes", metrics.response_bytes()));
}

void LogAll(Log& log, std::string_view event, const std::vector<Notice>& notices) {
  for (const Notice& notice : notices) {
    const LogLevel level = notice.is_problem ? LogLevel::kWarning : LogLevel::kInfo;
    log.Write(LogEvent(level, event).Text("message", notice.text));
  }
}

// Reloads, on SIGHUP and from time to time, until a signal to stop comes, which it returns.
int WaitForStop(const Signals& signals, const SettingSources& sources, ServerOptions& options, Server& server) {
  Log& log = *options.log;
  while (true) {
    const int signal = signals.Wait(options.reload_interval);
    if (signal == SIGTERM || signal == SIGINT) return signal;
    if (signal == SIGHUP) {
      log.Write(LogEvent(LogLevel::kInfo, "reloading").Number("signal", SIGHUP));
      TellServiceManager(kReloading);
      ReloadedSettings reloaded = ReloadSettings(sources, options);
      LogAll(log, "settings_reloaded", reloaded.notices);
      options = std::move(reloaded.options);
      log.set_level(LevelOf(options));
      server.SetOptions(options);
    }
    LogAll(log, "files_reloaded", server.ReloadFiles());
    if (signal == SIGHUP) TellServiceManager(kReady);
  }
}

int Serve(const Config& config) {
  const Signals signals;
  ServerOptions options = config.server;
  Log log(STDERR_FILENO, LevelOf(options), ParseLogFormat(options.log_format).value_or(LogFormat::kLogfmt));
  options.log = &log;
  const LibraryLog library_log(log);
  const bool tuned = KeepMemoryOfMessages();
  // Debian's Abseil looks for deadlocks at every lock of gRPC.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  signal(SIGPIPE, SIG_IGN);
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(options);
  if (!server.ok()) {
    Say(std::string(server.status().message()));
    return absl::IsInvalidArgument(server.status()) ? kUsageError : 1;
  }
  Say(absl::StrCat("version ", std::string(Version()), " listening on ", absl::StrJoin((*server)->addresses(), ", "),
                   " with ", (*server)->threads(), " threads", MetricsRemark(**server), ", store ",
                   options.store.location));
  if (!tuned) log.Write(LogEvent(LogLevel::kWarning, "allocator_not_tuned"));
  LogAll(log, "notice", (*server)->Warnings());
  TellServiceManager(kReady);
  const int signal = WaitForStop(signals, config.sources, options, **server);
  log.Write(LogEvent(LogLevel::kInfo, "draining").Number("signal", static_cast<std::uint64_t>(signal)));
  TellServiceManager(kStopping);
  StartWatchdog(options.lame_duck + options.drain + kWatchdogGrace);
  (*server)->Drain();
  LogSummary((*server)->metrics(), log);
  drained = true;
  return 0;
}

int CheckConfig(const ServerOptions& options) {
  absl::Status status = CheckOptions(options);
  if (status.ok()) status = Access::Load(options).status();
  if (status.ok()) status = CheckPlaces(options);
  return Report(status, kUsageError);
}

int Run(const std::vector<std::string>& arguments) {
  Config config = ParseCommandLine(arguments, ProcessEnvironment(), std::cout, std::cerr);
  if (config.server.store.location.empty()) config.server.store.location = DefaultStoreLocation();
  switch (config.action) {
    case Config::Action::kServe:
      return Serve(config);
    case Config::Action::kCheckConfig:
      return CheckConfig(config.server);
    case Config::Action::kProbeHealth:
      return Report(ProbeHealth(config.health_target, kHealthTimeout), 1);
    case Config::Action::kHashToken:
      return Report(PrintTokenHash(std::cin, std::cout), kUsageError);
    case Config::Action::kNewToken:
      return Report(MakeToken(config.new_token, std::cout, std::cerr), kUsageError);
    case Config::Action::kExit:
      break;
  }
  return config.exit_status;
}

}  // namespace
}  // namespace dcac::server

int main(int argc, char** argv) {
  return dcac::server::Run(std::vector<std::string>(argv + 1, argv + argc));
}
