#include "core/codec/lane_model.h"

#include <algorithm>
#include <bit>

#include "core/codec/lane_streams.h"
#include "core/codec/table_coder.h"
#include "core/kernels/exact_halves.h"

namespace dcac {
namespace {

// One description for both directions, as that of SetModel: Coder is RangeEncoder or RangeDecoder.
template <typename Coder>
class LaneModelCoder {
 public:
  LaneModelCoder(Coder& coder, SampleKind kind, const SetShape& shape, const std::vector<int>& same_channel,
                 LaneModel& model)
      : coder_(coder),
        has_low_(kind == SampleKind::kF32),
        kind_(LaneKindOf(kind)),
        shape_(shape),
        same_channel_(same_channel),
        model_(model) {}

  void Run() {
    if (IsFloat(kind_)) CodeCoarse();
    if (IsNarrow(kind_)) CodeIsBytes();
    CodeHead();
    if (model_.bytes) {
      CodeByteTaps(*model_.bytes);
    } else {
      CodeMeans();
      for (size_t c = 0; c < model_.num_classes(); ++c) CodeSpatial(model_.spatial[c]);
      CodeTerms();
      for (size_t c = 0; c < model_.num_classes(); ++c) CodeSigma(model_.sigma[c]);
      CodeBinScales();
    }
    CodeThresholds(model_.position_thresholds);
    CodeThresholds(model_.activity_thresholds);
    CodeCells();
    if (coder_.failed()) return;
    if (model_.has_intervals) return CodeIntervals();
    CodeTables(coder_, model_.table_bits, model_.num_tokens, model_.tables);
    Check(model_.num_tokens <= static_cast<int>(kMaxLaneTokens));
    if (coder_.failed()) return;
    // A narrow set's raw bits must fit the state, a wide one's a raw stage.
    const int most = IsNarrow(kind_) ? 15 - model_.table_bits : static_cast<int>(kMaxRawBits);
    const int last = model_.num_tokens - 1 - model_.first_residual_token();
    Check(last < 0 || LaneRawBits(last, model_.shift) <= most);
  }

 private:
  void Check(bool valid) {
    if (!valid) coder_.Fail();
  }

  void Uniform(int count, int& value) {
    uint32_t v = static_cast<uint32_t>(value);
    CodeUniform(coder_, static_cast<uint32_t>(count), v);
    value = static_cast<int>(v);
  }

  void Ranged(int32_t low, int32_t high, int32_t& value) {
    const uint32_t span = static_cast<uint32_t>(high) - static_cast<uint32_t>(low);
    uint32_t distance = static_cast<uint32_t>(value) - static_cast<uint32_t>(low);
    CodeDirect(coder_, BitWidth(span), distance);
    Check(distance <= span);
    value = static_cast<int32_t>(static_cast<uint32_t>(low) + std::min(distance, span));
  }

  void Signed(AdaptiveSigned& state, int32_t limit, int32_t& value) {
    CodeSigned(coder_, state, value);
    Check(value >= -limit && value <= limit);
    value = std::clamp(value, -limit, limit);
  }

  // From here on the set is one of u8, if it is coarse.
  void CodeCoarse() {
    bool is_coarse = model_.coarse.has_value();
    CodeFlag(coder_, is_coarse);
    if (!is_coarse) return;
    CoarseMap map = model_.coarse.value_or(CoarseMap());
    Ranged(0, kMaxCoarseZero, map.zero);
    map = CodeOctaves(map);
    if (!coder_.failed()) CodeExact(map);
    model_.coarse = map;
    kind_ = SampleKind::kU8;
    has_low_ = false;
  }

  // Of a map whose zero is known.
  CoarseMap CodeOctaves(const CoarseMap& map) {
    const int mantissa_bits = SampleMap::MantissaBits(kind_);
    int least = map.least;
    Uniform(0x8000 >> mantissa_bits, least);
    CoarseMap result(mantissa_bits, map.zero, least);
    result.num_exact = map.num_exact;
    result.exact = map.exact;
    AdaptiveBit same;
    int detail_bits = 0;
    while (!result.is_complete() && !coder_.failed()) {
      const bool is_first = result.end == result.least;
      int of_octave = map.detail_bits[static_cast<size_t>(result.end)];
      bool is_same = !is_first && of_octave == detail_bits;
      if (!is_first) coder_.Bit(same, is_same);
      if (!is_same) Uniform(kMaxCoarseDetailBits + 1, of_octave);
      if (!is_same) detail_bits = of_octave;
      Check(detail_bits <= mantissa_bits);
      result.AddOctave(std::min(detail_bits, mantissa_bits));
    }
    return result;
  }

  void CodeExact(CoarseMap& map) {
    int count = static_cast<int>(map.num_exact);
    Uniform(static_cast<int>(kMaxCoarseExact) + 1, count);
    map.num_exact = static_cast<size_t>(count);
    for (size_t e = 0; e < map.num_exact; ++e) {
      CoarseExact& exact = map.exact[e];
      int32_t code = exact.code;
      Ranged(0, 255, code);
      bool is_new = code != map.zero && code != map.escape();
      for (size_t other = 0; other < e; ++other) is_new = is_new && code != map.exact[other].code;
      Check(is_new);
      if (coder_.failed()) return;
      exact.code = static_cast<uint8_t>(code);
      const CoarseMap::Step step = map.StepOf(code);
      uint32_t detail = exact.sample >> (has_low_ ? 16 : 0) & ((1u << step.detail_bits) - 1);
      uint32_t low = exact.sample & 0xffff;
      CodeDirect(coder_, step.detail_bits, detail);
      if (has_low_) CodeDirect(coder_, 16, low);
      exact.sample = step.upper | detail;
      if (has_low_) exact.sample = exact.sample << 16 | low;
    }
  }

  void CodeIsBytes() {
    bool is_bytes = model_.bytes.has_value();
    CodeFlag(coder_, is_bytes);
    if (is_bytes && !model_.bytes) model_.bytes.emplace();
    model_.has_intervals = model_.has_intervals || is_bytes;
  }

  void CodeByteTaps(ByteTaps& taps) {
    bool is_weighted = taps.activity.has_value();
    CodeFlag(coder_, is_weighted);
    CodeMeans();
    Check(is_weighted || !model_.sends_means);
    CodeByteWeights(taps.value);
    if (is_weighted) {
      if (!taps.activity) taps.activity.emplace();
      CodeByteWeights(*taps.activity);
      CodeTerms();
      if (any_terms_) Uniform(kMaxInnovationBits + 1, model_.innovation_bits);
    }
    Ranged(0, 255, model_.position_base);
  }

  void CodeByteWeights(ByteWeights& weights) {
    int32_t positive = 0, negative = 0;
    for (int32_t& weight : weights.weight) {
      Signed(tap_weight_, kMaxByteWeights, weight);
      (weight < 0 ? negative : positive) += weight;
    }
    Check(positive <= kMaxByteWeights && negative >= -kMaxByteWeights);
    if (coder_.failed()) weights.weight = {};
    const ByteBaseRange range = BaseRangeOf(weights);
    Signed(unit_weight_, INT16_MAX + 1, weights.base);
    Check(weights.base >= range.low && weights.base <= range.high);
    weights.base = std::clamp(weights.base, range.low, range.high);
  }

  void CodeTaps() {
    CodeFlag(coder_, model_.interlaced);
    bool six_taps = model_.num_taps == 6;
    if (!model_.interlaced) CodeFlag(coder_, six_taps);
    model_.num_taps = six_taps || model_.interlaced ? 6 : 3;
  }

  void CodeHead() {
    if (!model_.bytes) CodeTaps();
    int group = model_.group_planes - 1;
    Uniform(shape_.planes, group);
    model_.group_planes = group + 1;
    Check(
        CanBeLaneGroups(shape_.planes, model_.interlaced ? (shape_.width + 1) / 2 : shape_.width, model_.group_planes));
    if (IsNarrow(kind_)) {
      model_.table_bits = kNarrowTableBits;
      if (!model_.bytes) {
        CodeFlag(coder_, model_.has_intervals);
        Check(!model_.has_intervals || !model_.has_fillers(shape_.width));
        Ranged(0, 255, model_.low_code);
        Ranged(model_.low_code, 255, model_.high_code);
      }
    } else {
      int bits = model_.table_bits - kMinLaneTableBits;
      Uniform(kMaxLaneTableBits - kMinLaneTableBits + 1, bits);
      model_.table_bits = bits + kMinLaneTableBits;
      if (IsFloat(kind_)) {
        Ranged(SampleMap::MinBaseExponent(kind_), SampleMap::MaxBaseExponent(kind_), model_.base_exponent);
        CodeFlag(coder_, model_.has_escape);
      }
      const SampleMap map(kind_, model_.base_exponent);
      Ranged(map.MinCode(), map.MaxCode(), model_.low_code);
      Ranged(model_.low_code, map.MaxCode(), model_.high_code);
      Uniform(16, model_.shift);
      Ranged(-100, 100, model_.unit_exponent);
    }
    CodeFlag(coder_, model_.has_mode);
    if (model_.has_mode) Ranged(model_.low_code, model_.high_code, model_.mode_code);
    if (has_low_) CodeExactHalves();
  }

  void CodeExactHalves() {
    int count = static_cast<int>(model_.exact.size());
    Uniform(static_cast<int>(ExactHalves::kMax) + 1, count);
    model_.exact.resize(static_cast<size_t>(std::min(count, static_cast<int>(ExactHalves::kMax))));
    for (size_t i = 0; i < model_.exact.size(); ++i) {
      LaneExact& exact = model_.exact[i];
      Ranged(model_.low_code, model_.high_code, exact.code);
      for (size_t other = 0; other < i; ++other) Check(exact.code != model_.exact[other].code);
      uint32_t low = exact.low;
      CodeDirect(coder_, 16, low);
      exact.low = static_cast<uint16_t>(low);
    }
  }

  void CodeMeans() {
    CodeFlag(coder_, model_.sends_means);
    Ranged(0, model_.bytes ? 255 : kMaxLaneErrorPrior, model_.error_prior);
    Ranged(model_.low_code, model_.high_code, model_.mean);
    if (!model_.sends_means) {
      for (LanePlane& plane : model_.planes) plane.mean = model_.mean;
      return;
    }
    // In steps that give the range of codes eight bits.
    const int drop = LaneMeanDrop(model_);
    const int64_t steps = (int64_t{model_.high_code} - model_.low_code) >> drop;
    AdaptiveSigned state;
    int64_t previous = (int64_t{model_.mean} - model_.low_code) >> drop;
    for (LanePlane& plane : model_.planes) {
      int32_t difference = static_cast<int32_t>(((int64_t{plane.mean} - model_.low_code) >> drop) - previous);
      CodeSigned(coder_, state, difference);
      const int64_t step = previous + difference;
      Check(step >= 0 && step <= steps);
      previous = std::clamp<int64_t>(step, 0, steps);
      plane.mean = static_cast<int32_t>(model_.low_code + (previous << drop));
    }
  }

  static int LaneMeanDrop(const LaneModel& model) {
    return std::max(0, BitWidth(static_cast<uint32_t>(model.high_code - model.low_code)) - 8);
  }

  void CodeSpatial(LaneTapWeights& weights) {
    for (int i = 0; i < model_.num_taps; ++i)
      Signed(tap_weight_, kMaxLaneTapWeight, weights.tap[static_cast<size_t>(i)]);
    Signed(unit_weight_, kMaxLaneUnitWeight, weights.unit);
  }

  void CodeSigma(LaneSigmaWeights& weights) {
    for (int32_t& weight : weights.error) Signed(sigma_weight_, kMaxLaneSigmaWeight, weight);
    Signed(sigma_weight_, kMaxLaneSigmaWeight, weights.range);
    Signed(sigma_weight_, kMaxLaneSigmaWeight, weights.unit);
    if (any_terms_) Signed(sigma_weight_, kMaxLaneSigmaWeight, weights.reference);
  }

  void CodeTerms() {
    CodeFlag(coder_, any_terms_);
    if (!any_terms_) return;
    AdaptiveNumber count_state;
    for (int p = 0; p < shape_.planes; ++p) {
      LanePlane& plane = model_.planes[static_cast<size_t>(p)];
      const int begin = model_.GroupBegin(p);
      uint32_t count = static_cast<uint32_t>(plane.references.size());
      const size_t most = model_.bytes ? kMaxByteReferences : kMaxLaneReferences;
      if (begin > 0 && model_.bytes) CodeUniform(coder_, static_cast<uint32_t>(most + 1), count);
      if (begin > 0 && !model_.bytes) CodeNumber(coder_, count_state, count);
      Check(count <= most);
      plane.references.resize(begin > 0 ? std::min<size_t>(count, most) : 0);
      for (LaneReference& reference : plane.references) {
        CodeReference(same_channel_[static_cast<size_t>(p)], begin, reference.plane);
        if (model_.bytes) {  // adaptive bits would save little for their time
          Ranged(-kMaxBytePairWeight, kMaxBytePairWeight, reference.weight);
        } else {
          Signed(reference_weight_, kMaxLaneTermWeight, reference.weight);
        }
      }
      if (model_.bytes) {
        if (!plane.references.empty()) coder_.Bit(coarse_weights_state_, plane.has_coarse_weights);
        CheckPairs(plane.references);
      } else {
        Signed(plane_unit_weight_, kMaxLaneUnitWeight, plane.unit);
        CodeOwnTaps(plane);
      }
      if (coder_.failed()) return;
    }
  }

  void CheckPairs(const std::vector<LaneReference>& references) {
    for (size_t r = 0; r + 1 < references.size(); r += 2) {
      Check(std::abs(references[r].weight) + std::abs(references[r + 1].weight) <= kMaxBytePairWeight);
    }
  }

  void CodeReference(int same_channel, int end, int& plane) {
    const bool can_be_same = same_channel >= 0 && same_channel < end;
    bool is_same = Coder::kEncodes && plane == same_channel;
    if (can_be_same) coder_.Bit(same_channel_state_, is_same);
    if (can_be_same && is_same) {
      plane = same_channel;
    } else {
      Uniform(end, plane);
    }
  }

  void CodeOwnTaps(LanePlane& plane) {
    coder_.Bit(own_taps_state_, plane.has_own_taps);
    if (!plane.has_own_taps) return;
    for (size_t c = 0; c < model_.num_classes(); ++c) {
      for (size_t i = 0; i < static_cast<size_t>(model_.num_taps); ++i) {
        int32_t weight = plane.own[c][i];
        bool is_used = weight != 0;
        coder_.Bit(own_tap_state_[c][i], is_used);
        if (is_used) Signed(own_weight_, kMaxLaneTermWeight, weight);
        plane.own[c][i] = static_cast<int16_t>(is_used ? weight : 0);
      }
    }
  }

  void CodeBinScales() {
    constexpr int32_t kBaseLimit = 1 << 17;
    Ranged(-kBaseLimit, kBaseLimit, model_.position_base);
    Uniform(16, model_.position_shift);
    Ranged(-kBaseLimit, kBaseLimit, model_.activity_base);
    if (IsNarrow(kind_)) Uniform(8, model_.activity_shift);
  }

  void CodeThresholds(std::vector<uint8_t>& thresholds) {
    int count = static_cast<int>(thresholds.size());
    Uniform(static_cast<int>(kMaxLaneBins), count);
    thresholds.resize(static_cast<size_t>(count));
    AdaptiveNumber step;
    const uint32_t last = model_.bytes ? kNumByteThresholds - 1 : 254;
    uint32_t least = 0;
    for (uint8_t& threshold : thresholds) {
      const uint32_t number = model_.bytes ? ByteThresholdNumber(threshold) : threshold;
      uint32_t above = number - least;
      CodeNumber(coder_, step, above);
      Check(least + uint64_t{above} <= last);
      const uint32_t coded = static_cast<uint32_t>(std::min<uint64_t>(last, least + uint64_t{above}));
      threshold = model_.bytes ? ByteThreshold(coded) : static_cast<uint8_t>(coded);
      least = std::min(coded + 1, last);
    }
  }

  void CodeCells() {
    const size_t rows = model_.position_bins(), columns = model_.activity_bins();
    CodeClusterMap(coder_, rows * columns, columns, model_.cluster, model_.tables);
    model_.fixed_center.resize(rows * columns);
    model_.center.resize(rows);
    bool any_fixed =
        std::find(model_.fixed_center.begin(), model_.fixed_center.end(), true) != model_.fixed_center.end();
    if (!model_.bytes || model_.bytes->activity) CodeFlag(coder_, any_fixed);
    if (!any_fixed) return;
    std::array<AdaptiveBit, 4> fixed_state;
    for (size_t cell = 0; cell < rows * columns; ++cell) {
      const size_t left = cell % columns > 0 && model_.fixed_center[cell - 1] ? 1 : 0;
      const size_t up = cell >= columns && model_.fixed_center[cell - columns] ? 2 : 0;
      bool fixed = model_.fixed_center[cell];
      coder_.Bit(fixed_state[left + up], fixed);
      model_.fixed_center[cell] = fixed;
    }
    for (int32_t& center : model_.center) {
      center = std::clamp(center, model_.low_code, model_.high_code);
      Ranged(model_.low_code, model_.high_code, center);
    }
  }

  void CodeIntervals() {
    Check(model_.tables.size() <= kMaxIntervalContexts);
    if (coder_.failed()) return;
    model_.intervals.resize(model_.tables.size());
    IntervalStates states;
    for (std::vector<Interval>& intervals : model_.intervals) {
      CodedIntervals coded{states, intervals};
      if (model_.has_mode) CodeInterval({.is_mode = true}, states.mode, coded);
      CodeInterval({.raw_bits = 8}, states.all, coded);
      CodeNode(0, -128, coded);
      Check(coded.sum == kIntervalSlots && (!Coder::kEncodes || coded.next == intervals.size()));
      if (coder_.failed()) return;
      intervals = std::move(coded.intervals);
    }
  }

  struct IntervalStates {
    AdaptiveByte mode, all;
    std::array<AdaptiveByte, 9> leaf;
    std::array<AdaptiveBit, 8> split;
  };
  // Of a cluster.
  struct CodedIntervals {
    IntervalStates& states;
    const std::vector<Interval>& given;  // to the encoder
    size_t next = 0;                     // of these, the first that was not coded
    std::vector<Interval> intervals = {};
    uint32_t sum = 0;  // of their frequencies
  };

  // The frequency of an interval, or 0 if there is none.
  void CodeInterval(Interval interval, AdaptiveByte& state, CodedIntervals& coded) {
    uint32_t frequency = 0;
    if (Coder::kEncodes && coded.next < coded.given.size()) {
      const Interval& next = coded.given[coded.next];
      if (next.base == interval.base && next.raw_bits == interval.raw_bits && next.is_mode == interval.is_mode) {
        frequency = next.frequency;
        ++coded.next;
      }
    }
    CodeByte(coder_, state, frequency);
    if (frequency == 0) return;
    Check(coded.intervals.size() < kMaxIntervals && coded.sum + frequency <= kIntervalSlots);
    if (coder_.failed()) return;
    coded.sum += frequency;
    interval.frequency = static_cast<uint8_t>(frequency);
    coded.intervals.push_back(interval);
  }

  // Residuals from `first` on: their halves, or one interval.
  void CodeNode(size_t depth, int first, CodedIntervals& coded) {
    if (coder_.failed()) return;
    const int half = 128 >> depth;
    bool is_split = false;
    if (Coder::kEncodes && coded.next < coded.given.size()) {
      const Interval& next = coded.given[coded.next];
      is_split = next.raw_bits < 8 - depth && static_cast<int8_t>(next.base) < first + 2 * half;
    }
    if (depth < 8) coder_.Bit(coded.states.split[depth], is_split);
    if (depth < 8 && is_split) {
      CodeNode(depth + 1, first, coded);
      CodeNode(depth + 1, first + half, coded);
      return;
    }
    CodeInterval({.base = static_cast<uint8_t>(first), .raw_bits = static_cast<uint8_t>(8 - depth)},
                 coded.states.leaf[depth], coded);
  }

  Coder& coder_;
  bool has_low_;
  SampleKind kind_;
  SetShape shape_;
  const std::vector<int>& same_channel_;
  LaneModel& model_;

  bool any_terms_ = model_.has_terms();
  AdaptiveSigned tap_weight_, unit_weight_, sigma_weight_, reference_weight_, plane_unit_weight_, own_weight_;
  AdaptiveBit same_channel_state_, own_taps_state_, coarse_weights_state_;
  std::array<std::array<AdaptiveBit, kLaneTapsOfClass>, kLaneClasses> own_tap_state_;
};

}  // namespace

void EncodeLaneModel(RangeEncoder& coder, SampleKind kind, const SetShape& shape, const std::vector<int>& same_channel,
                     LaneModel& model) {
  LaneModelCoder<RangeEncoder>(coder, kind, shape, same_channel, model).Run();
}

LaneModel DecodeLaneModel(RangeDecoder& coder, SampleKind kind, const SetShape& shape,
                          const std::vector<int>& same_channel) {
  LaneModel model;
  model.planes.resize(static_cast<size_t>(shape.planes));
  LaneModelCoder<RangeDecoder>(coder, kind, shape, same_channel, model).Run();
  return model;
}

}  // namespace dcac
