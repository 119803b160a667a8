#include "client/cli/bench/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dcac::cli {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

CodecFigures Figures(std::string codec, std::uint64_t compressed_bytes, double compress, double decompress) {
  CodecFigures figures;
  figures.codec = std::move(codec);
  figures.compressed_bytes = compressed_bytes;
  figures.compress.median_seconds = compress;
  figures.decompress.median_seconds = decompress;
  return figures;
}

// Of a million bytes, measured with one peer.
FileFigures File(DType dtype, CodecFigures ours, CodecFigures peer) {
  peer.is_peer = true;
  return {.file = "a.npy",
          .spec = {.dtype = dtype, .shape = {1}},
          .raw_bytes = 1'000'000,
          .codecs = {std::move(ours), std::move(peer)}};
}

TEST(FiguresTest, MedianOfOddEvenAndNoValues) {
  EXPECT_EQ(Median({3, 1, 2}), 2);
  EXPECT_EQ(Median({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(Median({}), 0);
}

TEST(FiguresTest, SpeedsRelativeToPeers) {
  const FileFigures file = File(DType::kU8, Figures("dcac-1", 1, 0.5, 0.1), Figures("lz4", 1, 1.0, 0.05));
  const std::vector<RelativeSpeed> relative = RelativeSpeeds(file, file.codecs[0]);
  ASSERT_EQ(relative.size(), 1u);
  EXPECT_EQ(relative[0].peer, "lz4");
  EXPECT_DOUBLE_EQ(relative[0].compress, 2.0);
  EXPECT_DOUBLE_EQ(relative[0].decompress, 0.5);
}

TEST(FiguresTest, GroupsAreByTypeAndCodec) {
  const std::vector<FileFigures> files = {
      File(DType::kF32, Figures("dcac-1", 1, 1, 1), Figures("lz4", 1, 1, 1)),
      File(DType::kU8, Figures("dcac-1", 1, 1, 1), Figures("lz4", 1, 1, 1)),
      File(DType::kF32, Figures("dcac-1", 1, 1, 1), Figures("lz4", 1, 1, 1)),
  };
  std::vector<std::string> groups;
  for (const GroupFigures& group : SummarizeFiles(files)) {
    groups.push_back(std::string(DTypeName(group.dtype)) + " " + group.codec + " " + std::to_string(group.files));
  }
  EXPECT_THAT(groups, ElementsAre("f32 dcac-1 2", "f32 lz4 2", "u8 dcac-1 1", "u8 lz4 1"));
}

// The median of the quotients, which is not the quotient of the medians.
TEST(FiguresTest, GroupsTakeMediansAndTheGeometricMean) {
  const std::vector<FileFigures> files = {
      File(DType::kU8, Figures("dcac-1", 1'000'000, 1, 1), Figures("lz4", 1'000'000, 2, 4)),
      File(DType::kU8, Figures("dcac-1", 250'000, 10, 0.1), Figures("lz4", 500'000, 1, 0.1)),
      File(DType::kU8, Figures("dcac-1", 62'500, 0.1, 10), Figures("lz4", 500'000, 0.3, 20)),
  };
  const std::vector<GroupFigures> summary = SummarizeFiles(files);
  ASSERT_EQ(summary.size(), 2u);
  const GroupFigures& ours = summary[0];
  EXPECT_EQ(ours.raw_bytes, 3'000'000u);
  EXPECT_THAT(ours.ratio, DoubleNear(4, 1e-9));
  EXPECT_DOUBLE_EQ(ours.compress_mb_per_s, 1);
  EXPECT_DOUBLE_EQ(ours.decompress_mb_per_s, 1);
  ASSERT_EQ(ours.relative.size(), 1u);
  EXPECT_DOUBLE_EQ(ours.relative[0].compress, 2);
  EXPECT_DOUBLE_EQ(ours.relative[0].decompress, 2);
  EXPECT_FALSE(ours.compress_phases);
}

TEST(FiguresTest, PhasesAreMeansWhereAllFilesHaveThem) {
  FileFigures one = File(DType::kU8, Figures("dcac-1", 1, 1, 1), Figures("lz4", 1, 1, 1));
  FileFigures other = one;
  one.codecs[0].compress.phases = PhaseSeconds{0.5, 0.25, 0, 0};
  other.codecs[0].compress.phases = PhaseSeconds{0.75, 0.25, 0, 0};
  one.codecs[0].decompress.phases = PhaseSeconds{};
  const GroupFigures ours = SummarizeFiles({one, other}).front();
  ASSERT_TRUE(ours.compress_phases);
  EXPECT_THAT(*ours.compress_phases, ElementsAre(0.625, 0.25, 0, 0));
  EXPECT_FALSE(ours.decompress_phases);
}

TEST(FiguresTest, NoFilesNoGroups) {
  EXPECT_THAT(SummarizeFiles({}), IsEmpty());
}

}  // namespace
}  // namespace dcac::cli
