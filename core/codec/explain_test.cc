#include "dcac/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "dcac/codec.h"

namespace dcac {
namespace {

using ::testing::Each;
using ::testing::Field;
using ::testing::Gt;
using ::testing::SizeIs;

constexpr int kHeight = 8, kWidth = 288;  // a plane is a group of lanes of its own, which others can refer to

// Bytes without structure, the same in every run.
class Noise {
 public:
  explicit Noise(uint32_t seed) : state_(seed) {}
  uint8_t Next() {
    state_ = state_ * 1664525 + 1013904223;
    return static_cast<uint8_t>(state_ >> 24);
  }

 private:
  uint32_t state_;
};

void AppendNoisePlane(uint32_t seed, std::vector<std::byte>& data) {
  Noise noise(seed);
  for (int i = 0; i < kHeight * kWidth; ++i) data.push_back(std::byte{noise.Next()});
}

void AppendConstantPlane(uint8_t value, std::vector<std::byte>& data) {
  data.insert(data.end(), kHeight * kWidth, std::byte{value});
}

// Plane `from` with its two lowest bits changed at random: close, but without repetitions.
void AppendAlmostPlane(int from, std::vector<std::byte>& data) {
  Noise noise(77);
  const size_t begin = static_cast<size_t>(from) * kHeight * kWidth;
  for (size_t i = begin; i < begin + kHeight * kWidth; ++i)
    data.push_back(data[i] ^ std::byte{static_cast<uint8_t>(noise.Next() >> 6)});
}

void AppendCopy(int from, std::vector<std::byte>& data) {
  const auto begin = data.begin() + ptrdiff_t{from} * kHeight * kWidth;
  const std::vector<std::byte> plane(begin, begin + kHeight * kWidth);
  data.insert(data.end(), plane.begin(), plane.end());
}

TensorSpec SpecOf(const std::vector<std::byte>& data) {
  TensorSpec spec;
  spec.shape = {1, data.size() / (kHeight * kWidth), kHeight, kWidth};
  return spec;
}

// Noise, noise, plane 0 with changes, a constant, a copy of plane 1.
std::vector<std::byte> RelatedPlanes() {
  std::vector<std::byte> data;
  AppendNoisePlane(1, data);
  AppendNoisePlane(2, data);
  AppendAlmostPlane(0, data);
  AppendConstantPlane(9, data);
  AppendCopy(1, data);
  return data;
}

// Of levels whose segments are lanes, and waves.
class ExplainLevelTest : public testing::TestWithParam<int> {
 protected:
  static EncodeOptions Options() {
    EncodeOptions options;
    options.level = GetParam();
    return options;
  }
};

INSTANTIATE_TEST_SUITE_P(Levels, ExplainLevelTest, testing::Values(EncodeOptions::kDefaultLevel, 9));

TEST_P(ExplainLevelTest, FindsTheReferencesOfConstructedPlanes) {
  const auto data = RelatedPlanes();
  const auto explanation = ExplainTensor(SpecOf(data), data, Options());
  ASSERT_TRUE(explanation.ok()) << explanation.status();
  ASSERT_THAT(explanation->planes, SizeIs(5));
  EXPECT_EQ(explanation->info.mode, "ls");
  EXPECT_THAT(explanation->planes, Each(Field(&PlaneExplanation::samples, kHeight * kWidth)));

  const PlaneExplanation& almost = explanation->planes[2];
  ASSERT_FALSE(almost.references.empty());
  EXPECT_EQ(almost.references[0].plane_begin, 0u);
  EXPECT_EQ(almost.references[0].items_back, 0u);
  EXPECT_NEAR(almost.references[0].weight, 1, 0.1);
  EXPECT_LT(almost.bits, 3.5 * kHeight * kWidth);
  EXPECT_GT(almost.bits_without_references, 1.3 * almost.bits);
  EXPECT_EQ(almost.parts.normal, 1u);

  EXPECT_EQ(explanation->planes[3].parts.constant, 1u);
  EXPECT_EQ(explanation->planes[3].bits, 0);

  const PlaneExplanation& copy = explanation->planes[4];
  EXPECT_EQ(copy.parts.duplicate, 1u);
  ASSERT_THAT(copy.references, SizeIs(1));
  EXPECT_EQ(copy.references[0].plane_begin, 1u);
  EXPECT_EQ(copy.references[0].weight, 1);
  EXPECT_EQ(copy.bits, 0);
}

size_t BytesInModeIntra(const std::vector<std::byte>& data, int level) {
  EncodeOptions options;
  options.level = level;
  options.mode = Mode::kIntra;
  return Compress(SpecOf(data), data, options).value().size();
}

TEST(Explain, ComparesWithTheFrameOfModeIntraOfTheLevel) {
  const auto data = RelatedPlanes();
  for (int level = 2; level <= EncodeOptions::kMaxLevel; ++level) {
    EncodeOptions options;
    options.level = level;
    const auto explanation = ExplainTensor(SpecOf(data), data, options);
    ASSERT_TRUE(explanation.ok());
    EXPECT_TRUE(explanation->compared);
    EXPECT_EQ(explanation->frame_bytes_without_references, BytesInModeIntra(data, level)) << "level " << level;
    EXPECT_LT(explanation->info.frame_bytes, explanation->frame_bytes_without_references) << "level " << level;
  }
}

TEST(Explain, ComparesFramesOfUnknownLevelAtOneOfTheSameForm) {
  const auto data = RelatedPlanes();
  constexpr std::array<std::pair<int, int>, 3> kComparedAt = {{{3, 2}, {4, EncodeOptions::kDefaultLevel}, {8, 9}}};
  for (const auto& [level, compared_at] : kComparedAt) {
    EncodeOptions options;
    options.level = level;
    const auto frame = Compress(SpecOf(data), data, options);
    ASSERT_TRUE(frame.ok());
    const auto explanation = ExplainFrame(*frame);
    ASSERT_TRUE(explanation.ok());
    EXPECT_EQ(explanation->frame_bytes_without_references, BytesInModeIntra(data, compared_at)) << "level " << level;
  }
}

TEST(Explain, WhatHasNoReferencesSavesNothingByThem) {
  std::vector<std::byte> data;
  AppendNoisePlane(1, data);
  AppendNoisePlane(2, data);
  // A model is worth while for steps of rows.
  for (size_t i = 0; i < data.size(); ++i) data[i] = (data[i] >> 5) ^ std::byte{static_cast<uint8_t>(i / kWidth << 3)};
  EncodeOptions options;
  options.level = 1;
  const auto frame = Compress(SpecOf(data), data, options);
  ASSERT_TRUE(frame.ok());
  const auto explanation = ExplainFrame(*frame);
  ASSERT_TRUE(explanation.ok());
  ASSERT_EQ(explanation->info.mode, "intra");
  EXPECT_EQ(explanation->frame_bytes_without_references, frame->size());
  for (const PlaneExplanation& plane : explanation->planes) EXPECT_EQ(plane.bits_without_references, plane.bits);
}

TEST(Explain, RefusesWhatIsNoLevel) {
  const auto data = RelatedPlanes();
  const auto frame = Compress(SpecOf(data), data);
  ASSERT_TRUE(frame.ok());
  for (int level : {0, 10}) {
    ExplainOptions options;
    options.level = level;
    EXPECT_EQ(ExplainFrame(*frame, options).status().code(), absl::StatusCode::kInvalidArgument) << "level " << level;
  }
}

TEST(Explain, DifferencesAreReferencesOfWeightOne) {
  const auto data = RelatedPlanes();
  EncodeOptions options;
  options.mode = Mode::kDcac;
  const auto explanation = ExplainTensor(SpecOf(data), data, options);
  ASSERT_TRUE(explanation.ok());
  EXPECT_EQ(explanation->info.mode, "dcac");
  const PlaneExplanation& almost = explanation->planes.at(2);
  EXPECT_EQ(almost.parts.difference, 1u);
  ASSERT_THAT(almost.references, SizeIs(1));
  EXPECT_EQ(almost.references[0].plane_begin, 0u);
  EXPECT_EQ(almost.references[0].weight, 1);
}

TEST_P(ExplainLevelTest, ReferencesToTheItemBeforeSayHowFar) {
  std::vector<std::byte> data;
  AppendNoisePlane(1, data);
  AppendNoisePlane(2, data);
  AppendAlmostPlane(0, data);
  AppendAlmostPlane(1, data);
  TensorSpec spec;
  spec.shape = {2, 2, kHeight, kWidth};
  const auto explanation = ExplainTensor(spec, data, Options());
  ASSERT_TRUE(explanation.ok());
  ASSERT_THAT(explanation->planes, SizeIs(2));
  for (const PlaneExplanation& plane : explanation->planes) {
    EXPECT_EQ(plane.samples, 2u * kHeight * kWidth);
    EXPECT_EQ(plane.parts.all(), 2u);
    ASSERT_FALSE(plane.references.empty());
    EXPECT_EQ(plane.references[0].plane_begin, plane.plane_begin);
    EXPECT_EQ(plane.references[0].items_back, 1u);
    EXPECT_EQ(plane.references[0].uses, 1u);
  }
}

TEST(Explain, ManyPlanesAreExplainedByGroups) {
  const auto data = RelatedPlanes();
  ExplainOptions options;
  options.max_planes = 2;
  const auto explanation = ExplainTensor(SpecOf(data), data, {}, options);
  ASSERT_TRUE(explanation.ok());
  ASSERT_THAT(explanation->planes, SizeIs(2));
  EXPECT_EQ(explanation->planes[0].plane_end, 3u);
  EXPECT_EQ(explanation->planes[1].plane_begin, 3u);
  EXPECT_EQ(explanation->planes[1].plane_end, 5u);
  EXPECT_EQ(explanation->planes[1].samples, 2u * kHeight * kWidth);
  ASSERT_THAT(explanation->planes[1].references, SizeIs(1));
  EXPECT_EQ(explanation->planes[1].references[0].plane_begin, 0u);
}

TEST(Explain, KeepsTheStrongestReferences) {
  ExplainOptions options;
  options.max_references = 1;
  std::vector<std::byte> mixed;
  for (uint32_t seed = 1; seed <= 6; ++seed) AppendNoisePlane(seed, mixed);
  for (int from : {3, 1, 4}) AppendAlmostPlane(from, mixed);
  const auto explanation = ExplainTensor(SpecOf(mixed), mixed, {}, options);
  ASSERT_TRUE(explanation.ok());
  EXPECT_THAT(explanation->planes[6].references, SizeIs(1));
  EXPECT_EQ(explanation->planes[6].references[0].plane_begin, 3u);
}

TEST(Explain, SamplesSaidToBeTheModeAreCounted) {
  std::vector<std::byte> data;
  Noise noise(3);
  for (int i = 0; i < 4 * kHeight * kWidth; ++i) {
    const uint8_t value = noise.Next();
    data.push_back(std::byte{value > 200 ? value : uint8_t{0}});
  }
  const auto explanation = ExplainTensor(SpecOf(data), data);
  ASSERT_TRUE(explanation.ok());
  uint64_t samples = 0;
  for (const SampleCount& count : explanation->samples) samples += count.samples;
  EXPECT_EQ(samples, data.size());
  EXPECT_THAT(explanation->samples[static_cast<size_t>(SampleCoding::kMode)].samples, Gt(data.size() / 2));
}

TEST(Explain, ZstdSegmentsAreSharedEquallyByThePlanes) {
  std::vector<std::byte> data;
  AppendNoisePlane(1, data);
  for (int i = 0; i < 7; ++i) AppendCopy(0, data);
  TensorSpec spec;
  spec.shape = {8 * kHeight * kWidth / 4, 1, 2, 2};  // planes too small for a model
  const auto explanation = ExplainTensor(spec, data);
  ASSERT_TRUE(explanation.ok());
  ASSERT_THAT(explanation->planes, SizeIs(1));
  EXPECT_EQ(explanation->info.mode, "");
  EXPECT_EQ(explanation->planes[0].parts.whole, explanation->planes[0].parts.all());
  EXPECT_GT(explanation->planes[0].bits, 8 * 0.9 * kHeight * kWidth);
  EXPECT_NEAR(explanation->planes[0].bits, explanation->sample_bits, 1e-3);
}

TEST(Explain, EmptyTensorsHaveNothingToExplain) {
  TensorSpec spec;
  spec.shape = {3, 0, 4};
  const auto explanation = ExplainTensor(spec, {});
  ASSERT_TRUE(explanation.ok()) << explanation.status();
  EXPECT_THAT(explanation->planes, SizeIs(0));
  EXPECT_EQ(explanation->sample_bits, 0);
  EXPECT_EQ(explanation->other_bytes, static_cast<double>(explanation->info.frame_bytes));
}

TEST(Explain, DamagedAndTruncatedFramesAreRefused) {
  const auto data = RelatedPlanes();
  auto frame = Compress(SpecOf(data), data);
  ASSERT_TRUE(frame.ok());
  FrameExplainer truncated;
  ASSERT_TRUE(truncated.Push(std::span(*frame).first(frame->size() - 1)).ok());
  EXPECT_EQ(truncated.Finish().status().code(), absl::StatusCode::kDataLoss);
  frame->at(frame->size() / 2) ^= std::byte{1};
  EXPECT_EQ(ExplainFrame(*frame).status().code(), absl::StatusCode::kDataLoss);
}

TEST(Explain, StopsWhenItIsCancelled) {
  const auto data = RelatedPlanes();
  const auto frame = Compress(SpecOf(data), data);
  ASSERT_TRUE(frame.ok());
  const std::atomic<bool> cancelled(true);
  FrameExplainer explainer;
  explainer.CancelOn(&cancelled);
  EXPECT_EQ(explainer.Push(*frame).code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace dcac
