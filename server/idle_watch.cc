#include "server/idle_watch.h"

namespace dcac::server {

IdleWatch::IdleWatch(std::chrono::milliseconds limit) : limit_(limit), thread_([this] { Run(); }) {}

IdleWatch::~IdleWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopping_changed_.notify_all();
  thread_.join();
}

void IdleWatch::Add(Watched* watched) {
  const std::lock_guard lock(mutex_);
  watched_.insert(watched);
}

void IdleWatch::Remove(Watched* watched) {
  const std::lock_guard lock(mutex_);
  watched_.erase(watched);
}

void IdleWatch::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_changed_.wait_for(lock, limit_ / 4, [this] { return stopping_; })) {
    const auto moment = std::chrono::steady_clock::now() - limit_;
    for (Watched* const watched : watched_) watched->EndIfIdleSince(moment);
  }
}

}  // namespace dcac::server
