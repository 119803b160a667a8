// Remembers the slowest calls of the last minutes.
#ifndef DCAC_SERVER_TELEMETRY_SLOW_CALLS_H_
#define DCAC_SERVER_TELEMETRY_SLOW_CALLS_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "server/telemetry/call_record.h"

namespace dcac::server {

// Thread-safe.  Keeps at most kMaxCalls calls of each minute.
class SlowCalls {
 public:
  static constexpr std::size_t kMaxCalls = 20;
  static constexpr std::size_t kMinutes = 10;

  void Add(const CallRecord& call);

  // At most kMaxCalls calls that ended in the minute of `now` or the kMinutes before it, the slowest first.
  std::vector<CallRecord> Slowest(std::chrono::system_clock::time_point now) const;

 private:
  struct Minute {
    std::int64_t number = 0;        // since the epoch
    std::vector<CallRecord> calls;  // a heap, the fastest on top
  };

  mutable std::mutex mutex_;
  std::array<Minute, kMinutes + 1> minutes_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_TELEMETRY_SLOW_CALLS_H_
