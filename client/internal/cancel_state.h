// What the copies of a CancelToken share.
#ifndef DCAC_CLIENT_INTERNAL_CANCEL_STATE_H_
#define DCAC_CLIENT_INTERNAL_CANCEL_STATE_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>

#include "dcac/client_options.h"

namespace dcac::client::internal {

class CancelState {
 public:
  static CancelState& Of(const CancelToken& token) { return *token.state_; }

  void Cancel();
  const std::atomic<bool>& flag() const { return flag_; }

  // Waits until `until`, or until the token is cancelled; false then.
  bool SleepUntil(std::chrono::steady_clock::time_point until);

 private:
  friend class OnCancel;

  std::atomic<bool> flag_{false};
  std::mutex mutex_;
  std::condition_variable cancelled_;
  std::list<std::function<void()>> actions_;
};

// While it lives, cancelling the token does something; at once where the token is cancelled already.  The action must
// be short: it keeps others from beginning and ending.
class OnCancel {
 public:
  OnCancel(const CancelToken& token, std::function<void()> action);
  OnCancel(const OnCancel&) = delete;
  OnCancel& operator=(const OnCancel&) = delete;
  ~OnCancel();  // the action is not running afterwards

 private:
  CancelToken token_;  // keeps the state
  std::list<std::function<void()>>::iterator action_;
};

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_CANCEL_STATE_H_
