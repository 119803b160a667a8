#include "core/codec/wave.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "core/codec/set_model.h"

namespace dcac {
namespace {

std::vector<SetShape> Shapes() {
  std::vector<SetShape> shapes;
  for (int planes : {1, 2, 5}) {
    for (int height : {1, 2, 3, 7}) {
      for (int width : {1, 2, 3, 4, 9}) shapes.push_back({planes, height, width});
    }
  }
  return shapes;
}

// The wave and the place in it of each sample, in the order of decoding.
std::vector<int> Order(const SetShape& shape, int skew, std::vector<int>& wave_of) {
  std::vector<int> order(shape.samples(), -1);
  wave_of.assign(shape.samples(), -1);
  int next = 0;
  for (int wave = 0; wave < NumWaves(shape, skew); ++wave) {
    ForEachRunOfWave(shape, skew, wave, [&](const WaveRun& run) {
      EXPECT_EQ(run.local_time, wave - skew * run.plane);
      for (int y = run.y_begin; y < run.y_end; ++y) {
        const int x = run.local_time - 2 * y;
        ASSERT_GE(x, 0);
        ASSERT_LT(x, shape.width);
        const size_t at = static_cast<size_t>((run.plane * shape.height + y) * shape.width + x);
        ASSERT_EQ(order[at], -1);
        order[at] = next++;
        wave_of[at] = wave;
      }
    });
  }
  return order;
}

TEST(WaveTest, EachSampleComesOnceByTimePlaneAndRow) {
  for (const SetShape& shape : Shapes()) {
    for (int skew = 1; skew <= kMaxSkew; ++skew) {
      std::vector<int> wave_of;
      const std::vector<int> order = Order(shape, skew, wave_of);
      std::vector<std::array<int, 3>> by_order(order.size());
      for (int p = 0, at = 0; p < shape.planes; ++p) {
        for (int y = 0; y < shape.height; ++y) {
          for (int x = 0; x < shape.width; ++x, ++at) {
            ASSERT_NE(order[static_cast<size_t>(at)], -1);
            ASSERT_EQ(wave_of[static_cast<size_t>(at)], x + 2 * y + skew * p);
            by_order[static_cast<size_t>(order[static_cast<size_t>(at)])] = {x + 2 * y + skew * p, p, y};
          }
        }
      }
      ASSERT_TRUE(std::is_sorted(by_order.begin(), by_order.end()));
    }
  }
}

TEST(WaveTest, WhatASampleNeedsIsOfAnEarlierWave) {
  for (const SetShape& shape : Shapes()) {
    for (int skew = 1; skew <= kMaxSkew; ++skew) {
      std::vector<int> wave_of;
      Order(shape, skew, wave_of);
      const auto wave_at = [&](int p, int y, int x) {
        y = std::clamp(y, 0, shape.height - 1);
        x = std::clamp(x, 0, shape.width - 1);
        return wave_of[static_cast<size_t>((p * shape.height + y) * shape.width + x)];
      };
      for (int p = 0; p < shape.planes; ++p) {
        for (int y = 0; y < shape.height; ++y) {
          for (int x = 0; x < shape.width; ++x) {
            const int c = ClassOf(y, x), here = wave_at(p, y, x);
            for (int i = 0; i < kClassNumTaps[static_cast<size_t>(c)]; ++i) {
              const TapOffset tap =
                  kTaps[static_cast<size_t>(kClassTaps[static_cast<size_t>(c)][static_cast<size_t>(i)])];
              ASSERT_LT(wave_at(p, y + tap.dy, x + tap.dx), here);
            }
            for (int q = 0; q < p; ++q) {
              ASSERT_LT(wave_at(q, y, x), here);
              if (skew * (p - q) < kNeighbourLead) continue;
              for (TapOffset n : kNeighbours) ASSERT_LT(wave_at(q, y + n.dy, x + n.dx), here);
            }
          }
        }
      }
    }
  }
}

TEST(WaveTest, SamplesBeforeCountsEarlierLocalTimes) {
  for (const SetShape& shape : Shapes()) {
    const std::vector<int> counts = SamplesBefore(shape);
    ASSERT_EQ(counts.size(), static_cast<size_t>(shape.num_local_times()) + 1);
    for (int time = 0; time <= shape.num_local_times(); ++time) {
      int expected = 0;
      for (int y = 0; y < shape.height; ++y) {
        for (int x = 0; x < shape.width; ++x) expected += x + 2 * y < time;
      }
      ASSERT_EQ(counts[static_cast<size_t>(time)], expected);
    }
    EXPECT_EQ(counts.back(), shape.plane_samples());
  }
}

TEST(WaveTest, NoPlanesNoWaves) {
  EXPECT_EQ(NumWaves({0, 3, 3}, 4), 0);
}

TEST(PaddedPlaneTest, TheBorderRepeatsTheEdge) {
  for (int height : {1, 2, 5}) {
    for (int width : {1, 2, 6}) {
      PaddedPlane<int> plane(height, width);
      for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) plane.Set(y, x, 100 * y + x + 1);
      }
      for (int y = -1; y <= height; ++y) {
        for (int x = -1; x <= width; ++x) {
          EXPECT_EQ(*plane.At(y, x), 100 * std::clamp(y, 0, height - 1) + std::clamp(x, 0, width - 1) + 1);
          EXPECT_EQ(plane.At(y, x), plane.At(0, 0) + y * plane.stride() + x);
        }
      }
    }
  }
}

}  // namespace
}  // namespace dcac
