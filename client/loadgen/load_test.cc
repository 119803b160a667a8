#include "client/loadgen/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/loadgen/schedule.h"
#include "proto/wire/retry_info.h"

namespace dcac::loadgen {
namespace {

using std::chrono::milliseconds;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

using Bytes = std::vector<std::byte>;

// What calls do: counts them, and fails as told.
struct Behaviour {
  std::function<absl::Status(int call)> before = [](int) {
    return absl::OkStatus();
  };  // `call`: from 0, of all workers
  bool wrong_results = false;
  std::atomic<int> calls{0};
  std::atomic<int> decompress_calls{0};
  std::mutex mutex;
  std::vector<std::string> order;  // "c3": compressed a tensor of 3 bytes; guarded by the mutex
};

class FakeCaller final : public Caller {
 public:
  explicit FakeCaller(Behaviour& behaviour) : behaviour_(behaviour) {}

  absl::Status Compress(const Tensor& tensor, const ByteTaker& frame) override {
    Note("c", tensor.data.size());
    return Answer(Bytes(tensor.data.size() / 2), frame);
  }

  absl::Status Decompress(std::span<const std::byte> frame, const ByteTaker& samples) override {
    ++behaviour_.decompress_calls;
    Note("d", frame.size());
    return Answer(Bytes(frame.size() * 2), samples);
  }

 private:
  void Note(const char* kind, std::size_t bytes) {
    const std::lock_guard lock(behaviour_.mutex);
    behaviour_.order.push_back(kind + std::to_string(bytes));
  }

  // In two parts.
  absl::Status Answer(Bytes result, const ByteTaker& taker) {
    if (const absl::Status status = behaviour_.before(behaviour_.calls++); !status.ok()) return status;
    if (behaviour_.wrong_results) result.back() = std::byte{1};
    const std::size_t half = result.size() / 2;
    if (const absl::Status status = taker(std::span(result).first(half)); !status.ok()) return status;
    return taker(std::span(result).subspan(half));
  }

  Behaviour& behaviour_;
};

CallerFactory Fakes(Behaviour& behaviour) {
  return [&behaviour](int) { return std::make_unique<FakeCaller>(behaviour); };
}

// A tensor whose frame is as the fake gives it.
LoadTensor TensorOf(std::size_t bytes, std::uint32_t weight = 1) {
  return {.name = "t" + std::to_string(bytes),
          .tensor = {.spec = {.dtype = DType::kU8, .shape = {bytes}, .layout = Layout::kFlat}, .data = Bytes(bytes)},
          .frame = Bytes(bytes / 2),
          .weight = weight};
}

Usage NoUsage() {
  return {};
}

LoadOptions ShortRun(int concurrency = 1) {
  return {.concurrency = concurrency, .duration = milliseconds(30)};
}

LoadResult RunFakes(const LoadOptions& options, const std::vector<LoadTensor>& tensors, Behaviour& behaviour) {
  absl::StatusOr<LoadResult> result = RunLoad(options, tensors, Fakes(behaviour), NoUsage);
  EXPECT_TRUE(result.ok()) << result.status();
  return *std::move(result);
}

TEST(ClosedLoopTest, EveryCallIsCountedAndEveryWorkerCalls) {
  Behaviour behaviour;
  behaviour.before = [](int) {
    std::this_thread::sleep_for(milliseconds(1));
    return absl::OkStatus();
  };
  const LoadResult result = RunFakes(ShortRun(3), {TensorOf(1000)}, behaviour);
  EXPECT_EQ(result.duration, milliseconds(30));
  EXPECT_EQ(result.completed, result.requests);
  EXPECT_EQ(result.latency.count(), result.completed);
  EXPECT_GE(result.latency.Percentile(0), milliseconds(1));
  EXPECT_THAT(result.completed_by_worker, ::testing::SizeIs(3));
  EXPECT_THAT(result.completed_by_worker, Each(::testing::Ge(1u)));
  EXPECT_LE(result.requests, static_cast<std::uint64_t>(behaviour.calls));
  EXPECT_GT(result.raw_bytes, 0);
  EXPECT_LE(result.raw_bytes, 1000.0 * behaviour.calls);
  EXPECT_NEAR(result.stored_bytes, result.raw_bytes / 2, 1e-6 * result.raw_bytes);
}

TEST(ClosedLoopTest, EachTensorIsCompressedAndRestoredInTurn) {
  Behaviour behaviour;
  LoadOptions options = ShortRun();
  options.kinds = {CallKind::kCompress, CallKind::kDecompress};
  RunFakes(options, {TensorOf(100), TensorOf(200)}, behaviour);
  ASSERT_GE(behaviour.order.size(), 6u);
  behaviour.order.resize(6);
  EXPECT_THAT(behaviour.order, ElementsAre("c100", "d50", "c200", "d100", "c100", "d50"));
}

TEST(ClosedLoopTest, WeightsSayHowOftenATensorComes) {
  Behaviour behaviour;
  RunFakes(ShortRun(), {TensorOf(100, 3), TensorOf(200, 1)}, behaviour);
  ASSERT_GE(behaviour.order.size(), 8u);
  behaviour.order.resize(8);
  EXPECT_EQ(std::ranges::count(behaviour.order, "c200"), 2);
}

TEST(ClosedLoopTest, FailedCallsAreCountedByCode) {
  Behaviour behaviour;
  behaviour.before = [](int call) {
    if (call == 0) return absl::InternalError("first");
    return call % 2 == 0 ? absl::OkStatus() : absl::UnavailableError("gone");
  };
  const LoadResult result = RunFakes(ShortRun(), {TensorOf(100)}, behaviour);
  EXPECT_EQ(result.errors_by_code.at(absl::StatusCode::kInternal), 1u);
  EXPECT_GE(result.errors_by_code.at(absl::StatusCode::kUnavailable), 1u);
  EXPECT_EQ(result.first_error.message(), "first");
  EXPECT_EQ(result.requests, result.completed + 1 + result.errors_by_code.at(absl::StatusCode::kUnavailable));
}

TEST(ClosedLoopTest, WrongResultsAreDataLoss) {
  for (const CallKind kind : {CallKind::kCompress, CallKind::kDecompress}) {
    Behaviour behaviour;
    behaviour.wrong_results = true;
    LoadOptions options = ShortRun();
    options.kinds = {kind};
    options.verify_all = true;
    const LoadResult result = RunFakes(options, {TensorOf(100)}, behaviour);
    EXPECT_EQ(result.completed, 0u);
    EXPECT_THAT(result.errors_by_code, ElementsAre(Pair(absl::StatusCode::kDataLoss, result.requests)));
    EXPECT_THAT(std::string(result.first_error.message()), StartsWith("t100: byte "));
  }
}

TEST(ClosedLoopTest, ResultsOfAnotherLengthAreDataLoss) {
  Behaviour behaviour;
  LoadTensor longer = TensorOf(100), shorter = TensorOf(100);
  longer.frame.resize(51);
  shorter.frame.resize(49);
  EXPECT_THAT(std::string(RunFakes(ShortRun(), {longer}, behaviour).first_error.message()),
              HasSubstr("the result has 50 bytes, expected 51"));
  EXPECT_THAT(std::string(RunFakes(ShortRun(), {shorter}, behaviour).first_error.message()), HasSubstr("byte 49"));
}

TEST(ClosedLoopTest, TheFirstCallAloneIsComparedUnlessToldOtherwise) {
  Behaviour behaviour;
  behaviour.before = [&behaviour](int call) {
    behaviour.wrong_results = call > 0;
    return absl::OkStatus();
  };
  EXPECT_TRUE(RunFakes(ShortRun(), {TensorOf(100)}, behaviour).errors_by_code.empty());
}

TEST(ClosedLoopTest, RefusedCallsAreNoErrors) {
  Behaviour behaviour;
  behaviour.before = [](int call) {
    return call % 2 == 1 ? absl::OkStatus()
                         : wire::WithRetryDelay(absl::ResourceExhaustedError("full"), milliseconds(1));
  };
  const LoadResult result = RunFakes(ShortRun(), {TensorOf(100)}, behaviour);
  EXPECT_GE(result.refused, 1u);
  EXPECT_EQ(result.requests, result.completed + result.refused);
  EXPECT_TRUE(result.errors_by_code.empty());
}

TEST(ClosedLoopTest, ResourceExhaustedWithoutAdviceIsAnError) {
  Behaviour behaviour;
  behaviour.before = [](int) { return absl::ResourceExhaustedError("too large"); };
  const LoadResult result = RunFakes(ShortRun(), {TensorOf(100)}, behaviour);
  EXPECT_EQ(result.refused, 0u);
  EXPECT_THAT(result.errors_by_code, ElementsAre(Pair(absl::StatusCode::kResourceExhausted, result.requests)));
}

TEST(ClosedLoopTest, RefusedCallsAreRepeatedAndTheirLatencyCountsFromTheFirstAttempt) {
  Behaviour behaviour;
  behaviour.before = [](int call) {
    return call == 3 ? absl::OkStatus()
                     : wire::WithRetryDelay(absl::ResourceExhaustedError("full"), milliseconds(call < 3 ? 2 : 1000));
  };
  LoadOptions options = ShortRun();
  options.duration = milliseconds(500);
  options.retry_refused = true;
  const LoadResult result = RunFakes(options, {TensorOf(100)}, behaviour);
  EXPECT_EQ(result.completed, 1u);
  EXPECT_GE(result.latency.max(), milliseconds(3 * 2));
  EXPECT_EQ(result.refused, 4u);  // the last one would have to come back after the end
}

TEST(OpenLoopTest, AllScheduledCallsAreMadeHoweverSlowTheyAre) {
  LoadOptions options{.concurrency = 1, .duration = milliseconds(50), .rate = 1000, .seed = 5};
  PoissonSchedule schedule(*options.rate, options.duration, options.seed);
  std::uint64_t arrivals = 0;
  while (schedule.Next()) ++arrivals;

  constexpr milliseconds kCall{2};
  Behaviour behaviour;
  behaviour.before = [kCall](int) {
    std::this_thread::sleep_for(kCall);
    return absl::OkStatus();
  };
  const LoadResult result = RunFakes(options, {TensorOf(100)}, behaviour);
  EXPECT_EQ(result.requests, arrivals);
  EXPECT_EQ(result.completed, arrivals);
  // The last one waited for all before it, from its scheduled begin on.
  EXPECT_GE(result.latency.max(), static_cast<int>(arrivals) * kCall - options.duration);
}

TEST(OpenLoopTest, CallsOfTheWarmUpDoNotCount) {
  LoadOptions options{.concurrency = 2, .warmup = milliseconds(20), .duration = milliseconds(20), .rate = 2000};
  PoissonSchedule schedule(*options.rate, options.warmup + options.duration, options.seed);
  int warmup = 0, measured = 0;
  while (const auto arrival = schedule.Next()) ++(*arrival < options.warmup ? warmup : measured);
  Behaviour behaviour;
  const LoadResult result = RunFakes(options, {TensorOf(100)}, behaviour);
  EXPECT_EQ(result.requests, static_cast<std::uint64_t>(measured));
  EXPECT_EQ(behaviour.calls, warmup + measured);
}

TEST(RunLoadTest, ACallerThatCannotBeMadeEndsIt) {
  const CallerFactory factory = [](int worker) -> absl::StatusOr<std::unique_ptr<Caller>> {
    return absl::UnavailableError("no server for " + std::to_string(worker));
  };
  EXPECT_EQ(RunLoad(ShortRun(), {TensorOf(100)}, factory, NoUsage).status().message(), "no server for 0");
}

TEST(RunLoadTest, UsageIsReadBeforeAndAfter) {
  Behaviour behaviour;
  int calls = 0;
  const UsageProbe probe = [&calls] {
    ++calls;
    return Usage{.server_cpu = milliseconds(calls), .server_peak_rss_bytes = static_cast<std::uint64_t>(calls) * 1000};
  };
  const absl::StatusOr<LoadResult> result = RunLoad(ShortRun(), {TensorOf(100)}, Fakes(behaviour), probe);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->usage_before.server_cpu, milliseconds(1));
  EXPECT_EQ(result->usage_after.server_cpu, milliseconds(2));
  EXPECT_EQ(result->usage_after.server_peak_rss_bytes, 3000u);  // when all calls have ended
}

TEST(LocalCallerTest, RestoresWhatItCompressed) {
  const LoadTensor tensor = TensorOf(4096);
  const std::unique_ptr<Caller> caller = MakeLocalCaller({});
  Bytes frame, samples;
  const auto append_to = [](Bytes& out) {
    return [&out](std::span<const std::byte> bytes) {
      out.insert(out.end(), bytes.begin(), bytes.end());
      return absl::OkStatus();
    };
  };
  ASSERT_TRUE(caller->Compress(tensor.tensor, append_to(frame)).ok());
  ASSERT_TRUE(caller->Decompress(frame, append_to(samples)).ok());
  EXPECT_EQ(samples, tensor.tensor.data);
}

}  // namespace
}  // namespace dcac::loadgen
