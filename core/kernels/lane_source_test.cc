#include "core/kernels/lane_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "core/kernels/each_target.h"
#include "core/kernels/lane_group.h"

namespace dcac {
namespace {

TEST(LoadLaneCodesTest, TakesInterlacedRowsOfAnyWidthApartOnAllTargets) {
  constexpr size_t kHeight = 3;
  ForEachTarget([&] {
    for (size_t width = 4; width <= 140; ++width) {
      SCOPED_TRACE(testing::Message() << "width " << width);
      const size_t columns = (width + 1) / 2;
      std::vector<std::byte> samples(kHeight * width);
      for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<std::byte>(i * 2654435761u >> 24);
      for (uint8_t sign : {uint8_t{0}, uint8_t{0x80}}) {
        std::vector<uint8_t> codes(kHeight * 2 * columns);
        LoadLaneCodes({samples.data(), kHeight, width, true}, sign, codes.data());
        for (size_t i = 0; i < codes.size(); ++i) {
          const size_t y = i / (2 * columns), column = i % (2 * columns);
          const size_t x = column < columns ? 2 * column : 2 * (column - columns) + 1;
          // Where there is none, the one before stands in.
          const std::byte sample = samples[y * width + (x < width ? x : x - 2)];
          ASSERT_EQ(codes[i], std::to_integer<uint8_t>(sample) ^ sign);
        }
      }
    }
  });
}

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

TEST(RangeOfLaneCodesTest, IsThatOfAPlainLoopForAnyCountOnAllTargets) {
  std::vector<uint8_t> codes(300);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(100 + (i * 2654435761u >> 27));
  ForEachTarget([&] {
    for (size_t count = 1; count <= codes.size(); ++count) {
      for (const uint8_t outlier : {uint8_t{0}, uint8_t{110}, uint8_t{255}}) {
        std::vector<uint8_t> changed(codes.begin(), codes.begin() + static_cast<ptrdiff_t>(count));
        changed[count / 2] = outlier;
        const LaneCodeRange range = RangeOfLaneCodes(count, changed.data());
        ASSERT_EQ(range.low, *std::ranges::min_element(changed)) << count;
        ASSERT_EQ(range.high, *std::ranges::max_element(changed)) << count;
        ASSERT_EQ(range.sum, std::accumulate(changed.begin(), changed.end(), int64_t{0})) << count;
      }
    }
  });
}

TEST(RangeOfLaneCodesTest, SumsOfManyGreatCodesDoNotOverflow) {
  const std::vector<uint8_t> codes((size_t{1} << 25) + 3, 255);  // more than 32 bits
  ForEachTarget([&] {
    const LaneCodeRange range = RangeOfLaneCodes(codes.size(), codes.data());
    ASSERT_EQ(range.low, 255);
    ASSERT_EQ(range.high, 255);
    ASSERT_EQ(range.sum, 255 * static_cast<int64_t>(codes.size()));
  });
}

}  // namespace
}  // namespace dcac
