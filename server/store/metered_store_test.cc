#include "server/store/metered_store.h"

#include <gmock/gmock.h>

#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/status_macros.h"
#include "server/store/conformance.h"
#include "server/store/local_store.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

class Calls final : public StoreMeter {
 public:
  using Call = std::tuple<std::string_view, absl::StatusCode, milliseconds>;
  void OnStoreCall(StoreVerb verb, absl::StatusCode code, std::chrono::nanoseconds duration) override {
    calls_.emplace_back(StoreVerbName(verb), code, std::chrono::floor<milliseconds>(duration));
  }
  std::vector<Call> Take() { return std::exchange(calls_, {}); }

 private:
  std::vector<Call> calls_;
};

class NoMeter final : public StoreMeter {
 public:
  void OnStoreCall(StoreVerb, absl::StatusCode, std::chrono::nanoseconds) override {}
};

Backend MeteredBackend() {
  return {"Metered", [](const StoreLimits& limits, TestClock& clock) -> absl::StatusOr<std::unique_ptr<BlockStore>> {
            static NoMeter meter;
            DCAC_ASSIGN_OR_RETURN(std::unique_ptr<BlockStore> store, OpenMemoryStore(limits, clock.function()));
            return MakeMeteredStore(std::move(store), meter);
          }};
}

INSTANTIATE_TEST_SUITE_P(Metered, StoreConformanceTest, ::testing::Values(MeteredBackend()),
                         [](const auto& instance) { return instance.param.name; });

TEST(MeteredStoreTest, TellsOfEachCallItsVerbItsCodeAndItsDuration) {
  constexpr absl::StatusCode kOk = absl::StatusCode::kOk, kNotFound = absl::StatusCode::kNotFound;
  constexpr milliseconds kTick{1};
  Calls calls;
  std::chrono::steady_clock::time_point time;
  // Each look at the clock takes a millisecond.
  const auto store = MakeMeteredStore(*OpenMemoryStore({}), calls, [&time, kTick] { return time += kTick; });
  const CallControl control;
  const std::string bytes = SomeBytes(1000);
  std::string out(10, '\0');
  {
    const auto upload = *store->Begin({.key = "t/k", .expected_bytes = 0, .state = {}}, control);
    ASSERT_TRUE(upload->Append(AsBytes(bytes), control).ok());
    ASSERT_TRUE(upload->Read(0, std::as_writable_bytes(std::span(out)), control).ok());
    ASSERT_TRUE(upload->Seal(control).ok());
    ASSERT_TRUE(upload->Commit({}, control).ok());
  }
  EXPECT_THAT(calls.Take(), ElementsAre(Calls::Call("begin", kOk, kTick), Calls::Call("append", kOk, kTick),
                                        Calls::Call("read_upload", kOk, kTick), Calls::Call("seal", kOk, kTick),
                                        Calls::Call("commit", kOk, kTick)));
  ASSERT_TRUE((*store->Open("t/k", control))->Read(5, std::as_writable_bytes(std::span(out)), control).ok());
  EXPECT_FALSE(store->Open("t/none", control).ok());
  EXPECT_THAT(calls.Take(), ElementsAre(Calls::Call("open", kOk, kTick), Calls::Call("read", kOk, kTick),
                                        Calls::Call("open", kNotFound, kTick)));
  const std::vector<std::string> keys = {"t/k", "t/none"};
  store->Stat(keys, control);
  store->Delete({keys.data(), 1}, control);
  EXPECT_THAT(calls.Take(), ElementsAre(Calls::Call("stat", kNotFound, kTick), Calls::Call("delete", kOk, kTick)));
}

TEST(MeteredStoreTest, VerbsHaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kNumStoreVerbs; ++i) names.insert(StoreVerbName(static_cast<StoreVerb>(i)));
  EXPECT_EQ(names.size(), kNumStoreVerbs);
  EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace dcac::store
