#include "client/loadgen/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

namespace dcac::loadgen {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

std::vector<nanoseconds> Arrivals(double rate, nanoseconds length, std::uint64_t seed) {
  PoissonSchedule schedule(rate, length, seed);
  std::vector<nanoseconds> arrivals;
  while (const std::optional<nanoseconds> next = schedule.Next()) arrivals.push_back(*next);
  return arrivals;
}

TEST(PoissonScheduleTest, ArrivalsAreInOrderAndWithinTheLength) {
  const std::vector<nanoseconds> arrivals = Arrivals(1000, seconds(2), 1);
  ASSERT_FALSE(arrivals.empty());
  EXPECT_TRUE(std::is_sorted(arrivals.begin(), arrivals.end()));
  EXPECT_GE(arrivals.front(), nanoseconds(0));
  EXPECT_LT(arrivals.back(), seconds(2));
}

TEST(PoissonScheduleTest, EqualSeedsGiveEqualArrivals) {
  EXPECT_EQ(Arrivals(500, seconds(1), 7), Arrivals(500, seconds(1), 7));
  EXPECT_NE(Arrivals(500, seconds(1), 7), Arrivals(500, seconds(1), 8));
}

// 100,000 arrivals: the mean is known to a third of a percent, and the spread of exponential gaps is their mean.
TEST(PoissonScheduleTest, GapsHaveMeanAndSpreadOfAPoissonProcess) {
  const std::vector<nanoseconds> arrivals = Arrivals(10'000, seconds(10), 3);
  EXPECT_NEAR(static_cast<double>(arrivals.size()), 100'000, 1500);
  double sum = 0, squares = 0;
  for (std::size_t i = 1; i < arrivals.size(); ++i) {
    const double gap = std::chrono::duration<double>(arrivals[i] - arrivals[i - 1]).count();
    sum += gap;
    squares += gap * gap;
  }
  const double mean = sum / static_cast<double>(arrivals.size() - 1);
  const double spread = std::sqrt(squares / static_cast<double>(arrivals.size() - 1) - mean * mean);
  EXPECT_NEAR(mean, 1e-4, 2e-6);
  EXPECT_NEAR(spread / mean, 1, 0.03);
}

TEST(PoissonScheduleTest, NothingComesAfterTheEnd) {
  PoissonSchedule schedule(1e9, nanoseconds(1), 1);
  while (schedule.Next()) {
  }
  EXPECT_FALSE(schedule.Next());
  EXPECT_FALSE(schedule.Next());
}

}  // namespace
}  // namespace dcac::loadgen
