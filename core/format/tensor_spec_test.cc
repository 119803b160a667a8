#include <gtest/gtest.h>

#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac {
namespace {

TEST(DTypeTest, NumbersAreFrozen) {
  EXPECT_EQ(static_cast<int>(DType::kU8), 1);
  EXPECT_EQ(static_cast<int>(DType::kI8), 2);
  EXPECT_EQ(static_cast<int>(DType::kU16), 3);
  EXPECT_EQ(static_cast<int>(DType::kI16), 4);
  EXPECT_EQ(static_cast<int>(DType::kF16), 5);
  EXPECT_EQ(static_cast<int>(DType::kBF16), 6);
  EXPECT_EQ(static_cast<int>(DType::kF32), 7);
  EXPECT_EQ(static_cast<int>(Layout::kNchw), 1);
}

TEST(DTypeTest, NamesAndSizes) {
  const std::pair<const char*, size_t> expected[] = {{"u8", 1},  {"i8", 1},   {"u16", 2}, {"i16", 2},
                                                     {"f16", 2}, {"bf16", 2}, {"f32", 4}};
  for (int number = 1; number <= 7; ++number) {
    const DType dtype = static_cast<DType>(number);
    EXPECT_EQ(DTypeName(dtype), expected[number - 1].first);
    EXPECT_EQ(SampleBytes(dtype), expected[number - 1].second);
    EXPECT_EQ(ParseDType(DTypeName(dtype)), dtype);
  }
}

TEST(DTypeTest, UnknownNamesAndNumbers) {
  for (const char* name : {"", "u", "U8", "u8 ", "f64", "unknown"}) EXPECT_FALSE(ParseDType(name)) << name;
  EXPECT_EQ(SampleBytes(static_cast<DType>(0)), 0u);
  EXPECT_EQ(SampleBytes(static_cast<DType>(8)), 0u);
}

TEST(OptionNamesTest, RoundTrip) {
  for (Mode mode : {Mode::kLs, Mode::kDcac, Mode::kIntra}) EXPECT_EQ(ParseMode(ModeName(mode)), mode);
  for (Similarity s : {Similarity::kBits, Similarity::kDifference, Similarity::kCorrelation}) {
    EXPECT_EQ(ParseSimilarity(SimilarityName(s)), s);
  }
  EXPECT_FALSE(ParseMode("LS"));
  EXPECT_FALSE(ParseSimilarity("unknown"));
}

TEST(TensorBytesTest, ProductOfExtents) {
  EXPECT_EQ(*TensorBytes({DType::kF32, {}}), 4u);
  EXPECT_EQ(*TensorBytes({DType::kU8, {2, 3, 4}}), 24u);
  EXPECT_EQ(*TensorBytes({DType::kF16, {2, 0, 4}}), 0u);
  EXPECT_EQ(*TensorBytes({DType::kF32, std::vector<uint64_t>(8, 1)}), 4u);
}

TEST(TensorBytesTest, UpTo2To62) {
  EXPECT_EQ(*TensorBytes({DType::kU8, {uint64_t{1} << 62}}), uint64_t{1} << 62);
  EXPECT_EQ(*TensorBytes({DType::kF32, {uint64_t{1} << 30, uint64_t{1} << 30}}), uint64_t{1} << 62);
  EXPECT_EQ(TensorBytes({DType::kU8, {(uint64_t{1} << 62) + 1}}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TensorBytes({DType::kU8, {uint64_t{1} << 32, uint64_t{1} << 32}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TensorBytes({DType::kU8, {~uint64_t{0}, ~uint64_t{0}}}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TensorBytesTest, AnEmptyAxisHidesNoOverflow) {
  EXPECT_EQ(TensorBytes({DType::kU8, {0, ~uint64_t{0}}}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TensorBytes({DType::kU8, {~uint64_t{0}, 0}}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(TensorBytesTest, RefusesUnknownTypeLayoutAndRank) {
  EXPECT_EQ(TensorBytes({static_cast<DType>(8), {1}}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TensorBytes({DType::kU8, {1}, static_cast<Layout>(2)}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TensorBytes({DType::kU8, std::vector<uint64_t>(9, 1)}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ShapeToStringTest, ListsTheExtents) {
  EXPECT_EQ(ShapeToString({}), "[]");
  EXPECT_EQ(ShapeToString({2, 3}), "[2, 3]");
}

}  // namespace
}  // namespace dcac
