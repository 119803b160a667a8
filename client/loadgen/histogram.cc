#include "client/loadgen/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

namespace dcac::loadgen {
namespace {

// Values below 2^kBits have a bucket each; from there on each power of two has 2^kBits buckets.
constexpr int kBits = 7;
constexpr std::uint64_t kSubBuckets = std::uint64_t{1} << kBits;
constexpr std::size_t kNumBuckets = (64 - kBits + 1) * kSubBuckets;

std::size_t BucketOf(std::uint64_t value) {
  if (value < kSubBuckets) return static_cast<std::size_t>(value);
  const int shift = std::bit_width(value) - 1 - kBits;
  return static_cast<std::size_t>(static_cast<std::uint64_t>(shift) * kSubBuckets + (value >> shift));
}

// The largest value of a bucket.
std::uint64_t TopOf(std::size_t bucket) {
  if (bucket < kSubBuckets) return bucket;
  const std::uint64_t shift = bucket / kSubBuckets - 1;
  return ((bucket - shift * kSubBuckets + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram() : buckets_(kNumBuckets) {}

void Histogram::Record(std::chrono::nanoseconds duration) {
  const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(0, duration.count()));
  ++buckets_[BucketOf(value)];
  ++count_;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void Histogram::Merge(const Histogram& other) {
  std::ranges::transform(buckets_, other.buckets_, buckets_.begin(), std::plus<>());
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

std::chrono::nanoseconds Histogram::mean() const {
  return std::chrono::nanoseconds(count_ == 0 ? 0 : std::llround(sum_ / static_cast<double>(count_)));
}

std::chrono::nanoseconds Histogram::Percentile(double percent) const {
  const auto rank = static_cast<std::uint64_t>(std::ceil(percent / 100 * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < kNumBuckets; ++bucket) {
    seen += buckets_[bucket];
    if (buckets_[bucket] != 0 && seen >= rank) return std::chrono::nanoseconds(std::min(TopOf(bucket), max_));
  }
  return std::chrono::nanoseconds(0);
}

}  // namespace dcac::loadgen
