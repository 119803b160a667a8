#include "core/codec/upsampling.h"

#include <cstring>
#include <random>

#include "gtest/gtest.h"

namespace dcac {
namespace {

Bytes RandomBytes(size_t bytes) {
  std::mt19937 random(7);
  Bytes noise(bytes);
  for (std::byte& byte : noise) byte = static_cast<std::byte>(random());
  return noise;
}

TEST(UpsamplingTest, UpsampleUndoesDownsampleAtAllExtents) {
  for (size_t sample_bytes : {1, 2, 4}) {
    for (size_t scale : {2, 4, 8}) {
      for (size_t height : {scale + 1, 2 * scale, 3 * scale - 1}) {
        for (size_t width : {scale + 1, 4 * scale, 5 * scale - 1, 7 * scale + 1}) {
          const PlaneExtent extent{height, width, sample_bytes};
          const Bytes small = RandomBytes((height + scale - 1) / scale * ((width + scale - 1) / scale) * sample_bytes);
          Bytes plane(height * width * sample_bytes);
          Upsample(extent, scale, small.data(), plane.data());
          const size_t small_width = (width + scale - 1) / scale;
          for (size_t y = 0; y < height; ++y) {
            for (size_t x = 0; x < width; ++x) {
              const size_t from = (y / scale * small_width + x / scale) * sample_bytes;
              ASSERT_EQ(std::memcmp(&plane[(y * width + x) * sample_bytes], &small[from], sample_bytes), 0)
                  << y << ' ' << x << " of " << height << " x " << width << " by " << scale;
            }
          }
          EXPECT_TRUE(IsUpsampled(extent, scale, plane.data()));
          EXPECT_EQ(Downsample(extent, scale, plane.data()), small);
        }
      }
    }
  }
}

TEST(UpsamplingTest, EachByteTells) {
  for (size_t sample_bytes : {1, 2, 4}) {
    const PlaneExtent extent{5, 7, sample_bytes};
    Bytes plane(extent.height * extent.width * sample_bytes, std::byte{3});
    for (size_t scale : {2, 4}) {
      for (size_t i = 0; i < plane.size(); ++i) {
        plane[i] = std::byte{4};
        // The last sample stands alone by either scale, where both rows and columns are cut after one.
        const bool is_alone = scale == 2 && i >= plane.size() - sample_bytes;
        EXPECT_EQ(IsUpsampled(extent, scale, plane.data()), is_alone) << i;
        plane[i] = std::byte{3};
      }
    }
  }
}

TEST(UpsamplingTest, PlanesNoLargerThanTheScaleAreNot) {
  const Bytes plane(64);
  EXPECT_FALSE(IsUpsampled({4, 16, 1}, 4, plane.data()));
  EXPECT_FALSE(IsUpsampled({16, 4, 1}, 4, plane.data()));
  EXPECT_TRUE(IsUpsampled({5, 5, 1}, 4, plane.data()));
}

}  // namespace
}  // namespace dcac
