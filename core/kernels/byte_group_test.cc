// Byte lanes as docs/format-lanes.md has them, on every target.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/kernels/lane_group.h"
#include "core/kernels/target.h"

namespace dcac {
namespace {

constexpr size_t kRoom = 2 * kRansLanes;  // behind the last position

// A group of random values, smooth ones or noise.
class RandomGroup {
 public:
  RandomGroup(std::mt19937_64& random, size_t columns, size_t rows) {
    group.columns = group.period = columns;
    group.positions = columns * rows;
    group.step = std::min<size_t>(kRansLanes, columns - 2);
    int32_t left[] = {96, 96};
    for (int32_t& weight : group.taps.weight) {
      const size_t is_negative = random() % 3 == 0 ? 1 : 0;
      const int32_t magnitude = static_cast<int32_t>(random() % static_cast<uint64_t>(left[is_negative] + 1));
      left[is_negative] -= magnitude;
      weight = is_negative ? -magnitude : magnitude;
    }
    if (random() % 4 == 0) group.taps.weight = {96, -96, 0, 0};
    group.taps.base = static_cast<int32_t>(random() % (2 * 8191 + 1)) - 8191;
    above_ = (2 * columns + 1 + kRansLanes) / kRansLanes * kRansLanes;
    values_.assign(above_ + group.positions + kRoom, static_cast<uint8_t>(random()));
    errors_.assign(values_.size(), static_cast<uint8_t>(random()));
    const bool smooth = random() % 2 == 0;
    for (size_t i = above_; i < values_.size(); ++i) {
      values_[i] = static_cast<uint8_t>(smooth ? values_[i - columns] + random() % 3 : random());
    }
    group.value = values_.data() + above_;
    group.error = errors_.data() + above_;
  }
  RandomGroup(const RandomGroup&) = delete;  // the group refers to its arrays
  RandomGroup& operator=(const RandomGroup&) = delete;

  struct Prediction {
    int center, activity;
  };
  // Of a position, those before it having their errors.
  Prediction Predict(size_t p) const {
    const uint8_t* const v = group.value + p - group.columns;
    const uint8_t* const e = group.error + p - group.columns;
    const auto& w = group.taps.weight;
    const int sum = group.taps.base + 32 + w[0] * v[0] + w[1] * v[-1] + w[2] * v[1] +
                    w[3] * v[-static_cast<ptrdiff_t>(group.columns)];
    const int range = std::max({v[-1], v[0], v[1]}) - std::min({v[-1], v[0], v[1]});
    const auto average = [](int a, int b) { return (a + b + 1) >> 1; };
    const int error = average(e[0], average(e[-1], e[1]));
    return {std::clamp(sum >> 6, 0, 255), average(range, std::min(2 * error, 255))};
  }

  LaneGroup<ByteLanes> group;

 private:
  size_t above_ = 0;
  std::vector<uint8_t> values_, errors_;
};

class ByteGroupTest : public ::testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override { ASSERT_TRUE(ForceTarget(GetParam()).ok()); }
  void TearDown() override { ASSERT_TRUE(ForceTarget("").ok()); }
};

INSTANTIATE_TEST_SUITE_P(Targets, ByteGroupTest, ::testing::ValuesIn(SupportedTargets()),
                         [](const auto& target) { return std::string(target.param); });

TEST_P(ByteGroupTest, PredictsAsTheFormatSays) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 60; ++round) {
    const size_t columns = 3 + random() % (round % 2 == 0 ? 70 : 300);
    RandomGroup of(random, columns, 1 + random() % 9);
    LaneTables tables;
    tables.position_base = static_cast<int32_t>(random() % 256);
    const size_t room = of.group.positions + kRoom;
    std::vector<uint8_t> position(room), activity(room), center(room);
    LaneAnalysis<ByteLanes> analysis;
    analysis.position = position.data();
    analysis.activity = activity.data();
    analysis.center = center.data();
    AnalyseLaneGroup(tables, of.group, analysis);
    for (size_t p = 0; p < of.group.positions; ++p) {
      const auto expected = of.Predict(p);
      ASSERT_EQ(center[p], expected.center) << columns << ", " << p;
      ASSERT_EQ(activity[p], expected.activity) << columns << ", " << p;
      ASSERT_EQ(position[p], static_cast<uint8_t>(expected.center - tables.position_base));
      ASSERT_EQ(of.group.error[p], std::abs(of.group.value[p] - expected.center));
    }
  }
}

}  // namespace
}  // namespace dcac
