#include "core/kernels/interval_costs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <random>
#include <utility>

#include "core/kernels/each_target.h"

namespace dcac {
namespace {

using CountsOfResiduals = std::array<uint32_t, 256>;

CountsOfResiduals RandomResiduals(unsigned seed) {
  std::mt19937 random(seed);
  CountsOfResiduals counts{};
  const uint32_t kinds = random() % 300, most = 1u << random() % 24;
  for (uint32_t i = 0; i < kinds; ++i) counts[random() % 256] = random() % most;
  return counts;
}

// What the kernels compute, said plainly.
struct PlainCosts {
  const CountsOfResiduals& counts;
  double all, of_slot, cost;
  bool has_all;

  double CountOf(size_t level, size_t i) const {
    double sum = 0;
    for (size_t k = i << level; k < (i + 1) << level; ++k) sum += counts[k ^ 128];
    return sum;
  }

  double Best(size_t level, size_t i) const {
    const double count = CountOf(level, i);
    if (count == 0) return 0;
    const double slot_bits = std::log2(all / std::max(count, of_slot)) + static_cast<double>(level);
    double best = cost + count * slot_bits + std::max(of_slot - count, 0.0) * double{kNaturalBits};
    if (level > 0) best = std::min(best, Best(level - 1, 2 * i) + Best(level - 1, 2 * i + 1));
    return has_all ? std::min(best, count * kBitsInAll) : best;
  }
};

TEST(IntervalCostsTest, BestPartsAreFoundAndTheSameOnAllTargets) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    const CountsOfResiduals counts = RandomResiduals(seed);
    double all = seed % 3 == 0 ? 1000 : 0;  // others than residuals
    for (const uint32_t count : counts) all += count;
    if (all == 0) continue;
    const double of_slot = std::floor(all / 256);
    for (const bool has_all : {false, true}) {
      for (const double cost : {9.0, 100.0, 1e5}) {
        const auto costs = std::make_unique<IntervalCosts>();
        std::pair<float, size_t> first;
        bool is_first = true;
        ForEachTarget([&] {
          CountIntervals(counts.data(), static_cast<float>(all), static_cast<float>(of_slot), *costs);
          const size_t count = PartInIntervals(static_cast<float>(cost), has_all, *costs);
          const std::pair<float, size_t> found{costs->best[IntervalCosts::kRoot], count};
          if (std::exchange(is_first, false)) first = found;
          EXPECT_EQ(found, first);
        });
        const double best = PlainCosts{counts, all, of_slot, cost, has_all}.Best(IntervalCosts::kLevels - 1, 0);
        EXPECT_NEAR(first.first, best, 1 + 2e-3 * best) << "seed " << seed;
      }
    }
  }
}

TEST(IntervalCostsTest, NodesSayHowManyIntervalsAreBest) {
  CountsOfResiduals counts{};
  counts[0] = 3000;  // two of one residual
  counts[1] = 300;
  for (size_t i = 64; i < 96; ++i) counts[i] = 50;  // one of 32
  counts[200] = 1;                                  // in that of all residuals
  IntervalCosts costs;
  CountIntervals(counts.data(), 4901, 19, costs);
  EXPECT_EQ(PartInIntervals(9, true, costs), 3u);
  const auto chosen = [&](size_t level, size_t residual) {
    return costs.chosen[IntervalCosts::kFirst[level] + ((residual ^ 128) >> level)];
  };
  EXPECT_EQ(chosen(0, 0), 1);
  EXPECT_EQ(chosen(0, 1), 1);
  EXPECT_EQ(chosen(1, 0), 2);
  EXPECT_EQ(chosen(5, 64), 1);
  EXPECT_EQ(chosen(0, 200), 0);
  EXPECT_EQ(PartInIntervals(9, false, costs), 4u);
  EXPECT_EQ(chosen(0, 200), 1);
}

}  // namespace
}  // namespace dcac
