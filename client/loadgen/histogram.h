// Durations counted in buckets of a bounded relative width, as HdrHistogram does it.
#ifndef DCAC_CLIENT_LOADGEN_HISTOGRAM_H_
#define DCAC_CLIENT_LOADGEN_HISTOGRAM_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dcac::loadgen {

// Any duration from 0 on, in memory that does not depend on how many are recorded (60 KB).  A percentile is at most
// 1/128 above what was recorded, and never below.
class Histogram {
 public:
  Histogram();

  // A negative duration counts as 0.
  void Record(std::chrono::nanoseconds duration);
  void Merge(const Histogram& other);

  std::uint64_t count() const { return count_; }
  std::chrono::nanoseconds max() const { return std::chrono::nanoseconds(max_); }  // exact; 0 when empty
  std::chrono::nanoseconds mean() const;                                           // exact; 0 when empty

  // The least duration that at least `percent` (0 .. 100) of all do not exceed; 0 when empty.
  std::chrono::nanoseconds Percentile(double percent) const;

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace dcac::loadgen

#endif  // DCAC_CLIENT_LOADGEN_HISTOGRAM_H_
