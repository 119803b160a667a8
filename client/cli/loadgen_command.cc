#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/bench/read_tensor.h"
#include "client/cli/commands.h"
#include "client/cli/exit_code.h"
#include "client/cli/loadgen_report.h"
#include "client/cli/options.h"
#include "client/cli/report.h"
#include "client/cli/server_client.h"
#include "client/cli/server_options.h"
#include "client/cli/server_report.h"
#include "client/loadgen/client_caller.h"
#include "client/loadgen/load.h"
#include "client/loadgen/mix.h"
#include "core/base/allocator.h"
#include "core/base/status_macros.h"
#include "dcac/client.h"
#include "dcac/codec.h"

namespace dcac::cli {
namespace {

constexpr int kMaxConcurrency = 4096;

struct LoadgenOptions {
  ServerOptions server;
  bool in_process = false;
  std::vector<std::string> files;
  EncodeOptions encode;
  files::InputFormat format;
  std::vector<std::string> calls = {"compress"};
  int concurrency = 8;
  double duration_seconds = 10;
  double warmup_seconds = 1;
  double deadline_seconds = 60;
  std::optional<double> rate;
  std::uint64_t seed = 1;
  bool unary = false;
  bool stream = false;
  bool verify = false;
  bool retry_refused = false;
  bool json = false;
};

std::chrono::nanoseconds Nanoseconds(double seconds) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

loadgen::LoadOptions ToLoadOptions(const LoadgenOptions& options) {
  loadgen::LoadOptions load{.concurrency = options.concurrency,
                            .warmup = Nanoseconds(options.warmup_seconds),
                            .duration = Nanoseconds(options.duration_seconds),
                            .rate = options.rate,
                            .seed = options.seed,
                            .kinds = {},
                            .verify_all = options.verify,
                            .retry_refused = options.retry_refused};
  for (const std::string& call : options.calls) {
    load.kinds.push_back(call == "compress" ? loadgen::CallKind::kCompress : loadgen::CallKind::kDecompress);
  }
  return load;
}

client::ClientOptions ToClientOptions(const LoadgenOptions& options) {
  client::ClientOptions result;
  result.deadline = std::chrono::duration_cast<std::chrono::milliseconds>(Nanoseconds(options.deadline_seconds));
  return result;
}

absl::StatusOr<client::Client> ConnectWorker(const LoadgenOptions& options, int worker) {
  client::ClientOptions client_options = ToClientOptions(options);
  client_options.caller = absl::StrCat("loadgen-", getpid(), "-", worker);
  client_options.retry.max_attempts = 1;  // what fails or is refused is to be seen
  return ConnectToServer(options.server, client_options);
}

// Who asks the server how it is goes on asking while the load keeps it from answering.
absl::StatusOr<client::Client> ConnectObserver(const LoadgenOptions& options) {
  client::ClientOptions client_options = ToClientOptions(options);
  client_options.retry = {.max_attempts = 50, .max_backoff = std::chrono::milliseconds(100)};
  return ConnectToServer(options.server, client_options);
}

absl::StatusOr<std::vector<loadgen::LoadTensor>> ReadTensors(const LoadgenOptions& options) {
  std::vector<loadgen::LoadTensor> tensors;
  for (const std::string& text : options.files) {
    DCAC_ASSIGN_OR_RETURN(const loadgen::MixEntry entry, loadgen::ParseMixEntry(text));
    const auto read = [&]() -> absl::Status {
      DCAC_ASSIGN_OR_RETURN(Tensor tensor, ReadTensor(entry.file, options.format));
      DCAC_ASSIGN_OR_RETURN(std::vector<std::byte> frame, Compress(tensor.spec, tensor.data, options.encode));
      tensors.push_back({entry.file, std::move(tensor), std::move(frame), entry.weight});
      return absl::OkStatus();
    };
    if (const absl::Status status = read(); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat(entry.file, ": ", status.message()));
    }
  }
  return tensors;
}

std::chrono::milliseconds OwnCpuTime() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto time = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return std::chrono::duration_cast<std::chrono::milliseconds>(time(usage.ru_utime) + time(usage.ru_stime));
}

// `client`: null where no server is asked.
loadgen::UsageProbe MakeProbe(const client::Client* client) {
  return [client] {
    loadgen::Usage usage;
    if (client != nullptr) {
      // Zeros where the server does not tell: its operators may not want everybody to know.
      if (const auto status = client->GetStatus(); status.ok()) {
        usage.server_cpu = status->cpu_time;
        usage.server_peak_rss_bytes = status->peak_rss_bytes;
      }
    }
    usage.client_cpu = OwnCpuTime();
    return usage;
  };
}

loadgen::CallerFactory MakeFactory(const LoadgenOptions& options) {
  if (options.in_process) {
    return [&options](int) -> absl::StatusOr<std::unique_ptr<loadgen::Caller>> {
      return loadgen::MakeLocalCaller(options.encode);
    };
  }
  return [&options](int worker) -> absl::StatusOr<std::unique_ptr<loadgen::Caller>> {
    DCAC_ASSIGN_OR_RETURN(client::Client client, ConnectWorker(options, worker));
    return loadgen::MakeClientCaller(std::move(client), options.encode,
                                     options.stream ? loadgen::Transport::kStream : loadgen::Transport::kAuto);
  };
}

// Errors: those of the server; of usage (a tensor that is too large for a single message).
absl::Status CheckUnary(const std::vector<loadgen::LoadTensor>& tensors, const client::Client& client) {
  const absl::StatusOr<client::Capabilities> capabilities = client.GetCapabilities();
  if (!capabilities.ok()) return MarkFromServer(capabilities.status());
  for (const loadgen::LoadTensor& tensor : tensors) {
    if (tensor.tensor.data.size() > capabilities->max_unary_bytes) {
      return MarkUsage(absl::InvalidArgumentError(absl::StrCat(tensor.name, " has ", tensor.tensor.data.size(),
                                                               " bytes with --unary, expected at most ",
                                                               capabilities->max_unary_bytes)));
    }
  }
  return absl::OkStatus();
}

int ReportLoad(const LoadgenOptions& options, const loadgen::LoadOptions& load, const loadgen::LoadResult& result) {
  const int exit_code = ReportServerResult(ToJson(load, result), ToText(load, result), options.json);
  if (result.errors_by_code.empty()) return exit_code;
  const int failed = ReportOtherError(absl::StrCat("calls failed, the first with ", result.first_error.ToString()));
  return result.errors_by_code.contains(absl::StatusCode::kDataLoss) ? kExitCorrupt : failed;
}

int ReportServerError(const LoadgenOptions& options, const absl::Status& status) {
  return ReportServerFailure(options.server, status, options.json);
}

int RunLoadgen(const LoadgenOptions& options) {
  if (options.in_process == !options.server.targets.empty()) {
    return ReportUsageError("neither or both of --server and --in-process are given, expected one of them");
  }
  if (options.in_process && (options.unary || options.stream)) {
    return ReportUsageError("--unary and --stream are given with --in-process, expected --server");
  }
  KeepMemoryOfMessages();
  const absl::StatusOr<std::vector<loadgen::LoadTensor>> tensors = ReadTensors(options);
  if (!tensors.ok()) return ReportOtherError(std::string(tensors.status().message()));
  std::optional<client::Client> client;
  if (!options.in_process) {
    absl::StatusOr<client::Client> connected = ConnectObserver(options);
    if (!connected.ok()) return ReportServerError(options, connected.status());
    client = *std::move(connected);
  }
  if (options.unary) {
    if (const absl::Status status = CheckUnary(*tensors, *client); !status.ok()) {
      return ReportServerError(options, status);
    }
  }
  const loadgen::LoadOptions load = ToLoadOptions(options);
  const absl::StatusOr<loadgen::LoadResult> result =
      RunLoad(load, *tensors, MakeFactory(options), MakeProbe(client ? &*client : nullptr));
  if (!result.ok()) return ReportServerError(options, result.status());
  return ReportLoad(options, load, *result);
}

void AddLoopOptions(CLI::App& command, LoadgenOptions& options) {
  command.add_option("--concurrency", options.concurrency, "Workers, each with a connection of its own")
      ->check(CLI::Range(1, kMaxConcurrency))
      ->capture_default_str();
  command.add_option("--duration", options.duration_seconds, "Seconds that are measured")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  command.add_option("--warmup", options.warmup_seconds, "Seconds of load before that")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command
      .add_option("--rate", options.rate,
                  "Open loop: so many calls in a second, at random moments, whether or not earlier ones have ended; "
                  "latency counts from the moment when a call was to begin.  Closed loop without: each worker calls "
                  "again when its call ended")
      ->check(CLI::Range(1e-3, 1e7));
  command.add_option("--seed", options.seed, "Of the random moments")->capture_default_str();
  command.add_option("--deadline", options.deadline_seconds, "Seconds that a call may take; 0 = any")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
}

void AddCallOptions(CLI::App& command, LoadgenOptions& options) {
  command.add_option("--calls", options.calls, "What is called, by comma; of each tensor in turn")
      ->delimiter(',')
      ->check(CLI::IsMember({"compress", "decompress"}))
      ->capture_default_str();
  auto* const unary = command.add_flag("--unary", options.unary, "One message for each tensor, or it is an error");
  command.add_flag("--stream", options.stream, "A stream for each tensor")->excludes(unary);
  command.add_flag(
      "--verify", options.verify,
      "Compare the result of every call with that of this process; of each file the first one is in any case");
  command.add_flag("--retry-refused", options.retry_refused,
                   "Closed loop: repeat what the server refused, when it advises to");
}

}  // namespace

void AddLoadgenCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("loadgen", "Put load on a server and measure throughput and latency");
  auto options = std::make_shared<LoadgenOptions>();
  command->add_option("FILE", options->files, "Tensors; FILE@WEIGHT to have one more often than others")->required();
  AddServerOptions(*command, options->server);
  command->add_flag("--in-process", options->in_process, "No server: what the codec alone takes in this process");
  command->add_flag("--json", options->json, "One JSON object on stdout");
  AddLoopOptions(*command, *options);
  AddCallOptions(*command, *options);
  AddEncodeOptions(*command, options->encode);
  AddInputFormat(*command, options->format);
  command->callback([options, &action] { action = [options] { return RunLoadgen(*options); }; });
}

}  // namespace dcac::cli
