// dcac-server: serves until SIGTERM or SIGINT, then drains.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/allocator.h"
#include "server/config.h"
#include "server/health_probe.h"
#include "server/server.h"
#include "server/version.h"

namespace dcac::server {
namespace {

constexpr std::chrono::milliseconds kHealthTimeout{3000};
constexpr std::chrono::milliseconds kWatchdogGrace{5000};

// One write, so that lines of several threads do not mix.
void Log(const std::string& text) {
  std::cerr << absl::StrCat("dcac-server: ", text, "\n") << std::flush;
}

// Blocked before any thread starts, so that all inherit it and Wait alone gets the signal.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  int Wait() const {
    int signal = 0;
    while (sigwait(&set_, &signal) != 0) {
    }
    return signal;
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

int Serve(const ServerOptions& options) {
  const StopSignals stop_signals;
  const bool tuned = KeepMemoryOfMessages();
  signal(SIGPIPE, SIG_IGN);
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(options);
  if (!server.ok()) {
    Log(std::string(server.status().message()));
    return 1;
  }
  Log(absl::StrCat("version ", std::string(Version()), " listening on ", absl::StrJoin((*server)->addresses(), ", "),
                   " with ", (*server)->threads(), " threads"));
  if (!tuned) Log("the allocator does not take its settings; going on without them");
  const int signal = stop_signals.Wait();
  Log(absl::StrCat("signal ", signal, ", draining"));
  StartWatchdog(options.lame_duck + options.drain + kWatchdogGrace);
  (*server)->Drain();
  Log(Summary((*server)->metrics()));
  return 0;
}

int Run(const std::vector<std::string>& arguments) {
  const Config config = ParseCommandLine(arguments, std::cout, std::cerr);
  switch (config.action) {
    case Config::Action::kServe:
      return Serve(config.server);
    case Config::Action::kProbeHealth: {
      const absl::Status status = ProbeHealth(config.health_target, kHealthTimeout);
      if (!status.ok()) Log(std::string(status.message()));
      return status.ok() ? 0 : 1;
    }
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
