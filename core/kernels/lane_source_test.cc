#include "core/kernels/lane_source.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <vector>

#include "core/kernels/each_target.h"
#include "core/kernels/lane_group.h"

namespace dcac {
namespace {

TEST(StoreLaneValuesTest, PutsRowsOfAnyWidthIntoTheRasterOnAllTargets) {
  constexpr size_t kPlanes = 3, kHeight = 4;
  ForEachTarget([&] {
    for (size_t columns = 1; columns < 80; ++columns) {
      SCOPED_TRACE(testing::Message() << columns << " columns");
      const size_t samples = kPlanes * kHeight * columns;
      std::vector<uint8_t> codes(samples), raster_codes(samples);
      for (size_t i = 0; i < samples; ++i) codes[i] = static_cast<uint8_t>(i * 2654435761u >> 24);
      const LaneRows rows{kPlanes, kHeight, columns, kHeight * columns, kPlanes * columns};
      std::vector<int16_t> values(samples), values_alone(samples);
      StoreLaneValues(rows, codes.data(), values.data(), raster_codes.data());
      StoreLaneValues(rows, codes.data(), values_alone.data(), nullptr);
      EXPECT_EQ(values_alone, values);
      for (size_t i = 0; i < samples; ++i) {
        const size_t plane = i / (kHeight * columns), row = i / columns % kHeight;
        const size_t place = row * rows.stride + plane * columns + i % columns;
        ASSERT_EQ(raster_codes[place], codes[i]);
        ASSERT_EQ(values[place], codes[i] * 64);
      }
    }
  });
}

// As SampleMap has it.
float FloatOfCode(int32_t code, int mantissa_bits) {
  if (code == 0 || code == kLaneEscapeCode) return 0;
  const int32_t magnitude = std::abs(code) - 1;
  const int exponent = (magnitude >> mantissa_bits) - 63;
  const float fraction =
      static_cast<float>(magnitude & ((1 << mantissa_bits) - 1)) / static_cast<float>(1 << mantissa_bits);
  return std::copysign(std::ldexp(1 + fraction, exponent), static_cast<float>(code));
}

TEST(StoreLaneValuesTest, PutsRowsOfWideCodesOfAnyWidthIntoTheRasterOnAllTargets) {
  constexpr size_t kPlanes = 2, kHeight = 3;
  constexpr int kMantissaBits = 7;
  ForEachTarget([&] {
    for (size_t columns = 1; columns < 40; ++columns) {
      SCOPED_TRACE(testing::Message() << columns << " columns");
      const size_t samples = kPlanes * kHeight * columns;
      std::vector<int32_t> codes(samples), raster_codes(samples);
      for (size_t i = 0; i < samples; ++i)
        codes[i] = static_cast<int32_t>(static_cast<uint32_t>(i) * 2654435761u >> 18) - (1 << 13);
      codes[samples / 2] = kLaneEscapeCode;
      codes[samples - 1] = 0;
      const LaneRows rows{kPlanes, kHeight, columns, kHeight * columns, kPlanes * columns};
      std::vector<float> values(samples), integers(samples);
      StoreLaneValues(rows, {true, kMantissaBits}, codes.data(), values.data(), raster_codes.data());
      StoreLaneValues(rows, {false, 0}, codes.data(), integers.data(), nullptr);
      for (size_t i = 0; i < samples; ++i) {
        const size_t plane = i / (kHeight * columns), row = i / columns % kHeight;
        const size_t place = row * rows.stride + plane * columns + i % columns;
        ASSERT_EQ(raster_codes[place], codes[i]);
        ASSERT_EQ(values[place], FloatOfCode(codes[i], kMantissaBits));
        ASSERT_EQ(integers[place], static_cast<float>(codes[i]));
      }
    }
  });
}

}  // namespace
}  // namespace dcac
