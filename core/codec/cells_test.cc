#include "core/codec/cells.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/codec/rans.h"

namespace dcac {
namespace {

// Encodes a sample in cells of 2^exponent and decodes it again.
std::optional<uint32_t> Back(const CellMap& map, uint32_t sample, int exponent) {
  const std::optional<Cell> cell = map.CellOf(sample, exponent);
  if (!cell) return std::nullopt;
  BitWriter writer;
  writer.Put(cell->raw, cell->raw_bits);
  const Bytes raw = writer.Finish();
  BitReader reader(raw);
  const std::optional<uint32_t> back = map.SampleOf(cell->number, exponent, reader);
  EXPECT_TRUE(reader.Finish().ok()) << sample << " in cells of 2^" << exponent;
  EXPECT_TRUE(back.has_value()) << sample << " in cells of 2^" << exponent;
  return back;
}

class CellKindTest : public testing::TestWithParam<SampleKind> {};

TEST_P(CellKindTest, EverySampleOf16BitsComesBackOrIsAnEscape) {
  const CellMap map(GetParam());
  for (int exponent : {-120, -40, -24, -15, -14, -13, -9, -1, 0, 1, 5, 16, 24, 100}) {
    const int in_range = IsFloat(GetParam()) ? exponent : std::clamp(exponent, 0, 24);
    size_t escapes = 0;
    for (uint32_t sample = 0; sample < 1u << 16; ++sample) {
      const std::optional<uint32_t> back = Back(map, sample, in_range);
      escapes += !back;
      ASSERT_EQ(back.value_or(sample), sample) << "in cells of 2^" << in_range;
    }
    EXPECT_TRUE(IsFloat(GetParam()) || escapes == 0) << escapes;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, CellKindTest,
                         testing::Values(SampleKind::kU16, SampleKind::kI16, SampleKind::kF16, SampleKind::kBF16));

TEST(CellsTest, WideSamplesComeBack) {
  std::mt19937_64 random(5);
  for (SampleKind kind : {SampleKind::kF32, SampleKind::kI32}) {
    const CellMap map(kind);
    for (int i = 0; i < 200000; ++i) {
      const auto sample = static_cast<uint32_t>(random());
      const int exponent =
          kind == SampleKind::kI32 ? static_cast<int>(random() % 25) : static_cast<int>(random() % 221) - 120;
      const std::optional<uint32_t> back = Back(map, sample, exponent);
      ASSERT_EQ(back.value_or(sample), sample) << "in cells of 2^" << exponent;
    }
  }
}

TEST(CellsTest, OrdinarySamplesAreNoEscapes) {
  const CellMap map(SampleKind::kF32);
  for (float value : {1.0f, -1.0f, 0.3f, 1000.0f, -1e-5f, 3.0f}) {
    EXPECT_TRUE(map.CellOf(std::bit_cast<uint32_t>(value), -2).has_value()) << value;
  }
}

TEST(CellsTest, NotANumberAndVeryLargeSamplesAreEscapes) {
  for (float value : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(), 1e20f}) {
    EXPECT_FALSE(CellMap(SampleKind::kF32).CellOf(std::bit_cast<uint32_t>(value), 0).has_value());
    EXPECT_FALSE(CellMap(SampleKind::kF32).ToValue(std::bit_cast<uint32_t>(value)).has_value());
  }
  EXPECT_FALSE(CellMap(SampleKind::kF16).ToValue(0x7c00).has_value());
  EXPECT_EQ(CellMap(SampleKind::kF16).ToValue(0x7bff), 65504.0f);
}

TEST(CellsTest, ValuesAreThoseOfTheSamples) {
  EXPECT_EQ(CellMap(SampleKind::kF16).ToValue(0x0001), std::ldexp(1.0f, -24));
  EXPECT_EQ(CellMap(SampleKind::kF16).ToValue(0xc000), -2.0f);
  EXPECT_EQ(CellMap(SampleKind::kBF16).ToValue(0x0001), std::ldexp(1.0f, -133));
  EXPECT_EQ(CellMap(SampleKind::kF32).ToValue(0x00000001), std::ldexp(1.0f, -149));
  EXPECT_EQ(CellMap(SampleKind::kI16).ToValue(0xffff), -1.0f);
  EXPECT_EQ(CellMap(SampleKind::kU16).ToValue(0xffff), 65535.0f);
}

TEST(CellsTest, CellsAreNoFinerThanTheSamplesAroundThePrediction) {
  const CellMap map(SampleKind::kBF16);
  const CellGrid fine = map.GridOf(1.5f, -40 * kScaleSteps);
  EXPECT_EQ(fine.exponent, -7);
  EXPECT_EQ(fine.predicted, 192);
  EXPECT_EQ(fine.context / kPlaceBins, 0u);
  const CellGrid coarse = map.GridOf(-0.75f, 0);
  EXPECT_EQ(coarse.exponent, -1);
  EXPECT_EQ(coarse.predicted, -2);
  EXPECT_EQ(coarse.context % kPlaceBins, kPlaceBins / 2);
  EXPECT_EQ(CellMap(SampleKind::kI8).GridOf(3.25f, -100).exponent, 0);
}

TEST(CellsTest, GridsOfExtremePredictionsAreInRange) {
  for (SampleKind kind : {SampleKind::kF32, SampleKind::kF16, SampleKind::kI32}) {
    const CellMap map(kind);
    for (float prediction : {0.0f, -0.0f, 1e-45f, -1e-38f, 2147483648.0f, -2147483648.0f, 1e20f, -1e20f}) {
      if (!IsFloat(kind) && std::abs(prediction) > 2147483648.0f) continue;
      for (int scale : {-kMaxScale, 0, kMaxScale}) {
        EXPECT_LT(map.GridOf(prediction, scale).context, kErrorBins * kPlaceBins) << prediction << " " << scale;
      }
    }
  }
}

TEST(CellsTest, ImpossibleCellsAreRefused) {
  const Bytes raw(64, std::byte{0});
  BitReader reader(raw);
  EXPECT_FALSE(CellMap(SampleKind::kBF16).SampleOf(int64_t{1} << 26, 0, reader).has_value());  // too far
  EXPECT_FALSE(CellMap(SampleKind::kBF16).SampleOf(257, 0, reader).has_value());               // between two samples
  EXPECT_FALSE(CellMap(SampleKind::kBF16).SampleOf(0, 0, reader).has_value());                 // no end of its octave
  EXPECT_FALSE(CellMap(SampleKind::kF16).SampleOf(1, 16, reader).has_value());                 // beyond the largest
  EXPECT_FALSE(CellMap(SampleKind::kU8).SampleOf(256, 0, reader).has_value());
  EXPECT_FALSE(CellMap(SampleKind::kU8).SampleOf(-1, 0, reader).has_value());
  EXPECT_FALSE(CellMap(SampleKind::kI32).SampleOf(int64_t{1} << 40, 24, reader).has_value());
}

}  // namespace
}  // namespace dcac
