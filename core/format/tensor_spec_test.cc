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
  EXPECT_EQ(static_cast<int>(DType::kU32), 8);
  EXPECT_EQ(static_cast<int>(DType::kI32), 9);
  EXPECT_EQ(static_cast<int>(DType::kU64), 10);
  EXPECT_EQ(static_cast<int>(DType::kI64), 11);
  EXPECT_EQ(static_cast<int>(DType::kF64), 12);
  EXPECT_EQ(static_cast<int>(DType::kF8E4M3), 13);
  EXPECT_EQ(static_cast<int>(DType::kF8E5M2), 14);
  EXPECT_EQ(static_cast<int>(DType::kBool), 15);
  EXPECT_EQ(static_cast<int>(DType::kC64), 16);
  EXPECT_EQ(static_cast<int>(DType::kC128), 17);
  EXPECT_EQ(static_cast<int>(Layout::kNchw), 1);
  EXPECT_EQ(static_cast<int>(Layout::kNhwc), 2);
  EXPECT_EQ(static_cast<int>(Layout::kTokens), 3);
  EXPECT_EQ(static_cast<int>(Layout::kHeads), 4);
  EXPECT_EQ(static_cast<int>(Layout::kFlat), 5);
}

TEST(DTypeTest, NamesAndSizes) {
  const std::pair<const char*, size_t> expected[] = {
      {"u8", 1},     {"i8", 1},     {"u16", 2},  {"i16", 2}, {"f16", 2},  {"bf16", 2},
      {"f32", 4},    {"u32", 4},    {"i32", 4},  {"u64", 8}, {"i64", 8},  {"f64", 8},
      {"f8e4m3", 1}, {"f8e5m2", 1}, {"bool", 1}, {"c64", 8}, {"c128", 16}};
  ASSERT_EQ(AllDTypes().size(), std::size(expected));
  for (size_t i = 0; i < std::size(expected); ++i) {
    const DType dtype = AllDTypes()[i];
    EXPECT_EQ(static_cast<size_t>(dtype), i + 1);
    EXPECT_EQ(DTypeName(dtype), expected[i].first);
    EXPECT_EQ(SampleBytes(dtype), expected[i].second);
    EXPECT_EQ(ParseDType(DTypeName(dtype)), dtype);
  }
}

TEST(LayoutTest, Names) {
  for (Layout layout : AllLayouts()) EXPECT_EQ(ParseLayout(LayoutName(layout)), layout);
  EXPECT_EQ(ParseLayout("chw"), Layout::kNchw);
  EXPECT_EQ(ParseLayout("hwc"), Layout::kNhwc);
  EXPECT_EQ(LayoutName(Layout::kNhwc), "nhwc");
  EXPECT_EQ(LayoutName(static_cast<Layout>(0)), "unknown");
  EXPECT_EQ(LayoutName(static_cast<Layout>(6)), "unknown");
  for (const char* name : {"", "NCHW", "auto", "unknown"}) EXPECT_FALSE(ParseLayout(name)) << name;
}

TEST(LayoutTest, NeedsItsAxes) {
  for (Layout layout : AllLayouts()) {
    const size_t least = layout == Layout::kTokens ? 2 : layout == Layout::kNhwc || layout == Layout::kHeads ? 3 : 0;
    for (size_t rank = 0; rank <= TensorSpec::kMaxRank; ++rank) {
      EXPECT_EQ(TensorBytes({DType::kU8, std::vector<uint64_t>(rank, 1), layout}).ok(), rank >= least)
          << LayoutName(layout) << " rank " << rank;
    }
  }
}

TEST(DTypeTest, UnknownNamesAndNumbers) {
  for (const char* name : {"", "u", "U8", "u8 ", "f65", "unknown"}) EXPECT_FALSE(ParseDType(name)) << name;
  EXPECT_EQ(SampleBytes(static_cast<DType>(0)), 0u);
  EXPECT_EQ(SampleBytes(static_cast<DType>(18)), 0u);
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
  EXPECT_EQ(TensorBytes({static_cast<DType>(18), {1}}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TensorBytes({DType::kU8, {1}, static_cast<Layout>(6)}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TensorBytes({DType::kU8, std::vector<uint64_t>(9, 1)}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ShapeToStringTest, ListsTheExtents) {
  EXPECT_EQ(ShapeToString({}), "[]");
  EXPECT_EQ(ShapeToString({2, 3}), "[2, 3]");
}

}  // namespace
}  // namespace dcac
