// When the calls of an open loop begin.
#ifndef DCAC_CLIENT_LOADGEN_SCHEDULE_H_
#define DCAC_CLIENT_LOADGEN_SCHEDULE_H_

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <random>

namespace dcac::loadgen {

// Poisson arrivals: as of many callers that know nothing of each other.  Equal seeds give equal arrivals.  Thread-safe:
// workers take arrivals in turn, so that one that is late leaves the next ones to the others.
class PoissonSchedule {
 public:
  // `rate`: mean arrivals in a second, more than 0; none after `length`.
  PoissonSchedule(double rate, std::chrono::nanoseconds length, std::uint64_t seed);

  // The next arrival, since the start; nothing: there are no more.
  std::optional<std::chrono::nanoseconds> Next();

 private:
  const double mean_gap_;  // nanoseconds
  const double length_;

  std::mutex mutex_;  // guards all below
  std::mt19937_64 random_;
  double last_ = 0;
};

}  // namespace dcac::loadgen

#endif  // DCAC_CLIENT_LOADGEN_SCHEDULE_H_
