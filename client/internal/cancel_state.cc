#include "client/internal/cancel_state.h"

#include <utility>

namespace dcac::client {

CancelToken::CancelToken() : state_(std::make_shared<internal::CancelState>()) {}

void CancelToken::Cancel() const {
  state_->Cancel();
}

bool CancelToken::cancelled() const {
  return state_->flag();
}

namespace internal {

void CancelState::Cancel() {
  const std::lock_guard lock(mutex_);
  if (flag_.exchange(true)) return;
  for (const std::function<void()>& action : actions_) action();
  cancelled_.notify_all();
}

bool CancelState::SleepUntil(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  return !cancelled_.wait_until(lock, until, [this] { return flag_.load(); });
}

OnCancel::OnCancel(const CancelToken& token, std::function<void()> action) : token_(token) {
  CancelState& state = CancelState::Of(token_);
  const std::lock_guard lock(state.mutex_);
  action_ = state.actions_.insert(state.actions_.end(), std::move(action));
  if (state.flag()) (*action_)();
}

OnCancel::~OnCancel() {
  CancelState& state = CancelState::Of(token_);
  const std::lock_guard lock(state.mutex_);
  state.actions_.erase(action_);
}

}  // namespace internal
}  // namespace dcac::client
