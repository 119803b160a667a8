#include "client/loadgen/schedule.h"

#include <cmath>

namespace dcac::loadgen {

PoissonSchedule::PoissonSchedule(double rate, std::chrono::nanoseconds length, std::uint64_t seed)
    : mean_gap_(1e9 / rate), length_(static_cast<double>(length.count())), random_(seed) {}

std::optional<std::chrono::nanoseconds> PoissonSchedule::Next() {
  const std::lock_guard lock(mutex_);
  // Uniform in (0, 1].  The distributions of the standard library differ between implementations.
  const double uniform = (static_cast<double>(random_() >> 11) + 1) * 0x1p-53;
  last_ -= std::log(uniform) * mean_gap_;
  if (last_ >= length_) return std::nullopt;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(last_));
}

}  // namespace dcac::loadgen
