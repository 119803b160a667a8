#include "client/internal/retry_policy.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>

#include "client/internal/cancel_state.h"
#include "proto/wire/retry_info.h"

namespace dcac::client::internal {
namespace {

// What a server tells may be any time.
constexpr std::chrono::hours kLongestWait{1};

// Between looks at connections, which may wait a little themselves.
constexpr std::chrono::milliseconds kConnectionPoll{1};

class SystemClock final : public RetryClock {
 public:
  TimePoint Now() override { return std::chrono::steady_clock::now(); }

  bool SleepUntil(TimePoint until, const CancelToken& cancel) override {
    return CancelState::Of(cancel).SleepUntil(until);
  }

  double Random() override {
    thread_local std::minstd_rand random{std::random_device()()};
    return std::generate_canonical<double, 32>(random);
  }
};

}  // namespace

RetryClock& SystemRetryClock() {
  static SystemClock clock;
  return clock;
}

bool IsTransient(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:  // what a call gets that meets a server just shutting down
      return true;
    case absl::StatusCode::kResourceExhausted:
      return wire::RetryDelay(status).has_value();
    default:
      return false;
  }
}

std::chrono::nanoseconds RetryPolicy::DelayAfter(std::optional<std::chrono::milliseconds> told) {
  const std::chrono::duration<double, std::milli> first = options_.initial_backoff, most = options_.max_backoff;
  const auto part = [this](std::chrono::duration<double, std::milli> limit) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(limit * clock_.Random());
  };
  if (told) return *told + part(first);
  if (static_cast<std::size_t>(attempts_) < num_connections_) return std::chrono::nanoseconds(0);
  return part(std::min(most, first * std::ldexp(1.0, attempts_ - 1)));
}

bool RetryPolicy::WaitForNextAttempt(const absl::Status& status, const CancelToken& cancel) {
  if (cancel.cancelled() || attempts_ >= options_.max_attempts || !IsTransient(status)) return false;
  const std::optional<std::chrono::milliseconds> told = wire::RetryDelay(status);
  if (told && *told > kLongestWait) return false;
  const RetryClock::TimePoint now = clock_.Now();
  const std::chrono::nanoseconds delay = DelayAfter(told);
  if (deadline_ <= now || delay >= deadline_ - now) return false;
  ++attempts_;
  return delay.count() == 0 || clock_.SleepUntil(now + delay, cancel);
}

void RetryPolicy::AwaitConnection(const std::function<bool()>& connected, const CancelToken& cancel) {
  const RetryClock::TimePoint start = clock_.Now();
  const RetryClock::TimePoint until = std::min(deadline_, start + reconnect_left_);
  while (!connected() && clock_.Now() < until) {
    if (!clock_.SleepUntil(std::min(until, clock_.Now() + kConnectionPoll), cancel)) break;
  }
  reconnect_left_ -= clock_.Now() - start;
}

}  // namespace dcac::client::internal
