#include "server/telemetry/slow_calls.h"

#include <algorithm>

namespace dcac::server {
namespace {

std::int64_t MinuteOf(std::chrono::system_clock::time_point time) {
  return std::chrono::floor<std::chrono::minutes>(time).time_since_epoch().count();
}

bool IsSlower(const CallRecord& a, const CallRecord& b) {
  return a.duration > b.duration;
}

}  // namespace

void SlowCalls::Add(const CallRecord& call) {
  const std::int64_t number = MinuteOf(call.end);
  const std::lock_guard lock(mutex_);
  Minute& minute = minutes_.at(static_cast<std::size_t>(number) % minutes_.size());
  if (minute.number > number) return;  // older than all that is remembered
  if (minute.number < number) minute = {.number = number, .calls = {}};
  std::vector<CallRecord>& calls = minute.calls;
  if (calls.size() == kMaxCalls) {
    if (!IsSlower(call, calls.front())) return;
    std::ranges::pop_heap(calls, IsSlower);
    calls.pop_back();
  }
  calls.push_back(call);
  std::ranges::push_heap(calls, IsSlower);
}

std::vector<CallRecord> SlowCalls::Slowest(std::chrono::system_clock::time_point now) const {
  std::vector<CallRecord> slowest;
  const std::int64_t first = MinuteOf(now) - static_cast<std::int64_t>(kMinutes);
  {
    const std::lock_guard lock(mutex_);
    for (const Minute& minute : minutes_) {
      if (minute.number >= first) slowest.insert(slowest.end(), minute.calls.begin(), minute.calls.end());
    }
  }
  std::ranges::stable_sort(slowest, IsSlower);
  slowest.resize(std::min(slowest.size(), kMaxCalls));
  return slowest;
}

}  // namespace dcac::server
