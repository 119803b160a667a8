#include "server/byte_range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <vector>

#include "dcac/codec.h"
#include "server/session_driver.h"

namespace dcac::server {
namespace {

v1::ByteRange Range(std::uint64_t offset, std::uint64_t size) {
  v1::ByteRange range;
  range.set_offset(offset);
  range.set_size(size);
  return range;
}

TEST(ByteRangeTest, ExtentsAreWithinTheBytes) {
  const auto all = ExtentOf(Range(0, 0), 100), tail = ExtentOf(Range(40, 0), 100), part = ExtentOf(Range(40, 60), 100);
  ASSERT_TRUE(all.ok() && tail.ok() && part.ok());
  EXPECT_EQ(all->size(), 100u);
  EXPECT_EQ(tail->begin, 40u);
  EXPECT_EQ(tail->end, 100u);
  EXPECT_EQ(part->end, 100u);
  EXPECT_EQ(ExtentOf(Range(100, 0), 100)->size(), 0u);
  constexpr std::uint64_t kMost = ~std::uint64_t{0};
  for (const v1::ByteRange& range :
       {Range(101, 0), Range(40, 61), Range(0, kMost), Range(kMost, kMost), Range(1, kMost)}) {
    EXPECT_EQ(ExtentOf(range, 100).status().code(), absl::StatusCode::kInvalidArgument) << range.DebugString();
  }
}

Bytes Decode(SliceDecoder decoder) {
  Bytes all;
  while (true) {
    const auto samples = decoder.Next();
    EXPECT_TRUE(samples.ok()) << samples.status();
    if (!samples.ok() || samples->empty()) return all;
    all.insert(all.end(), samples->begin(), samples->end());
  }
}

class CoverTest : public ::testing::TestWithParam<TensorSpec> {};

// Whatever the layout: the extent of the slice is the extent of the tensor.
TEST_P(CoverTest, HoldsTheBytes) {
  const auto size = static_cast<std::size_t>(*TensorBytes(GetParam()));
  const Bytes data = SmoothBytes(size);
  const Bytes frame = *Compress(GetParam(), data);
  const TensorSpec spec = SliceDecoder::Create(AccessMemory(frame), {})->spec();
  for (std::size_t begin = 0; begin < size; begin += 11) {
    for (std::size_t end = begin + 1; end <= size; end += 7) {
      const Cover cover = CoverExtent(spec, size, {begin, end});
      auto decoder = SliceDecoder::Create(AccessMemory(frame), cover.slice);
      ASSERT_TRUE(decoder.ok()) << decoder.status() << ": " << begin << " .. " << end;
      const Bytes slice = Decode(*std::move(decoder));
      ASSERT_EQ(cover.extent.size(), end - begin);
      ASSERT_LE(cover.extent.end, slice.size());
      ASSERT_TRUE(
          std::ranges::equal(std::span(slice).subspan(static_cast<std::size_t>(cover.extent.begin), end - begin),
                             std::span(data).subspan(begin, end - begin)))
          << begin << " .. " << end;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, CoverTest,
                         ::testing::Values(TensorSpec{DType::kU8, {2, 3, 4, 5}, Layout::kNchw},
                                           TensorSpec{DType::kU8, {2, 2, 3, 4, 5}, Layout::kNchw},
                                           TensorSpec{DType::kF32, {3, 4, 5}, Layout::kNchw},
                                           TensorSpec{DType::kU16, {2, 4, 5, 3}, Layout::kNhwc},
                                           TensorSpec{DType::kBF16, {2, 7, 6}, Layout::kTokens},
                                           TensorSpec{DType::kF16, {2, 3, 4, 5}, Layout::kHeads},
                                           TensorSpec{DType::kI32, {5, 6}, Layout::kFlat},
                                           TensorSpec{DType::kU8, {97}, Layout::kNchw}));

TEST(ByteRangeTest, OneItemIsCutToThePlanesThatAreTouched) {
  const TensorSpec spec{DType::kU8, {2, 8, 10, 10}, Layout::kNchw};
  const Cover cover = CoverExtent(spec, 1600, {.begin = 1000 + 50, .end = 1000 + 250});
  EXPECT_EQ(cover.slice.item_begin, 1u);
  EXPECT_EQ(cover.slice.item_end, 2u);
  EXPECT_EQ(cover.slice.plane_begin, 2u);
  EXPECT_EQ(cover.slice.plane_end, 5u);
  EXPECT_EQ(cover.extent.begin, 50u);
  EXPECT_EQ(cover.extent.end, 250u);
}

}  // namespace
}  // namespace dcac::server
