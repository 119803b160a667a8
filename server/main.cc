// dcac-server: serves until SIGTERM or SIGINT, then drains.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/allocator.h"
#include "server/access.h"
#include "server/config.h"
#include "server/config_reload.h"
#include "server/health_probe.h"
#include "server/option_checks.h"
#include "server/server.h"
#include "server/service_manager.h"
#include "server/token_commands.h"
#include "server/version.h"

namespace dcac::server {
namespace {

constexpr std::chrono::milliseconds kHealthTimeout{3000};
constexpr std::chrono::milliseconds kWatchdogGrace{5000};

// One write, so that lines of several threads do not mix.
void Log(const std::string& text) {
  std::cerr << absl::StrCat("dcac-server: ", text, "\n") << std::flush;
}

// Logs what went wrong.  The exit status.
int Report(const absl::Status& status, int failure) {
  if (!status.ok()) Log(std::string(status.message()));
  return status.ok() ? 0 : failure;
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

// The transport waits without limit for calls that do not end.
void StartWatchdog(std::chrono::milliseconds limit) {
  std::thread([limit] {
    std::this_thread::sleep_for(limit);
    Log("calls did not end when they were cut; exiting without them");
    _exit(1);
  }).detach();
}

std::string Summary(const Metrics& metrics) {
  const std::uint64_t calls = metrics.all_calls();
  return absl::StrCat("stopped after ", calls, " calls, ", calls - metrics.calls(absl::StatusCode::kOk),
                      " of them failed; ", metrics.request_bytes(), " bytes received, ", metrics.response_bytes(),
                      " bytes sent");
}

void LogAll(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) Log(line);
}

// Reloads, on SIGHUP and from time to time, until a signal to stop comes, which it returns.
int WaitForStop(const Signals& signals, const SettingSources& sources, ServerOptions& options, Server& server) {
  while (true) {
    const int signal = signals.Wait(options.reload_interval);
    if (signal == SIGTERM || signal == SIGINT) return signal;
    if (signal == SIGHUP) {
      Log("signal 1, reloading");
      TellServiceManager(kReloading);
      ReloadedSettings reloaded = ReloadSettings(sources, options);
      LogAll(reloaded.events);
      options = std::move(reloaded.options);
      server.SetOptions(options);
    }
    LogAll(server.ReloadFiles());
    if (signal == SIGHUP) TellServiceManager(kReady);
  }
}

int Serve(const Config& config) {
  const Signals signals;
  ServerOptions options = config.server;
  const bool tuned = KeepMemoryOfMessages();
  signal(SIGPIPE, SIG_IGN);
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(options);
  if (!server.ok()) {
    Log(std::string(server.status().message()));
    return absl::IsInvalidArgument(server.status()) ? kUsageError : 1;
  }
  Log(absl::StrCat("version ", std::string(Version()), " listening on ", absl::StrJoin((*server)->addresses(), ", "),
                   " with ", (*server)->threads(), " threads"));
  if (!tuned) Log("the allocator does not take its settings; going on without them");
  LogAll((*server)->Warnings());
  TellServiceManager(kReady);
  const int signal = WaitForStop(signals, config.sources, options, **server);
  Log(absl::StrCat("signal ", signal, ", draining"));
  TellServiceManager(kStopping);
  StartWatchdog(options.lame_duck + options.drain + kWatchdogGrace);
  (*server)->Drain();
  Log(Summary((*server)->metrics()));
  return 0;
}

int CheckConfig(const ServerOptions& options) {
  absl::Status status = CheckOptions(options);
  if (status.ok()) status = Access::Load(options).status();
  return Report(status, kUsageError);
}

int Run(const std::vector<std::string>& arguments) {
  const Config config = ParseCommandLine(arguments, ProcessEnvironment(), std::cout, std::cerr);
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
