#include "core/kernels/lane_group.h"

#include <bit>
#include <cstring>
#include <type_traits>

#include "core/kernels/target.h"
#include "hwy/cache_control.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/lane_group.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h: what follows is compiled for each target.
#include "core/kernels/byte_rans-inl.h"
#include "core/kernels/lane_rans-inl.h"
#include "core/kernels/lane_step-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Products of values and weights.
template <class D>
HWY_INLINE hn::Vec<D> Weighted(D, hn::Vec<D> value, hn::Vec<D> weight) {
  if constexpr (std::is_same_v<hn::TFromD<D>, int16_t>) {
    return hn::MulFixedPoint15(value, weight);
  } else {
    return hn::Mul(value, weight);
  }
}

template <class D>
HWY_INLINE hn::Vec<D> Cut(D, hn::Vec<D> v, hn::Vec<D> low, hn::Vec<D> high) {
  return hn::Min(hn::Max(v, low), high);
}

// What is known of the positions of a step before their tokens.
template <typename Lanes>
struct Step {
  using Value = typename Lanes::Value;
  using Code = typename Lanes::Code;

  alignas(64) Value spatial[kRansLanes];     // cut to the range of values, in units of values
  alignas(64) Value prediction[kRansLanes];  // likewise
  alignas(64) Code center[kRansLanes];       // the code nearest to the prediction
};

// Arrays of LaneGroup::sigma.
constexpr size_t kRangeWeight = kLaneErrors + 1, kReferenceWeight = kLaneErrors + 2;

// Which terms predictions of a group have beside the shared taps: kAll are references and own taps.
enum class Terms { kNone, kReferences, kAll, kAny };

using NarrowTag = StepTag<int16_t>;
using NarrowVec = hn::Vec<NarrowTag>;

// Calls visit with the number of taps and the terms of a group as types.
template <typename Lanes, typename Visit>
HWY_INLINE auto VisitTerms(const LaneGroup<Lanes>& group, Visit visit) {
  const auto with_taps = [&](auto taps) HWY_ATTR {
#if !HWY_IS_ASAN  // with it, code for each takes minutes to compile
    if (!group.has_own_weights && group.has_references) {
      return visit(taps, std::integral_constant<Terms, Terms::kReferences>());
    }
    if (!group.has_own_weights) return visit(taps, std::integral_constant<Terms, Terms::kNone>());
    if (group.has_references) return visit(taps, std::integral_constant<Terms, Terms::kAll>());
#endif
    return visit(taps, std::integral_constant<Terms, Terms::kAny>());
  };
  switch (group.num_taps) {
    case 3:
      return with_taps(std::integral_constant<int, 3>());
    case 6:
      return with_taps(std::integral_constant<int, 6>());
    default:
      return with_taps(std::integral_constant<int, 9>());
  }
}

// The sums of a group's predictions.  They have copies of what they need of the group: compilers cannot know that
// stores leave the originals as they are.
template <typename Lanes, int kTaps, Terms kTerms>
class LaneSums {
 public:
  using Value = typename Lanes::Value;
  using Tag = StepTag<Value>;
  using Vec = hn::Vec<Tag>;

  HWY_INLINE explicit LaneSums(const LaneGroup<Lanes>& group)
      : columns_(group.columns),
        stride_(group.weight_stride),
        value_(group.value),
        error_(group.error),
        spatial_(group.spatial),
        own_(group.own),
        sigma_(group.sigma),
        reference_(group.reference),
        reference_activity_(group.reference_activity),
        has_own_(group.has_own_weights),
        has_references_(group.has_references),
        has_errors_(group.has_errors),
        sigma_base_(SigmaWeight(0, 0)),
        error_weight0_(SigmaWeight(1, 0)),
        error_weight1_(SigmaWeight(2, 0)),
        error_weight2_(SigmaWeight(3, 0)),
        error_weight3_(SigmaWeight(4, 0)),
        range_weight_(SigmaWeight(kRangeWeight, 0)),
        reference_weight_(SigmaWeight(kReferenceWeight, 0)) {}

  // Of a vector of positions.
  struct Values {
    Vec spatial, prediction, range;
  };

  // Positions from p on, of columns from c on.
  HWY_INLINE Values Predict(size_t p, size_t c) const {
    const Value* row = value_ + p - columns_;
    // The first three taps are those of the range, too.
    const Vec here = Load(row), left = Load(row - 1), right = Load(row + 1);
    Vec spatial, prediction;
    if constexpr (kIsNarrow && kTaps == 9) {
      spatial = Load(spatial_ + c);
      SumClasses(c, row, here, left, right, spatial, prediction);
    } else {
      prediction = spatial = Sum(spatial_ + c, row, here, left, right);
      if (HasOwn()) prediction = hn::Add(prediction, Sum(own_ + c, row, here, left, right));
    }
    if (HasReferenceSums()) prediction = hn::Add(prediction, Load(reference_ + p));
    return {spatial, prediction, hn::Sub(hn::Max(hn::Max(left, right), here), hn::Min(hn::Min(left, right), here))};
  }

  // Expected errors, in sixteenths (narrow) or as values (wide); not below 0.
  HWY_INLINE Vec Sigma(size_t p, size_t c, Vec range) const {
    const Value* row = error_ + p - columns_;
    if constexpr (kTaps == 9) c = ColumnOfClass(c);
    Vec sum = SigmaWeight(0, c, sigma_base_);
    if (kIsNarrow || has_errors_) {
      sum = AddProduct(sum, Load(row), SigmaWeight(1, c, error_weight0_));
      sum = AddProduct(sum, Load(row - 1), SigmaWeight(2, c, error_weight1_));
      sum = AddProduct(sum, Load(row + 1), SigmaWeight(3, c, error_weight2_));
      sum = AddProduct(sum, Load(row - columns_), SigmaWeight(4, c, error_weight3_));
    }
    sum = AddProduct(sum, range, SigmaWeight(kRangeWeight, c, range_weight_));
    if (HasReferenceSums()) {
      sum = AddProduct(sum, Load(reference_activity_ + p), SigmaWeight(kReferenceWeight, c, reference_weight_));
    }
    return hn::Max(sum, hn::Zero(Tag()));
  }

 private:
  static constexpr bool kIsNarrow = std::is_same_v<Lanes, NarrowLanes>;

  // Known where code is compiled for the terms; the members count for kAny alone.
  HWY_INLINE bool HasOwn() const { return kTerms == Terms::kAny ? has_own_ : kTerms == Terms::kAll; }
  HWY_INLINE bool HasReferenceSums() const { return kTerms == Terms::kAny ? has_references_ : kTerms != Terms::kNone; }

  static HWY_INLINE Vec Load(const Value* from) { return hn::LoadU(Tag(), from); }
  // sum + v * w.
  static HWY_INLINE Vec AddProduct(Vec sum, Vec v, Vec w) { return hn::Add(sum, Weighted(Tag(), v, w)); }

  // What the weights at `columns` begin with, and the weighted taps; `row`: V positions before.
  HWY_INLINE Vec Sum(const Value* columns, const Value* row, Vec here, Vec left, Vec right) const {
    Vec sum = Load(columns);
    sum = AddProduct(sum, here, Load(columns + stride_));
    sum = AddProduct(sum, left, Load(columns + 2 * stride_));
    sum = AddProduct(sum, right, Load(columns + 3 * stride_));
    if constexpr (kTaps == 3) return sum;
    row -= columns_;
    columns += 4 * stride_;
    sum = AddProduct(sum, Load(row), Load(columns));
    if constexpr (kTaps == 6) {
      row += columns_;
      sum = AddProduct(sum, Load(row - 2), Load(columns + stride_));
      return AddProduct(sum, Load(row + 2), Load(columns + 2 * stride_));
    }
    sum = AddProduct(sum, Load(row - 1), Load(columns + stride_));
    sum = AddProduct(sum, Load(row + 1), Load(columns + 2 * stride_));
    row -= columns_;
    columns += 3 * stride_;
    sum = AddProduct(sum, Load(row), Load(columns));
    sum = AddProduct(sum, Load(row + 1), Load(columns + stride_));
    return AddProduct(sum, Load(row - columns_), Load(columns + 2 * stride_));
  }

  // Adds the taps of interlaced rows, of which each class has six; the weights of the others are 0 there.  `spatial`
  // is what the shared weights begin with.
  HWY_INLINE void SumClasses(size_t c, const Value* row, Vec here, Vec left, Vec right, Vec& spatial,
                             Vec& prediction) const {
    const size_t end = c + hn::Lanes(Tag());
    const bool has_even = c < columns_ || end > 2 * columns_, has_odd = end > columns_;
    Vec own = HasOwn() ? Load(own_ + c) : hn::Zero(Tag());
    const auto add = [&](size_t tap, Vec value) HWY_ATTR __attribute__((always_inline)) {
      const size_t at = (tap + 1) * stride_ + c;
      spatial = AddProduct(spatial, value, Load(spatial_ + at));
      if (HasOwn()) own = AddProduct(own, value, Load(own_ + at));
    };
    const Value* const above = row - columns_;
    add(0, here);
    add(3, Load(above));
    add(8, Load(above - 2 * columns_));
    if (has_even) {
      add(1, left);
      add(4, Load(above - 1));
      add(5, Load(above + 1));
    }
    if (has_odd) {
      const Value* const before = above - columns_;
      add(2, right);
      add(6, Load(before));
      add(7, Load(before + 1));
    }
    prediction = HasOwn() ? hn::Add(spatial, own) : spatial;
  }

  // Columns with the same weights of errors as those of the vector from c on: always the same where they have one
  // class, which takes less of the cache.
  HWY_INLINE size_t ColumnOfClass(size_t c) const {
    const size_t end = c + hn::Lanes(Tag());
    if (end <= columns_) return 0;
    return c >= columns_ && end <= 2 * columns_ ? columns_ : c;
  }
  HWY_INLINE Vec SigmaWeight(size_t k, size_t c) const { return Load(sigma_ + k * stride_ + c); }
  // `of_all`, where all columns have one class.
  HWY_INLINE Vec SigmaWeight(size_t k, size_t c, Vec of_all) const { return kTaps == 9 ? SigmaWeight(k, c) : of_all; }

  size_t columns_, stride_;
  const Value *value_, *error_, *spatial_, *own_, *sigma_, *reference_, *reference_activity_;
  bool has_own_, has_references_, has_errors_;
  // Of the first columns.
  Vec sigma_base_, error_weight0_, error_weight1_, error_weight2_, error_weight3_, range_weight_, reference_weight_;
};

// Sixteenths to what are bytes when cut to 0 .. 255: as they are below 128, above in steps of 16.
HWY_INLINE NarrowVec Compressed(NarrowVec v) {
  const NarrowTag d;
  return hn::Min(v, hn::Add(hn::ShiftRight<4>(v), hn::Set(d, int16_t{120})));
}

// How many vectors of 16-bit numbers one of bytes is made of.
constexpr size_t kHalves = hn::MaxLanes(ByteTag()) / hn::MaxLanes(NarrowTag());

// Numbers cut to 0 .. 255.
HWY_INLINE ByteVec PackHalves(const NarrowVec* HWY_RESTRICT half) {
#if HWY_TARGET == HWY_SCALAR
  return hn::DemoteTo(ByteTag(), half[0]);
#elif HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  const __m512i from = _mm512_set_epi64(7, 5, 3, 1, 6, 4, 2, 0);
  return ByteVec{_mm512_permutexvar_epi64(from, _mm512_packus_epi16(half[0].raw, half[1].raw))};
#elif HWY_TARGET == HWY_AVX2
  return ByteVec{_mm256_permute4x64_epi64(_mm256_packus_epi16(half[0].raw, half[1].raw), 0xd8)};
#else
  const hn::Half<ByteTag> d;
  return hn::Combine(ByteTag(), hn::DemoteTo(d, half[1]), hn::DemoteTo(d, half[0]));
#endif
}

// What is known of the positions that make a vector of bytes, as 16-bit numbers.
struct NarrowSums {
  NarrowVec position[kHalves], activity[kHalves], center[kHalves];
};

// Predicts positions of a narrow group.
template <int kTaps, Terms kTerms>
class NarrowPredictor {
 public:
  HWY_INLINE NarrowPredictor(const LaneTables& tables, const LaneGroup<NarrowLanes>& group)
      : sums_(group),
        has_innovations_(group.has_innovations),
        position_shift_(tables.position_shift),
        activity_shift_(tables.activity_shift),
        low_(hn::Set(NarrowTag(), static_cast<int16_t>(tables.low_code << 4))),
        high_(hn::Set(NarrowTag(), static_cast<int16_t>(tables.high_code << 4))),
        position_base_(hn::Set(NarrowTag(), static_cast<int16_t>(tables.position_base))) {}

  // The vector of positions from p + i on, of columns from c on, in two parts, the second of which needs the range of
  // values that the first one returns.
  HWY_INLINE NarrowVec PredictValues(size_t p, size_t c, size_t i, Step<NarrowLanes>& step, NarrowSums& sums) const {
    const NarrowTag d;
    const size_t half = i / hn::Lanes(d) % kHalves;
    const auto values = sums_.Predict(p + i, c + i);
    sums.position[half] = Compressed(position_shift_.Of(hn::Sub(values.prediction, position_base_)));
    const NarrowVec cut = Cut(d, values.prediction, low_, high_);
    sums.center[half] = hn::ShiftRight<4>(hn::Add(cut, hn::Set(d, int16_t{8})));
    hn::Store(hn::ShiftLeft<2>(cut), d, step.prediction + i);
    if (has_innovations_) hn::Store(hn::ShiftLeft<2>(Cut(d, values.spatial, low_, high_)), d, step.spatial + i);
    return values.range;
  }

  HWY_INLINE void PredictActivity(size_t p, size_t c, size_t i, NarrowVec range, NarrowSums& sums) const {
    const NarrowVec sigma = sums_.Sigma(p + i, c + i, range);
    sums.activity[i / hn::Lanes(NarrowTag()) % kHalves] = Compressed(activity_shift_.Of(sigma));
  }

  HWY_INLINE StepPlace Predict(size_t p, size_t c, Step<NarrowLanes>& step) const {
    StepPlace place;
    NarrowSums sums;
#pragma GCC unroll 8
    for (size_t i = 0; i < kRansLanes; i += hn::MaxLanes(NarrowTag())) {
      PredictActivity(p, c, i, PredictValues(p, c, i, step, sums), sums);
      FinishVector(i, sums, step, place);
    }
    return place;
  }

  // To be called after each vector: those of a vector of bytes become one.
  static HWY_INLINE void FinishVector(size_t i, const NarrowSums& sums, Step<NarrowLanes>& step, StepPlace& place) {
    const size_t next = i + hn::MaxLanes(NarrowTag());
    if (next % hn::MaxLanes(ByteTag()) != 0) return;
    const size_t k = next / hn::MaxLanes(ByteTag()) - 1;
    place.position.part[k] = PackHalves(sums.position);
    place.activity.part[k] = PackHalves(sums.activity);
    hn::Store(PackHalves(sums.center), ByteTag(), step.center + k * hn::MaxLanes(ByteTag()));
  }

 private:
  LaneSums<NarrowLanes, kTaps, kTerms> sums_;
  bool has_innovations_;
  SameShift<NarrowTag> position_shift_, activity_shift_;
  NarrowVec low_, high_, position_base_;
};

constexpr int32_t kValueBase = 64;  // biased exponent of 2^-63, the value of a float's code 1
constexpr int32_t kMaxOctaves = 126;

// Floats of codes; `base`: their least magnitude as bits above those that codes have no room for, less 1.
HWY_INLINE WideVec FloatsOfCodes(WideIntVec code, WideIntVec base, int shift) {
  const WideTag d;
  const WideIntTag di;
  const auto bits =
      hn::Or(hn::ShiftLeftSame(hn::Add(hn::Abs(code), base), shift), hn::And(code, hn::Set(di, INT32_MIN)));
  return hn::BitCast(d, hn::IfThenZeroElse(hn::Eq(code, hn::Zero(di)), bits));
}
HWY_INLINE WideIntVec FloatBase(int mantissa_bits) {
  return hn::Set(WideIntTag(), (kValueBase << mantissa_bits) - 1);
}

HWY_INLINE WideVec ValuesOfCodes(const LaneTables& tables, WideIntVec code) {
  if (!tables.is_float) return hn::ConvertTo(WideTag(), code);
  return FloatsOfCodes(code, FloatBase(tables.mantissa_bits), 23 - tables.mantissa_bits);
}

// What is known of the positions of a wide step before their tokens, as numbers to be cut to bytes.
struct WideSums {
  alignas(64) int32_t position[kRansLanes];
  alignas(64) int32_t activity[kRansLanes];
  alignas(64) float prediction[kRansLanes];  // not cut
  alignas(64) float range[kRansLanes];
};

HWY_INLINE StepPlace PlaceOf(const WideSums& sums) {
  const auto load = [](const int32_t* numbers) {
    return [numbers](size_t i) HWY_ATTR { return hn::Load(WideIntTag(), numbers + i); };
  };
  return {PackWords<uint8_t>(load(sums.position)), PackWords<uint8_t>(load(sums.activity))};
}

// Predicts positions of a wide group.
template <int kTaps, Terms kTerms>
class WidePredictor {
 public:
  HWY_INLINE WidePredictor(const LaneTables& tables, const LaneGroup<WideLanes>& group)
      : sums_(group),
        has_innovations_(group.has_innovations),
        is_float_(tables.is_float),
        mantissa_shift_(23 - tables.mantissa_bits),
        position_shift_(tables.position_shift),
        low_(hn::Set(WideTag(), tables.low)),
        high_(hn::Set(WideTag(), tables.high)),
        low_code_(hn::Set(WideIntTag(), tables.low_code)),
        high_code_(hn::Set(WideIntTag(), tables.high_code)),
        rounding_(hn::Set(WideIntTag(), (3 << mantissa_shift_) / 2 - (kValueBase << 23))),
        max_code_(hn::Set(WideIntTag(), kMaxOctaves << tables.mantissa_bits)),
        position_base_(hn::Set(WideIntTag(), tables.position_base)),
        activity_base_(hn::Set(WideIntTag(), tables.activity_base)) {}

  // Positions from p on, of columns from c on.  In stages, for sums in order take long: while they wait, processors can
  // go on with so many of the next vectors as are near enough.
  HWY_INLINE StepPlace Predict(size_t p, size_t c, Step<WideLanes>& step) const {
    WideSums sums;
    constexpr size_t kVector = hn::MaxLanes(WideTag());
    for (size_t i = 0; i < kRansLanes; i += kVector) PredictValues(p, c, i, step, sums);
    for (size_t i = 0; i < kRansLanes; i += kVector) FindCenters(i, step, sums);
    for (size_t i = 0; i < kRansLanes; i += kVector) PredictActivity(p, c, i, step, sums);
    return PlaceOf(sums);
  }

 private:
  HWY_INLINE void PredictValues(size_t p, size_t c, size_t i, Step<WideLanes>& step, WideSums& sums) const {
    const WideTag d;
    const auto values = sums_.Predict(p + i, c + i);
    hn::Store(values.prediction, d, sums.prediction + i);
    hn::Store(values.range, d, sums.range + i);
    if (has_innovations_) hn::Store(Cut(d, values.spatial, low_, high_), d, step.spatial + i);
  }

  HWY_INLINE void FindCenters(size_t i, Step<WideLanes>& step, WideSums& sums) const {
    const WideTag d;
    const WideIntTag di;
    const WideVec prediction = hn::Load(d, sums.prediction + i);
    const WideIntVec nearest = is_float_ ? NearestFloatCodes(prediction) : NearestIntegers(prediction);
    hn::Store(hn::ShiftRightSame(hn::Sub(nearest, position_base_), position_shift_), di, sums.position + i);
    hn::Store(Cut(di, nearest, low_code_, high_code_), di, step.center + i);
    hn::Store(Cut(d, prediction, low_, high_), d, step.prediction + i);
  }

  // Sixteenths of an octave: of the expected error, for floats relative to the prediction.
  HWY_INLINE void PredictActivity(size_t p, size_t c, size_t i, const Step<WideLanes>& step, WideSums& sums) const {
    const WideTag d;
    const WideIntTag di;
    const WideUintTag du;
    const WideVec sigma = sums_.Sigma(p + i, c + i, hn::Load(d, sums.range + i));
    WideUintVec activity = hn::ShiftRight<19>(hn::BitCast(du, sigma));
    if (is_float_) {
      const WideVec least = hn::Set(d, std::bit_cast<float>(kValueBase << 23));
      const WideVec magnitude = hn::Max(hn::Abs(hn::Load(d, step.prediction + i)), least);
      activity = hn::Sub(activity, hn::And(hn::ShiftRight<19>(hn::BitCast(du, magnitude)), hn::Set(du, ~15u)));
    }
    hn::Store(hn::Sub(hn::BitCast(di, activity), activity_base_), di, sums.activity + i);
  }

  // Codes of floats, as SampleMap has them: 0 below 2^-64, at least 1 from there on.
  HWY_INLINE WideIntVec NearestFloatCodes(WideVec value) const {
    const WideIntTag di;
    const WideIntVec bits = hn::BitCast(di, value);
    const WideIntVec magnitude = hn::And(bits, hn::Set(di, 0x7fffffff));
    const WideIntVec code = hn::ShiftRightSame(hn::Add(magnitude, rounding_), mantissa_shift_);
    const WideIntVec cut = Cut(di, code, hn::Set(di, 1), max_code_);
    const WideIntVec least = hn::Set(di, ((kValueBase - 1) << 23) - 1);
    const WideIntVec sign = hn::BroadcastSignBit(bits);
    return hn::Sub(hn::Xor(hn::IfThenElseZero(hn::Gt(magnitude, least), cut), sign), sign);
  }

  // Ties to even.
  static HWY_INLINE WideIntVec NearestIntegers(WideVec value) {
    const WideTag d;
    const WideIntTag di;
    const WideVec limit = hn::Set(d, 262144.0f), to_integer = hn::Set(d, 12582912.0f);
    return hn::Sub(hn::BitCast(di, hn::Add(Cut(d, value, hn::Neg(limit), limit), to_integer)),
                   hn::BitCast(di, to_integer));
  }

  LaneSums<WideLanes, kTaps, kTerms> sums_;
  bool has_innovations_, is_float_;
  int mantissa_shift_, position_shift_;
  WideVec low_, high_;
  WideIntVec low_code_, high_code_, rounding_, max_code_, position_base_, activity_base_;
};

template <typename Lanes, int kTaps, Terms kTerms>
using Predictor = std::conditional_t<std::is_same_v<Lanes, NarrowLanes>, NarrowPredictor<kTaps, kTerms>,
                                     WidePredictor<kTaps, kTerms>>;

// A single step: who predicts many keeps the predictor.
template <typename Lanes>
HWY_INLINE StepPlace PredictStep(const LaneTables& tables, const LaneGroup<Lanes>& group, size_t p, size_t c,
                                 Step<Lanes>& step) {
  return VisitTerms(group, [&](auto taps, auto terms) HWY_ATTR {
    return Predictor<Lanes, decltype(taps)::value, decltype(terms)::value>(tables, group).Predict(p, c, step);
  });
}

// The centers of position bins in place of those of the step where the context says so, and contexts without that mark.
HWY_INLINE void FixCenters(const LaneTables& tables, const StepBytes& rows, StepBytes& context,
                           uint8_t* HWY_RESTRICT center) {
  const ByteTag d;
#if HWY_TARGET == HWY_SCALAR
  for (size_t i = 0; i < kRansLanes; ++i) {
    if (hn::GetLane(context.part[i]) & kFixedCenter) center[i] = tables.center_byte[hn::GetLane(rows.part[i])];
    context.part[i] = hn::And(context.part[i], hn::Set(d, 0x7f));
  }
#else
  const hn::RebindToSigned<ByteTag> ds;
  for (size_t k = 0; k < kByteVectors; ++k) {
    uint8_t* const centers = center + k * hn::Lanes(d);
    const auto marked = context.part[k];
    const auto is_fixed = hn::RebindMask(d, hn::Lt(hn::BitCast(ds, marked), hn::Zero(ds)));
    const auto fixed = hn::TableLookupBytes(hn::LoadDup128(d, tables.center_byte.data()), rows.part[k]);
    hn::Store(hn::IfThenElse(is_fixed, fixed, hn::Load(d, centers)), d, centers);
    context.part[k] = hn::And(marked, hn::Set(d, 0x7f));
  }
#endif
}

HWY_INLINE void FixCenters(const LaneTables& tables, const StepBytes& row_bytes, StepBytes& context_bytes,
                           int32_t* HWY_RESTRICT center) {
  alignas(64) uint8_t rows[kRansLanes], context[kRansLanes];
  StoreStep(row_bytes, rows);
  StoreStep(context_bytes, context);
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  // One vector holds the centers of all bins.
  static_assert(kMaxLaneBins == hn::MaxLanes(WideIntTag()));
  const __m512i table = _mm512_load_si512(tables.center.data());
  const uint64_t is_fixed = _mm512_movepi8_mask(context_bytes.part[0].raw);
  for (size_t i = 0; i < kRansLanes; i += kMaxLaneBins) {
    const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(rows + i));
    const __mmask16 mask = static_cast<__mmask16>(is_fixed >> i);
    const __m512i fixed =
        _mm512_mask_permutexvar_epi32(_mm512_load_si512(center + i), mask, _mm512_cvtepu8_epi32(bytes), table);
    _mm512_store_si512(center + i, fixed);
  }
#elif HWY_TARGET == HWY_AVX2
  const WideIntTag di;
  const __m256i first = _mm256_load_si256(reinterpret_cast<const __m256i*>(tables.center.data()));
  const __m256i second = _mm256_load_si256(reinterpret_cast<const __m256i*>(tables.center.data() + 8));
  const auto fix = [&](size_t i, __m128i bins, __m128i marks) HWY_ATTR {
    const WideIntVec row{_mm256_cvtepu8_epi32(bins)}, mark{_mm256_cvtepi8_epi32(marks)};
    const WideIntVec below{_mm256_permutevar8x32_epi32(first, row.raw)};  // by the lower three bits of the row
    const WideIntVec above{_mm256_permutevar8x32_epi32(second, row.raw)};
    const WideIntVec fixed = hn::IfThenElse(hn::Lt(row, hn::Set(di, 8)), below, above);
    hn::Store(hn::IfThenElse(hn::Lt(mark, hn::Zero(di)), fixed, hn::Load(di, center + i)), di, center + i);
  };
  for (size_t i = 0; i < kRansLanes; i += 16) {
    const __m128i bins = _mm_load_si128(reinterpret_cast<const __m128i*>(rows + i));
    const __m128i marks = _mm_load_si128(reinterpret_cast<const __m128i*>(context + i));
    fix(i, bins, marks);
    fix(i + 8, _mm_srli_si128(bins, 8), _mm_srli_si128(marks, 8));
  }
#else
  for (size_t i = 0; i < kRansLanes; ++i) {
    const int32_t fixed = tables.center[rows[i]];
    center[i] = context[i] & kFixedCenter ? fixed : center[i];
  }
#endif
  for (ByteVec& part : context_bytes.part) part = hn::And(part, hn::Set(ByteTag(), 0x7f));
}

// Contexts of a step, and its final centers.
template <typename Lanes>
HWY_INLINE StepBytes FindContexts(const LaneTables& tables, const StepPlace& place, Step<Lanes>& step) {
  const StepCells found = FindCells(tables, place);
  StepBytes context =
      tables.context.has_few() ? LookUp<true>(tables.context, found.cells) : LookUp<false>(tables.context, found.cells);
  if (tables.has_fixed_centers) FixCenters(tables, found.rows, context, step.center);
  return context;
}

// Positions that stand for no sample have a context of their own.
HWY_INLINE void MarkFillers(const LaneTables& tables, const uint8_t* HWY_RESTRICT filler, StepBytes& context) {
  const StepBytes fillers = LoadStep(filler);
  for (size_t k = 0; k < kByteVectors; ++k) {
    const auto mask = fillers.part[k], of_filler = hn::Set(ByteTag(), tables.filler_context);
    context.part[k] = hn::Or(hn::AndNot(mask, context.part[k]), hn::And(mask, of_filler));
  }
}

// Values of the codes of a step.
HWY_INLINE void ValuesOfBytes(const StepBytes& codes, NarrowVec* HWY_RESTRICT values) {
  const NarrowTag d;
  for (size_t k = 0; k < kByteVectors; ++k) {
#if HWY_TARGET == HWY_SCALAR
    values[k] = hn::ShiftLeft<6>(hn::PromoteTo(d, codes.part[k]));
#else
    const hn::Half<ByteTag> half;
    values[2 * k] = hn::ShiftLeft<6>(hn::PromoteTo(d, hn::LowerHalf(half, codes.part[k])));
    values[2 * k + 1] = hn::ShiftLeft<6>(hn::PromoteTo(d, hn::UpperHalf(half, codes.part[k])));
#endif
  }
}

// Values of codes.
HWY_INLINE void StoreValues(const LaneTables&, const uint8_t* HWY_RESTRICT codes, int16_t* HWY_RESTRICT values) {
  const StepTag<int16_t> d;
  const hn::Rebind<uint8_t, StepTag<int16_t>> d8;
  for (size_t i = 0; i < kRansLanes; i += hn::Lanes(d)) {
    hn::StoreU(hn::ShiftLeft<6>(hn::PromoteTo(d, hn::LoadU(d8, codes + i))), d, values + i);
  }
}

HWY_INLINE void StoreValues(const LaneTables& tables, const int32_t* HWY_RESTRICT codes, float* HWY_RESTRICT values) {
  const WideTag d;
  const WideIntTag di;
  for (size_t i = 0; i < kRansLanes; i += hn::Lanes(d)) {
    hn::StoreU(ValuesOfCodes(tables, hn::LoadU(di, codes + i)), d, values + i);
  }
}

// Errors and innovations of a step whose values are known.
template <typename Lanes>
HWY_INLINE void StoreErrors(const LaneGroup<Lanes>& group, size_t p, const Step<Lanes>& step) {
  const StepTag<typename Lanes::Value> d;
  for (size_t i = 0; i < kRansLanes; i += hn::Lanes(d)) {
    const auto value = hn::LoadU(d, group.value + p + i);
    if (std::is_same_v<Lanes, NarrowLanes> || group.has_errors) {
      hn::StoreU(hn::Abs(hn::Sub(value, hn::Load(d, step.prediction + i))), d, group.error + p + i);
    }
    if (group.has_innovations) {
      hn::StoreU(hn::Sub(value, hn::Load(d, step.spatial + i)), d, group.innovation + p + i);
    }
  }
}

// Sums of magnitudes, of 16-bit integers up to the greatest.
template <class D>
HWY_INLINE hn::Vec<D> AddMagnitude(D, hn::Vec<D> sum, hn::Vec<D> magnitude) {
  if constexpr (std::is_same_v<hn::TFromD<D>, int16_t>) {
    return hn::SaturatedAdd(sum, magnitude);
  } else {
    return hn::Add(sum, magnitude);
  }
}

// Sums of rows; `kCount`: how many references there are, 0: as many as `references` says.
template <size_t kCount, typename Lanes>
HWY_INLINE void SumRows(const LaneReferences<Lanes>& references, size_t rows, size_t columns) {
  using Value = typename Lanes::Value;
  constexpr size_t kRoom = kCount == 0 ? kMaxLaneReferences : kCount;
  constexpr size_t kRowsAhead = 2;  // rows are too short, and too far apart, to be foreseen
  const StepTag<Value> d;
  const size_t count = kCount == 0 ? references.count : kCount;
  const auto share = hn::Set(d, references.share), unit = hn::Set(d, references.unit);
  // Pointers that stay as they are, and weights that need not be made vectors again, for rows are short.
  const Value* from[kRoom];
  alignas(64) Value weight[kRoom * hn::MaxLanes(d)];
  for (size_t k = 0; k < count; ++k) {
    from[k] = references.innovation[k];
    hn::Store(hn::Set(d, references.weight[k]), d, weight + k * hn::Lanes(d));
  }
  const ptrdiff_t ahead = static_cast<ptrdiff_t>(kRowsAhead * references.innovation_stride);
  Value* HWY_RESTRICT sum_out = references.sum;
  Value* HWY_RESTRICT activity_out = references.activity;
  size_t begin = 0;  // of the row, in the innovations
  for (size_t row = 0; row < rows; ++row) {
    for (size_t next = 0; next < columns; next += hn::Lanes(d)) {  // the last vector overlaps the one before it
      const size_t i = columns < hn::Lanes(d) || next + hn::Lanes(d) <= columns ? next : columns - hn::Lanes(d);
      auto sum = unit, activity = hn::Zero(d);
      for (size_t k = 0; k < count; ++k) {
        const Value* const at = from[k] + begin + i;
        const auto innovation = hn::LoadU(d, at);
        hwy::Prefetch(at + ahead);
        sum = hn::Add(sum, Weighted(d, innovation, hn::Load(d, weight + k * hn::Lanes(d))));
        activity = AddMagnitude(d, activity, hn::Abs(innovation));
      }
      activity = Weighted(d, activity, share);
      if (i + hn::Lanes(d) <= columns) {
        hn::StoreU(sum, d, sum_out + i);
        hn::StoreU(activity, d, activity_out + i);
      } else {
        // Rows of several planes lie side by side.  (BlendedStore stores 16-bit numbers one by one.)
        const auto has_column = hn::FirstN(d, columns - i);
        const auto store = [&](auto v, Value* to)
                               HWY_ATTR { hn::StoreU(hn::IfThenElse(has_column, v, hn::LoadU(d, to)), d, to); };
        store(sum, sum_out + i);
        store(activity, activity_out + i);
      }
    }
    begin += references.innovation_stride;
    sum_out += references.stride;
    activity_out += references.stride;
  }
}

template <typename Lanes>
HWY_INLINE void SumReferences(const LaneReferences<Lanes>& references) {
  size_t rows = references.rows, columns = references.columns;
  if (references.stride == columns && references.innovation_stride == columns) {
    columns *= rows;
    rows = 1;
  }
  switch (references.count) {
    case 1:
      return SumRows<1>(references, rows, columns);
    case 2:
      return SumRows<2>(references, rows, columns);
    case 3:
      return SumRows<3>(references, rows, columns);
    case 4:
      return SumRows<4>(references, rows, columns);
    case 5:
      return SumRows<5>(references, rows, columns);
    case 6:
      return SumRows<6>(references, rows, columns);
    default:
      return SumRows<0>(references, rows, columns);
  }
}

void SumNarrow(const LaneReferences<NarrowLanes>& references) {
  SumReferences(references);
}
void SumWide(const LaneReferences<WideLanes>& references) {
  SumReferences(references);
}

// Likewise of arrays.
HWY_INLINE void TokenStep(const LaneTables& tables, const uint8_t* HWY_RESTRICT codes,
                          const uint8_t* HWY_RESTRICT center, const StepBytes& context, const LaneSymbols& symbols,
                          size_t out) {
  TokenStep(tables, LoadStep(codes), LoadStep(center), context, symbols, out);
}

// Numbers of 16 bits.
HWY_INLINE void StoreHalves(WideIntVec v, uint16_t* HWY_RESTRICT out) {
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_cvtepi32_epi16(v.raw));
#else
  const hn::Rebind<uint16_t, WideTag> d16;
  hn::StoreU(hn::DemoteTo(d16, v), d16, out);
#endif
}

// The same number in each byte.
HWY_INLINE ByteVec EachByte(int number) {
  return hn::Set(ByteTag(), static_cast<uint8_t>(number));
}

// Classes of magnitudes and how many raw bits they have (docs/format.md, "Tokens"), from magnitudes cut to bytes and
// from their octaves: 0 for 0, else four times the exponent, plus the next two bits of the mantissa, plus 1.
struct MagnitudeClasses {
  StepBytes number, raw_bits;
};
HWY_INLINE MagnitudeClasses ClassesOf(const StepBytes& magnitude, const StepBytes& octave) {
  MagnitudeClasses classes;
  for (size_t k = 0; k < kByteVectors; ++k) {
    const auto from_zero = hn::SaturatedSub(octave.part[k], EachByte(1));
    const auto exponent = hn::ShiftRight<2>(from_zero);
    // Of four to the octave, then two, then one: each has the lowest number where it counts.
    const auto fine = hn::SaturatedSub(from_zero, EachByte(4)),
               middle = hn::Add(hn::ShiftRight<1>(from_zero), EachByte(8)), coarse = hn::Add(exponent, EachByte(17));
    const auto of_octave = hn::Min(hn::Min(fine, middle), coarse);
    classes.number.part[k] = hn::Max(hn::Min(magnitude.part[k], EachByte(8)), of_octave);
    const auto one_from = [&](int least) HWY_ATTR {
      return hn::Min(hn::SaturatedSub(exponent, EachByte(least - 1)), EachByte(1));
    };
    const auto finest = hn::SaturatedSub(exponent, EachByte(2));
    classes.raw_bits.part[k] = hn::Add(hn::Add(finest, one_from(6)), one_from(9));
  }
  return classes;
}

// Tokens of the codes of a wide step, and their raw bits.
HWY_INLINE void TokenStep(const LaneTables& tables, const int32_t* HWY_RESTRICT codes,
                          const int32_t* HWY_RESTRICT center, const StepBytes& contexts, const LaneSymbols& symbols,
                          size_t out) {
  const WideTag d;
  const WideIntTag di;
  const ByteTag d8;
  const hn::RebindToSigned<ByteTag> ds8;
  alignas(64) int32_t residual[kRansLanes], magnitude[kRansLanes];
  for (size_t i = 0; i < kRansLanes; i += hn::Lanes(di)) {
    const auto difference = hn::Sub(hn::LoadU(di, codes + i), hn::Load(di, center + i));
    hn::Store(difference, di, residual + i);
    hn::Store(hn::Xor(difference, hn::BroadcastSignBit(difference)), di, magnitude + i);
  }
  const auto shifted = [&, shift = tables.shift](size_t i)
                           HWY_ATTR { return hn::ShiftRightSame(hn::Load(di, magnitude + i), shift); };
  const auto octave = [&](size_t i) HWY_ATTR {
    constexpr int32_t kOne = 127 << 2;  // of a float
    const auto bits = hn::BitCast(di, hn::ConvertTo(d, shifted(i)));
    return hn::Sub(hn::ShiftRight<21>(bits), hn::Set(di, kOne - 1));
  };
  MagnitudeClasses classes = ClassesOf(PackWords<uint8_t>(shifted), PackWords<uint8_t>(octave));
  const StepBytes signs = PackWords<int8_t>([&](size_t i) HWY_ATTR { return hn::Load(di, residual + i); });
  StepBytes token;
  for (size_t k = 0; k < kByteVectors; ++k) {
    ByteVec& raw_bits = classes.raw_bits.part[k];
    const ByteVec number = classes.number.part[k];
    const auto sign = hn::BitCast(d8, hn::BroadcastSignBit(hn::BitCast(ds8, signs.part[k])));
    token.part[k] = hn::Sub(hn::Add(hn::Add(number, number), EachByte(tables.first_residual_token)), sign);
    raw_bits = hn::And(hn::Add(raw_bits, EachByte(tables.shift)), EachByte(15));
  }
  // Specials, by their code, have no raw bits.
  const auto mark = [&](int32_t code, int special) HWY_ATTR {
    const StepBytes marked = PackWords<int8_t>(
        [&](size_t i) HWY_ATTR { return hn::VecFromMask(di, hn::Eq(hn::LoadU(di, codes + i), hn::Set(di, code))); });
    for (size_t k = 0; k < kByteVectors; ++k) {
      const auto of_special = hn::And(marked.part[k], EachByte(special));
      token.part[k] = hn::Or(hn::AndNot(marked.part[k], token.part[k]), of_special);
      classes.raw_bits.part[k] = hn::AndNot(marked.part[k], classes.raw_bits.part[k]);
    }
  };
  if (tables.has_mode) mark(tables.mode_code, 0);
  if (tables.escape_token >= 0) mark(kLaneEscapeCode, tables.escape_token);
  StoreSymbols(contexts, token, symbols.symbol + out);
  StoreStep(classes.raw_bits, symbols.raw_bits + out);
  const hn::Rebind<uint8_t, WideIntTag> d_counts;
  for (size_t i = 0; i < kRansLanes; i += hn::Lanes(di)) {
    const auto count = hn::PromoteTo(di, hn::LoadU(d_counts, symbols.raw_bits + out + i));
    const auto mask = hn::Sub(hn::Shl(hn::Set(di, 1), count), hn::Set(di, 1));
    StoreHalves(hn::And(hn::Load(di, magnitude + i), mask), symbols.raw + out + i);
  }
}

// The column of the period after a step.
template <typename Lanes>
HWY_INLINE size_t NextColumn(const LaneGroup<Lanes>& group, size_t c) {
  c += group.step;
  while (c >= group.period) c -= group.period;
  return c;
}

// In what follows, lanes beyond the active ones of a step compute what later steps overwrite or nothing reads.

template <int kTaps, Terms kTerms, typename Lanes>
void AnalyseTerms(const LaneTables& tables, const LaneGroup<Lanes>& group, const LaneAnalysis<Lanes>& analysis) {
  Predictor<Lanes, kTaps, kTerms> predictor(tables, group);  // if const, g++ would keep it in memory
  Step<Lanes> step;
  size_t c = 0;
  for (size_t p = 0; p < group.positions; p += group.step, c = NextColumn(group, c)) {
    const StepPlace place = predictor.Predict(p, c, step);
    StoreErrors(group, p, step);
    StoreStep(place.position, analysis.position + p);
    StoreStep(place.activity, analysis.activity + p);
    std::memcpy(analysis.center + p, step.center, sizeof(step.center));
  }
}

template <typename Lanes>
HWY_INLINE void AnalyseGroup(const LaneTables& tables, LaneGroup<Lanes> group, const LaneAnalysis<Lanes>& analysis) {
  group.has_errors = true;  // weights are fitted to them
  VisitTerms(group, [&](auto taps, auto terms) HWY_ATTR {
    AnalyseTerms<decltype(taps)::value, decltype(terms)::value>(tables, group, analysis);
  });
}

void AnalyseNarrow(const LaneTables& tables, const LaneGroup<NarrowLanes>& group,
                   const LaneAnalysis<NarrowLanes>& analysis) {
  AnalyseGroup(tables, group, analysis);
}
void AnalyseWide(const LaneTables& tables, const LaneGroup<WideLanes>& group, const LaneAnalysis<WideLanes>& analysis) {
  AnalyseGroup(tables, group, analysis);
}

// Gives positions that stand for no sample their code and symbol.
template <typename Lanes>
HWY_INLINE void FillStep(const LaneTables& tables, const LaneGroup<Lanes>& group, size_t p, size_t c,
                         const Step<Lanes>& step, typename Lanes::Code* HWY_RESTRICT codes, const LaneSymbols& symbols,
                         size_t out) {
  alignas(64) typename Lanes::Code valued[kRansLanes];  // escapes have the value of code 0
  for (size_t i = 0; i < kRansLanes; ++i) {
    valued[i] = group.filler[c + i] ? step.center[i] : static_cast<int32_t>(codes[i]) == kLaneEscapeCode ? 0 : codes[i];
    if (!group.filler[c + i]) continue;
    codes[i] = step.center[i];
    symbols.symbol[out + i] = static_cast<uint16_t>(tables.filler_context << 6 | tables.first_residual_token);
    if constexpr (std::is_same_v<Lanes, NarrowLanes>) {
      symbols.narrow_raw[out + i] = 0;
    } else {
      symbols.raw[out + i] = 0;
      symbols.raw_bits[out + i] = 0;
    }
  }
  StoreValues(tables, valued, group.value + p);
}

HWY_INLINE void SymbolStep(const LaneTables& tables, const uint8_t* HWY_RESTRICT codes,
                           const uint8_t* HWY_RESTRICT center, const StepBytes& context, const LaneSymbols& symbols,
                           size_t out) {
  if (tables.has_intervals) {
    StoreResidualSymbols(tables, LoadStep(codes), LoadStep(center), context, symbols.symbol + out);
  } else {
    TokenStep(tables, codes, center, context, symbols, out);
  }
}

HWY_INLINE void SymbolStep(const LaneTables& tables, const int32_t* HWY_RESTRICT codes,
                           const int32_t* HWY_RESTRICT center, const StepBytes& context, const LaneSymbols& symbols,
                           size_t out) {
  TokenStep(tables, codes, center, context, symbols, out);
}

template <int kTaps, Terms kTerms, typename Lanes>
void TokenizeTerms(const LaneTables& tables, const LaneGroup<Lanes>& group, typename Lanes::Code* codes,
                   const LaneSymbols& symbols) {
  Predictor<Lanes, kTaps, kTerms> predictor(tables, group);  // if const, g++ would keep it in memory
  Step<Lanes> step;
  size_t c = 0, out = 0;
  for (size_t p = 0; p < group.positions; p += group.step, c = NextColumn(group, c), out += kRansLanes) {
    const StepPlace place = predictor.Predict(p, c, step);
    const StepBytes context = FindContexts(tables, place, step);
    SymbolStep(tables, codes + p, step.center, context, symbols, out);
    if (group.filler != nullptr) FillStep(tables, group, p, c, step, codes + p, symbols, out);
    StoreErrors(group, p, step);
  }
}

template <typename Lanes>
HWY_INLINE void TokenizeGroup(const LaneTables& tables, const LaneGroup<Lanes>& group, typename Lanes::Code* codes,
                              const LaneSymbols& symbols) {
  VisitTerms(group, [&](auto taps, auto terms) HWY_ATTR {
    TokenizeTerms<decltype(taps)::value, decltype(terms)::value>(tables, group, codes, symbols);
  });
}

void TokenizeNarrow(const LaneTables& tables, const LaneGroup<NarrowLanes>& group, uint8_t* codes,
                    const LaneSymbols& symbols) {
  TokenizeGroup(tables, group, codes, symbols);
}
void TokenizeWide(const LaneTables& tables, const LaneGroup<WideLanes>& group, int32_t* codes,
                  const LaneSymbols& symbols) {
  TokenizeGroup(tables, group, codes, symbols);
}

void TokenizeAnalysed(const LaneTables& tables, const LaneAnalysis<NarrowLanes>& analysis, const uint8_t* codes,
                      size_t positions, size_t step, uint16_t* symbols) {
  Step<NarrowLanes> centers;
  for (size_t p = 0; p < positions; p += step, symbols += kRansLanes) {
    std::memcpy(centers.center, analysis.center + p, sizeof(centers.center));
    const StepPlace place{LoadStep(analysis.position + p), LoadStep(analysis.activity + p)};
    const StepBytes context = FindContexts(tables, place, centers);
    StoreResidualSymbols(tables, LoadStep(codes + p), LoadStep(centers.center), context, symbols);
  }
}

template <typename Lanes>
HWY_INLINE void TokenizeCells(const LaneTables& tables, const LaneAnalysis<Lanes>& analysis,
                              const typename Lanes::Code* codes, size_t n, bool fixed, const LaneSymbols& symbols) {
  alignas(64) typename Lanes::Code center[kRansLanes];
  for (size_t begin = 0; begin < n; begin += kRansLanes) {
    std::memcpy(center, analysis.center + begin, sizeof(center));
    const StepPlace place{LoadStep(analysis.position + begin), LoadStep(analysis.activity + begin)};
    const StepCells found = FindCells(tables, place);
    if (fixed) {
      StepBytes marks;
      for (ByteVec& part : marks.part) part = hn::Set(ByteTag(), kFixedCenter);
      FixCenters(tables, found.rows, marks, center);
    }
    TokenStep(tables, codes + begin, center, found.cells, symbols, begin);
  }
}

void TokenizeNarrowCells(const LaneTables& tables, const LaneAnalysis<NarrowLanes>& analysis, const uint8_t* codes,
                         size_t n, bool fixed, const LaneSymbols& symbols) {
  TokenizeCells(tables, analysis, codes, n, fixed, symbols);
}
void TokenizeWideCells(const LaneTables& tables, const LaneAnalysis<WideLanes>& analysis, const int32_t* codes,
                       size_t n, bool fixed, const LaneSymbols& symbols) {
  TokenizeCells(tables, analysis, codes, n, fixed, symbols);
}

// Contexts of a step as its lanes have them.
template <typename Lanes>
HWY_INLINE void FindStepContexts(const LaneTables& tables, const LaneGroup<Lanes>& group, size_t c,
                                 const StepPlace& place, Step<Lanes>& step, uint8_t* HWY_RESTRICT context) {
  StepBytes found = FindContexts(tables, place, step);
  if (group.filler != nullptr) MarkFillers(tables, group.filler + c, found);
  StoreStep(found, context);
}

// Codes, values, errors and innovations of a narrow step whose codes are found.
HWY_INLINE void FinishDecoding(const LaneGroup<NarrowLanes>& group, size_t p, const Step<NarrowLanes>& step,
                               const StepBytes& found, uint8_t* HWY_RESTRICT codes) {
  StoreStep(found, codes + p);
  const NarrowTag d;
  NarrowVec values[kRansLanes / hn::MaxLanes(d)];
  ValuesOfBytes(found, values);
  // To each array by itself: who stores to one might have to look up where the next one is.
  const auto store = [&](int16_t* HWY_RESTRICT to, auto of) HWY_ATTR {
    for (size_t k = 0; k < kRansLanes / hn::MaxLanes(d); ++k) {
      hn::StoreU(of(values[k], k * hn::Lanes(d)), d, to + p + k * hn::Lanes(d));
    }
  };
  store(group.value, [](NarrowVec v, size_t) HWY_ATTR { return v; });
  store(group.error,
        [&](NarrowVec v, size_t i) HWY_ATTR { return hn::Abs(hn::Sub(v, hn::Load(d, step.prediction + i))); });
  if (group.has_innovations) {
    store(group.innovation, [&](NarrowVec v, size_t i) HWY_ATTR { return hn::Sub(v, hn::Load(d, step.spatial + i)); });
  }
}

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SSE4
// Decodes the full steps from `first` on, before `end` and while there are words for sure; returns the step after them.
// The first one was predicted, and so is the one after the last.  While the lanes of a step wait for their slots, the
// next one is predicted, which is not to depend on it.  No calls in the loop, which would cost registers.
template <int kTaps, Terms kTerms>
HWY_INLINE size_t DecodeWhileWords(const LaneTables& tables, const LaneGroup<NarrowLanes>& group, LaneRansDecoder& rans,
                                   size_t first, size_t end, size_t c, Step<NarrowLanes>* HWY_RESTRICT steps,
                                   uint8_t* HWY_RESTRICT context, uint8_t* HWY_RESTRICT codes) {
  FreshIndices indices;
  alignas(64) uint32_t entries[kRansLanes];
  alignas(64) int32_t residuals[kRansLanes];
  NarrowPredictor<kTaps, kTerms> predictor(tables, group);  // if const, g++ would keep it in memory
  const ByteVec mode = ModeOf(tables);
  const uint32_t* const slots = tables.slots;
  const std::byte* words = rans.next;
  size_t k = first;
  do {
    const size_t p = k * kRansLanes;
    Step<NarrowLanes>& next = steps[(k + 1) % 2];
    c = NextColumn(group, c);
    NarrowSums sums;
    StepPlace place;
    constexpr size_t kVector = hn::MaxLanes(NarrowTag());
    const auto take = [&](size_t begin) HWY_ATTR {
#pragma GCC unroll 16
      for (size_t i = begin; i < begin + kVector; i += hn::MaxLanes(LaneTag())) {
        const LaneVec entry = hn::Load(LaneTag(), entries + i);
        const LaneVec raw =
            TakeSymbolsAt<LaneRaw::kInState, false>(rans.state.data() + i, kNarrowTableBits, entry, LaneMask(), words);
        hn::Store(ResidualsOf(entry, raw), WideIntTag(), residuals + i);
      }
    };
    static_assert(SlotStrideBits(kNarrowTableBits) == 8);
    FindEntries<true>(rans.state.data(), kNarrowTableBits, context, indices);
#pragma GCC unroll 8
    for (size_t i = 0; i < kRansLanes; i += kVector) {
      constexpr size_t kHalf = kVector / 2;
      LookUpEntries<kHalf>(slots, indices, i, entries);
      const NarrowVec range = predictor.PredictValues(p + kRansLanes, c, i, next, sums);
      LookUpEntries<kHalf>(slots, indices, i + kHalf, entries);
      predictor.PredictActivity(p + kRansLanes, c, i, range, sums);
      predictor.FinishVector(i, sums, next, place);
      // What was looked up an iteration ago is here by now.
      if (i > 0) take(i - kVector);
    }
    FindStepContexts(tables, group, c, place, next, context);
    take(kRansLanes - kVector);
    const Step<NarrowLanes>& step = steps[k % 2];
    FinishDecoding(group, p, step, CodesOf(tables.has_mode, mode, residuals, LoadStep(step.center)), codes);
  } while (++k < end && words <= rans.limit);
  rans.next = words;
  return k;
}
#endif

// Decodes full steps from the first on; returns how many.  While the lanes of a step wait for their slots, the next one
// is predicted, which is not to depend on it: rows must be long enough.
template <int kTaps, Terms kTerms>
size_t DecodeFullSteps([[maybe_unused]] const LaneTables& tables, [[maybe_unused]] const LaneGroup<NarrowLanes>& group,
                       [[maybe_unused]] LaneRansDecoder& rans, [[maybe_unused]] uint8_t* HWY_RESTRICT codes) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SSE4  // too few registers
  return 0;
#else
  const size_t count = group.columns < 2 * kRansLanes + 2 ? 0 : group.positions / kRansLanes;
  if (count == 0) return 0;
  Step<NarrowLanes> steps[2];
  alignas(64) uint8_t context[kRansLanes];
  size_t c = 0, k = 0;
  const StepPlace place = NarrowPredictor<kTaps, kTerms>(tables, group).Predict(0, c, steps[0]);
  FindStepContexts(tables, group, c, place, steps[0], context);
  while (k < count) {
    rans.PrepareStage();
    k = DecodeWhileWords<kTaps, kTerms>(tables, group, rans, k, count, c, steps, context, codes);
    c = k * kRansLanes % group.period;
  }
  return count;
#endif
}

bool DecodeNarrow(const LaneTables& tables, const LaneGroup<NarrowLanes>& group, LaneRansDecoder& rans,
                  uint8_t* HWY_RESTRICT codes) {
  const size_t count = VisitTerms(group, [&](auto taps, auto terms) HWY_ATTR {
    return DecodeFullSteps<decltype(taps)::value, decltype(terms)::value>(tables, group, rans, codes);
  });
  const ByteVec mode = ModeOf(tables);
  Step<NarrowLanes> step;
  alignas(64) uint8_t context[kRansLanes];
  alignas(64) uint32_t entries[kRansLanes] = {}, raw[kRansLanes] = {};
  alignas(64) int32_t residuals[kRansLanes];
  size_t c = count * kRansLanes % group.period;
  for (size_t p = count * kRansLanes; p < group.positions; p += group.step, c = NextColumn(group, c)) {
    const size_t active = HWY_MIN(group.step, group.positions - p);
    const StepPlace place = PredictStep(tables, group, p, c, step);
    FindStepContexts(tables, group, c, place, step, context);
    LookUpSlots(rans, tables.slots, kNarrowTableBits, context, active, entries);
    TakeSymbols<LaneRaw::kInState>(rans, kNarrowTableBits, entries, active, raw);
    StoreResiduals(entries, raw, residuals);
    FinishDecoding(group, p, step, CodesOf(tables.has_mode, mode, residuals, LoadStep(step.center)), codes);
  }
  return !rans.failed;
}

// Decodes full steps of intervals from the first on while there are bytes for sure; returns how many.  Before the slots
// of a step are found, the next one is predicted, which is not to depend on it: rows must be long enough.
template <int kTaps, Terms kTerms>
size_t DecodeWhileBytes([[maybe_unused]] const LaneTables& tables, [[maybe_unused]] const LaneGroup<NarrowLanes>& group,
                        [[maybe_unused]] ByteRansDecoder& rans, [[maybe_unused]] uint8_t* HWY_RESTRICT codes) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  return 0;
#else
  const size_t count = group.columns < 2 * kRansLanes + 2 ? 0 : group.positions / kRansLanes;
  if (count == 0) return 0;
  NarrowPredictor<kTaps, kTerms> predictor(tables, group);  // if const, g++ would keep it in memory
  const ByteVec mode = ModeOf(tables);
  BankStates banks[kRansBanks] = {LoadBank(rans, rans.bank), LoadBank(rans, rans.bank ^ 1)};
  const std::byte* next = rans.next;
  Step<NarrowLanes> steps[kRansBanks];
  size_t k = 0, c = 0;
  StepBytes contexts = FindContexts(tables, predictor.Predict(0, 0, steps[0]), steps[0]);
  const auto decode = [&](BankStates & bank, const Step<NarrowLanes>& step, Step<NarrowLanes>& following) HWY_ATTR
      __attribute__((always_inline)) {
    const size_t p = k++ * kRansLanes;
    c = NextColumn(group, c);
    const StepPlace place = predictor.Predict(p + kRansLanes, c, following);
    const StepSlots slots = FindSlots<kMaxIntervalContexts>(*tables.intervals, bank, contexts);
    contexts = FindContexts(tables, place, following);
    const StepResiduals found = TakeResiduals<false>(slots, bank, kRansLanes, next);
    FinishDecoding(group, p, step, CodesOf(mode, found, LoadStep(step.center)), codes);
  };
  while (k + kRansBanks <= count && rans.limit - next >= static_cast<ptrdiff_t>(kLaneStageBytes)) {
    decode(banks[0], steps[0], steps[1]);
    decode(banks[1], steps[1], steps[0]);
  }
  StoreBank(banks[0], rans.bank, rans);
  StoreBank(banks[1], rans.bank ^ 1, rans);
  rans.next = next;
  return k;
#endif
}

bool DecodeIntervalsOfGroup(const LaneTables& tables, const LaneGroup<NarrowLanes>& group, ByteRansDecoder& rans,
                            uint8_t* HWY_RESTRICT codes) {
  const size_t count = VisitTerms(group, [&](auto taps, auto terms) HWY_ATTR {
    return DecodeWhileBytes<decltype(taps)::value, decltype(terms)::value>(tables, group, rans, codes);
  });
  const ByteVec mode = ModeOf(tables);
  Step<NarrowLanes> step;
  alignas(64) uint8_t context[kRansLanes];
  size_t c = count * kRansLanes % group.period;
  for (size_t p = count * kRansLanes; p < group.positions; p += group.step, c = NextColumn(group, c)) {
    const size_t active = HWY_MIN(group.step, group.positions - p);
    const StepPlace place = PredictStep(tables, group, p, c, step);
    StoreStep(FindContexts(tables, place, step), context);
    const StepResiduals found = active == kRansLanes
                                    ? DecodeIntervals<false>(rans, *tables.intervals, context, kRansLanes)
                                    : DecodeIntervals<true>(rans, *tables.intervals, context, active);
    FinishDecoding(group, p, step, CodesOf(mode, found, LoadStep(step.center)), codes);
  }
  return !rans.failed;
}

// Finishes vectors of wide steps whose symbols are known, with copies of what it needs, like predictors.
class WideFinisher {
 public:
  HWY_INLINE WideFinisher(const LaneTables& tables, const LaneGroup<WideLanes>& group, int32_t* codes)
      : is_float_(tables.is_float),
        has_mode_(tables.has_mode),
        has_escape_(tables.escape_token >= 0),
        has_innovations_(group.has_innovations),
        mantissa_shift_(23 - tables.mantissa_bits),
        value_(group.value),
        error_(group.error),
        innovation_(group.innovation),
        codes_(codes),
        mode_(hn::Set(WideIntTag(), tables.mode_code)),
        low_code_(hn::Set(WideIntTag(), tables.low_code)),
        high_code_(hn::Set(WideIntTag(), tables.high_code)),
        float_base_(FloatBase(tables.mantissa_bits)),
        changed_(hn::Zero(WideIntTag())),
        escapes_(hn::Zero(WideIntTag())) {}

  // Codes, values, errors and innovations of positions from p + i on, of which those below p + active count.
  template <bool kPartial>
  HWY_INLINE void Finish(size_t p, size_t i, size_t active, WideUintVec entry, WideUintVec raw,
                         const Step<WideLanes>& step) {
    const WideTag d;
    const WideIntTag di;
    WideIntVec code = CodesOf(entry, raw, hn::Load(di, step.center + i));
    const WideIntVec cut = Cut(di, code, low_code_, high_code_);
    WideIntVec changed = hn::Xor(code, cut);
    if constexpr (kPartial) {
      changed = hn::IfThenElseZero(hn::FirstN(di, i < active ? active - i : 0), changed);
    }
    changed_ = hn::Or(changed_, changed);
    hn::StoreU(cut, di, codes_ + p + i);
    const WideVec value = ValuesOf(cut);
    hn::StoreU(value, d, value_ + p + i);
    hn::StoreU(hn::Abs(hn::Sub(value, hn::Load(d, step.prediction + i))), d, error_ + p + i);
    if (has_innovations_) hn::StoreU(hn::Sub(value, hn::Load(d, step.spatial + i)), d, innovation_ + p + i);
  }

  // Takes note of the escapes of a step.
  HWY_INLINE void NoteEscapes(const uint32_t* entries, size_t p, size_t active, LaneEscapes& escapes) {
    const WideIntTag di;
    if (!has_escape_ || hn::AllTrue(di, hn::Eq(escapes_, hn::Zero(di)))) return;
    escapes_ = hn::Zero(di);
    const WideUintTag du;
    const auto flag = hn::Set(du, uint32_t{kEscapePayload} << 2 * SlotFieldBits(LaneRaw::kNone));
    for (size_t begin = 0; begin < active; begin += hn::Lanes(du)) {
      uint8_t of_vector[8] = {};
      hn::StoreMaskBits(du, hn::TestBit(hn::LoadU(du, entries + begin), flag), of_vector);
      for (unsigned bits = of_vector[0] | unsigned{of_vector[1]} << 8; bits != 0; bits &= bits - 1) {
        const size_t i = begin + static_cast<size_t>(std::countr_zero(bits));
        if (i < active) NoteEscape(p + i, escapes);
      }
    }
  }

  // Whether all codes were in their range, and escapes had room.
  HWY_INLINE bool valid() const {
    return has_room_ && hn::AllTrue(WideIntTag(), hn::Eq(changed_, hn::Zero(WideIntTag())));
  }

 private:
  void NoteEscape(size_t position, LaneEscapes& escapes) {
    if (escapes.count < escapes.capacity) {
      escapes.positions[escapes.count++] = static_cast<uint32_t>(position);
    } else {
      has_room_ = false;
    }
  }

  // Escapes count as code 0.
  HWY_INLINE WideIntVec CodesOf(WideUintVec entry, WideUintVec raw, WideIntVec center) {
    const WideIntTag di;
    const WideUintTag du;
    constexpr int kPayload = 2 * SlotFieldBits(LaneRaw::kNone);
    const auto has = [&](uint16_t flag) HWY_ATTR {
      const auto bits = hn::Set(di, static_cast<int32_t>(flag) << kPayload);
      return hn::Eq(hn::And(hn::BitCast(di, entry), bits), bits);
    };
    const WideUintVec lead = hn::And(hn::ShiftRight<kPayload>(entry), hn::Set(du, 7));
    const WideIntVec magnitude = hn::BitCast(di, hn::Add(hn::Shl(lead, hn::ShiftRight<28>(entry)), raw));
    const WideIntVec negative = hn::BroadcastSignBit(hn::BitCast(di, hn::ShiftLeft<31 - kPayload - 3>(entry)));
    WideIntVec code = hn::Add(center, hn::Xor(magnitude, negative));
    if (has_mode_) code = hn::IfThenElse(has(kWideModePayload), mode_, code);
    if (has_escape_) {
      const auto is_escape = has(kEscapePayload);
      escapes_ = hn::Or(escapes_, hn::VecFromMask(di, is_escape));
      code = hn::IfThenZeroElse(is_escape, code);
    }
    return code;
  }

  HWY_INLINE WideVec ValuesOf(WideIntVec code) const {
    return is_float_ ? FloatsOfCodes(code, float_base_, mantissa_shift_) : hn::ConvertTo(WideTag(), code);
  }

  bool is_float_, has_mode_, has_escape_, has_innovations_;
  bool has_room_ = true;  // for escapes
  int mantissa_shift_;
  float *value_, *error_, *innovation_;
  int32_t* codes_;
  WideIntVec mode_, low_code_, high_code_, float_base_;
  WideIntVec changed_, escapes_;
};

// Decodes full steps from the first on, while there are words for sure; returns how many.  While the lanes of a step
// wait for their slots, the next one is predicted, which is not to depend on it: rows must be long enough.
template <int kTaps, Terms kTerms>
size_t DecodeFullSteps([[maybe_unused]] const LaneTables& tables, [[maybe_unused]] const LaneGroup<WideLanes>& group,
                       [[maybe_unused]] LaneRansDecoder& rans, [[maybe_unused]] int32_t* HWY_RESTRICT codes,
                       [[maybe_unused]] LaneEscapes& escapes, [[maybe_unused]] bool& valid) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  return 0;
#else
  const size_t count = group.columns < 2 * kRansLanes + 2 ? 0 : group.positions / kRansLanes;
  constexpr ptrdiff_t kMoreStages = kLaneStageBytes;  // than one
  if (count == 0 || rans.limit - rans.next < kMoreStages) return 0;
  constexpr size_t kVector = hn::MaxLanes(WideTag());
  Step<WideLanes> steps[2];
  alignas(64) uint8_t context[kRansLanes];
  alignas(64) uint16_t index[kRansLanes];
  alignas(64) uint32_t entries[kRansLanes], raw[kRansLanes];
  WidePredictor<kTaps, kTerms> predictor(tables, group);  // if const, g++ would keep it in memory
  WideFinisher finisher(tables, group, codes);
  const int table_bits = tables.table_bits;
  const uint32_t* const slots = tables.slots;
  const std::byte* words = rans.next;
  uint32_t* const state = rans.state.data();
  FindStepContexts(tables, group, 0, predictor.Predict(0, 0, steps[0]), steps[0], context);
  size_t c = 0, k = 0;
  do {
    const size_t p = k * kRansLanes;
    Step<WideLanes>& next = steps[(k + 1) % 2];
    c = NextColumn(group, c);
    // Stage by stage, each with enough to do for what the one after next waits for.
    FindEntries(state, table_bits, context, index);
    const StepPlace place = predictor.Predict(p + kRansLanes, c, next);
    LookUpEntries<kRansLanes>(slots, index, 0, entries);
    FindStepContexts(tables, group, c, place, next, context);
#pragma GCC unroll 4
    for (size_t i = 0; i < kRansLanes; i += kVector) {
      TakeSymbolsAt<LaneRaw::kNone, false>(state + i, table_bits, hn::Load(LaneTag(), entries + i), LaneMask(), words);
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < kRansLanes; i += kVector) {
      const LaneVec entry = hn::Load(LaneTag(), entries + i);
      hn::Store(TakeRawAt<false>(state + i, hn::ShiftRight<28>(entry), LaneMask(), words), LaneTag(), raw + i);
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < kRansLanes; i += kVector) {
      finisher.Finish<false>(p, i, kRansLanes, hn::Load(LaneTag(), entries + i), hn::Load(LaneTag(), raw + i),
                             steps[k % 2]);
    }
    finisher.NoteEscapes(entries, p, kRansLanes, escapes);
  } while (++k < count && rans.limit - words >= kMoreStages);
  rans.next = words;
  valid = finisher.valid();
  return k;
#endif
}

bool DecodeWide(const LaneTables& tables, const LaneGroup<WideLanes>& group, LaneRansDecoder& rans,
                int32_t* HWY_RESTRICT codes, LaneEscapes& escapes) {
  bool valid = true;
  const size_t count = VisitTerms(group, [&](auto taps, auto terms) HWY_ATTR {
    return DecodeFullSteps<decltype(taps)::value, decltype(terms)::value>(tables, group, rans, codes, escapes, valid);
  });
  Step<WideLanes> step;
  alignas(64) uint8_t context[kRansLanes];
  alignas(64) uint32_t entries[kRansLanes] = {}, raw[kRansLanes] = {}, raw_bits[kRansLanes] = {};
  const WideUintTag du;
  WideFinisher finisher(tables, group, codes);
  size_t c = count * kRansLanes % group.period;
  for (size_t p = count * kRansLanes; p < group.positions; p += group.step, c = NextColumn(group, c)) {
    const size_t active = HWY_MIN(group.step, group.positions - p);
    const StepPlace place = PredictStep(tables, group, p, c, step);
    FindStepContexts(tables, group, c, place, step, context);
    LookUpSlots(rans, tables.slots, tables.table_bits, context, active, entries);
    TakeSymbols<LaneRaw::kNone>(rans, tables.table_bits, entries, active, raw);
    for (size_t i = 0; i < kRansLanes; i += hn::Lanes(du)) {
      hn::Store(hn::ShiftRight<28>(hn::Load(du, entries + i)), du, raw_bits + i);
    }
    DecodeRaw(rans, raw_bits, active, raw);
    for (size_t i = 0; i < kRansLanes; i += hn::Lanes(du)) {
      finisher.Finish<true>(p, i, active, hn::Load(du, entries + i), hn::Load(du, raw + i), step);
    }
    finisher.NoteEscapes(entries, p, active, escapes);
  }
  return !rans.failed && valid && finisher.valid();
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(SumNarrow);
HWY_EXPORT(SumWide);
HWY_EXPORT(AnalyseNarrow);
HWY_EXPORT(AnalyseWide);
HWY_EXPORT(TokenizeNarrow);
HWY_EXPORT(TokenizeAnalysed);
HWY_EXPORT(TokenizeWide);
HWY_EXPORT(TokenizeNarrowCells);
HWY_EXPORT(TokenizeWideCells);
HWY_EXPORT(DecodeNarrow);
HWY_EXPORT(DecodeIntervalsOfGroup);
HWY_EXPORT(DecodeWide);

void SumLaneReferences(const LaneReferences<NarrowLanes>& references) {
  DCAC_DYNAMIC_DISPATCH(SumNarrow)(references);
}

void SumLaneReferences(const LaneReferences<WideLanes>& references) {
  DCAC_DYNAMIC_DISPATCH(SumWide)(references);
}

void AnalyseLaneGroup(const LaneTables& tables, const LaneGroup<NarrowLanes>& group,
                      const LaneAnalysis<NarrowLanes>& analysis) {
  DCAC_DYNAMIC_DISPATCH(AnalyseNarrow)(tables, group, analysis);
}

void AnalyseLaneGroup(const LaneTables& tables, const LaneGroup<WideLanes>& group,
                      const LaneAnalysis<WideLanes>& analysis) {
  DCAC_DYNAMIC_DISPATCH(AnalyseWide)(tables, group, analysis);
}

void TokenizeLaneGroup(const LaneTables& tables, const LaneGroup<NarrowLanes>& group, uint8_t* codes,
                       const LaneSymbols& symbols) {
  DCAC_DYNAMIC_DISPATCH(TokenizeNarrow)(tables, group, codes, symbols);
}

void TokenizeLaneGroup(const LaneTables& tables, const LaneGroup<WideLanes>& group, int32_t* codes,
                       const LaneSymbols& symbols) {
  DCAC_DYNAMIC_DISPATCH(TokenizeWide)(tables, group, codes, symbols);
}

void TokenizeAnalysedGroup(const LaneTables& tables, const LaneAnalysis<NarrowLanes>& analysis, const uint8_t* codes,
                           size_t positions, size_t step, uint16_t* symbols) {
  DCAC_DYNAMIC_DISPATCH(TokenizeAnalysed)(tables, analysis, codes, positions, step, symbols);
}

void TokenizeLaneCells(const LaneTables& tables, const LaneAnalysis<NarrowLanes>& analysis, const uint8_t* codes,
                       size_t n, bool fixed, const LaneSymbols& symbols) {
  DCAC_DYNAMIC_DISPATCH(TokenizeNarrowCells)(tables, analysis, codes, n, fixed, symbols);
}

void TokenizeLaneCells(const LaneTables& tables, const LaneAnalysis<WideLanes>& analysis, const int32_t* codes,
                       size_t n, bool fixed, const LaneSymbols& symbols) {
  DCAC_DYNAMIC_DISPATCH(TokenizeWideCells)(tables, analysis, codes, n, fixed, symbols);
}

bool DecodeLaneGroup(const LaneTables& tables, const LaneGroup<NarrowLanes>& group, LaneRansDecoder& rans,
                     uint8_t* codes) {
  return DCAC_DYNAMIC_DISPATCH(DecodeNarrow)(tables, group, rans, codes);
}

bool DecodeLaneGroup(const LaneTables& tables, const LaneGroup<NarrowLanes>& group, ByteRansDecoder& rans,
                     uint8_t* codes) {
  return DCAC_DYNAMIC_DISPATCH(DecodeIntervalsOfGroup)(tables, group, rans, codes);
}

bool DecodeLaneGroup(const LaneTables& tables, const LaneGroup<WideLanes>& group, LaneRansDecoder& rans, int32_t* codes,
                     LaneEscapes& escapes) {
  return DCAC_DYNAMIC_DISPATCH(DecodeWide)(tables, group, rans, codes, escapes);
}

}  // namespace dcac
#endif  // HWY_ONCE
