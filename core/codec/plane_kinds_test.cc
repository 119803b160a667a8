#include "core/codec/plane_kinds.h"

#include <gtest/gtest.h>

#include <random>

#include "core/codec/sample_map.h"
#include "core/codec/segment_samples.h"

namespace dcac {
namespace {

uint32_t MaskOf(DType dtype) {
  return SampleBytes(dtype) == 4 ? ~0u : (1u << 8 * SampleBytes(dtype)) - 1;
}

// Noise of `count` planes.
std::vector<uint32_t> Noise(std::mt19937_64& random, const SegmentShape& shape) {
  std::vector<uint32_t> samples(shape.bytes() / SampleBytes(shape.dtype));
  for (uint32_t& sample : samples) sample = static_cast<uint32_t>(random()) & MaskOf(shape.dtype);
  return samples;
}

Bytes Pack(const SegmentShape& shape, const std::vector<uint32_t>& samples) {
  Bytes packed(shape.bytes());
  NarrowSamples(shape, samples, packed);
  return packed;
}

void ExpectRestored(const SegmentShape& shape, const std::vector<uint32_t>& samples,
                    const EncodeOptions& options = {}) {
  const Bytes packed = Pack(shape, samples);
  const Bytes body = EncodeSegmentBody({shape, packed}, options);
  EXPECT_LE(body.size(), packed.size() + 1);
  Bytes decoded(packed.size());
  const absl::Status status = DecodeSegmentBody(shape, body, decoded);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(decoded, packed);
}

TEST(WidenSamplesTest, NarrowUndoesWiden) {
  std::mt19937_64 random(1);
  for (int dtype = 1; dtype <= 7; ++dtype) {
    const SegmentShape shape{static_cast<DType>(dtype), 1, 2, 3, 5};
    const std::vector<uint32_t> samples = Noise(random, shape);
    EXPECT_EQ(WidenSamples(shape, Pack(shape, samples)), samples);
  }
}

TEST(ClassifyPlanesTest, FindsConstantDuplicateAndUpsampledPlanes) {
  std::mt19937_64 random(2);
  for (DType dtype : {DType::kU8, DType::kBF16, DType::kF32}) {
    for (const auto& size : {std::pair{16, 24}, {17, 19}, {9, 33}}) {
      const int height = size.first, width = size.second;
      const SegmentShape shape{dtype, 1, 8, height, width};
      std::vector<uint32_t> samples = Noise(random, shape);
      const size_t n = static_cast<size_t>(height * width);
      const auto at = [&](int p, int y, int x) -> uint32_t& {
        return samples[static_cast<size_t>(p) * n + static_cast<size_t>(y * width + x)];
      };
      std::fill_n(samples.begin() + static_cast<ptrdiff_t>(n), n, 0x55u);
      for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
          at(2, y, x) = at(2, y / 2 * 2, x / 2 * 2);
          at(3, y, x) = at(3, y / 4 * 4, x / 4 * 4);
          at(4, y, x) = at(4, y / 8 * 8, x / 8 * 8);
          at(5, y, x) = at(0, y, x);
          at(6, y, x) = at(2, y, x);
        }
      }
      const auto codings = ClassifyPlanes(shape, samples);
      EXPECT_EQ(codings[0].kind, PlaneKind::kNormal);
      EXPECT_EQ(codings[1].kind, PlaneKind::kConstant);
      EXPECT_EQ(codings[1].value, 0x55u);
      EXPECT_EQ(codings[2].kind, PlaneKind::kUpsampled2);
      EXPECT_EQ(codings[3].kind, PlaneKind::kUpsampled4);
      EXPECT_EQ(codings[4].kind, PlaneKind::kUpsampled8);
      EXPECT_EQ(codings[5].kind, PlaneKind::kDuplicate);
      EXPECT_EQ(codings[5].source, 0);
      EXPECT_EQ(codings[6].kind, PlaneKind::kDuplicate);
      EXPECT_EQ(codings[6].source, 2);
      EXPECT_EQ(codings[7].kind, PlaneKind::kNormal);
      ExpectRestored(shape, samples);
    }
  }
}

TEST(ClassifyPlanesTest, OneDifferentSampleMakesAPlaneNormal) {
  const SegmentShape shape{DType::kU8, 1, 1, 16, 16};
  for (size_t at = 1; at < 256; ++at) {
    std::vector<uint32_t> samples(256, 3);
    samples[at] = 4;
    ASSERT_EQ(ClassifyPlanes(shape, samples)[0].kind, PlaneKind::kNormal) << at;
  }
}

TEST(ClassifyPlanesTest, ZerosOfBothSignsAreNotTheSame) {
  const SegmentShape shape{DType::kF32, 1, 2, 4, 4};
  std::vector<uint32_t> samples(32, 0);
  std::fill(samples.begin() + 16, samples.end(), 0x80000000u);
  const auto codings = ClassifyPlanes(shape, samples);
  EXPECT_EQ(codings[1].kind, PlaneKind::kConstant);
  EXPECT_EQ(codings[1].value, 0x80000000u);
  ExpectRestored(shape, samples);
}

TEST(ClassifyPlanesTest, TellsPlanesApartThatDifferInOneSample) {
  const SegmentShape shape{DType::kU8, 1, 60, 30, 40};
  std::vector<uint32_t> samples(60 * 1200, 3);
  for (size_t p = 0; p < 30; ++p) samples[p * 1200 + p * 39] = 7;
  for (size_t p = 30; p < 60; ++p) samples[p * 1200 + (59 - p) * 39] = 7;
  const std::vector<PlaneCoding> codings = ClassifyPlanes(shape, samples);
  for (size_t p = 0; p < 60; ++p) {
    EXPECT_EQ(codings[p].kind, p < 30 ? PlaneKind::kNormal : PlaneKind::kDuplicate) << p;
    EXPECT_EQ(codings[p].source, p < 30 ? 0 : static_cast<int>(59 - p)) << p;
  }
}

TEST(ClassifyPlanesTest, WithoutThePreviousItemDuplicatesAreOfTheSameItem) {
  std::mt19937_64 random(4);
  const SegmentShape shape{DType::kU8, 2, 2, 8, 8};  // both items are equal
  std::vector<uint32_t> samples = Noise(random, shape);
  std::copy_n(samples.begin(), 128, samples.begin() + 128);
  EXPECT_EQ(ClassifyPlanes(shape, samples, true)[2].kind, PlaneKind::kDuplicate);
  EXPECT_EQ(ClassifyPlanes(shape, samples, false)[2].kind, PlaneKind::kNormal);
  // Noise has no code shorter than itself, so that half the size could only come from the other item.
  EncodeOptions options;
  options.level = EncodeOptions::kMaxLevel;  // the states of lanes alone have 256 bytes
  EXPECT_LT(EncodeSegmentBody({shape, Pack(shape, samples)}, options).size(), 200u);
  options.previous_item = false;
  EXPECT_GT(EncodeSegmentBody({shape, Pack(shape, samples)}, options).size(), 250u);
}

TEST(ClassifyPlanesTest, PlanesNoLargerThanTheScaleAreNotUpsampled) {
  std::mt19937_64 random(3);
  const SegmentShape shape{DType::kU8, 1, 1, 2, 40};
  std::vector<uint32_t> samples = Noise(random, shape);
  for (size_t x = 0; x < 40; ++x) samples[x] = samples[40 + x] = samples[x / 2 * 2];
  EXPECT_EQ(ClassifyPlanes(shape, samples)[0].kind, PlaneKind::kNormal);
  ExpectRestored(shape, samples);
}

TEST(ChooseDifferencesTest, TakesTheSimilarPlaneAndIsRestored) {
  std::mt19937_64 random(4);
  for (int dtype = 1; dtype <= 7; ++dtype) {
    const SegmentShape shape{static_cast<DType>(dtype), 1, 4, 24, 24};
    std::vector<uint32_t> samples = Noise(random, shape);
    const size_t n = 24 * 24;
    for (size_t i = 0; i < n; ++i) {  // plane 3 is plane 1 with a little noise, wrapping around
      samples[3 * n + i] = SampleOfOrderedInteger(
          shape.dtype, OrderedInteger(shape.dtype, samples[n + i]) + static_cast<int32_t>(random() % 3) - 1);
    }
    EncodeOptions options;
    options.mode = Mode::kDcac;
    for (Similarity similarity : {Similarity::kBits, Similarity::kDifference}) {
      options.similarity = similarity;
      auto codings = ClassifyPlanes(shape, samples);
      ChooseDifferences(shape, samples, options, codings);
      EXPECT_EQ(codings[0].kind, PlaneKind::kNormal);
      EXPECT_EQ(codings[3].kind, PlaneKind::kDifference) << dtype;
      EXPECT_EQ(codings[3].source, 1);
      ExpectRestored(shape, samples, options);
    }
  }
}

TEST(ChooseDifferencesTest, TheWindowBoundsTheSearch) {
  std::mt19937_64 random(5);
  const SegmentShape shape{DType::kU8, 1, 5, 24, 24};
  std::vector<uint32_t> samples = Noise(random, shape);
  const size_t n = 24 * 24;
  for (size_t i = 0; i < n; ++i) samples[4 * n + i] = (samples[i] + random() % 2) & 255;
  EncodeOptions options;
  options.mode = Mode::kDcac;
  for (auto [window, kind] : {std::pair{3, PlaneKind::kNormal}, {4, PlaneKind::kDifference}}) {
    options.window = window;
    auto codings = ClassifyPlanes(shape, samples);
    ChooseDifferences(shape, samples, options, codings);
    EXPECT_EQ(codings[4].kind, kind) << window;
  }
}

TEST(ChooseDifferencesTest, PreviousItemsAreCandidatesOnlyWhereAllowed) {
  std::mt19937_64 random(6);
  const SegmentShape shape{DType::kU8, 2, 12, 24, 24};  // the same channel is beyond the window of 8
  std::vector<uint32_t> samples = Noise(random, shape);
  const size_t n = 24 * 24;
  for (size_t i = 0; i < n; ++i) samples[12 * n + i] = (samples[i] + random() % 2) & 255;
  EncodeOptions options;
  options.mode = Mode::kDcac;
  for (bool previous_item : {false, true}) {
    options.previous_item = previous_item;
    auto codings = ClassifyPlanes(shape, samples);
    ChooseDifferences(shape, samples, options, codings);
    EXPECT_EQ(codings[12].kind, previous_item ? PlaneKind::kDifference : PlaneKind::kNormal);
    if (previous_item) {
      EXPECT_EQ(codings[12].source, 0);
    }
  }
}

TEST(PlaneCodingsTest, RoundTripThroughTheSideInformation) {
  std::mt19937_64 random(7);
  for (DType dtype : {DType::kI8, DType::kF16, DType::kF32}) {
    std::vector<PlaneCoding> codings(300);
    for (size_t p = 0; p < codings.size(); ++p) {
      codings[p].kind = static_cast<PlaneKind>(random() % kNumPlaneKinds);
      if (p == 0 && (codings[p].kind == PlaneKind::kDifference || codings[p].kind == PlaneKind::kDuplicate))
        codings[p].kind = PlaneKind::kNormal;
      if (codings[p].kind == PlaneKind::kConstant)
        codings[p].value = random() % 2 == 0 ? 7u : static_cast<uint32_t>(random()) & MaskOf(dtype);
      if (codings[p].kind == PlaneKind::kDifference || codings[p].kind == PlaneKind::kDuplicate)
        codings[p].source = static_cast<int>(random() % p);
    }
    RangeEncoder encoder;
    EncodePlaneCodings(encoder, dtype, codings);
    ASSERT_FALSE(encoder.failed());
    const Bytes bytes = encoder.Finish();
    RangeDecoder decoder(bytes);
    const auto decoded = DecodePlaneCodings(decoder, dtype, 300);
    ASSERT_FALSE(decoder.failed());
    for (size_t p = 0; p < codings.size(); ++p) {
      ASSERT_EQ(decoded[p].kind, codings[p].kind);
      ASSERT_EQ(decoded[p].value, codings[p].value);
      ASSERT_EQ(decoded[p].source, codings[p].source);
    }
  }
}

TEST(PlaneCodingsTest, TheFirstPlaneHasNoSource) {
  for (PlaneKind kind : {PlaneKind::kDifference, PlaneKind::kDuplicate}) {
    RangeEncoder encoder;
    EncodePlaneCodings(encoder, DType::kU8, {{kind, 0, 0}});
    const Bytes bytes = encoder.Finish();
    RangeDecoder decoder(bytes);
    DecodePlaneCodings(decoder, DType::kU8, 1);
    EXPECT_TRUE(decoder.failed());
  }
}

TEST(ScaleOfTest, FollowsTheKind) {
  EXPECT_EQ(ScaleOf(PlaneKind::kNormal), 1);
  EXPECT_EQ(ScaleOf(PlaneKind::kDuplicate), 1);
  EXPECT_EQ(ScaleOf(PlaneKind::kUpsampled2), 2);
  EXPECT_EQ(ScaleOf(PlaneKind::kUpsampled4), 4);
  EXPECT_EQ(ScaleOf(PlaneKind::kUpsampled8), 8);
}

}  // namespace
}  // namespace dcac
