#include "client/loadgen/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace dcac::loadgen {
namespace {

using std::chrono::nanoseconds;

TEST(HistogramTest, EmptyOneIsAllZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.Percentile(50), nanoseconds(0));
  EXPECT_EQ(histogram.max(), nanoseconds(0));
  EXPECT_EQ(histogram.mean(), nanoseconds(0));
}

TEST(HistogramTest, SmallDurationsAreExact) {
  Histogram histogram;
  for (int value = 1; value <= 100; ++value) histogram.Record(nanoseconds(value));
  EXPECT_EQ(histogram.Percentile(0), nanoseconds(1));
  EXPECT_EQ(histogram.Percentile(50), nanoseconds(50));
  EXPECT_EQ(histogram.Percentile(99), nanoseconds(99));
  EXPECT_EQ(histogram.Percentile(100), nanoseconds(100));
  EXPECT_EQ(histogram.mean(), nanoseconds(51));  // 50.5
}

TEST(HistogramTest, EveryDurationIsFoundAgainWithinItsError) {
  std::vector<std::int64_t> values = {0, 1, 127, 128, 129, 255, 256, 257, std::numeric_limits<std::int64_t>::max()};
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) values.push_back(static_cast<std::int64_t>(random() >> (1 + random() % 63)));
  for (const std::int64_t value : values) {
    Histogram histogram;
    histogram.Record(nanoseconds(value));
    histogram.Record(nanoseconds(std::numeric_limits<std::int64_t>::max()));  // so that the maximum does not cut
    const std::int64_t found = histogram.Percentile(50).count();
    EXPECT_GE(found, value);
    EXPECT_LE(found - value, value / 128) << value;
  }
}

TEST(HistogramTest, PercentilesAreThoseOfTheSortedDurations) {
  std::mt19937_64 random(2);
  Histogram histogram;
  std::vector<std::int64_t> values;
  for (int i = 0; i < 5000; ++i) {
    values.push_back(static_cast<std::int64_t>(random() % 1'000'000'000));
    histogram.Record(nanoseconds(values.back()));
  }
  std::sort(values.begin(), values.end());
  for (const int tenths : {10, 500, 900, 990, 999}) {
    const std::int64_t exact = values[static_cast<std::size_t>(5 * tenths - 1)];
    const std::int64_t found = histogram.Percentile(tenths / 10.0).count();
    EXPECT_GE(found, exact);
    EXPECT_LE(found - exact, exact / 128);
  }
  EXPECT_EQ(histogram.Percentile(100).count(), values.back());
}

TEST(HistogramTest, MergedOnesAreAsIfRecordedTogether) {
  Histogram left, right, both;
  for (int i = 0; i < 1000; ++i) {
    const nanoseconds value(i * i * 37);
    (i % 3 == 0 ? left : right).Record(value);
    both.Record(value);
  }
  left.Merge(right);
  EXPECT_EQ(left.count(), both.count());
  EXPECT_EQ(left.max(), both.max());
  EXPECT_EQ(left.mean(), both.mean());
  for (const double percent : {0.0, 50.0, 99.9, 100.0}) EXPECT_EQ(left.Percentile(percent), both.Percentile(percent));
}

TEST(HistogramTest, NegativeDurationsCountAsZero) {
  Histogram histogram;
  histogram.Record(nanoseconds(-5));
  EXPECT_EQ(histogram.count(), 1u);
  EXPECT_EQ(histogram.Percentile(100), nanoseconds(0));
}

}  // namespace
}  // namespace dcac::loadgen
