#include "core/codec/segment_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/codec/segment_codec.h"
#include "core/codec/segment_samples.h"

namespace dcac {
namespace {

constexpr SegmentShape kSummaryShape{DType::kU8, 1, 3, 64, 64};

// A slope, the slope with changes, a constant plane.
Bytes SlopesAndConstant() {
  Bytes packed;
  uint32_t noise = 1;
  for (int plane = 0; plane < 2; ++plane) {
    for (int i = 0; i < 4096; ++i) {
      noise = noise * 1664525 + 1013904223;
      packed.push_back(static_cast<std::byte>(i / 64 * 3 + (noise >> 28)));
    }
  }
  packed.insert(packed.end(), 4096, std::byte{5});
  return packed;
}

// Lanes, or waves at the greatest levels.
Bytes ModelBody(int level = EncodeOptions::kDefaultLevel) {
  EncodeOptions options;
  options.level = level;
  const Bytes body = EncodeSegmentBody({kSummaryShape, SlopesAndConstant()}, options);
  EXPECT_EQ(*MethodOfBody(body), SegmentMethod::kModel);
  return body;
}

class SegmentSummaryLevelTest : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Levels, SegmentSummaryLevelTest,
                         testing::Values(EncodeOptions::kDefaultLevel, EncodeOptions::kMaxLevel));

TEST_P(SegmentSummaryLevelTest, TellsOfAModelFromItsFront) {
  const Bytes body = ModelBody(GetParam());
  const auto needed = SummaryBytes(kSummaryShape, ByteSpan(body).first(kSummaryHeadBytes), body.size());
  ASSERT_TRUE(needed.ok()) << needed.status();
  ASSERT_LT(*needed, body.size());
  SegmentInfo info;
  ASSERT_TRUE(SummarizeBody(kSummaryShape, ByteSpan(body).first(*needed), info).ok());
  EXPECT_EQ(info.method, "model");
  EXPECT_EQ(info.mode, "intra");
  EXPECT_EQ(info.planes.normal, 2u);
  EXPECT_EQ(info.planes.constant, 1u);
  EXPECT_EQ(info.planes.all(), 3u);
  EXPECT_GT(info.side_bytes, 20u);
  EXPECT_LT(info.side_bytes, *needed);
}

TEST_P(SegmentSummaryLevelTest, NeedsAllOfTheSideInformation) {
  const Bytes body = ModelBody(GetParam());
  const size_t needed = *SummaryBytes(kSummaryShape, body, body.size());
  for (size_t size = 0; size < needed; ++size) {
    SegmentInfo info;
    EXPECT_EQ(SummarizeBody(kSummaryShape, ByteSpan(body).first(size), info).code(), absl::StatusCode::kDataLoss)
        << size;
  }
}

TEST(SegmentSummary, PlanesOfOtherSegmentsCountAsWhole) {
  for (SegmentMethod method : {SegmentMethod::kStored, SegmentMethod::kZstd}) {
    const Bytes body = {static_cast<std::byte>(method), std::byte{1}};
    EXPECT_EQ(*SummaryBytes(kSummaryShape, body, body.size()), 1u);
    SegmentInfo info;
    ASSERT_TRUE(SummarizeBody(kSummaryShape, ByteSpan(body).first(1), info).ok());
    EXPECT_EQ(info.planes.whole, 3u);
    EXPECT_EQ(info.mode, "");
  }
}

TEST(SegmentSummary, TellsOfWhatIsWithinARecodedBody) {
  SegmentShape wide = kSummaryShape;
  wide.dtype = DType::kU32;
  Bytes packed;
  for (std::byte sample : SlopesAndConstant()) {
    packed.push_back(sample);
    packed.insert(packed.end(), 3, std::byte{0});
  }
  const Bytes body = EncodeSegmentBody({wide, packed}, {});
  const auto needed = SummaryBytes(wide, ByteSpan(body).first(kSummaryHeadBytes), body.size());
  ASSERT_TRUE(needed.ok()) << needed.status();
  SegmentInfo info;
  ASSERT_TRUE(SummarizeBody(wide, ByteSpan(body).first(*needed), info).ok());
  EXPECT_EQ(info.method, "recoded");
  EXPECT_EQ(info.sample_method, "model");
  EXPECT_EQ(SampleBytes(info.dtype), 1u);
  EXPECT_EQ(info.planes.constant, 1u);
  EXPECT_GT(info.side_bytes, 20u);
  const Bytes within_itself = {body[0], body[1], body[0], body[1]};
  EXPECT_FALSE(SummarizeBody(wide, within_itself, info).ok());
}

TEST(SegmentSummary, RefusesSizesBeyondTheBody) {
  Bytes body = ModelBody();
  const size_t needed = *SummaryBytes(kSummaryShape, body, body.size());
  EXPECT_TRUE(SummaryBytes(kSummaryShape, body, needed).ok());
  EXPECT_EQ(SummaryBytes(kSummaryShape, body, needed - 1).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(SummaryBytes(kSummaryShape, body, 1).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(SummaryBytes(kSummaryShape, {}, 0).ok());
  body[1] = std::byte{200};
  EXPECT_EQ(SummaryBytes(kSummaryShape, body, body.size()).status().code(), absl::StatusCode::kUnimplemented);
}

TEST(SegmentSummary, TheStrongestModeOfTheSegmentsIsThatOfTheFrame) {
  FrameInfo info;
  for (const char* mode : {"intra", "", "ls", "intra"}) {
    SegmentInfo segment;
    segment.mode = mode;
    segment.planes.normal = 2;
    segment.references = segment.mode == "ls" ? 6 : 0;
    info.segments.push_back(segment);
  }
  SummarizeSegments(info);
  EXPECT_EQ(info.mode, "ls");
  EXPECT_EQ(info.references_per_plane, 0.75);
}

}  // namespace
}  // namespace dcac
