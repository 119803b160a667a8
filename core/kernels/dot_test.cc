#include "core/kernels/dot.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "core/kernels/each_target.h"

namespace dcac {
namespace {

// The specification.
float DotInPlainLoops(const float* a, const float* b, size_t n) {
  std::array<float, kDotLanes> sums{};
  for (size_t i = 0; i < n; i += kDotLanes) {
    for (size_t lane = 0; lane < kDotLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (size_t width = kDotLanes / 2; width > 0; width /= 2) {
    for (size_t lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  }
  return sums[0];
}

TEST(DotTest, SumsProductsOfAnyNumberOfRowsTheSameOnAllTargets) {
  constexpr size_t kLength = 5 * kDotLanes, kStride = 6 * kDotLanes, kRows = 11;
  std::vector<float> a(kLength), rows(kRows * kStride);
  for (size_t i = 0; i < a.size(); ++i) a[i] = 1.0f / static_cast<float>(i + 1);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = 1.0f / static_cast<float>(i % 37 + 3);
  ForEachTarget([&] {
    for (size_t n = 0; n <= kLength; n += kDotLanes) {
      std::vector<float> out(kRows);
      for (size_t count = 0; count <= kRows; ++count) {
        DotWithRows(a.data(), rows.data(), kStride, count, n, out.data());
        for (size_t k = 0; k < count; ++k) {
          const float expected = DotInPlainLoops(a.data(), rows.data() + k * kStride, n);
          EXPECT_EQ(out[k], expected);
          EXPECT_EQ(Dot(a.data(), rows.data() + k * kStride, n), expected);
        }
      }
    }
  });
}

TEST(SubtractRowsTest, IsTheSameOnAllTargets) {
  constexpr size_t kStride = 41, kRows = 5;
  std::vector<float> start(kStride), rows(kRows * kStride);
  for (size_t i = 0; i < start.size(); ++i) start[i] = 1.0f / static_cast<float>(i + 1);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = 1.0f / static_cast<float>(i % 37 + 3);
  const std::vector<double> weights = {0.1, -0.7, 1.3, 1e-9, 2.0 / 3};
  ForEachTarget([&] {
    for (size_t count = 0; count <= kRows; ++count) {
      for (size_t n = 0; n <= kStride; ++n) {
        std::vector<double> out(n);
        SubtractRows(start.data(), rows.data(), kStride, weights.data(), count, n, out.data());
        for (size_t i = 0; i < n; ++i) {
          double expected = start[i];
          for (size_t k = 0; k < count; ++k) expected -= weights[k] * double{rows[k * kStride + i]};
          ASSERT_EQ(out[i], expected);
        }
      }
    }
  });
}

}  // namespace
}  // namespace dcac
