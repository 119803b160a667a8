#include "core/kernels/code_length.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "core/kernels/each_target.h"

namespace dcac {
namespace {

std::vector<uint32_t> Counts(size_t n, uint32_t limit, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<uint32_t> counts(PadCodeLengthCounts(n), 0);
  for (size_t i = 0; i < n; ++i) counts[i] = random() % 3 == 0 ? 0 : random() % limit;
  return counts;
}

double ExpectedBits(size_t n, const std::vector<uint32_t>& a, const std::vector<uint32_t>* b) {
  double bits = 0, total = 0;
  for (size_t i = 0; i < n; ++i) {
    const double count = static_cast<double>(a[i]) + (b == nullptr ? 0.0 : static_cast<double>((*b)[i]));
    total += count;
    bits += count == 0 ? 0.35 : 2.1 + std::min(1.7, 0.25 * std::log2(count)) - count * std::log2(count);
  }
  return total == 0 ? bits : bits + total * std::log2(total);
}

TEST(CodeLengthTest, IsThatOfAnIdealCodeAndATableOnAllTargets) {
  for (uint32_t limit : {2u, 30u, 1000u, 3000000u}) {
    for (size_t n : {0u, 1u, 15u, 16u, 37u, 64u}) {
      const std::vector<uint32_t> a = Counts(n, limit, 1), b = Counts(n, limit, 2);
      std::vector<float> of_one, of_two;
      ForEachTarget([&] {
        of_one.push_back(CodeLength(a.data(), nullptr, n));
        of_two.push_back(CodeLength(a.data(), b.data(), n));
        EXPECT_EQ(of_one.back(), of_one.front());
        EXPECT_EQ(of_two.back(), of_two.front());
      });
      const double one = ExpectedBits(n, a, nullptr), two = ExpectedBits(n, a, &b);
      // Of sums that nearly cancel.
      const double tolerance = 0.05 + 1e-5 * static_cast<double>(n) * limit;
      EXPECT_NEAR(of_one.front(), one, tolerance);
      EXPECT_NEAR(of_two.front(), two, tolerance);
    }
  }
}

}  // namespace
}  // namespace dcac
