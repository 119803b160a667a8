#include "core/codec/segment_samples.h"

#include <algorithm>
#include <cstddef>
#include <memory>

#include "gtest/gtest.h"

namespace dcac {
namespace {

constexpr size_t kStridedPlanes = 5, kPlaneStride = 100;
const SegmentShape kStridedShape = {
    .dtype = DType::kU16, .items = 1, .planes = kStridedPlanes, .height = 3, .width = 7};

// Planes among other bytes, and the same planes one after the other.
struct StridedPlanes {
  Bytes memory = Bytes(kStridedPlanes * kPlaneStride, std::byte{0xee}), packed;

  StridedPlanes() {
    for (size_t p = 0; p < kStridedPlanes; ++p) {
      for (size_t i = 0; i < kStridedShape.plane_bytes(); ++i) {
        memory[p * kPlaneStride + i] = static_cast<std::byte>(50 * p + i);
        packed.push_back(memory[p * kPlaneStride + i]);
      }
    }
  }
};

bool Equal(ByteSpan a, ByteSpan b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

TEST(SegmentSamplesTest, PlanesArePackedForWhoAsks) {
  const StridedPlanes planes;
  const SegmentSamples samples(kStridedShape, planes.memory.data(), kPlaneStride);
  EXPECT_EQ(samples.size(), planes.packed.size());
  EXPECT_EQ(samples.num_planes(), kStridedPlanes);
  EXPECT_EQ(samples.plane(2).data(), planes.memory.data() + 2 * kPlaneStride);  // where it is
  EXPECT_TRUE(Equal(samples.packed(), planes.packed));
  EXPECT_EQ(samples.packed().data(), samples.packed().data());  // copied once
  for (size_t p = 0; p < kStridedPlanes; ++p) {
    const size_t bytes = kStridedShape.plane_bytes();
    EXPECT_TRUE(Equal(samples.plane(p), ByteSpan(planes.packed).subspan(p * bytes, bytes))) << p;
  }
}

TEST(SegmentSamplesTest, WhatIsPackedIsNotCopied) {
  const StridedPlanes planes;
  EXPECT_EQ(SegmentSamples(kStridedShape, planes.packed).packed().data(), planes.packed.data());
  auto own = std::make_unique_for_overwrite<std::byte[]>(planes.packed.size());
  std::copy(planes.packed.begin(), planes.packed.end(), own.get());
  const std::byte* const memory = own.get();
  const SegmentSamples samples(kStridedShape, std::move(own));
  EXPECT_EQ(samples.packed().data(), memory);
  EXPECT_TRUE(Equal(samples.packed(), planes.packed));
}

TEST(SegmentSamplesTest, PiecesAreThoseOfWhatIsPacked) {
  const StridedPlanes planes;
  const SegmentSamples strided(kStridedShape, planes.memory.data(), kPlaneStride), packed(kStridedShape, planes.packed);
  Bytes room;
  for (size_t begin = 0; begin < planes.packed.size(); ++begin) {
    for (size_t count = 0; begin + count <= planes.packed.size(); ++count) {
      const ByteSpan expected = ByteSpan(planes.packed).subspan(begin, count);
      ASSERT_TRUE(Equal(strided.Piece(begin, count, room), expected)) << begin << " " << count;
      ASSERT_TRUE(Equal(packed.Piece(begin, count, room), expected)) << begin << " " << count;
    }
  }
}

}  // namespace
}  // namespace dcac
