#include "server/telemetry/slow_calls.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace dcac::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

const std::chrono::system_clock::time_point kNow{std::chrono::hours(500'000)};

CallRecord Call(int duration_ms, std::chrono::system_clock::time_point end = kNow) {
  CallRecord call;
  call.duration = milliseconds(duration_ms);
  call.end = end;
  return call;
}

TEST(SlowCallsTest, TheSlowestComeFirst) {
  SlowCalls calls;
  for (int i = 0; i < 1000; ++i) calls.Add(Call(i * 37 % 1000));
  const auto slowest = calls.Slowest(kNow);
  ASSERT_EQ(slowest.size(), SlowCalls::kMaxCalls);
  for (int i = 0; i < static_cast<int>(slowest.size()); ++i) {
    EXPECT_EQ(slowest[static_cast<std::size_t>(i)].duration, milliseconds(999 - i));
  }
}

TEST(SlowCallsTest, MinutesAreMergedAndForgotten) {
  SlowCalls calls;
  for (int minute = 0; minute < 30; ++minute) calls.Add(Call(1000 - minute, kNow + minutes(minute)));
  const auto now = kNow + minutes(29);
  const auto slowest = calls.Slowest(now);
  ASSERT_EQ(slowest.size(), SlowCalls::kMinutes + 1);
  EXPECT_EQ(slowest.front().duration, milliseconds(1000 - 19));
  EXPECT_EQ(calls.Slowest(now + minutes(11)).size(), 0u);
}

TEST(SlowCallsTest, ClockThatGoesBackIsNoTrouble) {
  SlowCalls calls;
  calls.Add(Call(5, kNow));
  calls.Add(Call(7, kNow - minutes(11)));  // the same place in the ring
  EXPECT_EQ(calls.Slowest(kNow).size(), 1u);
}

}  // namespace
}  // namespace dcac::server
