#include "core/base/phase_timer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <thread>

namespace dcac {
namespace {

using Clock = std::chrono::steady_clock;
using ::testing::Each;
using ::testing::Ge;
using ::testing::Gt;

constexpr auto kWhile = std::chrono::milliseconds(2);

double InSeconds(Clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

void SpendTime() {
  std::this_thread::sleep_for(kWhile);
}

TEST(PhaseTimerTest, OffUnlessProfiled) {
  {
    const PhaseTimer timer(Phase::kSearch);
    SpendTime();
  }
  const PhaseProfile profile;
  EXPECT_THAT(profile.Seconds(), Each(0.0));
}

TEST(PhaseTimerTest, APhaseWithinAnotherTakesItsTime) {
  const PhaseProfile profile;
  const auto start = Clock::now();
  {
    const PhaseTimer outer(Phase::kModel);
    SpendTime();
    {
      const PhaseTimer inner(Phase::kEntropy);
      SpendTime();
    }
    SpendTime();
  }
  SpendTime();  // in no phase
  const double elapsed = InSeconds(Clock::now() - start);
  const PhaseSeconds seconds = profile.Seconds();
  EXPECT_THAT(seconds[static_cast<size_t>(Phase::kModel)], Ge(2 * InSeconds(kWhile)));
  EXPECT_THAT(seconds[static_cast<size_t>(Phase::kEntropy)], Ge(InSeconds(kWhile)));
  EXPECT_EQ(seconds[static_cast<size_t>(Phase::kSearch)], 0);
  EXPECT_THAT(elapsed - std::accumulate(seconds.begin(), seconds.end(), 0.0), Gt(0.9 * InSeconds(kWhile)));
}

TEST(PhaseTimerTest, ThreadsAddUpAndAProfileBeginsAtZero) {
  for (int round = 0; round < 2; ++round) {
    const PhaseProfile profile;
    const auto work = [] {
      const PhaseTimer timer(Phase::kTokens);
      SpendTime();
    };
    std::thread other(work);
    work();
    other.join();
    EXPECT_THAT(profile.Seconds()[static_cast<size_t>(Phase::kTokens)], Ge(2 * InSeconds(kWhile)));
    EXPECT_EQ(profile.Seconds()[static_cast<size_t>(Phase::kModel)], 0);
  }
}

TEST(PhaseTimerTest, PhasesHaveNames) {
  EXPECT_EQ(PhaseName(Phase::kSearch), "search");
  EXPECT_EQ(PhaseName(Phase::kEntropy), "entropy");
}

}  // namespace
}  // namespace dcac
