#include "client/loadgen/load.h"

#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/loadgen/mix.h"
#include "client/loadgen/schedule.h"
#include "core/base/status_macros.h"
#include "proto/wire/retry_info.h"

namespace dcac::loadgen {
namespace {

using Clock = std::chrono::steady_clock;
using Moment = Clock::time_point;

// After a failure, so that a server that is gone does not keep the processors busy.
constexpr std::chrono::milliseconds kPauseAfterError{1};

// Bytes that must come, compared as they do.
class Comparison {
 public:
  Comparison(const std::string& what, std::span<const std::byte> expected) : what_(what), rest_(expected) {}

  absl::Status Take(std::span<const std::byte> bytes) {
    const std::size_t count = std::min(bytes.size(), rest_.size());
    const auto difference =
        std::mismatch(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count), rest_.begin());
    taken_ += static_cast<std::uint64_t>(difference.first - bytes.begin());
    if (difference.first != bytes.end()) {
      return absl::DataLossError(absl::StrCat(what_, ": byte ", taken_, " of the result is not that of this process"));
    }
    rest_ = rest_.subspan(count);
    return absl::OkStatus();
  }

  absl::Status End() const {
    if (rest_.empty()) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat(what_, ": the result has ", taken_, " bytes, expected ", taken_ + rest_.size()));
  }

 private:
  const std::string what_;
  std::span<const std::byte> rest_;
  std::uint64_t taken_ = 0;
};

struct Window {
  Moment begin, end;

  bool Contains(Moment moment) const { return begin <= moment && moment < end; }

  // The part of the time from `from` to `to` that lies within.
  double Share(Moment from, Moment to) const {
    if (to <= from) return Contains(from) ? 1 : 0;
    const auto within = std::max(Clock::duration::zero(), std::min(to, end) - std::max(from, begin));
    return static_cast<double>(within.count()) / static_cast<double>((to - from).count());
  }
};

// What the workers share.
struct Shared {
  Shared(const LoadOptions& load_options, const std::vector<LoadTensor>& load_tensors)
      : options(load_options), tensors(load_tensors), verified(tensors.size() * options.kinds.size()) {
    if (options.rate) schedule.emplace(*options.rate, options.warmup + options.duration, options.seed);
  }

  void Start(Moment moment) {
    start = moment;
    window = {start + options.warmup, start + options.warmup + options.duration};
  }

  const LoadOptions& options;
  const std::vector<LoadTensor>& tensors;
  std::optional<PoissonSchedule> schedule;  // nothing: closed loop
  std::vector<std::atomic<bool>> verified;  // by tensor and kind
  std::atomic<int> settled{0};              // workers whose calls of the measured time have ended
  Moment start;
  Window window;
};

// One thread of the load.
class Worker {
 public:
  Worker(Shared& shared, int index, std::unique_ptr<Caller> caller)
      : shared_(shared),
        caller_(std::move(caller)),
        sequence_(Weights(shared.tensors), static_cast<std::size_t>(index)) {}

  void Run() {
    // Timers of a thread are 50 us late unless told otherwise.
    prctl(PR_SET_TIMERSLACK, 1);
    std::this_thread::sleep_until(shared_.start);
    shared_.schedule ? RunOpenLoop() : RunClosedLoop();
  }

  const LoadResult& result() const { return result_; }

 private:
  static std::vector<std::uint32_t> Weights(const std::vector<LoadTensor>& tensors) {
    std::vector<std::uint32_t> weights;
    for (const LoadTensor& tensor : tensors) weights.push_back(tensor.weight);
    return weights;
  }

  // Goes on until the last call of the measured time has ended, so that all of them meet the same load.
  void RunClosedLoop() {
    bool settled = false;
    while (true) {
      const Moment begin = Clock::now();
      if (begin >= shared_.window.end && !std::exchange(settled, true)) ++shared_.settled;
      if (shared_.settled == shared_.options.concurrency) return;
      CallNext(begin);
    }
  }

  void RunOpenLoop() {
    while (const std::optional<std::chrono::nanoseconds> arrival = shared_.schedule->Next()) {
      const Moment scheduled = shared_.start + *arrival;
      std::this_thread::sleep_until(scheduled);
      CallNext(scheduled);
    }
  }

  void CallNext(Moment scheduled) {
    if (kind_ == 0) tensor_ = sequence_.Next();
    const LoadTensor& tensor = shared_.tensors[tensor_];
    const std::size_t kind = std::exchange(kind_, (kind_ + 1) % shared_.options.kinds.size());
    Moment begin = Clock::now();
    absl::Status status = Attempt(tensor, kind);
    while (const auto delay = wire::RetryDelay(status)) {
      CountRefusal(scheduled);
      if (!shared_.options.retry_refused || shared_.schedule || !WaitForRetry(*delay)) return;
      begin = Clock::now();
      status = Attempt(tensor, kind);
    }
    Count(tensor, status, scheduled, begin, Clock::now());
    if (!status.ok()) std::this_thread::sleep_for(kPauseAfterError);
  }

  absl::Status Attempt(const LoadTensor& tensor, std::size_t kind) {
    const bool compress = shared_.options.kinds[kind] == CallKind::kCompress;
    std::atomic<bool>& verified = shared_.verified[tensor_ * shared_.options.kinds.size() + kind];
    const bool verify = !verified.exchange(true) || shared_.options.verify_all;
    Comparison comparison(tensor.name, compress ? std::span(tensor.frame) : std::span(tensor.tensor.data));
    const ByteTaker taker = [&](std::span<const std::byte> bytes) {
      return verify ? comparison.Take(bytes) : absl::OkStatus();
    };
    const absl::Status status =
        compress ? caller_->Compress(tensor.tensor, taker) : caller_->Decompress(tensor.frame, taker);
    if (!status.ok()) {
      if (verify) verified = false;  // another call is to do it
      return status;
    }
    return verify ? comparison.End() : absl::OkStatus();
  }

  // False: the measured time is over before that.
  bool WaitForRetry(std::chrono::milliseconds delay) const {
    const Moment retry = Clock::now() + delay;
    std::this_thread::sleep_until(std::min(retry, shared_.window.end));
    return retry < shared_.window.end;
  }

  void CountRefusal(Moment scheduled) {
    if (!shared_.window.Contains(scheduled)) return;
    ++result_.requests;
    ++result_.refused;
  }

  void Count(const LoadTensor& tensor, const absl::Status& status, Moment scheduled, Moment begin, Moment end) {
    if (status.ok()) {
      const double share = shared_.window.Share(begin, end);
      result_.raw_bytes += share * static_cast<double>(tensor.tensor.data.size());
      result_.stored_bytes += share * static_cast<double>(tensor.frame.size());
    }
    if (!shared_.window.Contains(scheduled)) return;
    ++result_.requests;
    if (status.ok()) {
      ++result_.completed;
      result_.latency.Record(end - scheduled);
    } else {
      ++result_.errors_by_code[status.code()];
      if (result_.first_error.ok()) result_.first_error = status;
    }
  }

  Shared& shared_;
  const std::unique_ptr<Caller> caller_;
  MixSequence sequence_;
  std::size_t tensor_ = 0;
  std::size_t kind_ = 0;
  LoadResult result_;
};

void Add(const LoadResult& part, LoadResult* sum) {
  sum->requests += part.requests;
  sum->completed += part.completed;
  sum->refused += part.refused;
  for (const auto& [code, count] : part.errors_by_code) sum->errors_by_code[code] += count;
  if (sum->first_error.ok()) sum->first_error = part.first_error;
  sum->raw_bytes += part.raw_bytes;
  sum->stored_bytes += part.stored_bytes;
  sum->latency.Merge(part.latency);
  sum->completed_by_worker.push_back(part.completed);
}

absl::StatusOr<std::vector<std::unique_ptr<Worker>>> MakeWorkers(Shared& shared, const CallerFactory& make_caller) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < shared.options.concurrency; ++i) {
    DCAC_ASSIGN_OR_RETURN(std::unique_ptr<Caller> caller, make_caller(i));
    workers.push_back(std::make_unique<Worker>(shared, i, std::move(caller)));
  }
  return workers;
}

}  // namespace

absl::StatusOr<LoadResult> RunLoad(const LoadOptions& options, const std::vector<LoadTensor>& tensors,
                                   const CallerFactory& make_caller, const UsageProbe& usage) {
  Shared shared(options, tensors);
  DCAC_ASSIGN_OR_RETURN(const std::vector<std::unique_ptr<Worker>> workers, MakeWorkers(shared, make_caller));
  shared.Start(Clock::now());
  std::vector<std::thread> threads;
  for (const std::unique_ptr<Worker>& worker : workers) threads.emplace_back([&worker] { worker->Run(); });

  LoadResult result{.duration = options.duration};
  std::this_thread::sleep_until(shared.window.begin);
  result.usage_before = usage();
  std::this_thread::sleep_until(shared.window.end);
  result.usage_after = usage();
  for (std::thread& thread : threads) thread.join();
  result.usage_after.server_peak_rss_bytes = usage().server_peak_rss_bytes;
  for (const std::unique_ptr<Worker>& worker : workers) Add(worker->result(), &result);
  return result;
}

}  // namespace dcac::loadgen
