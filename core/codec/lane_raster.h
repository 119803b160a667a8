// The raster of one group of planes after another: where samples are, and the parameters of the model by column
// (docs/format-lanes.md).
#ifndef DCAC_CORE_CODEC_LANE_RASTER_H_
#define DCAC_CORE_CODEC_LANE_RASTER_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/base/exact_math.h"
#include "core/base/scratch.h"
#include "core/codec/arithmetic.h"
#include "core/codec/lane_model.h"

namespace dcac {

// From parameters to the arithmetic of the kernels.
template <typename Lanes>
class LaneArithmetic;

template <>
class LaneArithmetic<NarrowLanes> {
 public:
  using Value = int16_t;

  LaneArithmetic(const SampleMap&, const LaneModel&) {}

  static Value ValueOf(int32_t code) { return static_cast<Value>(code << 6); }
  static Value TapWeight(int32_t weight) { return static_cast<Value>(weight << (13 - kLaneTapBits)); }
  static Value TermWeight(int32_t weight) { return static_cast<Value>(weight << (13 - kLaneTermBits)); }
  static Value SigmaWeight(int32_t weight) { return static_cast<Value>(weight << (13 - kLaneSigmaBits)); }
  // Sixteenths of a step.
  static Value Unit(int32_t weight) { return static_cast<Value>(weight * 2); }
  static Value SigmaUnit(int32_t weight) { return static_cast<Value>(weight); }
  static Value ErrorPrior(int32_t quarters) { return static_cast<Value>(quarters * 16); }
  static Value Share(size_t count) { return static_cast<Value>(32767 / count); }
  // What a mean adds that has the weight 1 - weight_sum / 2^kLaneTapBits.
  static Value MeanPart(int32_t mean, int32_t weight_sum) {
    return static_cast<Value>((mean * ((1 << kLaneTapBits) - weight_sum) * 16 + (1 << (kLaneTapBits - 1))) >>
                              kLaneTapBits);
  }
  static Value Add(Value a, Value b) { return static_cast<Value>(static_cast<uint16_t>(a + b)); }
};

template <>
class LaneArithmetic<ByteLanes> {
 public:
  static int16_t TermWeight(int32_t weight) { return static_cast<int16_t>(weight); }
};

template <>
class LaneArithmetic<WideLanes> {
 public:
  using Value = float;

  LaneArithmetic(const SampleMap& map, const LaneModel& model) : map_(map), unit_(PowerOfTwo(model.unit_exponent)) {}

  Value ValueOf(int32_t code) const { return map_.ToValue(code); }
  static Value TapWeight(int32_t weight) { return static_cast<float>(weight) * PowerOfTwo(-kLaneTapBits); }
  static Value TermWeight(int32_t weight) { return static_cast<float>(weight) * PowerOfTwo(-kLaneTermBits); }
  static Value SigmaWeight(int32_t weight) { return static_cast<float>(weight) * PowerOfTwo(-kLaneSigmaBits); }
  Value Unit(int32_t weight) const { return static_cast<float>(weight) * PowerOfTwo(-3) * unit_; }
  Value SigmaUnit(int32_t weight) const { return static_cast<float>(weight) * PowerOfTwo(-4) * unit_; }
  Value ErrorPrior(int32_t quarters) const { return static_cast<float>(quarters) * PowerOfTwo(-2) * unit_; }
  static Value Share(size_t count) { return 1.0f / static_cast<float>(count); }
  Value MeanPart(int32_t mean, int32_t weight_sum) const {
    return TapWeight((1 << kLaneTapBits) - weight_sum) * ValueOf(mean);
  }
  static Value Add(Value a, Value b) { return a + b; }

 private:
  SampleMap map_;
  float unit_;
};

// Distances of the taps of a raster of `columns`; those of a raster that is not interlaced are its taps in order.
inline std::array<size_t, kMaxLaneTaps> TapDistances(bool interlaced, size_t v) {
  if (!interlaced) return {v, v + 1, v - 1, 2 * v, v + 2, v - 2};
  return {v, v + 1, v - 1, 2 * v, 2 * v + 1, 2 * v - 1, 3 * v, 3 * v - 1, 4 * v};
}

// A tap `dx` columns of the plane away, at one of the distances; in columns where that is outside of the plane, at
// another one.
struct LaneTap {
  int dx;
  uint8_t distance, outside;
};
inline constexpr std::array<LaneTap, kLaneTapsOfClass> kRasterTaps = {
    {{0, 0, 0}, {-1, 1, 0}, {1, 2, 0}, {0, 3, 3}, {-2, 4, 0}, {2, 5, 0}}};  // N NW NE NN, two to the left and right of
                                                                            // N
inline constexpr std::array<std::array<LaneTap, kLaneTapsOfClass>, kLaneClasses> kInterlacedTaps = {
    {{{{0, 3, 3}, {-1, 1, 3}, {1, 0, 3}, {0, 8, 8}, {-2, 4, 3}, {2, 5, 3}}},    // even: N NW NE NN, two from N
     {{{-1, 0, 0}, {1, 2, 0}, {0, 3, 3}, {-1, 6, 3}, {1, 7, 3}, {0, 8, 8}}}}};  // odd: W E N NW NE NN

// Index of the distance of tap t, of class c, in raster column x of a plane of `width` columns.
inline size_t TapDistanceIndex(bool interlaced, size_t c, size_t t, size_t x, size_t width) {
  const LaneTap& tap = interlaced ? kInterlacedTaps[c][t] : kRasterTaps[t];
  const int at = static_cast<int>(x) * (interlaced ? 2 : 1) + static_cast<int>(c) + tap.dx;
  return at >= 0 && at < static_cast<int>(width) ? tap.distance : tap.outside;
}

// Buffers that all groups share.
template <typename Value>
struct LaneScratch {
  Scratch<Value> columns, value, error, reference, activity, innovations;
  Scratch<int16_t> bases, reference_sums;  // of byte lanes
  Scratch<uint8_t> bytes, fillers;
  Scratch<int32_t> codes;
  Scratch<uint16_t> samples, upper;
};

// Continues the row of `columns` values before `value` backwards, for `above` values in all.
template <typename Value>
void RepeatRowAbove(Value* value, size_t columns, size_t above) {
  for (size_t set = columns; set < above;) {
    const size_t count = std::min(columns, above - set);
    set += count;
    std::copy_n(value - set + columns, count, value - set);
  }
}

template <typename Lanes>
class LaneRaster {
 public:
  using Value = typename Lanes::Value;

  LaneRaster(const SampleMap& map, const SetShape& shape, const LaneModel& model, LaneScratch<Value>& scratch)
      : arithmetic_(map, model), shape_(shape), model_(model), scratch_(scratch) {
    const size_t halves = model.interlaced ? 2 : 1;
    plane_columns_ = (static_cast<size_t>(shape.width) + halves - 1) / halves;
    rows_ = static_cast<size_t>(shape.height) * halves;
    planes_are_alike_ = !model.sends_means && !model.has_terms();
    group_.num_taps = model.interlaced ? kMaxLaneTaps : static_cast<size_t>(model.num_taps);
    if constexpr (!std::is_same_v<Lanes, NarrowLanes>) return;  // wide kernels always keep them
    group_.has_errors = std::any_of(model.sigma.begin(), model.sigma.end(), [](const LaneSigmaWeights& sigma) {
      return std::any_of(sigma.error.begin(), sigma.error.end(), [](int32_t weight) { return weight != 0; });
    });
  }

  // The group whose first plane is `first`; its values are not set, its reference part is that of no references.
  void Begin(int first) {
    const int planes = std::min(model_.group_planes, shape_.planes - first);
    first_ = first;
    const bool is_new = planes != planes_;
    if (is_new) SetColumns(planes);
    if (is_new || !planes_are_alike_) SetPlanes();
  }

  LaneGroup<Lanes>& group() { return group_; }
  const LaneGroup<Lanes>& group() const { return group_; }
  int first() const { return first_; }
  int planes() const { return planes_; }
  size_t rows() const { return rows_; }
  size_t plane_columns() const { return plane_columns_; }  // of a raster row
  size_t width() const { return static_cast<size_t>(shape_.width); }
  Value* reference() { return reference_; }  // of the group, to be filled
  Value* reference_activity() { return reference_activity_; }
  // Whether the odd rows of an interlaced raster end with a column that stands for no sample.
  bool has_fillers() const { return model_.interlaced && shape_.width % 2 != 0; }
  // Where a position that is no filler has its sample: a plane of the group, and its place there.
  struct Place {
    size_t plane, sample;
  };
  Place PlaceOf(size_t position) const {
    const size_t columns = group_.columns, row = position / columns, column = position % columns;
    const size_t x = column % plane_columns_, width = static_cast<size_t>(shape_.width);
    return {column / plane_columns_, model_.interlaced ? row / 2 * width + 2 * x + row % 2 : row * width + x};
  }

  bool IsFiller(size_t position) const {
    return group_.filler != nullptr && group_.filler[position % group_.period] != 0;
  }
  const LaneArithmetic<Lanes>& arithmetic() const { return arithmetic_; }

 private:
  size_t ColumnsOf(int planes) const { return static_cast<size_t>(planes) * plane_columns_; }

  // What depends on the number of planes only.
  void SetColumns(int planes) {
    planes_ = planes;
    const size_t v = ColumnsOf(planes);
    group_.columns = v;
    group_.positions = v * rows_;
    group_.period = model_.interlaced ? 2 * v : v;
    group_.step = std::min<size_t>(kRansLanes, v - 2);
    group_.tap_distance = TapDistances(model_.interlaced, v);
    group_.error_distance = {v, v + 1, v - 1, 2 * v};
    constexpr size_t kVector = kScratchAlignment / sizeof(Value);  // rows that are whole vectors are aligned to them
    stride_ = (group_.period + kRansLanes + kVector - 1) / kVector * kVector;
    Value* next = scratch_.columns.Get(stride_ * (2 * kMaxLaneTaps + kLaneErrors + 5));
    const auto take = [&] {
      Value* array = next;
      next += stride_;
      return array;
    };
    base_ = take();
    for (auto& weight : weights_) weight = take();
    own_base_ = take();
    for (auto& weight : own_weights_) weight = take();
    activity_base_ = take();
    for (auto& weight : error_weights_) weight = take();
    range_weights_ = take();
    reference_weights_ = take();
    for (size_t c = 0; c < model_.num_classes(); ++c) {
      SetClass(c);
      SetSideTaps(c);
    }
    for (Value* weight : own_weights_) std::fill_n(weight, stride_, Value{});
    for (size_t t = 0; t < group_.num_taps; ++t) Repeat(weights_[t]);
    for (Value* weight : error_weights_) Repeat(weight);
    for (Value* array : {range_weights_, reference_weights_, activity_base_}) Repeat(array);
    group_.spatial = base_;
    group_.own = own_base_;
    group_.sigma = activity_base_;
    group_.weight_stride = stride_;
    SetFillers();
    above_ = (4 * v + 16 + kRansLanes - 1) / kRansLanes * kRansLanes;  // steps are aligned
    const size_t room = above_ + group_.positions + 2 * kRansLanes;
    group_.value = scratch_.value.Get(room) + above_;
    group_.error = scratch_.error.Get(room) + above_;
    reference_ = scratch_.reference.Get(room);
    reference_activity_ = scratch_.activity.Get(room);
    group_.reference = reference_;
    group_.reference_activity = reference_activity_;
    std::fill(group_.error - above_, group_.error, arithmetic_.ErrorPrior(model_.error_prior));
  }

  // The columns of a class: weights of all planes.
  void SetClass(size_t c) {
    const size_t begin = c * group_.columns;
    for (size_t x = 0; x < plane_columns_; ++x) {
      AddTaps(model_.spatial[c].tap, c, x, begin + x, LaneArithmetic<Lanes>::TapWeight, weights_);
    }
    for (size_t t = 0; t < group_.num_taps; ++t) {
      Value* const of_plane = weights_[t] + begin;
      for (int g = 1; g < planes_; ++g) std::copy_n(of_plane, plane_columns_, of_plane + ColumnsOf(g));
    }
    const LaneSigmaWeights& sigma = model_.sigma[c];
    const auto fill = [&](Value* array, Value value) { std::fill_n(array + begin, group_.columns, value); };
    for (size_t t = 0; t < kLaneErrors; ++t) fill(error_weights_[t], arithmetic_.SigmaWeight(sigma.error[t]));
    fill(range_weights_, arithmetic_.SigmaWeight(sigma.range));
    fill(reference_weights_, arithmetic_.SigmaWeight(sigma.reference));
    fill(activity_base_, arithmetic_.SigmaUnit(sigma.unit));
  }

  void SetFillers() {
    group_.filler = nullptr;
    if (!has_fillers()) return;
    uint8_t* filler = scratch_.fillers.Get(group_.period + kRansLanes);
    std::fill_n(filler, group_.period, uint8_t{0});
    for (size_t x = plane_columns_ - 1; x < group_.columns; x += plane_columns_) filler[group_.columns + x] = 255;
    for (size_t i = 0; i < kRansLanes; ++i) filler[group_.period + i] = filler[i % group_.period];
    group_.filler = filler;
  }

  // Taps that are elsewhere in some columns than in most, for they would be beyond the sides of the plane.
  void SetSideTaps(size_t c) {
    side_taps_[c].clear();
    for (size_t t = 0; t < static_cast<size_t>(model_.num_taps); ++t) {
      for (size_t x = 0; x < plane_columns_; ++x) {
        const size_t distance = TapDistanceIndex(model_.interlaced, c, t, x, static_cast<size_t>(shape_.width));
        if (distance != InnerDistance(c, t)) side_taps_[c].push_back({t, x, distance});
      }
    }
  }

  // What depends on the planes: means, own weights, the rows above the first.
  void SetPlanes() {
    group_.has_own_weights = false;
    group_.has_references = false;
    for (int g = 0; g < planes_; ++g) {
      group_.has_own_weights = group_.has_own_weights || PlaneAt(g).has_own_taps;
      group_.has_references = group_.has_references || PlaneAt(g).has_terms();
    }
    std::array<int32_t, kLaneClasses> sums{};
    for (size_t c = 0; c < model_.num_classes(); ++c) sums[c] = SumOf(model_.spatial[c].tap, model_.num_taps);
    for (size_t c = 0; c < model_.num_classes(); ++c) {
      for (int g = 0; g < planes_; ++g) {
        const size_t begin = c * group_.columns + static_cast<size_t>(g) * plane_columns_;
        const LanePlane& plane = PlaneAt(g);
        const Value base =
            arithmetic_.Add(arithmetic_.MeanPart(plane.mean, sums[c]), arithmetic_.Unit(model_.spatial[c].unit));
        FillColumns(base_ + begin, base);
        if (group_.has_own_weights) SetOwnWeights(plane, c, begin);
      }
    }
    Repeat(base_);
    if (group_.has_own_weights) {
      Repeat(own_base_);
      for (size_t t = 0; t < group_.num_taps; ++t) Repeat(own_weights_[t]);
    }
    SetRowsAbove();
  }

  // Rows of means above the first, from the position before it backwards.
  void SetRowsAbove() {
    Value* const row = group_.value - group_.columns;
    for (int g = 0; g < planes_; ++g) {
      std::fill_n(row + static_cast<size_t>(g) * plane_columns_, plane_columns_, arithmetic_.ValueOf(PlaneAt(g).mean));
    }
    RepeatRowAbove(group_.value, group_.columns, above_);
  }

  // Own weights count the taps' differences from the mean.
  void SetOwnWeights(const LanePlane& plane, size_t c, size_t begin) {
    const int32_t sum = SumOf(plane.own[c], model_.num_taps);
    Value mean{};
    if constexpr (std::is_same_v<Lanes, NarrowLanes>) {
      mean = static_cast<Value>((-sum * plane.mean * 16 + (1 << (kLaneTermBits - 1))) >> kLaneTermBits);
    } else {
      mean = arithmetic_.TermWeight(-sum) * arithmetic_.ValueOf(plane.mean);
    }
    FillColumns(own_base_ + begin, mean);
    for (size_t t = 0; t < static_cast<size_t>(model_.num_taps); ++t) {
      FillColumns(own_weights_[InnerDistance(c, t)] + begin, LaneArithmetic<Lanes>::TermWeight(plane.own[c][t]));
    }
    if (!plane.has_own_taps) return;
    for (const SideTap& side : side_taps_[c]) {
      const Value weight = LaneArithmetic<Lanes>::TermWeight(plane.own[c][side.tap]);
      Value& inner = own_weights_[InnerDistance(c, side.tap)][begin + side.column];
      Value& outside = own_weights_[side.distance][begin + side.column];
      inner = static_cast<Value>(inner - weight);
      outside = static_cast<Value>(outside + weight);
    }
  }

  // Sets a plane's columns of an array: in vectors, the last of which overlaps the one before it.
  void FillColumns(Value* columns, Value value) const {
    constexpr size_t kAtOnce = 16 / sizeof(Value);
    if (plane_columns_ < kAtOnce) {
      std::fill_n(columns, plane_columns_, value);
      return;
    }
    const size_t last = plane_columns_ - kAtOnce;
    for (size_t x = 0; x < last; x += kAtOnce) std::fill_n(columns + x, kAtOnce, value);
    std::fill_n(columns + last, kAtOnce, value);
  }

  size_t InnerDistance(size_t c, size_t t) const {
    return model_.interlaced ? kInterlacedTaps[c][t].distance : kRasterTaps[t].distance;
  }

  template <typename Weight>
  static int32_t SumOf(const std::array<Weight, kLaneTapsOfClass>& weights, int count) {
    int32_t sum = 0;
    for (int t = 0; t < count; ++t) sum += weights[static_cast<size_t>(t)];
    return sum;
  }

  // Adds the weights of the taps of class c in column x of a plane to those of the distances where they are.
  template <typename Weight, typename ToWeight>
  void AddTaps(const std::array<Weight, kLaneTapsOfClass>& taps, size_t c, size_t x, size_t column, ToWeight to_weight,
               std::array<Value*, kMaxLaneTaps>& weights) const {
    std::array<int32_t, kMaxLaneTaps> sums{};
    for (size_t t = 0; t < static_cast<size_t>(model_.num_taps); ++t) {
      sums[TapDistanceIndex(model_.interlaced, c, t, x, static_cast<size_t>(shape_.width))] += taps[t];
    }
    for (size_t t = 0; t < group_.num_taps; ++t) weights[t][column] = to_weight(sums[t]);
  }

  const LanePlane& PlaneAt(int g) const { return model_.planes[static_cast<size_t>(first_ + g)]; }

  // Continues an array of the period periodically.
  void Repeat(Value* array) const {
    for (size_t i = 0; i < kRansLanes; ++i) array[group_.period + i] = array[i];
  }

  LaneArithmetic<Lanes> arithmetic_;
  SetShape shape_;
  const LaneModel& model_;
  LaneScratch<Value>& scratch_;
  LaneGroup<Lanes> group_;
  size_t plane_columns_ = 0, rows_ = 0, stride_ = 0, above_ = 0;
  int first_ = 0, planes_ = 0;
  bool planes_are_alike_ = false;  // but for their samples
  std::array<Value*, kMaxLaneTaps> weights_{}, own_weights_{};
  struct SideTap {
    size_t tap, column, distance;
  };
  std::array<std::vector<SideTap>, kLaneClasses> side_taps_;
  std::array<Value*, kLaneErrors> error_weights_{};
  Value *range_weights_ = nullptr, *reference_weights_ = nullptr, *activity_base_ = nullptr;
  Value *base_ = nullptr, *own_base_ = nullptr;
  Value *reference_ = nullptr, *reference_activity_ = nullptr;
};

// Of byte lanes: groups differ in nothing but their planes and references.
template <>
class LaneRaster<ByteLanes> {
 public:
  using Value = uint8_t;

  LaneRaster(const SampleMap&, const SetShape& shape, const LaneModel& model, LaneScratch<uint8_t>& scratch)
      : shape_(shape), model_(model), scratch_(scratch) {
    group_.taps = *model.bytes;
    group_.innovation_bits = model.innovation_bits;
  }

  // The group whose first plane is `first`; its values are not set.
  void Begin(int first) {
    const int planes = std::min(model_.group_planes, shape_.planes - first);
    first_ = first;
    if (planes != planes_) SetColumns(planes);
    if (model_.bytes->activity) SetPlanes();
  }

  LaneGroup<ByteLanes>& group() { return group_; }
  const LaneGroup<ByteLanes>& group() const { return group_; }
  int first() const { return first_; }
  int planes() const { return planes_; }
  size_t rows() const { return static_cast<size_t>(shape_.height); }
  size_t plane_columns() const { return width(); }
  size_t width() const { return static_cast<size_t>(shape_.width); }
  int16_t* reference() { return reference_; }
  uint8_t* reference_activity() { return reference_activity_; }
  static LaneArithmetic<ByteLanes> arithmetic() { return {}; }

 private:
  void SetColumns(int planes) {
    planes_ = planes;
    const size_t v = static_cast<size_t>(planes) * width();
    group_.columns = group_.period = v;
    group_.positions = v * rows();
    group_.step = std::min<size_t>(kRansLanes, v - 2);
    above_ = (2 * v + 2 + kRansLanes - 1) / kRansLanes * kRansLanes;  // steps are aligned
    const size_t room = above_ + group_.positions + 2 * kRansLanes;
    group_.value = scratch_.value.Get(room) + above_;
    group_.error = scratch_.error.Get(room) + above_;
    std::fill(group_.value - above_, group_.value, static_cast<uint8_t>(model_.mean));
    std::fill(group_.error - above_, group_.error, static_cast<uint8_t>(model_.error_prior));
    if (!model_.bytes->activity) return;
    group_.base = base_ = scratch_.bases.Get(v + kRansLanes);
    group_.reference = reference_ = scratch_.reference_sums.Get(room);
    group_.reference_activity = reference_activity_ = scratch_.activity.Get(room);
  }

  // What depends on the planes.
  void SetPlanes() {
    const ByteBases bases(model_.bytes->value, model_.mean);
    group_.has_references = false;
    for (int g = 0; g < planes_; ++g) {
      const LanePlane& plane = model_.planes[static_cast<size_t>(first_ + g)];
      std::fill_n(base_ + static_cast<size_t>(g) * width(), width(), static_cast<int16_t>(bases.Of(plane.mean)));
      group_.has_references = group_.has_references || plane.has_terms();
    }
    for (size_t i = 0; i < kRansLanes; ++i) base_[group_.columns + i] = base_[i];
    if (model_.sends_means) SetRowsAbove();
  }

  // Rows of means above the first, from the position before it backwards.
  void SetRowsAbove() {
    uint8_t* const row = group_.value - group_.columns;
    for (int g = 0; g < planes_; ++g) {
      std::fill_n(row + static_cast<size_t>(g) * width(), width(),
                  static_cast<uint8_t>(model_.planes[static_cast<size_t>(first_ + g)].mean));
    }
    RepeatRowAbove(group_.value, group_.columns, above_);
  }

  SetShape shape_;
  const LaneModel& model_;
  LaneScratch<uint8_t>& scratch_;
  LaneGroup<ByteLanes> group_;
  int first_ = 0, planes_ = 0;
  size_t above_ = 0;
  int16_t *base_ = nullptr, *reference_ = nullptr;
  uint8_t* reference_activity_ = nullptr;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_RASTER_H_
