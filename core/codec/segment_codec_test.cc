#include "core/codec/segment_codec.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "core/codec/lane_segment.h"
#include "core/codec/model_side.h"
#include "core/codec/segment_samples.h"

namespace dcac {
namespace {

SegmentMethod MethodOf(const SegmentShape& shape, const Bytes& packed, int level) {
  EncodeOptions options;
  options.level = level;
  const Bytes body = EncodeSegmentBody({shape, packed}, options);
  Bytes back(packed.size());
  EXPECT_TRUE(DecodeSegmentBody(shape, body, back).ok());
  EXPECT_EQ(back, packed);
  return MethodOfBody(body).value_or(SegmentMethod::kStored);
}

Bytes Noise(size_t bytes) {
  std::mt19937_64 random(bytes);
  Bytes noise(bytes);
  for (std::byte& b : noise) b = static_cast<std::byte>(random());
  return noise;
}

// `bytes` of it, over and over.
Bytes Repeated(const Bytes& period, size_t bytes) {
  Bytes repeated(bytes);
  for (size_t i = 0; i < bytes; ++i) repeated[i] = period[i % period.size()];
  return repeated;
}

// They would take far more memory than their samples.
TEST(SegmentCodecTest, ModelsOfPlanesOfFewSamplesAreRefused) {
  const SegmentShape shape{DType::kU8, 64, 1, 3, 5};
  const Bytes packed = Noise(shape.bytes());
  const std::byte head[] = {std::byte{2}, std::byte{kLaneLayout}};
  const Bytes lanes = EncodeLaneBody({shape, packed}, {}, head);
  ASSERT_FALSE(lanes.empty());
  Bytes back(packed.size());
  EXPECT_EQ(DecodeSegmentBody(shape, lanes, back).message(),
            "model segment of planes of 15 samples, expected at least 16");
  EXPECT_EQ(ParseLaneSide(shape, {}).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseModelSide(shape, {}).status().message(),
            "model segment of planes of 15 samples, expected at least 16");
}

// What lanes find nothing in and zstd everything is left to zstd at every level, in small segments too.
TEST(SegmentCodecTest, PatternsAreLeftToZstd) {
  for (const int planes : {16, 128, 512}) {
    const SegmentShape shape{DType::kU8, 1, planes, 64, 64};
    const Bytes packed = Repeated(Noise(37), shape.bytes());
    for (const int level : {1, 3, 5, 7}) {
      EXPECT_EQ(MethodOf(shape, packed, level), SegmentMethod::kZstd) << planes << " planes, level " << level;
    }
  }
}

// Planes with margins of their own, in other places, around rows that repeat those three before, which no tap reaches.
TEST(SegmentCodecTest, MarginsLeadToZstd) {
  for (const DType dtype : {DType::kU8, DType::kI16, DType::kF32}) {
    const SegmentShape shape{dtype, 1, static_cast<int>(16 / SampleBytes(dtype)), 64, 64};
    const size_t row = 64 * SampleBytes(dtype);
    Bytes packed;
    for (int plane = 0; plane < shape.planes; ++plane) {
      const Bytes rows = Repeated(Noise(3 * row), 16 * row);
      Bytes margin = Noise(SampleBytes(dtype) + static_cast<size_t>(plane));
      margin.resize(SampleBytes(dtype));
      const size_t above = static_cast<size_t>(plane % 4 * 16);
      AppendBytes(Repeated(margin, above * row), packed);
      AppendBytes(rows, packed);
      AppendBytes(Repeated(margin, (48 - above) * row), packed);
    }
    for (const int level : {1, 3, 5})
      EXPECT_EQ(MethodOf(shape, packed, level), SegmentMethod::kZstd) << static_cast<int>(dtype) << ", level " << level;
  }
}

// What nobody compresses is stored.
TEST(SegmentCodecTest, NoiseIsStored) {
  const SegmentShape shape{DType::kU8, 1, 16, 64, 64};
  for (const int level : {1, 3, 5}) EXPECT_EQ(MethodOf(shape, Noise(shape.bytes()), level), SegmentMethod::kStored);
}

}  // namespace
}  // namespace dcac
