#include "server/telemetry/throughput.h"

namespace dcac::server {

void Throughput::Add(std::uint64_t bytes) {
  const std::int64_t number = NumberNow();
  const std::lock_guard lock(mutex_);
  Interval& interval = intervals_.at(static_cast<std::size_t>(number) % intervals_.size());
  if (interval.number != number) interval = {.number = number, .bytes = 0};
  interval.bytes += bytes;
}

std::vector<double> Throughput::BytesPerSecond() const {
  constexpr double kSeconds = std::chrono::duration<double>(kInterval).count();
  std::vector<double> rates(kIntervals);
  const std::int64_t first = NumberNow() - static_cast<std::int64_t>(kIntervals);
  const std::lock_guard lock(mutex_);
  for (const Interval& interval : intervals_) {
    const std::int64_t place = interval.number - first;
    if (place < 0 || place >= static_cast<std::int64_t>(kIntervals)) continue;
    rates[static_cast<std::size_t>(place)] = static_cast<double>(interval.bytes) / kSeconds;
  }
  return rates;
}

}  // namespace dcac::server
