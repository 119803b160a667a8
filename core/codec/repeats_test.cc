#include "core/codec/repeats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/codec/segment_samples.h"
#include "core/codec/segment_summary.h"

namespace dcac {
namespace {

// A picture of noise whose rows `row_of[y]` and columns `column_of[x]` are those of a smaller one.
Bytes Picture(const SegmentShape& shape, const std::vector<int>& row_of, const std::vector<int>& column_of) {
  std::mt19937 random(7);
  const size_t bytes = SampleBytes(shape.dtype);
  Bytes packed;
  for (int p = 0; p < shape.all_planes(); ++p) {
    Bytes noise(shape.plane_bytes());
    for (size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<std::byte>(i * 5 / noise.size() + random() % 4);
    for (const int y : row_of) {
      for (const int x : column_of) {
        const size_t at = (static_cast<size_t>(y) * static_cast<size_t>(shape.width) + static_cast<size_t>(x)) * bytes;
        AppendBytes(ByteSpan(noise).subspan(at, bytes), packed);
      }
    }
  }
  return packed;
}

std::vector<int> Indices(int extent, const std::vector<RepeatRun>& repeats) {
  std::vector<int> indices;
  for (int i = 0; i < extent; ++i) indices.push_back(i);
  for (const RepeatRun& run : repeats) {
    for (int i = run.begin; i < run.begin + run.count; ++i) indices[static_cast<size_t>(i)] = run.begin - 1;
  }
  return indices;
}

Bytes PictureWith(const SegmentShape& shape, const Repeats& repeats) {
  return Picture(shape, Indices(shape.height, repeats.rows), Indices(shape.width, repeats.columns));
}

TEST(RepeatsTest, AreFoundLeftOutAndPutBack) {
  const std::vector<RepeatRun> none, end = {{30, 14}}, both = {{1, 9}, {32, 11}}, whole_end = {{12, 32}};
  for (const DType dtype : {DType::kU8, DType::kBF16, DType::kF32, DType::kF64, DType::kC128}) {
    const SegmentShape shape{dtype, 2, 3, 44, 44};
    for (const auto& rows : {none, end, both, whole_end}) {
      for (const auto& columns : {none, end, both}) {
        const Repeats repeats{rows, columns};
        const Bytes packed = PictureWith(shape, repeats);
        const Repeats found = FindRepeats({shape, packed});
        EXPECT_EQ(found.rows, rows);
        EXPECT_EQ(found.columns, columns);
        const SegmentShape left = WithoutRepeats(shape, repeats);
        Bytes kept(left.bytes()), back(packed.size());
        LeaveOutRepeats({shape, packed}, repeats, kept);
        PutBackRepeats(shape, repeats, kept, back);
        EXPECT_EQ(back, packed);
        for (const int level : {1, 5, 9}) {
          EncodeOptions options;
          options.level = level;
          const Bytes body = EncodeSegmentBody({shape, packed}, options);
          EXPECT_EQ(*MethodOfBody(body) == SegmentMethod::kRepeats, !repeats.empty());
          Bytes decoded(packed.size());
          ASSERT_TRUE(DecodeSegmentBody(shape, body, decoded).ok());
          EXPECT_EQ(decoded, packed);
        }
      }
    }
  }
}

TEST(RepeatsTest, ColumnsAreFoundAmongRowsOfOneValue) {
  const std::vector<RepeatRun> columns = {{20, 12}};
  const SegmentShape shape{DType::kI16, 1, 3, 40, 32};
  Bytes packed = PictureWith(shape, {{}, columns});
  for (int p = 0; p < shape.planes; ++p)
    std::fill_n(packed.data() + shape.plane_bytes() * static_cast<size_t>(p), 640, std::byte{});
  EXPECT_EQ(FindRepeats({shape, packed}).columns, columns);
}

// Planes may lie apart from each other.
TEST(RepeatsTest, AreFoundInPlanesOfRows) {
  const Repeats repeats{{{20, 12}}, {}};
  const SegmentShape all{DType::kU8, 1, 4, 48, 40}, shape{DType::kU8, 1, 4, 40, 40};
  const Bytes packed = PictureWith(all, repeats);
  const SegmentSamples samples(shape, packed.data() + 4 * 40, all.plane_bytes());
  EXPECT_EQ(FindRepeats(samples).rows, (std::vector<RepeatRun>{{16, 12}}));
  Bytes kept(WithoutRepeats(shape, {{{16, 12}}, {}}).bytes()), back(shape.bytes());
  LeaveOutRepeats(samples, {{{16, 12}}, {}}, kept);
  PutBackRepeats(shape, {{{16, 12}}, {}}, kept, back);
  EXPECT_EQ(back, Bytes(samples.packed().begin(), samples.packed().end()));
}

TEST(RepeatsTest, ShortFewOrManyRunsStay) {
  const auto rows_of = [](const std::vector<RepeatRun>& runs, int height) {
    const SegmentShape shape{DType::kU8, 1, 2, height, 32};
    const Bytes packed = PictureWith(shape, {runs, {}});
    return FindRepeats({shape, packed}).rows;
  };
  EXPECT_TRUE(rows_of({{8, 7}, {16, 7}, {24, 7}}, 40).empty());  // as of planes upsampled by 8
  EXPECT_TRUE(rows_of({{8, 8}}, 144).empty());
  EXPECT_EQ(rows_of({{8, 9}}, 144).size(), 1u);
  std::vector<RepeatRun> runs;
  for (int i = 0; i < 9; ++i) runs.push_back({10 * i + 1, 8});
  EXPECT_TRUE(rows_of(runs, 100).empty());
  runs.pop_back();
  EXPECT_EQ(rows_of(runs, 100).size(), 8u);
}

// Constant planes are nothing but repeats, which plane kinds say better; small planes have no margins, nor have tokens.
TEST(RepeatsTest, AreNotLookedForElsewhere) {
  const SegmentShape constant{DType::kU8, 1, 4, 32, 32};
  EXPECT_TRUE(FindRepeats({constant, Bytes(constant.bytes())}).empty());
  const SegmentShape low{DType::kU8, 1, 4, 15, 64};
  EXPECT_TRUE(FindRepeats({low, PictureWith(low, {{}, {{30, 30}}})}).empty());
  SegmentShape tokens{DType::kU8, 1, 32, 64, 1};
  tokens.head_features = 32;
  EXPECT_TRUE(FindRepeats({tokens, Bytes(tokens.bytes())}).empty());
}

class MalformedRepeatsTest : public testing::Test {
 protected:
  static Bytes BodyOf(const std::vector<int>& numbers) {
    Bytes body = {std::byte{5}};
    for (const int n : numbers) AppendVarint(static_cast<uint64_t>(n), body);
    return body;
  }

  static std::string MessageOf(const std::vector<int>& numbers, const SegmentShape& shape) {
    Bytes packed(shape.bytes());
    const absl::Status status = DecodeSegmentBody(shape, BodyOf(numbers), packed);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    return std::string(status.message());
  }

  // That summaries refuse as well.
  static std::string MessageOfHead(const std::vector<int>& numbers, const SegmentShape& shape) {
    SegmentInfo info;
    const absl::Status status = SummarizeBody(shape, BodyOf(numbers), info);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(status.message(), MessageOf(numbers, shape));
    return std::string(status.message());
  }
};

TEST_F(MalformedRepeatsTest, AreRefused) {
  const SegmentShape shape{DType::kU8, 1, 1, 40, 16};
  EXPECT_EQ(MessageOfHead({0, 0, 0}, shape), "a segment of repeats without any");
  EXPECT_EQ(MessageOfHead({9}, shape), "9 runs of repeated rows, expected at most 8");
  EXPECT_EQ(MessageOfHead({1, 0, 4, 0}, shape), "a run of 4 repeated rows after 0 others, where 40 are left");
  EXPECT_EQ(MessageOfHead({1, 4, 0, 0}, shape), "a run of 0 repeated rows after 4 others, where 40 are left");
  EXPECT_EQ(MessageOfHead({1, 40, 1, 0}, shape), "a run of 1 repeated rows after 40 others, where 40 are left");
  EXPECT_EQ(MessageOfHead({2, 10, 10, 10, 11, 0}, shape),
            "a run of 11 repeated rows after 10 others, where 20 are left");
  EXPECT_EQ(MessageOfHead({0, 1, 9, 8}, shape), "a run of 8 repeated columns after 9 others, where 16 are left");
  EXPECT_EQ(MessageOfHead({1, 10, 30, 0}, shape), "segment method: the input ends at byte 0");
  EXPECT_EQ(MessageOfHead({1, 10, 30, 0, 5, 1, 5, 5, 0}, shape), "repeats within another method");
  EXPECT_EQ(MessageOfHead({1, 10, 30}, shape), "repeated columns: the input ends at byte 3");
  EXPECT_EQ(MessageOf({1, 10, 30, 0, 0, 7}, shape), "stored segment has 1 bytes, expected 160");
  SegmentShape tokens{DType::kU8, 1, 4, 40, 1};
  tokens.head_features = 4;
  EXPECT_EQ(MessageOfHead({1, 10, 30, 0, 0}, tokens), "repeats in a segment of tokens");
}

// The front of a body says how much more of it the summary needs, whatever is in front of a model.
TEST(RepeatsTest, SummaryTellsOfWhatIsWithin) {
  Repeats repeats;
  for (int i = 0; i < 8; ++i) repeats.rows.push_back({200 * i + 150, 50});
  repeats.columns = repeats.rows;
  const SegmentShape shape{DType::kU8, 1, 1, 1600, 1600};
  const Bytes body = EncodeSegmentBody({shape, PictureWith(shape, repeats)}, {});
  ASSERT_EQ(*MethodOfBody(body), SegmentMethod::kRepeats);
  const auto needed = SummaryBytes(shape, ByteSpan(body).first(kSummaryHeadBytes), body.size());
  ASSERT_TRUE(needed.ok()) << needed.status();
  SegmentInfo info;
  ASSERT_TRUE(SummarizeBody(shape, ByteSpan(body).first(*needed), info).ok());
  EXPECT_EQ(info.method, "repeats");
  EXPECT_EQ(info.sample_method, "model");
  EXPECT_EQ(info.planes.normal, 1u);
  EXPECT_FALSE(SummarizeBody(shape, ByteSpan(body).first(*needed - 1), info).ok());
}

// However often: one look at each method, and not as deep a stack.
TEST(RepeatsTest, SummaryRefusesMethodsThatTakeTurns) {
  const SegmentShape shape{DType::kI16, 1, 1, 400, 400};
  Bytes body;
  for (int i = 0; i < 200; ++i) {
    for (const int byte : {5, 1, 1, 1, 0, 3, 2}) body.push_back(static_cast<std::byte>(byte));
  }
  const auto needed = SummaryBytes(shape, body, body.size());
  ASSERT_TRUE(needed.ok()) << needed.status();
  EXPECT_EQ(*needed, 7u);
  SegmentInfo info;
  EXPECT_EQ(SummarizeBody(shape, body, info).message(), "recoded as type 2 by method 5");
}

}  // namespace
}  // namespace dcac
