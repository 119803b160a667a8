// Byte lanes as docs/format-lanes.md has them, on every target.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/kernels/lane_group.h"
#include "core/kernels/target.h"

namespace dcac {
namespace {

constexpr size_t kRoom = 2 * kRansLanes;  // behind the last position

// Any for which sums have 16 bits, often one of the outermost.
int32_t RandomBase(std::mt19937_64& random, const ByteWeights& weights) {
  int32_t low = -32768, high = 32767;
  for (const int32_t weight : weights.weight) (weight < 0 ? low : high) -= 255 * weight;
  switch (random() % 4) {
    case 0:
      return low;
    case 1:
      return high;
    default:
      return low + static_cast<int32_t>(random() % static_cast<uint64_t>(high - low + 1));
  }
}

ByteWeights RandomWeights(std::mt19937_64& random) {
  ByteWeights weights;
  int32_t left[] = {96, 96};
  for (int32_t& weight : weights.weight) {
    const size_t is_negative = random() % 3 == 0 ? 1 : 0;
    const int32_t magnitude = static_cast<int32_t>(random() % static_cast<uint64_t>(left[is_negative] + 1));
    left[is_negative] -= magnitude;
    weight = is_negative ? -magnitude : magnitude;
  }
  if (random() % 4 == 0) weights.weight = {96, -96, 0, 0};
  weights.base = RandomBase(random, weights);
  return weights;
}

// A group of random values, smooth ones or noise.
class RandomGroup {
 public:
  enum class Kind { kPlain, kWeighted, kReferring };

  RandomGroup(std::mt19937_64& random, Kind kind, size_t columns, size_t rows) {
    group.columns = group.period = columns;
    group.positions = columns * rows;
    group.step = std::min<size_t>(kRansLanes, columns - 2);
    group.taps.value = RandomWeights(random);
    above_ = (2 * columns + 1 + kRansLanes) / kRansLanes * kRansLanes;
    values_.assign(above_ + group.positions + kRoom, static_cast<uint8_t>(random()));
    errors_.assign(values_.size(), static_cast<uint8_t>(random()));
    const bool smooth = random() % 2 == 0;
    for (size_t i = above_; i < values_.size(); ++i) {
      values_[i] = static_cast<uint8_t>(smooth ? values_[i - columns] + random() % 3 : random());
    }
    group.value = values_.data() + above_;
    group.error = errors_.data() + above_;
    if (kind == Kind::kPlain) return;
    group.taps.activity = RandomWeights(random);
    const auto base = [&] { return static_cast<int16_t>(RandomBase(random, group.taps.value)); };
    bases_.resize(columns + kRansLanes);
    for (size_t c = 0; c < bases_.size(); ++c) bases_[c] = c < columns ? base() : bases_[c - columns];
    group.base = bases_.data();
    innovations_.assign(group.positions + kRoom, 0);
    group.has_innovations = random() % 4 != 0;
    group.innovation = innovations_.data();
    group.innovation_bits = static_cast<int>(random() % (kMaxInnovationBits + 1));
    if (kind == Kind::kWeighted) return;
    group.has_references = true;
    for (size_t i = 0; i < innovations_.size(); ++i) {
      sums_.push_back(static_cast<int16_t>(random()));
      activities_.push_back(static_cast<uint8_t>(random()));
    }
    group.reference = sums_.data();
    group.reference_activity = activities_.data();
  }
  RandomGroup(const RandomGroup&) = delete;  // the group refers to its arrays
  RandomGroup& operator=(const RandomGroup&) = delete;

  struct Prediction {
    int center, activity;
    int innovation;  // of the value
  };
  // Of a position, those before it having their errors.
  Prediction Predict(size_t p) const {
    const uint8_t* const v = group.value + p - group.columns;
    const uint8_t* const e = group.error + p - group.columns;
    const auto weighted = [](const ByteWeights& weights, int base, std::array<int, 4> of) {
      for (size_t i = 0; i < of.size(); ++i) base += weights.weight[i] * of[i];
      return base;
    };
    const bool is_weighted = group.taps.activity.has_value();
    const int base = is_weighted ? group.base[p % group.columns] : group.taps.value.base;
    const int spatial =
        weighted(group.taps.value, base, {v[0], v[-1], v[1], v[-static_cast<ptrdiff_t>(group.columns)]});
    const int sum = group.has_references ? std::clamp(spatial + group.reference[p], -32768, 32767) : spatial;
    const int range = std::max({v[-1], v[0], v[1]}) - std::min({v[-1], v[0], v[1]});
    const auto average = [](int a, int b) { return (a + b + 1) >> 1; };
    const int sides = average(e[-1], e[1]);
    int activity = average(range, std::min(2 * average(e[0], sides), 255));
    if (is_weighted) {
      const int of_references = group.has_references ? group.reference_activity[p] : 0;
      const ByteWeights& weights = *group.taps.activity;
      activity = std::clamp(weighted(weights, weights.base, {e[0], sides, range, of_references}) >> 4, 0, 255);
    }
    const int bits = group.innovation_bits;
    const int above = 64 * group.value[p] + 32 + (32 >> bits) - std::max(spatial, 0);
    return {std::clamp(sum >> 6, 0, 255), activity, std::clamp(above >> (6 - bits), -128, 127)};
  }

  LaneGroup<ByteLanes> group;

 private:
  size_t above_ = 0;
  std::vector<uint8_t> values_, errors_, innovations_, activities_;
  std::vector<int16_t> bases_, sums_;
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
  for (int round = 0; round < 180; ++round) {
    const size_t columns = 3 + random() % (round % 2 == 0 ? 70 : 300);
    RandomGroup of(random, static_cast<RandomGroup::Kind>(round % 3), columns, 1 + random() % 9);
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
      if (!of.group.has_innovations) continue;
      ASSERT_EQ(of.group.innovation[p], expected.innovation + 128) << columns << ", " << p;
    }
  }
}

TEST_P(ByteGroupTest, SumsReferencesAsTheFormatSays) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 200; ++round) {
    LaneReferences<ByteLanes> references;
    references.count = random() % (kMaxByteReferences + 1);
    references.shift = static_cast<int>(random() % (kMaxInnovationBits + 2)) - 1;
    references.rows = 1 + random() % 5;
    references.columns = 1 + random() % (round % 2 == 0 ? 40 : 300);
    references.innovation_stride = references.columns + random() % 3 * 7;
    references.stride = references.columns + random() % 3 * 35;
    references.room = random() % 2 == 0 ? references.columns : references.stride;
    std::vector<std::vector<uint8_t>> innovations(references.count);
    for (size_t r = 0; r < references.count; ++r) {
      innovations[r].resize(references.rows * references.innovation_stride + kRoom);
      for (uint8_t& innovation : innovations[r]) innovation = static_cast<uint8_t>(random() % 4 == 0 ? 0 : random());
      references.innovation[r] = innovations[r].data();
      const int other = r % 2 == 1 ? std::abs(references.weight[r - 1]) : 0;
      const int limit = 127 - other;
      const int weight = random() % 3 == 0 ? limit : static_cast<int>(random() % static_cast<uint64_t>(limit + 1));
      references.weight[r] = static_cast<int16_t>(random() % 2 == 0 ? weight : -weight);
    }
    constexpr int16_t kUntouchedSum = 12345;
    constexpr uint8_t kUntouched = 99;
    std::vector<int16_t> sums(references.rows * references.stride + kRoom, kUntouchedSum);
    std::vector<uint8_t> activities(sums.size(), kUntouched);
    references.sum = sums.data();
    references.activity = activities.data();
    SumLaneReferences(references);
    const auto average = [](int a, int b) { return (a + b + 1) >> 1; };
    for (size_t at = 0; at < references.rows * references.stride; ++at) {
      const size_t row = at / references.stride, column = at % references.stride;
      if (column >= references.columns && column < references.room) continue;
      if (column >= references.room) {
        ASSERT_EQ(sums[at], kUntouchedSum) << round << ", " << at;
        ASSERT_EQ(activities[at], kUntouched) << round << ", " << at;
        continue;
      }
      int sum = 0;
      std::vector<int> magnitude;
      for (size_t r = 0; r < references.count; ++r) {
        const int innovation = innovations[r][row * references.innovation_stride + column] - 128;
        sum += references.weight[r] * innovation;
        magnitude.push_back(std::abs(innovation));
      }
      sum = references.shift < 0 ? std::clamp(2 * sum, -32768, 32767) : sum >> references.shift;
      while (magnitude.size() < 2) magnitude.push_back(magnitude.empty() ? 0 : magnitude[0]);
      int activity = average(magnitude[0], magnitude[1]);
      if (magnitude.size() == 3) activity = average(activity, magnitude[2]);
      if (magnitude.size() == 4) activity = average(activity, average(magnitude[2], magnitude[3]));
      ASSERT_EQ(sums[at], sum) << round << ", " << at;
      ASSERT_EQ(activities[at], activity) << round << ", " << at;
    }
  }
}

// Tables of any cells and contexts.
void MakeTables(std::mt19937_64& random, bool is_weighted, size_t contexts, LaneTables& tables) {
  tables.position_base = static_cast<int32_t>(random() % 256);
  tables.num_contexts = contexts;
  tables.has_mode = random() % 2 == 0;
  tables.mode_code = static_cast<int32_t>(random() % 256);
  const bool has_few_cells = random() % 2 == 0;
  for (size_t i = 0; i < 16; ++i) {
    for (const auto half : {&LaneNibbles::low, &LaneNibbles::high}) {
      if (half == &LaneNibbles::high && i == 0) continue;  // there are no such bytes
      (tables.position_nibbles.*half)[i] = static_cast<uint8_t>(random() % 16);
      (tables.activity_nibbles.*half)[i] = static_cast<uint8_t>(random() % (has_few_cells ? 8 : 16) * 16);
      (tables.center_nibbles.*half)[i] = static_cast<uint8_t>(random());
    }
  }
  for (LaneNibbles* const nibbles : {&tables.position_nibbles, &tables.activity_nibbles, &tables.center_nibbles}) {
    nibbles->FindAll();
  }
  if (has_few_cells) tables.context.num_rows = 8;
  tables.has_fixed_centers = is_weighted && random() % 2 == 0;
  for (uint8_t& context : tables.context.byte) {
    context =
        static_cast<uint8_t>(random() % contexts | (tables.has_fixed_centers && random() % 4 == 0 ? kFixedCenter : 0));
  }
  tables.context.FindChanges();
}

// What decodes any residual: in intervals of its own, or in that of all of them.
std::vector<Interval> AnyIntervals(std::mt19937_64& random, bool has_mode) {
  std::vector<Interval> intervals;
  if (has_mode) intervals.push_back({.frequency = 30, .is_mode = true});
  intervals.push_back({.raw_bits = 8, .frequency = static_cast<uint8_t>(1 + random() % 40)});
  for (int first = -128; first < 128 && intervals.size() + 1 < kMaxIntervals; first += 32) {
    if (first > -128 && random() % 3 == 0) continue;  // one at least: no interval has all slots
    intervals.push_back({.base = static_cast<uint8_t>(first), .raw_bits = 5, .frequency = 10});
  }
  uint32_t left = kIntervalSlots;
  for (const Interval& interval : intervals) left -= interval.frequency;
  while (left > 0) {
    Interval& interval = intervals[random() % intervals.size()];
    if (interval.frequency == 255) continue;
    ++interval.frequency;
    --left;
  }
  return intervals;
}

TEST_P(ByteGroupTest, IntervalsComeBack) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 240; ++round) {
    const auto kind = static_cast<RandomGroup::Kind>(round % 3);
    const size_t contexts = 1 + random() % (round % 2 == 0 ? kFewIntervalContexts : kMaxIntervalContexts);
    LaneTables tables;
    MakeTables(random, kind != RandomGroup::Kind::kPlain, contexts, tables);
    std::vector<std::vector<Interval>> intervals(contexts);
    for (auto& of_context : intervals) of_context = AnyIntervals(random, tables.has_mode);
    const std::vector<std::span<const Interval>> spans(intervals.begin(), intervals.end());
    // Two groups, so that the second may begin with either bank.
    std::vector<std::unique_ptr<RandomGroup>> groups, copies;
    std::vector<uint16_t> symbols;
    std::vector<uint8_t> active;
    for (int g = 0; g < 2; ++g) {
      const size_t columns = 3 + random() % std::array{70, 200, 400}[static_cast<size_t>(round / 3 % 3)];
      const size_t rows = 1 + random() % 9;
      std::mt19937_64 same = random;
      groups.push_back(std::make_unique<RandomGroup>(random, kind, columns, rows));
      copies.push_back(std::make_unique<RandomGroup>(same, kind, columns, rows));
      const LaneGroup<ByteLanes>& group = groups.back()->group;
      const size_t steps = (group.positions + group.step - 1) / group.step;
      std::vector<uint16_t> of_group(steps * kRansLanes);
      LaneSymbols out;
      out.symbol = of_group.data();
      TokenizeLaneGroup(tables, group, out);
      for (size_t step = 0; step < steps; ++step) {
        active.push_back(static_cast<uint8_t>(std::min(group.step, group.positions - step * group.step)));
      }
      symbols.insert(symbols.end(), of_group.begin(), of_group.end());
    }
    const auto code = std::make_unique<IntervalCode>();
    code->Build(spans);
    std::vector<std::byte> buffer(IntervalStreamBound(active.size()));
    const auto stream = EncodeIntervalSteps(active, symbols.data(), *code, buffer);
    const auto decoding = std::make_unique<IntervalTables>();
    decoding->Build(spans);
    tables.intervals = decoding.get();
    ByteRansDecoder rans;
    ASSERT_TRUE(rans.Begin(stream).ok());
    for (size_t g = 0; g < groups.size(); ++g) {
      const LaneGroup<ByteLanes>&group = groups[g]->group, &copy = copies[g]->group;
      std::fill_n(copy.value, group.positions, uint8_t{0});
      ASSERT_TRUE(DecodeLaneGroup(tables, copy, rans));
      ASSERT_TRUE(std::equal(group.value, group.value + group.positions, copy.value)) << round << ", " << group.columns;
      if (!group.has_innovations) continue;
      ASSERT_TRUE(std::equal(group.innovation, group.innovation + group.positions, copy.innovation)) << round;
    }
    ASSERT_TRUE(rans.Finish().ok()) << rans.Finish();
  }
}

}  // namespace
}  // namespace dcac
