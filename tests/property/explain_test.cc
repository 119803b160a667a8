// Properties of explanations over generated tensors: everything adds up, and agrees with what Inspect reads without
// decoding.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "dcac/codec.h"
#include "tests/testing/random.h"
#include "tests/testing/tensors.h"

namespace dcac {
namespace {

struct Case {
  TensorSpec spec;
  std::vector<std::byte> data;
  EncodeOptions options;
  std::string description;
};

// Tensors of all dtypes and contents, small enough for a debug build.
std::vector<Case> MakeCases() {
  testing::Random random(20261126);
  std::vector<Case> cases;
  for (DType dtype : testing::AllDTypes()) {
    for (testing::Content content : testing::AllContents()) {
      Case c;
      c.spec.dtype = dtype;
      c.spec.shape = testing::MakeShape(random, 6000);
      c.options = testing::MakeOptions(random);
      c.data = testing::MakeData(random, c.spec, content);
      c.description = std::string(testing::ContentName(content)) + ", " + testing::Describe(c.spec, c.options);
      cases.push_back(std::move(c));
    }
  }
  return cases;
}

void ExpectAddsUp(const FrameExplanation& explanation, const std::vector<std::byte>& frame) {
  EXPECT_EQ(explanation.info.frame_bytes, frame.size());
  double plane_bits = 0, segment_bits = 0, coded_bits = 0;
  uint64_t samples = 0, side_bytes = 0, stored_bytes = 0;
  for (const PlaneExplanation& plane : explanation.planes) {
    plane_bits += plane.bits;
    samples += plane.samples;
  }
  for (const SegmentExplanation& segment : explanation.segments) {
    segment_bits += segment.sample_bits;
    side_bytes += segment.info.side_bytes;
    stored_bytes += segment.info.stored_bytes;
  }
  for (const SampleCount& count : explanation.samples) coded_bits += count.bits;
  const double tolerance = 1e-6 * (1 + explanation.sample_bits);
  EXPECT_NEAR(plane_bits, explanation.sample_bits, tolerance);
  EXPECT_NEAR(segment_bits, explanation.sample_bits, tolerance);
  EXPECT_LE(coded_bits, explanation.sample_bits + tolerance);  // segments without a model code no samples on their own
  EXPECT_EQ(side_bytes, explanation.side_bytes);
  EXPECT_LE(stored_bytes, frame.size());
  EXPECT_NEAR(static_cast<double>(frame.size()),
              explanation.sample_bits / 8 + static_cast<double>(explanation.side_bytes) + explanation.other_bytes,
              1e-6);
  // What belongs to nothing is small: heads, checksums, at most 64 states a plane set.
  constexpr double kFrameBytes = 160, kSegmentBytes = 48, kStateBytes = 5 * 64 * 4;
  EXPECT_GE(explanation.other_bytes, 0);
  EXPECT_LE(explanation.other_bytes,
            kFrameBytes + explanation.sample_bits / 8 * 1e-3 +
                static_cast<double>(explanation.segments.size()) * (kSegmentBytes + kStateBytes));
}

void ExpectSameAsInspected(const FrameExplanation& explanation, const FrameInfo& info) {
  EXPECT_EQ(explanation.info.spec, info.spec);
  EXPECT_EQ(explanation.info.raw_bytes, info.raw_bytes);
  EXPECT_EQ(explanation.info.digest, info.digest);
  EXPECT_EQ(explanation.info.mode, info.mode);
  EXPECT_EQ(explanation.info.references_per_plane, info.references_per_plane);
  ASSERT_EQ(explanation.segments.size(), info.segments.size());
  PlaneCounts parts, planes;
  for (const PlaneExplanation& plane : explanation.planes) parts += plane.parts;
  for (size_t i = 0; i < info.segments.size(); ++i) {
    const SegmentInfo &explained = explanation.segments[i].info, &inspected = info.segments[i];
    EXPECT_EQ(explained.frame_offset, inspected.frame_offset);
    EXPECT_EQ(explained.stored_bytes, inspected.stored_bytes);
    EXPECT_EQ(explained.raw_bytes, inspected.raw_bytes);
    EXPECT_EQ(explained.method, inspected.method);
    EXPECT_EQ(explained.side_bytes, inspected.side_bytes);
    EXPECT_EQ(explained.references, inspected.references);
    planes += inspected.planes;
  }
  EXPECT_EQ(parts.all(), planes.all());
  EXPECT_EQ(parts.difference, planes.difference);
  EXPECT_EQ(parts.duplicate, planes.duplicate);
}

TEST(ExplainProperty, EverythingAddsUpAndAgreesWithInspect) {
  for (const Case& c : MakeCases()) {
    SCOPED_TRACE(c.description);
    const auto frame = Compress(c.spec, c.data, c.options);
    ASSERT_TRUE(frame.ok()) << frame.status();
    ExplainOptions options;
    options.compare = false;
    const auto explanation = ExplainFrame(*frame, options);
    ASSERT_TRUE(explanation.ok()) << explanation.status();
    ExpectAddsUp(*explanation, *frame);
    const auto info = Inspect(*frame);
    ASSERT_TRUE(info.ok()) << info.status();
    ExpectSameAsInspected(*explanation, *info);
  }
}

TEST(ExplainProperty, PiecesMakeNoDifference) {
  testing::Random random(1);
  TensorSpec spec;
  spec.shape = {2, 12, 40, 40};
  const auto data = testing::MakeData(random, spec, testing::Content::kCorrelated);
  EncodeOptions encode_options;
  encode_options.segment_bytes = EncodeOptions::kMinSegmentBytes;
  const auto frame = Compress(spec, data, encode_options);
  ASSERT_TRUE(frame.ok());
  const auto whole = ExplainFrame(*frame);
  ASSERT_TRUE(whole.ok());
  FrameExplainer explainer;
  for (size_t at = 0; at < frame->size(); at += 100) {
    const auto piece = std::span(*frame).subspan(at, std::min<size_t>(100, frame->size() - at));
    ASSERT_TRUE(explainer.Push(piece).ok());
  }
  const auto pieces = explainer.Finish();
  ASSERT_TRUE(pieces.ok());
  EXPECT_EQ(pieces->sample_bits, whole->sample_bits);
  EXPECT_EQ(pieces->frame_bytes_without_references, whole->frame_bytes_without_references);
  ASSERT_EQ(pieces->planes.size(), whole->planes.size());
  for (size_t p = 0; p < whole->planes.size(); ++p) EXPECT_EQ(pieces->planes[p].bits, whole->planes[p].bits);
}

}  // namespace
}  // namespace dcac
