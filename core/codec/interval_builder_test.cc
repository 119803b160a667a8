#include "core/codec/interval_builder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>

namespace dcac {
namespace {

using Counts = std::array<uint32_t, 256>;

// Whatever may occur is in an interval; frequencies are those of a model.
void ExpectIntervalsOf(const ResidualCounts& counts, const std::vector<Interval>& intervals) {
  ASSERT_GE(intervals.size(), 2u);
  ASSERT_LE(intervals.size(), kMaxIntervals);
  uint32_t sum = 0;
  bool has_mode = false;
  std::array<bool, 256> is_in{};
  int last = -129;  // residual of disjoint intervals
  bool has_disjoint = false;
  for (const Interval& interval : intervals) {
    ASSERT_NE(interval.frequency, 0);
    sum += interval.frequency;
    has_mode = has_mode || interval.is_mode;
    const uint32_t size = interval.is_mode ? 0 : 1u << interval.raw_bits;
    for (uint32_t i = 0; i < size; ++i) is_in[(interval.base + i) & 255] = true;
    ASSERT_FALSE(has_disjoint && (interval.is_mode || (interval.base == 0 && interval.raw_bits == 8)));
    if (interval.is_mode || (interval.base == 0 && interval.raw_bits == 8)) continue;
    has_disjoint = true;
    const int first = static_cast<int8_t>(interval.base);
    ASSERT_GT(first, last);
    ASSERT_EQ((first + 128) % static_cast<int>(size), 0);
    last = first + static_cast<int>(size) - 1;
  }
  EXPECT_EQ(sum, kIntervalSlots);
  EXPECT_TRUE(has_mode || (counts.mode == 0 && !(counts.has_mode && counts.are_sampled)));
  for (size_t residual = 0; residual < 256; ++residual) {
    EXPECT_TRUE(is_in[residual] || (counts.residual[residual] == 0 && !counts.are_sampled)) << residual;
  }
}

TEST(IntervalBuilder, WhatOccursIsInAnInterval) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 400; ++round) {
    Counts counts{};
    const size_t kinds = random() % 257;
    const uint64_t most = uint64_t{1} << (random() % 25);
    for (size_t i = 0; i < kinds; ++i) {
      counts[random() % 256] = static_cast<uint32_t>(random() % most);
    }
    const bool has_mode = random() % 2 == 0;
    const ResidualCounts of{counts, has_mode, has_mode ? static_cast<uint32_t>(random() % most) : 0, random() % 2 == 0};
    ExpectIntervalsOf(of, ChooseIntervals(of));
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(IntervalBuilder, ExtremesHaveIntervals) {
  for (const bool are_sampled : {false, true}) {
    for (const bool has_mode : {false, true}) {
      Counts counts{};
      ResidualCounts of{counts, has_mode, 0, are_sampled};
      ExpectIntervalsOf(of, ChooseIntervals(of));
      of.mode = has_mode ? UINT32_MAX : 0;
      ExpectIntervalsOf(of, ChooseIntervals(of));
      counts[255] = UINT32_MAX;
      ExpectIntervalsOf(of, ChooseIntervals(of));
      counts.fill(UINT32_MAX);
      ExpectIntervalsOf(of, ChooseIntervals(of));
    }
  }
}

// Bits that samples of the counts take, each in the interval where it takes the least.
double LengthOf(const Counts& counts, const std::vector<Interval>& intervals) {
  std::array<double, 256> bits;
  bits.fill(1e9);
  for (const Interval& interval : intervals) {
    for (uint32_t i = 0; i < 1u << interval.raw_bits; ++i) {
      double& of = bits[(interval.base + i) & 255];
      of = std::min(of, 8 - std::log2(interval.frequency) + interval.raw_bits);
    }
  }
  double length = 0;
  for (size_t i = 0; i < 256; ++i) length += counts[i] == 0 ? 0 : counts[i] * bits[i];
  return length;
}

double EntropyOf(const Counts& counts) {
  const double all = std::accumulate(counts.begin(), counts.end(), 0.0);
  double entropy = 0;
  for (const uint32_t count : counts) entropy += count == 0 ? 0 : count * std::log2(all / count);
  return entropy;
}

TEST(IntervalBuilder, CodeLengthsAreNearTheEntropy) {
  for (const double scale : {0.4, 1.0, 3.0, 10.0, 30.0}) {
    Counts counts;
    for (int i = -128; i < 128; ++i) {
      counts[static_cast<uint8_t>(i)] = static_cast<uint32_t>(1e6 * std::exp(-std::abs(i + 0.5) / scale));
    }
    EXPECT_LT(LengthOf(counts, ChooseIntervals({counts})), 1.015 * EntropyOf(counts)) << "scale " << scale;
  }
}

TEST(IntervalBuilder, RareResidualsAreInTheIntervalOfAll) {
  Counts counts{};
  for (size_t i = 0; i < 12; ++i) counts[20 * i] = 100000;
  for (size_t i = 0; i < 256; i += 3) ++counts[i];
  const std::vector<Interval> intervals = ChooseIntervals({counts});
  ExpectIntervalsOf({counts}, intervals);
  EXPECT_EQ(intervals.size(), 13u);
  EXPECT_EQ(intervals[0].raw_bits, 8);
  EXPECT_LT(LengthOf(counts, intervals), 1.01 * EntropyOf(counts));
}

}  // namespace
}  // namespace dcac
