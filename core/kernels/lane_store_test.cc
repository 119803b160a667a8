#include "core/kernels/lane_store.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "core/kernels/each_target.h"

namespace dcac {
namespace {

uint32_t Mix(size_t i) {
  return static_cast<uint32_t>(i) * 2654435761u >> 8;
}

// Two planes side by side, of rows of a width.
template <typename Sample>
void CheckStore(size_t width, bool interlaced) {
  constexpr size_t kPlanes = 2, kHeight = 3;
  const size_t columns = interlaced ? (width + 1) / 2 : width;
  const LanePlaneRows rows{kHeight, width, interlaced, kPlanes * columns};
  std::vector<Sample> raster(rows.stride * kHeight * 2);
  for (size_t i = 0; i < raster.size(); ++i) raster[i] = static_cast<Sample>(Mix(i));
  std::vector<std::vector<Sample>> stored(kPlanes, std::vector<Sample>(kHeight * width));
  std::vector<std::byte*> planes;
  for (auto& plane : stored) planes.push_back(reinterpret_cast<std::byte*>(plane.data()));
  StoreLanePlanes(rows, raster.data(), columns, planes);
  for (size_t plane = 0; plane < kPlanes; ++plane) {
    for (size_t y = 0; y < kHeight; ++y) {
      for (size_t x = 0; x < width; ++x) {
        const size_t row = interlaced ? 2 * y + x % 2 : y, column = interlaced ? x / 2 : x;
        ASSERT_EQ(stored[plane][y * width + x], raster[row * rows.stride + plane * columns + column])
            << "plane " << plane << ", row " << y << ", column " << x << " of " << width;
      }
    }
  }
}

TEST(StoreLanePlanesTest, PutsRowsOfAnyWidthInTheirPlacesOnAllTargets) {
  ForEachTarget([] {
    for (size_t width = 1; width < 80; ++width) {
      for (bool interlaced : {false, true}) {
        CheckStore<uint8_t>(width, interlaced);
        CheckStore<uint16_t>(width, interlaced);
      }
    }
    CheckStore<uint8_t>(600, false);
  });
}

TEST(JoinLaneHalvesTest, TakesALowerHalfForAllThatAreNotExactOnAllTargets) {
  constexpr uint16_t kExact = 0x8000, kLow = 0x1234;
  ForEachTarget([] {
    for (size_t count = 0; count < 70; ++count) {
      for (bool has_exact : {false, true}) {
        ExactHalves exact;
        if (has_exact) exact.Add(kExact, kLow);
        std::vector<uint16_t> upper(count), low;
        std::vector<uint32_t> expected, joined(count);
        for (size_t i = 0; i < count; ++i) {
          upper[i] = Mix(i + count) % 3 == 0 ? kExact : static_cast<uint16_t>(Mix(i));
          const bool has_low = !has_exact || upper[i] != kExact;
          if (has_low) low.push_back(static_cast<uint16_t>(Mix(~i)));
          expected.push_back(uint32_t{upper[i]} << 16 | (has_low ? low.back() : kLow));
        }
        for (size_t more : {0, 1, 40}) {  // lower halves of later samples
          std::vector<uint16_t> all = low;
          all.resize(low.size() + more, 0xffff);
          const auto* begin = reinterpret_cast<const std::byte*>(all.data());
          const auto join = [&](size_t halves) {
            return JoinLaneHalves(upper.data(), count, exact, begin, begin + 2 * halves,
                                  reinterpret_cast<std::byte*>(joined.data()));
          };
          ASSERT_EQ(join(all.size()), begin + 2 * low.size());
          ASSERT_EQ(joined, expected);
          if (!low.empty()) {
            ASSERT_EQ(join(low.size() - 1), nullptr);
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace dcac
