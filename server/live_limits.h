// Limits that may change while calls run; each call keeps those that it began with.
#ifndef DCAC_SERVER_LIVE_LIMITS_H_
#define DCAC_SERVER_LIVE_LIMITS_H_

#include <mutex>

#include "server/limits.h"

namespace dcac::server {

// Thread-safe.
class LiveLimits {
 public:
  explicit LiveLimits(const Limits& limits) : limits_(limits) {}

  Limits Get() const {
    const std::lock_guard lock(mutex_);
    return limits_;
  }
  void Set(const Limits& limits) {
    const std::lock_guard lock(mutex_);
    limits_ = limits;
  }

 private:
  mutable std::mutex mutex_;
  Limits limits_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_LIVE_LIMITS_H_
