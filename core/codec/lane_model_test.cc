#include "core/codec/lane_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/codec/lane_streams.h"

namespace dcac {
namespace {

// Models that frames can carry, most of them ones that no encoder would choose.
class RandomLaneModels {
 public:
  RandomLaneModels(SampleKind kind, const SetShape& shape, const std::vector<int>& same_channel)
      : kind_(kind), shape_(shape), same_channel_(same_channel) {}

  LaneModel Next() {
    LaneModel m;
    m.planes.resize(static_cast<size_t>(shape_.planes));
    if (IsFloat(kind_) && Flag()) return Coarse();
    if (IsNarrow(kind_) && Flag()) return Bytes();
    m.interlaced = Flag();
    m.num_taps = m.interlaced || Flag() ? 6 : 3;
    m.has_intervals = IsNarrow(kind_) && !m.has_fillers(shape_.width) && Flag();
    do {
      m.group_planes = 1 + Below(shape_.planes);
    } while (!CanBeLaneGroups(shape_.planes, m.interlaced ? (shape_.width + 1) / 2 : shape_.width, m.group_planes));
    Samples(m);
    Means(m);
    const bool any_terms = Terms(m);
    Weights(any_terms, m);
    m.position_base = Within(1 << 17);
    m.position_shift = Below(16);
    m.activity_base = Within(1 << 17);
    if (IsNarrow(kind_)) m.activity_shift = Below(8);
    m.position_thresholds = Thresholds();
    m.activity_thresholds = Thresholds();
    Cells(m);
    m.has_intervals ? Intervals(m) : Tables(m);
    return m;
  }

  // Of byte lanes.
  LaneModel Bytes() {
    LaneModel m;
    m.planes.resize(static_cast<size_t>(shape_.planes));
    do {
      m.group_planes = 1 + Below(shape_.planes);
    } while (!CanBeLaneGroups(shape_.planes, shape_.width, m.group_planes));
    m.has_mode = Flag();
    if (m.has_mode) m.mode_code = Code(m);
    m.error_prior = Below(256);
    m.mean = Code(m);
    m.bytes.emplace();
    m.has_intervals = true;
    m.bytes->value = ByteWeightsOf();
    if (Flag()) {
      m.bytes->activity = ByteWeightsOf();
      m.sends_means = Flag();
      if (ByteTerms(m)) m.innovation_bits = Below(kMaxInnovationBits + 1);
    }
    for (LanePlane& plane : m.planes) plane.mean = m.sends_means ? Code(m) : m.mean;
    m.position_base = Below(256);
    for (std::vector<uint8_t>* thresholds : {&m.position_thresholds, &m.activity_thresholds}) {
      for (uint32_t t = 0; t < kNumByteThresholds && thresholds->size() + 1 < kMaxLaneBins; ++t) {
        if (Flag()) thresholds->push_back(ByteThreshold(t));
      }
    }
    Cells(m);
    Intervals(m);
    return m;
  }

  void Intervals(LaneModel& m) {
    m.intervals.resize(m.tables.size());
    for (std::vector<Interval>& intervals : m.intervals) {
      if (m.has_mode && Flag()) intervals.push_back({.is_mode = true});
      if (Flag()) intervals.push_back({.raw_bits = 8});
      for (int first = -128; first < 128 && intervals.size() < kMaxIntervals;) {
        int raw_bits = Below(9);
        while ((first + 128) % (1 << raw_bits) != 0) --raw_bits;
        if (Flag() || (intervals.size() < 2 && raw_bits < 8)) {
          intervals.push_back({static_cast<uint8_t>(first), static_cast<uint8_t>(raw_bits)});
        }
        first += 1 << raw_bits;
      }
      if (intervals.size() < 2) intervals = {{.raw_bits = 8}, {.base = 128, .raw_bits = 8}};
      for (Interval& interval : intervals) interval.frequency = 1;
      for (size_t left = kIntervalSlots - intervals.size(); left > 0;) {
        Interval& interval = intervals[static_cast<size_t>(Below(static_cast<int>(intervals.size())))];
        const size_t more = std::min(left, static_cast<size_t>(Below(256 - interval.frequency)));
        interval.frequency = static_cast<uint8_t>(interval.frequency + more);
        left -= more;
      }
    }
  }

  ByteWeights ByteWeightsOf() {
    ByteWeights weights;
    int32_t positive = kMaxByteWeights, negative = kMaxByteWeights;
    for (int32_t& weight : weights.weight) {
      int32_t& left = Flag() ? positive : negative;
      const int32_t magnitude = Below(left + 1);
      left -= magnitude;
      weight = &left == &positive ? magnitude : -magnitude;
    }
    const ByteBaseRange range = BaseRangeOf(weights);
    weights.base = range.low + Below(range.high - range.low + 1);
    return weights;
  }

  bool ByteTerms(LaneModel& m) {
    bool any = false;
    for (int p = 0; p < shape_.planes; ++p) {
      LanePlane& plane = m.planes[static_cast<size_t>(p)];
      const int begin = m.GroupBegin(p);
      int32_t left = 0;
      for (int i = 0, count = begin == 0 ? 0 : Below(static_cast<int>(kMaxByteReferences) + 1); i < count; ++i) {
        if (i % 2 == 0) left = kMaxBytePairWeight;
        const int32_t weight = Within(left);
        left -= std::abs(weight);
        plane.references.push_back({Below(begin), weight});
      }
      plane.has_coarse_weights = !plane.references.empty() && Flag();
      any = any || plane.has_terms();
    }
    return any;
  }

  // The model of a set of u8, and which samples its codes are.
  LaneModel Coarse() {
    const SampleKind kind = std::exchange(kind_, SampleKind::kU8);
    LaneModel m = Next();
    kind_ = kind;
    const int mantissa_bits = SampleMap::MantissaBits(LaneKindOf(kind_)), octaves = 0x8000 >> mantissa_bits;
    CoarseMap map(mantissa_bits, Below(kMaxCoarseZero + 1), Below(octaves));
    while (!map.is_complete()) map.AddOctave(Below(std::min(kMaxCoarseDetailBits, mantissa_bits) + 1));
    m.coarse = map;
    return m;
  }

  int Below(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
  int32_t Within(int32_t limit) { return Below(2 * limit + 1) - limit; }
  bool Flag() { return random_() % 2 == 0; }

 private:
  void Samples(LaneModel& m) {
    m.table_bits = IsNarrow(kind_) ? 10 : 10 + Below(2);
    int32_t least = 0, most = 255;
    if (!IsNarrow(kind_)) {
      const SampleKind kind = LaneKindOf(kind_);
      const int base = SampleMap::MinBaseExponent(kind);
      if (IsFloat(kind)) m.base_exponent = base + Below(SampleMap::MaxBaseExponent(kind) - base + 1);
      const SampleMap map(kind, m.base_exponent);
      least = map.MinCode();
      most = map.MaxCode();
      m.has_escape = IsFloat(kind) && Flag();
      m.shift = Below(3);
      m.unit_exponent = Within(100);
    }
    m.low_code = least + Below(most - least + 1);
    m.high_code = m.low_code + Below(most - m.low_code + 1);
    m.has_mode = Flag();
    if (m.has_mode) m.mode_code = Code(m);
    for (int i = kind_ == SampleKind::kF32 ? Below(4) : 0; i > 0; --i) {
      const LaneExact exact{Code(m), static_cast<uint16_t>(Below(0x10000))};
      const auto is_same = [&](const LaneExact& other) { return other.code == exact.code; };
      if (std::none_of(m.exact.begin(), m.exact.end(), is_same)) m.exact.push_back(exact);
    }
  }

  int32_t Code(const LaneModel& m) { return m.low_code + Below(m.high_code - m.low_code + 1); }

  void Means(LaneModel& m) {
    m.error_prior = Below(kMaxLaneErrorPrior + 1);
    m.mean = Code(m);
    m.sends_means = Flag();
    const int drop = std::max(0, BitWidth(static_cast<uint32_t>(m.high_code - m.low_code)) - 8);
    for (LanePlane& plane : m.planes) {
      plane.mean = m.sends_means ? m.low_code + ((Code(m) - m.low_code) >> drop << drop) : m.mean;
    }
  }

  bool Terms(LaneModel& m) {
    bool any = false;
    if (Flag()) return any;
    for (int p = 0; p < shape_.planes; ++p) {
      LanePlane& plane = m.planes[static_cast<size_t>(p)];
      const int begin = m.GroupBegin(p);
      for (int i = 0, count = begin == 0 ? 0 : Below(static_cast<int>(kMaxLaneReferences) + 1); i < count; ++i) {
        const int channel = same_channel_[static_cast<size_t>(p)];
        const int named = channel >= 0 && channel < begin && Flag() ? channel : Below(begin);
        plane.references.push_back({named, Within(kMaxLaneTermWeight)});
      }
      if (Flag()) plane.unit = Within(kMaxLaneUnitWeight);
      plane.has_own_taps = Flag();
      for (size_t c = 0; plane.has_own_taps && c < m.num_classes(); ++c) {
        for (int t = 0; t < m.num_taps; ++t) {
          if (Flag()) plane.own[c][static_cast<size_t>(t)] = static_cast<int16_t>(Within(kMaxLaneTermWeight));
        }
      }
      any = any || plane.has_terms() || plane.has_own_taps;
    }
    return any;
  }

  void Weights(bool any_terms, LaneModel& m) {
    for (size_t c = 0; c < m.num_classes(); ++c) {
      for (int t = 0; t < m.num_taps; ++t) m.spatial[c].tap[static_cast<size_t>(t)] = Within(kMaxLaneTapWeight);
      m.spatial[c].unit = Within(kMaxLaneUnitWeight);
      for (int32_t& weight : m.sigma[c].error) weight = Within(kMaxLaneSigmaWeight);
      m.sigma[c].range = Within(kMaxLaneSigmaWeight);
      m.sigma[c].unit = Within(kMaxLaneSigmaWeight);
      if (any_terms) m.sigma[c].reference = Within(kMaxLaneSigmaWeight);
    }
  }

  std::vector<uint8_t> Thresholds() {
    std::vector<uint8_t> thresholds;
    for (int byte = 0; byte < 255 && thresholds.size() + 1 < kMaxLaneBins; ++byte) {
      if (Below(16) == 0) thresholds.push_back(static_cast<uint8_t>(byte));
    }
    return thresholds;
  }

  void Cells(LaneModel& m) {
    const int clusters = 1 + Below(m.has_intervals ? static_cast<int>(kMaxIntervalContexts) : 64);
    m.tables.resize(static_cast<size_t>(clusters));
    const bool any_fixed = (!m.bytes || m.bytes->activity) && Flag();
    for (size_t cell = 0; cell < m.position_bins() * m.activity_bins(); ++cell) {
      m.cluster.push_back(static_cast<uint8_t>(Below(clusters)));
      m.fixed_center.push_back(any_fixed && (cell == 0 || Flag()));
    }
    m.center.assign(m.position_bins(), 0);
    for (int32_t& center : m.center) center = any_fixed ? Code(m) : 0;
  }

  void Tables(LaneModel& m) {
    const int most_raw = IsNarrow(kind_) ? 15 - m.table_bits : static_cast<int>(kMaxRawBits);
    do {
      m.num_tokens = 1 + Below(static_cast<int>(kMaxLaneTokens));
    } while (m.num_tokens > m.first_residual_token() &&
             LaneRawBits(m.num_tokens - 1 - m.first_residual_token(), m.shift) > most_raw);
    for (auto& table : m.tables) {
      for (int t = 0; t < m.num_tokens; ++t) table.push_back(Flag() ? static_cast<uint32_t>(Below(8)) : 0);
      if (std::all_of(table.begin(), table.end(), [](uint32_t weight) { return weight == 0; })) table[0] = 1;
    }
  }

  SampleKind kind_;
  SetShape shape_;
  const std::vector<int>& same_channel_;
  std::mt19937_64 random_{7};
};

void ExpectEqual(const ByteWeights& a, const ByteWeights& b) {
  EXPECT_EQ(a.weight, b.weight);
  EXPECT_EQ(a.base, b.base);
}

void ExpectEqual(const LaneModel& a, const LaneModel& b) {
  const auto head = [](const LaneModel& m) {
    return std::vector<int64_t>{m.interlaced,      m.num_taps,       m.group_planes,  m.table_bits,     m.base_exponent,
                                m.low_code,        m.high_code,      m.has_mode,      m.has_escape,     m.mode_code,
                                m.shift,           m.unit_exponent,  m.sends_means,   m.mean,           m.error_prior,
                                m.position_base,   m.position_shift, m.activity_base, m.activity_shift, m.num_tokens,
                                m.innovation_bits, m.has_intervals};
  };
  EXPECT_EQ(head(a), head(b));
  ASSERT_EQ(a.exact.size(), b.exact.size());
  for (size_t i = 0; i < a.exact.size(); ++i) {
    EXPECT_EQ(a.exact[i].code, b.exact[i].code);
    EXPECT_EQ(a.exact[i].low, b.exact[i].low);
  }
  ASSERT_EQ(a.coarse.has_value(), b.coarse.has_value());
  if (a.coarse) {
    EXPECT_EQ(a.coarse->mantissa_bits, b.coarse->mantissa_bits);
    EXPECT_EQ(a.coarse->zero, b.coarse->zero);
    EXPECT_EQ(a.coarse->least, b.coarse->least);
    EXPECT_EQ(a.coarse->end, b.coarse->end);
    EXPECT_EQ(a.coarse->detail_bits, b.coarse->detail_bits);
  }
  ASSERT_EQ(a.bytes.has_value(), b.bytes.has_value());
  if (a.bytes) {
    ExpectEqual(a.bytes->value, b.bytes->value);
    ASSERT_EQ(a.bytes->activity.has_value(), b.bytes->activity.has_value());
    if (a.bytes->activity) ExpectEqual(*a.bytes->activity, *b.bytes->activity);
  }
  for (size_t c = 0; c < kLaneClasses; ++c) {
    EXPECT_EQ(a.spatial[c].tap, b.spatial[c].tap);
    EXPECT_EQ(a.spatial[c].unit, b.spatial[c].unit);
    EXPECT_EQ(a.sigma[c].error, b.sigma[c].error);
    EXPECT_EQ(a.sigma[c].range, b.sigma[c].range);
    EXPECT_EQ(a.sigma[c].unit, b.sigma[c].unit);
    EXPECT_EQ(a.sigma[c].reference, b.sigma[c].reference);
  }
  ASSERT_EQ(a.planes.size(), b.planes.size());
  for (size_t p = 0; p < a.planes.size(); ++p) {
    EXPECT_EQ(a.planes[p].mean, b.planes[p].mean);
    EXPECT_EQ(a.planes[p].unit, b.planes[p].unit);
    EXPECT_EQ(a.planes[p].has_coarse_weights, b.planes[p].has_coarse_weights);
    EXPECT_EQ(a.planes[p].has_own_taps, b.planes[p].has_own_taps);
    EXPECT_EQ(a.planes[p].own, b.planes[p].own);
    ASSERT_EQ(a.planes[p].references.size(), b.planes[p].references.size());
    for (size_t i = 0; i < a.planes[p].references.size(); ++i) {
      EXPECT_EQ(a.planes[p].references[i].plane, b.planes[p].references[i].plane);
      EXPECT_EQ(a.planes[p].references[i].weight, b.planes[p].references[i].weight);
    }
  }
  EXPECT_EQ(a.position_thresholds, b.position_thresholds);
  EXPECT_EQ(a.activity_thresholds, b.activity_thresholds);
  EXPECT_EQ(a.cluster, b.cluster);
  EXPECT_EQ(a.fixed_center, b.fixed_center);
  EXPECT_EQ(a.center, b.center);
  EXPECT_EQ(a.tables, b.tables);
  EXPECT_EQ(a.intervals, b.intervals);
}

constexpr SetShape kSetShape{5, 4, 9};
const std::vector<int> kSameChannel = {-1, -1, 0, 1, 2};

class LaneModelKindTest : public testing::TestWithParam<SampleKind> {};

INSTANTIATE_TEST_SUITE_P(Kinds, LaneModelKindTest,
                         testing::Values(SampleKind::kU8, SampleKind::kI8, SampleKind::kU16, SampleKind::kI16,
                                         SampleKind::kF16, SampleKind::kBF16, SampleKind::kF32));

TEST_P(LaneModelKindTest, ModelsComeBack) {
  RandomLaneModels models(GetParam(), kSetShape, kSameChannel);
  for (int i = 0; i < 200; ++i) {
    LaneModel model = models.Next();
    RangeEncoder encoder;
    EncodeLaneModel(encoder, GetParam(), kSetShape, kSameChannel, model);
    ASSERT_FALSE(encoder.failed());
    const Bytes bytes = encoder.Finish();
    RangeDecoder decoder(bytes);
    const LaneModel back = DecodeLaneModel(decoder, GetParam(), kSetShape, kSameChannel);
    ASSERT_FALSE(decoder.failed());
    ExpectEqual(model, back);
  }
}

// Whatever the bytes are: a model in its ranges, or a failure.
TEST_P(LaneModelKindTest, AnyBytesAreAModelOrAFailure) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 2000; ++i) {
    Bytes bytes(random() % 200);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    RangeDecoder decoder(bytes);
    LaneModel model = DecodeLaneModel(decoder, GetParam(), kSetShape, kSameChannel);
    if (decoder.failed()) continue;
    RangeEncoder encoder;
    EncodeLaneModel(encoder, GetParam(), kSetShape, kSameChannel, model);
    EXPECT_FALSE(encoder.failed());
  }
}

// Of four planes, with one context of two tokens.
LaneModel SmallModel() {
  LaneModel model;
  model.planes.resize(4);
  model.cluster = {0};
  model.fixed_center = {false};
  model.center = {0};
  model.num_tokens = 2;
  model.tables = {{1, 1}};
  return model;
}

bool EncodingFails(SampleKind kind, LaneModel model) {
  RangeEncoder encoder;
  EncodeLaneModel(encoder, kind, {4, 4, 4}, std::vector<int>(4, -1), model);
  return encoder.failed();
}

struct Violation {
  std::string what;
  std::function<void(LaneModel&)> make;
};

TEST(LaneModelTest, ValuesOutOfRangeFail) {
  const std::vector<Violation> violations = {
      {"group of few columns", [](LaneModel& m) { m.interlaced = true, m.num_taps = 6, m.group_planes = 1; }},
      {"high_code below low_code", [](LaneModel& m) { m.high_code = m.low_code - 1; }},
      {"mode above high_code", [](LaneModel& m) { m.has_mode = true, m.mode_code = m.high_code + 1; }},
      {"unit_exponent", [](LaneModel& m) { m.unit_exponent = 101; }},
      {"shift", [](LaneModel& m) { m.shift = 16; }},
      {"mean above high_code", [](LaneModel& m) { m.sends_means = true, m.planes[0].mean = m.high_code + 300; }},
      {"mean of all", [](LaneModel& m) { m.mean = m.high_code + 1; }},
      {"error_prior", [](LaneModel& m) { m.error_prior = kMaxLaneErrorPrior + 1; }},
      {"tap", [](LaneModel& m) { m.spatial[0].tap[0] = kMaxLaneTapWeight + 1; }},
      {"unit", [](LaneModel& m) { m.spatial[0].unit = -kMaxLaneUnitWeight - 1; }},
      {"too many references",
       [](LaneModel& m) {
         m.planes[3].references.assign(kMaxLaneReferences + 1, {0, 1});
       }},
      {"a reference to the own group",
       [](LaneModel& m) {
         m.planes[3].references = {{3, 1}};
       }},
      {"weight of a reference",
       [](LaneModel& m) {
         m.planes[3].references = {{0, kMaxLaneTermWeight + 1}};
       }},
      {"sigma", [](LaneModel& m) { m.sigma[0].range = kMaxLaneSigmaWeight + 1; }},
      {"position_base", [](LaneModel& m) { m.position_base = (1 << 17) + 1; }},
      {"thresholds that fall",
       [](LaneModel& m) {
         m.position_thresholds = {20, 10};
       }},
      {"a threshold that is too large", [](LaneModel& m) { m.activity_thresholds = {255}; }},
      {"too many tokens", [](LaneModel& m) { m.num_tokens = 65, m.tables = {std::vector<uint32_t>(65, 1)}; }},
      {"too many raw bits",
       [](LaneModel& m) { m.shift = 15, m.num_tokens = 40, m.tables = {std::vector<uint32_t>(40, 1)}; }},
      {"an empty table",
       [](LaneModel& m) {
         m.tables = {{0, 0}};
       }},
  };
  LaneModel good = SmallModel();
  good.low_code = -100;
  good.high_code = 100;
  EXPECT_FALSE(EncodingFails(SampleKind::kI16, good));
  for (const Violation& violation : violations) {
    LaneModel bad = good;
    violation.make(bad);
    EXPECT_TRUE(EncodingFails(SampleKind::kI16, bad)) << violation.what;
  }
}

TEST(LaneModelTest, IntervalsOutOfRangeFail) {
  LaneModel good = SmallModel();
  good.bytes.emplace();
  good.has_mode = true;
  good.tables = {{}};
  const Interval mode{0, 0, 1, true}, all{0, 8, 2, false}, low{128, 7, 3, false}, high{0, 7, 250, false};
  good.intervals = {{mode, all, low, high}};
  ASSERT_FALSE(EncodingFails(SampleKind::kU8, good));
  const std::vector<Violation> violations = {
      {"a sum that is too small", [](LaneModel& m) { --m.intervals[0][3].frequency; }},
      {"a sum that is too large", [](LaneModel& m) { ++m.intervals[0][3].frequency; }},
      {"none", [](LaneModel& m) { m.intervals[0].clear(); }},
      {"too many",
       [](LaneModel& m) {
         m.intervals[0].resize(2);
         for (uint8_t i = 0; i < 15; ++i) m.intervals[0].push_back({i, 0, 15, false});
         m.intervals[0][1].frequency = 30;
       }},
      {"another order", [](LaneModel& m) { std::swap(m.intervals[0][2], m.intervals[0][3]); }},
      {"intervals that overlap", [](LaneModel& m) { m.intervals[0][3].base = 192, m.intervals[0][3].raw_bits = 6; }},
      {"one that begins anywhere", [](LaneModel& m) { m.intervals[0][3].base = 1; }},
      {"the mode where there is none", [](LaneModel& m) { m.has_mode = false; }},
      {"too many contexts",
       [](LaneModel& m) {
         m.tables.resize(kMaxIntervalContexts + 1);
         m.intervals.resize(m.tables.size(), m.intervals[0]);
       }},
  };
  for (const Violation& violation : violations) {
    LaneModel bad = good;
    violation.make(bad);
    EXPECT_TRUE(EncodingFails(SampleKind::kU8, bad)) << violation.what;
  }
  // What a decoder accepts is a code, whatever it reads.
  RangeEncoder encoder;
  EncodeLaneModel(encoder, SampleKind::kU8, {4, 4, 4}, std::vector<int>(4, -1), good);
  const Bytes bytes = encoder.Finish();
  for (size_t i = 0; i < bytes.size(); ++i) {
    Bytes other = bytes;
    other[i] ^= std::byte{0x55};
    RangeDecoder decoder(other);
    const LaneModel model = DecodeLaneModel(decoder, SampleKind::kU8, {4, 4, 4}, std::vector<int>(4, -1));
    if (decoder.failed() || !model.bytes) continue;
    for (const std::vector<Interval>& intervals : model.intervals) {
      uint32_t sum = 0;
      for (const Interval& interval : intervals) sum += interval.frequency;
      EXPECT_EQ(sum, kIntervalSlots);
      EXPECT_LE(intervals.size(), kMaxIntervals);
    }
  }
}

TEST(LaneModelTest, IntervalsBesideFillersFail) {
  LaneModel model = SmallModel();
  model.interlaced = true;
  model.num_taps = 6;
  model.group_planes = 4;
  model.has_intervals = true;
  model.tables = {{}};
  model.intervals = {{{128, 7, 128, false}, {0, 7, 128, false}}};
  EXPECT_FALSE(EncodingFails(SampleKind::kU8, model));
  RangeEncoder encoder;
  EncodeLaneModel(encoder, SampleKind::kU8, {4, 4, 5}, std::vector<int>(4, -1), model);
  EXPECT_TRUE(encoder.failed());
}

TEST(LaneModelTest, ByteLanesOutOfRangeFail) {
  LaneModel good = SmallModel();
  good.tables = {{}};
  good.intervals = {{{128, 7, 128, false}, {0, 7, 128, false}}};
  good.bytes = ByteTaps{{{96, -40, 0, -56}, INT16_MIN + 96 * 255}, ByteWeights{{16, 0, -96, 80}, INT16_MAX - 96 * 255}};
  good.position_thresholds = {0, 15, 31, 239};
  good.cluster.assign(5, 0);
  good.fixed_center.assign(5, false);
  good.center.assign(5, 0);
  good.planes[1].references = {{0, 100}, {0, -27}, {0, -1}, {0, 126}};
  good.innovation_bits = kMaxInnovationBits;
  ASSERT_EQ(good.group_planes, 1);
  EXPECT_FALSE(EncodingFails(SampleKind::kU8, good));
  const std::vector<Violation> violations = {
      {"weights above 0",
       [](LaneModel& m) {
         m.bytes->value.weight = {60, 37, 0, 0};
       }},
      {"weights below 0",
       [](LaneModel& m) {
         m.bytes->value.weight = {-60, 0, 0, -37};
       }},
      {"weights of activity",
       [](LaneModel& m) {
         m.bytes->activity->weight = {60, 37, 0, 0};
       }},
      {"base", [](LaneModel& m) { --m.bytes->value.base; }},
      {"base of activity", [](LaneModel& m) { ++m.bytes->activity->base; }},
      {"position_base", [](LaneModel& m) { m.position_base = 256; }},
      {"mean", [](LaneModel& m) { m.mean = 256; }},
      {"means that nothing needs",
       [](LaneModel& m) {
         m.sends_means = true;
         m.bytes->activity.reset();
       }},
      {"error_prior", [](LaneModel& m) { m.error_prior = 256; }},
      {"a fifth reference",
       [](LaneModel& m) {
         m.planes[1].references.push_back({0, 0});
       }},
      {"the first pair of weights", [](LaneModel& m) { ++m.planes[1].references[0].weight; }},
      {"the second pair of weights", [](LaneModel& m) { --m.planes[1].references[2].weight; }},
      {"innovation_bits", [](LaneModel& m) { m.innovation_bits = kMaxInnovationBits + 1; }},
      {"a threshold that is too large", [](LaneModel& m) { m.position_thresholds[3] = 255; }},
  };
  for (const Violation& violation : violations) {
    LaneModel bad = good;
    violation.make(bad);
    EXPECT_TRUE(EncodingFails(SampleKind::kU8, bad)) << violation.what;
  }
}

TEST(LaneModelTest, MapsOfNoSamplesFail) {
  LaneModel model = SmallModel();
  const auto fails = [&](SampleKind kind, int zero, int least, int detail_bits) {
    CoarseMap map(SampleMap::MantissaBits(kind), zero, least);
    while (!map.is_complete()) map.AddOctave(std::min(detail_bits, map.mantissa_bits));
    map.detail_bits.fill(static_cast<uint8_t>(detail_bits));
    model.coarse = map;
    return EncodingFails(kind, model);
  };
  EXPECT_FALSE(fails(SampleKind::kBF16, 0, 0, 0));
  EXPECT_FALSE(fails(SampleKind::kBF16, 254, 255, 7));
  EXPECT_TRUE(fails(SampleKind::kBF16, 255, 0, 0));
  EXPECT_TRUE(fails(SampleKind::kBF16, 0, 0, 8));  // more than a mantissa has
  EXPECT_FALSE(fails(SampleKind::kF16, 0, 31, 8));
  EXPECT_TRUE(fails(SampleKind::kF16, 0, 31, 9));  // more than details have
}

TEST(LaneModelTest, ExactCodesAreDifferent) {
  LaneModel model = SmallModel();
  model.base_exponent = 127;
  model.exact = {{3, 7}, {5, 7}};
  EXPECT_FALSE(EncodingFails(SampleKind::kF32, model));
  model.exact = {{3, 7}, {3, 8}};
  EXPECT_TRUE(EncodingFails(SampleKind::kF32, model));
  model.exact.clear();
  const auto fails = [&](uint8_t first, uint8_t second) {
    model.coarse = CoarseMap(7, 10, 100);
    while (!model.coarse->is_complete()) model.coarse->AddOctave(4);
    model.coarse->num_exact = 2;
    model.coarse->exact[0].code = first;
    model.coarse->exact[1].code = second;
    return EncodingFails(SampleKind::kF32, model);
  };
  EXPECT_FALSE(fails(9, 12));
  EXPECT_TRUE(fails(9, 9));
  EXPECT_TRUE(fails(10, 12));  // zero
  EXPECT_TRUE(fails(9, 11));   // the escape
}

TEST(LaneModelTest, ClassesOfMagnitudesCoverThem) {
  for (uint32_t magnitude = 0; magnitude < 1u << 20; ++magnitude) {
    const LaneClass c = LaneClassOf(ClassOfMagnitude(magnitude));
    ASSERT_GE(magnitude, c.base);
    ASSERT_LT(magnitude - c.base, 1u << c.raw_bits);
  }
}

}  // namespace
}  // namespace dcac
