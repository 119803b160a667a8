#include "client/cli/sample_compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace dcac::cli {
namespace {

template <typename Value>
double Difference(DType dtype, Value a, Value b) {
  return AbsDifference(dtype, reinterpret_cast<const std::byte*>(&a), reinterpret_cast<const std::byte*>(&b));
}

TEST(SampleCompareTest, Integers) {
  EXPECT_EQ(Difference<std::uint8_t>(DType::kU8, 3, 250), 247);
  EXPECT_EQ(Difference<std::int8_t>(DType::kI8, -128, 127), 255);
  EXPECT_EQ(Difference<std::int64_t>(DType::kI64, INT64_MIN, INT64_MAX), std::ldexp(1.0, 64));
  EXPECT_EQ(Difference<std::uint64_t>(DType::kU64, UINT64_MAX, UINT64_MAX - 3), 3);
  EXPECT_EQ(Difference<std::uint8_t>(DType::kBool, 0, 1), 1);
}

TEST(SampleCompareTest, Floats) {
  EXPECT_EQ(Difference<float>(DType::kF32, 1.5f, -2.0f), 3.5);
  EXPECT_EQ(Difference<double>(DType::kF64, 0.0, -0.0), 0);
  EXPECT_EQ(Difference<std::uint16_t>(DType::kF16, 0x3c00, 0xc000), 3);   // 1, -2
  EXPECT_EQ(Difference<std::uint16_t>(DType::kF16, 0x0001, 0), 0x1p-24);  // smallest of all
  EXPECT_EQ(Difference<std::uint16_t>(DType::kF16, 0x7bff, 0), 65504);    // largest
  EXPECT_EQ(Difference<std::uint16_t>(DType::kBF16, 0x3f80, 0x4000), 1);  // 1, 2
  EXPECT_EQ(Difference<std::uint8_t>(DType::kF8E4M3, 0x7e, 0), 448);      // largest
  EXPECT_EQ(Difference<std::uint8_t>(DType::kF8E5M2, 0x7b, 0), 57344);    // largest
}

TEST(SampleCompareTest, InfinitiesAndNaNs) {
  EXPECT_TRUE(std::isnan(Difference<std::uint16_t>(DType::kF16, 0x7e00, 0)));
  EXPECT_TRUE(std::isnan(Difference<std::uint8_t>(DType::kF8E4M3, 0x7f, 0)));
  EXPECT_TRUE(std::isinf(Difference<std::uint8_t>(DType::kF8E5M2, 0x7c, 0)));
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Difference<float>(DType::kF32, infinity, infinity), 0);
}

TEST(SampleCompareTest, Complex) {
  struct Pair {
    float re, im;
  };
  EXPECT_EQ(Difference<Pair>(DType::kC64, {1, 2}, {4, -2}), 5);
}

TEST(SampleCompareTest, PiecesAreOneTensor) {
  std::vector<std::int16_t> a(100), b(100);
  b[70] = -9;
  b[99] = 4;
  SampleComparison comparison(DType::kI16);
  const auto a_bytes = std::as_bytes(std::span(a)), b_bytes = std::as_bytes(std::span(b));
  comparison.Add(a_bytes.first(80), b_bytes.first(80));
  EXPECT_EQ(comparison.difference().differing_samples, 0u);
  comparison.Add(a_bytes.subspan(80), b_bytes.subspan(80));
  EXPECT_EQ(comparison.difference().differing_samples, 2u);
  EXPECT_EQ(comparison.difference().first_index, 70u);
  EXPECT_EQ(comparison.difference().max_abs_difference, 9);
}

}  // namespace
}  // namespace dcac::cli
