#include "client/internal/retry_policy.h"

#include <gtest/gtest.h>

#include <vector>

#include "proto/wire/retry_info.h"

namespace dcac::client::internal {
namespace {

using std::chrono::milliseconds;

const absl::Status kGone = absl::UnavailableError("gone");

absl::Status ExhaustedFor(milliseconds delay) {
  return wire::WithRetryDelay(absl::ResourceExhaustedError("full"), delay);
}

// Time passes only in sleep; chance is as told.
class FakeClock final : public RetryClock {
 public:
  TimePoint Now() override { return now_; }
  bool SleepUntil(TimePoint until, const CancelToken& cancel) override {
    sleeps.push_back(std::chrono::duration_cast<milliseconds>(until - now_));
    now_ = until;
    if (cancels_in_sleep) cancel.Cancel();
    return !cancel.cancelled();
  }
  double Random() override { return random; }

  double random = 1;  // the limit of what is possible
  bool cancels_in_sleep = false;
  std::vector<milliseconds> sleeps;

 private:
  TimePoint now_ = TimePoint() + std::chrono::hours(1);
};

class RetryPolicyTest : public ::testing::Test {
 protected:
  RetryPolicy Policy(std::size_t num_connections = 1, RetryClock::TimePoint deadline = RetryClock::TimePoint::max()) {
    return RetryPolicy(options_, num_connections, deadline, clock_);
  }

  RetryOptions options_{.max_attempts = 6, .initial_backoff = milliseconds(100), .max_backoff = milliseconds(500)};
  FakeClock clock_;
  const CancelToken token_;
};

TEST_F(RetryPolicyTest, WaitsDoubleUpToTheLimit) {
  RetryPolicy policy = Policy();
  int attempts = 1;
  while (policy.WaitForNextAttempt(kGone, token_)) ++attempts;
  EXPECT_EQ(attempts, 6);
  EXPECT_EQ(clock_.sleeps, (std::vector<milliseconds>{milliseconds(100), milliseconds(200), milliseconds(400),
                                                      milliseconds(500), milliseconds(500)}));
}

TEST_F(RetryPolicyTest, AllOfAWaitIsRandom) {
  clock_.random = 0.25;
  RetryPolicy policy = Policy();
  EXPECT_TRUE(policy.WaitForNextAttempt(kGone, token_));
  EXPECT_EQ(clock_.sleeps, std::vector{milliseconds(25)});
}

TEST_F(RetryPolicyTest, OnlyTransientErrorsAreTriedAgain) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "");
    const bool transient = absl::IsUnavailable(status) || absl::IsCancelled(status);
    EXPECT_EQ(Policy().WaitForNextAttempt(status, token_), transient) << status;
  }
}

TEST_F(RetryPolicyTest, WaitsAsLongAsTheServerSaysAndALittleMore) {
  clock_.random = 0.5;
  RetryPolicy policy = Policy(/*num_connections=*/3);
  EXPECT_TRUE(policy.WaitForNextAttempt(ExhaustedFor(milliseconds(1234)), token_));
  EXPECT_EQ(clock_.sleeps, std::vector{milliseconds(1284)});
}

TEST_F(RetryPolicyTest, OtherConnectionsAreTriedAtOnce) {
  RetryPolicy policy = Policy(/*num_connections=*/3);
  EXPECT_TRUE(policy.WaitForNextAttempt(kGone, token_));
  EXPECT_TRUE(policy.WaitForNextAttempt(kGone, token_));
  EXPECT_TRUE(clock_.sleeps.empty());
  EXPECT_TRUE(policy.WaitForNextAttempt(kGone, token_));
  EXPECT_EQ(clock_.sleeps.size(), 1u);
}

TEST_F(RetryPolicyTest, NoWaitLastsBeyondTheDeadline) {
  RetryPolicy policy = Policy(1, clock_.Now() + milliseconds(150));
  EXPECT_TRUE(policy.WaitForNextAttempt(kGone, token_));
  EXPECT_FALSE(policy.WaitForNextAttempt(kGone, token_));
  EXPECT_FALSE(Policy(3, clock_.Now()).WaitForNextAttempt(kGone, token_)) << "not even an empty one";
  EXPECT_FALSE(Policy(1, clock_.Now() + milliseconds(150)).WaitForNextAttempt(ExhaustedFor(milliseconds(200)), token_));
  EXPECT_EQ(clock_.sleeps, std::vector{milliseconds(100)});
}

TEST_F(RetryPolicyTest, NobodyWaitsForYears) {
  EXPECT_FALSE(Policy().WaitForNextAttempt(ExhaustedFor(std::chrono::hours(24 * 365 * 5000)), token_));
  EXPECT_TRUE(clock_.sleeps.empty());
}

TEST_F(RetryPolicyTest, CancelledCallsAreNotTriedAgain) {
  clock_.cancels_in_sleep = true;
  EXPECT_FALSE(Policy().WaitForNextAttempt(kGone, token_));
  EXPECT_EQ(clock_.sleeps.size(), 1u);
  EXPECT_FALSE(Policy().WaitForNextAttempt(absl::CancelledError(), token_));
  EXPECT_EQ(clock_.sleeps.size(), 1u);
}

TEST_F(RetryPolicyTest, OneAttemptIsNone) {
  options_.max_attempts = 1;
  EXPECT_FALSE(Policy(5).WaitForNextAttempt(kGone, token_));
}

TEST(SystemRetryClockTest, SleepEndsWhenTheTokenIsCancelled) {
  const CancelToken token;
  RetryClock& clock = SystemRetryClock();
  EXPECT_TRUE(clock.SleepUntil(clock.Now(), token));
  token.Cancel();
  EXPECT_FALSE(clock.SleepUntil(clock.Now() + std::chrono::hours(1), token));
  for (int i = 0; i < 1000; ++i) {
    const double x = clock.Random();
    EXPECT_TRUE(x >= 0 && x < 1) << x;
  }
}

TEST_F(RetryPolicyTest, WaitsForAConnectionNoLongerThanAllowedInAll) {
  options_.reconnect_timeout = milliseconds(100);
  RetryPolicy policy = Policy();
  const RetryClock::TimePoint start = clock_.Now();
  policy.AwaitConnection([&] { return clock_.Now() >= start + milliseconds(30); }, token_);
  EXPECT_EQ(clock_.Now() - start, milliseconds(30));
  policy.AwaitConnection([] { return false; }, token_);
  EXPECT_EQ(clock_.Now() - start, milliseconds(100));
  policy.AwaitConnection([] { return false; }, token_);
  EXPECT_EQ(clock_.Now() - start, milliseconds(100));
  policy.Restart();
  policy.AwaitConnection([] { return false; }, token_);
  EXPECT_EQ(clock_.Now() - start, milliseconds(200));
}

TEST_F(RetryPolicyTest, DoesNotWaitForAConnectionBeyondTheDeadlineOrCancelled) {
  RetryPolicy policy = Policy(1, clock_.Now() + milliseconds(25));
  const RetryClock::TimePoint start = clock_.Now();
  policy.AwaitConnection([] { return false; }, token_);
  EXPECT_EQ(clock_.Now() - start, milliseconds(25));
  clock_.cancels_in_sleep = true;
  RetryPolicy cancelled = Policy();
  cancelled.AwaitConnection([] { return false; }, token_);
  EXPECT_EQ(clock_.sleeps.size(), 26u);
}

TEST_F(RetryPolicyTest, HasAllAttemptsAgainAfterProgress) {
  options_.max_attempts = 2;
  RetryPolicy policy = Policy();
  EXPECT_TRUE(policy.WaitForNextAttempt(kGone, token_));
  EXPECT_FALSE(policy.WaitForNextAttempt(kGone, token_));
  policy.Restart();
  EXPECT_TRUE(policy.WaitForNextAttempt(kGone, token_));
}

}  // namespace
}  // namespace dcac::client::internal
