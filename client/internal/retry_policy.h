// When a call that failed is tried again.
#ifndef DCAC_CLIENT_INTERNAL_RETRY_POLICY_H_
#define DCAC_CLIENT_INTERNAL_RETRY_POLICY_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "dcac/client_options.h"

namespace dcac::client::internal {

// Time and chance, so that tests have their own.
class RetryClock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  virtual ~RetryClock() = default;
  virtual TimePoint Now() = 0;

  // False: `cancel` was cancelled meanwhile.
  virtual bool SleepUntil(TimePoint until, const CancelToken& cancel) = 0;

  virtual double Random() = 0;  // 0 <= x < 1, evenly spread
};

// That of this machine.  Thread-safe.
RetryClock& SystemRetryClock();

// Of one call.  Waits between attempts: as long as the server's RetryInfo says and a random part of initial_backoff
// more, without it a random part of a limit that doubles.  All of a wait is random so that callers that failed together
// do not come back together.
class RetryPolicy {
 public:
  // The first attempts after UNAVAILABLE follow at once while there are connections, of `num_connections`, that were
  // not tried.  `clock` must outlive this.
  RetryPolicy(const RetryOptions& options, std::size_t num_connections, RetryClock::TimePoint deadline,
              RetryClock& clock)
      : options_(options), num_connections_(num_connections), deadline_(deadline), clock_(clock) {
    Restart();
  }

  // After an attempt that ended with `status`: waits and says whether to try again.  Without waiting that is no if the
  // error is of no kind that waiting helps against, attempts are used up, or the wait would last beyond the deadline or
  // longer than anybody waits.
  bool WaitForNextAttempt(const absl::Status& status, const CancelToken& cancel);

  // Waits until `connected`, as long as is left of what may be waited for that.
  void AwaitConnection(const std::function<bool()>& connected, const CancelToken& cancel);

  // As if there had been no attempt yet.
  void Restart() {
    attempts_ = 1;
    reconnect_left_ = options_.reconnect_timeout;
  }

 private:
  std::chrono::nanoseconds DelayAfter(std::optional<std::chrono::milliseconds> told);

  const RetryOptions options_;
  const std::size_t num_connections_;
  const RetryClock::TimePoint deadline_;
  RetryClock& clock_;
  int attempts_ = 1;
  std::chrono::nanoseconds reconnect_left_{0};
};

// Whether trying again may help against `status`, the answer of a server.
bool IsTransient(const absl::Status& status);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_RETRY_POLICY_H_
