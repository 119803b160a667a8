// Groups of byte lanes (lane_group.h).
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/kernels/lane_group.h"
#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/byte_group.cc"
#include "hwy/cache_control.h"
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

using HalfTag = StepTag<int16_t>;
using HalfVec = hn::Vec<HalfTag>;

#undef DCAC_HAS_BYTE_PRODUCTS
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
#define DCAC_HAS_BYTE_PRODUCTS 1
#else
#define DCAC_HAS_BYTE_PRODUCTS 0
#endif

// Numbers of 16 bits of a vector of bytes: those of its lower and its upper half; with byte products, those of the
// lower and of the upper halves of each 128 bits.
struct ByteHalves {
  HalfVec lower, upper;
};

// From the order of positions to that of ByteHalves, and back.
HWY_INLINE ByteHalves FromOrder(HalfVec first, HalfVec second) {
#if DCAC_HAS_BYTE_PRODUCTS && HWY_TARGET <= HWY_AVX3
  return {HalfVec{_mm512_shuffle_i64x2(first.raw, second.raw, 0x88)},
          HalfVec{_mm512_shuffle_i64x2(first.raw, second.raw, 0xdd)}};
#elif DCAC_HAS_BYTE_PRODUCTS && HWY_TARGET == HWY_AVX2
  return {HalfVec{_mm256_permute2x128_si256(first.raw, second.raw, 0x20)},
          HalfVec{_mm256_permute2x128_si256(first.raw, second.raw, 0x31)}};
#else
  return {first, second};
#endif
}
HWY_INLINE ByteHalves ToOrder(const ByteHalves& halves) {
#if DCAC_HAS_BYTE_PRODUCTS && HWY_TARGET <= HWY_AVX3
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  return {HalfVec{_mm512_permutex2var_epi64(halves.lower.raw, first, halves.upper.raw)},
          HalfVec{_mm512_permutex2var_epi64(halves.lower.raw, second, halves.upper.raw)}};
#else
  return FromOrder(halves.lower, halves.upper);
#endif
}

// Numbers cut to 0 .. 255.
HWY_INLINE ByteVec Pack(const ByteHalves& halves) {
#if DCAC_HAS_BYTE_PRODUCTS && HWY_TARGET <= HWY_AVX3
  return ByteVec{_mm512_packus_epi16(halves.lower.raw, halves.upper.raw)};
#elif DCAC_HAS_BYTE_PRODUCTS && HWY_TARGET == HWY_AVX2
  return ByteVec{_mm256_packus_epi16(halves.lower.raw, halves.upper.raw)};
#elif DCAC_HAS_BYTE_PRODUCTS
  return ByteVec{_mm_packus_epi16(halves.lower.raw, halves.upper.raw)};
#elif HWY_TARGET == HWY_SCALAR
  return hn::DemoteTo(ByteTag(), halves.lower);
#else
  const hn::Half<ByteTag> d;
  return hn::Combine(ByteTag(), hn::DemoteTo(d, halves.upper), hn::DemoteTo(d, halves.lower));
#endif
}

// Numbers cut to -128 .. 127.
HWY_INLINE ByteVec PackSigned(const ByteHalves& halves) {
#if DCAC_HAS_BYTE_PRODUCTS && HWY_TARGET <= HWY_AVX3
  return ByteVec{_mm512_packs_epi16(halves.lower.raw, halves.upper.raw)};
#elif DCAC_HAS_BYTE_PRODUCTS && HWY_TARGET == HWY_AVX2
  return ByteVec{_mm256_packs_epi16(halves.lower.raw, halves.upper.raw)};
#elif DCAC_HAS_BYTE_PRODUCTS
  return ByteVec{_mm_packs_epi16(halves.lower.raw, halves.upper.raw)};
#else
  const hn::RebindToSigned<ByteTag> ds;
#if HWY_TARGET == HWY_SCALAR
  return hn::BitCast(ByteTag(), hn::DemoteTo(ds, halves.lower));
#else
  const hn::Half<decltype(ds)> d;
  return hn::BitCast(ByteTag(), hn::Combine(ds, hn::DemoteTo(d, halves.upper), hn::DemoteTo(d, halves.lower)));
#endif
#endif
}

// Bytes that are multiplied by weights in pairs, whose sums have 16 bits.
class WeightPair {
 public:
  WeightPair() = default;
  HWY_INLINE WeightPair(int32_t first, int32_t second) {
    const HalfTag d;
#if DCAC_HAS_BYTE_PRODUCTS
    const uint32_t both = (static_cast<uint32_t>(first) & 0xff) | (static_cast<uint32_t>(second) & 0xff) << 8;
    both_ = hn::Set(d, static_cast<int16_t>(static_cast<uint16_t>(both)));
#else
    first_ = hn::Set(d, static_cast<int16_t>(first));
    second_ = hn::Set(d, static_cast<int16_t>(second));
#endif
  }

  HWY_INLINE ByteHalves Products(ByteVec first, ByteVec second) const {
#if DCAC_HAS_BYTE_PRODUCTS
    const ByteTag d;
    return {SumPairs(hn::InterleaveLower(d, first, second)), SumPairs(hn::InterleaveUpper(d, first, second))};
#elif HWY_TARGET == HWY_SCALAR
    const auto product = [](ByteVec v, HalfVec weight) { return hn::Mul(hn::PromoteTo(HalfTag(), v), weight); };
    return {hn::Add(product(first, first_), product(second, second_)), hn::Zero(HalfTag())};
#else
    const hn::Half<ByteTag> d;
    const auto product = [](auto half, HalfVec weight)
                             HWY_ATTR { return hn::Mul(hn::PromoteTo(HalfTag(), half), weight); };
    const auto lower = [&](ByteVec v) HWY_ATTR { return hn::LowerHalf(d, v); };
    const auto upper = [&](ByteVec v) HWY_ATTR { return hn::UpperHalf(d, v); };
    return {hn::Add(product(lower(first), first_), product(lower(second), second_)),
            hn::Add(product(upper(first), first_), product(upper(second), second_))};
#endif
  }

 private:
#if DCAC_HAS_BYTE_PRODUCTS
  HWY_INLINE HalfVec SumPairs(ByteVec pairs) const {
#if HWY_TARGET <= HWY_AVX3
    return HalfVec{_mm512_maddubs_epi16(pairs.raw, both_.raw)};
#elif HWY_TARGET == HWY_AVX2
    return HalfVec{_mm256_maddubs_epi16(pairs.raw, both_.raw)};
#else
    return HalfVec{_mm_maddubs_epi16(pairs.raw, both_.raw)};
#endif
  }

  HalfVec both_;
#else
  HalfVec first_, second_;
#endif
};

// Sums of weighted bytes.
class WeightedSum {
 public:
  HWY_INLINE explicit WeightedSum(const ByteWeights& weights)
      : base_(hn::Set(HalfTag(), static_cast<int16_t>(weights.base))),
        first_(weights.weight[0], weights.weight[1]),
        second_(weights.weight[2], weights.weight[3]) {}

  HWY_INLINE ByteHalves Of(ByteVec a, ByteVec b, ByteVec c, ByteVec d) const { return Of({base_, base_}, a, b, c, d); }
  // With another base.
  HWY_INLINE ByteHalves Of(const ByteHalves& base, ByteVec a, ByteVec b, ByteVec c, ByteVec d) const {
    const ByteHalves one = first_.Products(a, b), other = second_.Products(c, d);
    return {hn::Add(base.lower, hn::Add(one.lower, other.lower)), hn::Add(base.upper, hn::Add(one.upper, other.upper))};
  }

 private:
  HalfVec base_;
  WeightPair first_, second_;
};

// |a - b|.
HWY_INLINE ByteVec Distance(ByteVec a, ByteVec b) {
  return hn::Sub(hn::Max(a, b), hn::Min(a, b));
}

// What is known of a step before its codes.
struct ByteStep {
  StepBytes center, prediction;
  ByteHalves spatial[kByteVectors];  // sums without references
};

// What groups have beside taps.
enum class ByteTerms { kNone, kActivity, kReferences };

// Predicts positions of a group, with copies of what it needs of it.
template <ByteTerms kTerms>
class BytePredictor {
 public:
  HWY_INLINE BytePredictor(const LaneTables& tables, const LaneGroup<ByteLanes>& group)
      : position_base_(hn::Set(ByteTag(), static_cast<uint8_t>(tables.position_base))),
        columns_(group.columns),
        value_(group.value),
        error_(group.error),
        base_(group.base),
        reference_(group.reference),
        reference_activity_(group.reference_activity),
        values_(group.taps.value),
        activities_(group.taps.activity.value_or(ByteWeights())) {}

  // Vector k of the positions from p on, of columns from c on.
  HWY_INLINE void Predict(size_t p, [[maybe_unused]] size_t c, size_t k, ByteStep& step, StepPlace& place) const {
    const ByteTag d;
    p += k * hn::Lanes(d);
    c += k * hn::Lanes(d);
    const uint8_t* const row = value_ + p - columns_;
    const ByteVec here = Load(row), left = Load(row - 1), right = Load(row + 1);
    ByteHalves spatial;
    if constexpr (kTerms == ByteTerms::kNone) {
      spatial = values_.Of(here, left, right, Load(row - columns_));
    } else {
      spatial = values_.Of(LoadHalves(base_ + c), here, left, right, Load(row - columns_));
    }
    step.spatial[k] = spatial;
    if constexpr (kTerms == ByteTerms::kReferences) {
      const ByteHalves added = LoadHalves(reference_ + p);
      spatial = {hn::SaturatedAdd(spatial.lower, added.lower), hn::SaturatedAdd(spatial.upper, added.upper)};
    }
    step.prediction.part[k] = Shifted<kByteTapBits>(spatial);
    step.center.part[k] = step.prediction.part[k];
    place.position.part[k] = hn::Sub(step.prediction.part[k], position_base_);
    const ByteVec range = hn::Sub(hn::Max(hn::Max(left, right), here), hn::Min(hn::Min(left, right), here));
    const uint8_t* const errors = error_ + p - columns_;
    const ByteVec sides = hn::AverageRound(Load(errors - 1), Load(errors + 1));
    if constexpr (kTerms == ByteTerms::kNone) {
      const ByteVec error = hn::AverageRound(Load(errors), sides);
      place.activity.part[k] = hn::AverageRound(range, hn::SaturatedAdd(error, error));
    } else {
      const ByteVec activity = kTerms == ByteTerms::kReferences ? Load(reference_activity_ + p) : hn::Zero(d);
      place.activity.part[k] = Shifted<kByteActivityBits>(activities_.Of(Load(errors), sides, range, activity));
    }
  }

  HWY_INLINE StepPlace Predict(size_t p, size_t c, ByteStep& step) const {
    StepPlace place;
    for (size_t k = 0; k < kByteVectors; ++k) Predict(p, c, k, step, place);
    return place;
  }

 private:
  static HWY_INLINE ByteVec Load(const uint8_t* from) { return hn::LoadU(ByteTag(), from); }

  static HWY_INLINE ByteHalves LoadHalves(const int16_t* from) {
    const HalfTag d;
    return FromOrder(hn::LoadU(d, from), hn::LoadU(d, from + hn::Lanes(ByteTag()) - hn::Lanes(d)));
  }

  template <int kBits>
  static HWY_INLINE ByteVec Shifted(const ByteHalves& sums) {
    return Pack({hn::ShiftRight<kBits>(sums.lower), hn::ShiftRight<kBits>(sums.upper)});
  }

  ByteVec position_base_;
  size_t columns_;
  const uint8_t *value_, *error_;
  const int16_t *base_, *reference_;
  const uint8_t* reference_activity_;
  WeightedSum values_, activities_;
};

// Makes innovations of codes and sums without references, so many bits of them below the point.
class InnovationScale {
 public:
  HWY_INLINE explicit InnovationScale(int bits)
      : shift_(kByteTapBits - bits),
        rounding_(hn::Set(HalfTag(), static_cast<int16_t>(RoundingOf(bits)))),
        below_code_(hn::Set(ByteTag(), static_cast<uint8_t>(RoundingOf(bits) << (8 - kByteTapBits)))),
        top_(hn::Set(ByteTag(), 0x80)) {}

  // kSomeBits: at least one.
  template <bool kSomeBits>
  HWY_INLINE ByteVec Of(ByteVec code, const ByteHalves& spatial) const {
    const HalfTag dh;
    ByteHalves difference;
#if DCAC_HAS_BYTE_PRODUCTS
    const ByteTag d;
    const hn::RebindToUnsigned<HalfTag> du;
    const auto codes_of = [&](ByteVec pairs) HWY_ATTR {
      return hn::BitCast(dh, hn::ShiftRight<8 - kByteTapBits>(hn::BitCast(du, pairs)));
    };
    const ByteVec below = kSomeBits ? below_code_ : hn::Zero(d);  // what is added fits below codes then
    difference = {codes_of(hn::InterleaveLower(d, below, code)), codes_of(hn::InterleaveUpper(d, below, code))};
    if constexpr (!kSomeBits) difference = Rounded(difference);
#elif HWY_TARGET == HWY_SCALAR
    difference = Rounded({hn::ShiftLeft<kByteTapBits>(hn::PromoteTo(dh, code)), hn::Zero(dh)});
#else
    const hn::Half<ByteTag> half;
    difference = Rounded({hn::ShiftLeft<kByteTapBits>(hn::PromoteTo(dh, hn::LowerHalf(half, code))),
                          hn::ShiftLeft<kByteTapBits>(hn::PromoteTo(dh, hn::UpperHalf(half, code)))});
#endif
    const auto zero = hn::Zero(dh);
    difference = {hn::Sub(difference.lower, hn::Max(spatial.lower, zero)),
                  hn::Sub(difference.upper, hn::Max(spatial.upper, zero))};
    return hn::Xor(PackSigned({shift_.Of(difference.lower), shift_.Of(difference.upper)}), top_);
  }

 private:
  static constexpr int RoundingOf(int bits) {
    return (1 << (kByteTapBits - 1)) + (1 << (kByteTapBits - 1 - bits));
  }

  HWY_INLINE ByteHalves Rounded(const ByteHalves& codes) const {
    return {hn::Add(codes.lower, rounding_), hn::Add(codes.upper, rounding_)};
  }

  SameShift<HalfTag> shift_;
  HalfVec rounding_;
  ByteVec below_code_, top_;
};

// Errors and innovations of a step whose codes are known.
template <bool kSomeBits>
HWY_INLINE void StoreErrors(const LaneGroup<ByteLanes>& group, const InnovationScale& scale, size_t p,
                            const StepBytes& codes, const ByteStep& step) {
  StepBytes result;
  for (size_t k = 0; k < kByteVectors; ++k) result.part[k] = Distance(codes.part[k], step.prediction.part[k]);
  StoreStep(result, group.error + p);
  if (!group.has_innovations) return;
  for (size_t k = 0; k < kByteVectors; ++k) {
    result.part[k] = scale.Of<kSomeBits>(codes.part[k], step.spatial[k]);
  }
  StoreStep(result, group.innovation + p);
}

// The column after a step.
HWY_INLINE size_t NextColumn(const LaneGroup<ByteLanes>& group, size_t c) {
  c += group.step;
  return c >= group.columns ? c - group.columns : c;
}

// Calls visit with the terms of a group as a type.
template <class Visit>
HWY_INLINE auto VisitTerms(const LaneGroup<ByteLanes>& group, Visit visit) {
  if (group.has_references) return visit(std::integral_constant<ByteTerms, ByteTerms::kReferences>());
  if (group.taps.activity) return visit(std::integral_constant<ByteTerms, ByteTerms::kActivity>());
  return visit(std::integral_constant<ByteTerms, ByteTerms::kNone>());
}

// In what follows, lanes beyond the active ones of a step compute what later steps overwrite or nothing reads.

template <ByteTerms kTerms>
void AnalyseSteps(const LaneTables& tables, const LaneGroup<ByteLanes>& group,
                  const LaneAnalysis<ByteLanes>& analysis) {
  const BytePredictor<kTerms> predictor(tables, group);
  const InnovationScale scale(group.innovation_bits);
  ByteStep step;
  size_t c = 0;
  for (size_t p = 0; p < group.positions; p += group.step, c = NextColumn(group, c)) {
    const StepPlace place = predictor.Predict(p, c, step);
    StoreErrors<false>(group, scale, p, LoadStep(group.value + p), step);
    StoreStep(place.position, analysis.position + p);
    StoreStep(place.activity, analysis.activity + p);
    StoreStep(step.center, analysis.center + p);
  }
}

void Analyse(const LaneTables& tables, const LaneGroup<ByteLanes>& group, const LaneAnalysis<ByteLanes>& analysis) {
  VisitTerms(group, [&](auto terms) HWY_ATTR { AnalyseSteps<decltype(terms)::value>(tables, group, analysis); });
}

// Contexts of a step, and its final centers.
template <ByteTerms kTerms, bool kFewCells>
HWY_INLINE StepBytes FindContexts(const LaneTables& tables, const StepPlace& place, ByteStep& step) {
  const ByteTag d;
  StepBytes cells, fixed;
  for (size_t k = 0; k < kByteVectors; ++k) {
    const NibbleIndex position(place.position.part[k]), activity(place.activity.part[k]);
    cells.part[k] = hn::Or(position.LookUp(tables.position_nibbles), activity.LookUp(tables.activity_nibbles));
    if constexpr (kTerms != ByteTerms::kNone) fixed.part[k] = position.LookUp(tables.center_nibbles);
  }
  StepBytes contexts = LookUp<kFewCells>(tables.context, cells);
  if constexpr (kTerms != ByteTerms::kNone) {
    // Centers are those of position bins where contexts are marked.
    const hn::RebindToSigned<ByteTag> ds;
    for (size_t k = 0; k < kByteVectors; ++k) {
      ByteVec& context = contexts.part[k];
      const auto is_fixed = hn::RebindMask(d, hn::Lt(hn::BitCast(ds, context), hn::Zero(ds)));
      step.center.part[k] = hn::IfThenElse(is_fixed, fixed.part[k], step.center.part[k]);
      context = hn::And(context, hn::Set(d, 0x7f));
    }
  }
  return contexts;
}

template <ByteTerms kTerms>
void TokenizeSteps(const LaneTables& tables, const LaneGroup<ByteLanes>& group, const LaneSymbols& symbols) {
  const BytePredictor<kTerms> predictor(tables, group);
  const InnovationScale scale(group.innovation_bits);
  ByteStep step;
  size_t c = 0, out = 0;
  for (size_t p = 0; p < group.positions; p += group.step, c = NextColumn(group, c), out += kRansLanes) {
    const StepPlace place = predictor.Predict(p, c, step);
    const StepBytes codes = LoadStep(group.value + p);
    const StepBytes contexts = FindContexts<kTerms, false>(tables, place, step);
    StoreResidualSymbols(tables, codes, step.center, contexts, symbols.symbol + out);
    StoreErrors<false>(group, scale, p, codes, step);
  }
}

void Tokenize(const LaneTables& tables, const LaneGroup<ByteLanes>& group, const LaneSymbols& symbols) {
  VisitTerms(group, [&](auto terms) HWY_ATTR { TokenizeSteps<decltype(terms)::value>(tables, group, symbols); });
}

// Codes, errors and innovations of a step.
template <bool kSomeBits>
HWY_INLINE void FinishStep(const LaneGroup<ByteLanes>& group, ByteVec mode, const InnovationScale& scale, size_t p,
                           const ByteStep& step, const StepResiduals& found) {
  const StepBytes codes = CodesOf(mode, found, step.center);
  StoreStep(codes, group.value + p);
  StoreErrors<kSomeBits>(group, scale, p, codes, step);
}

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
// Decodes full steps from the first on while there are bytes for sure, before `end`; returns the step after them.  The
// step after the one that is decoded is predicted meanwhile, which must not depend on it.  kRoom: of contexts; if
// it is not the largest, cells, and bits of innovations, which are some, are few enough for all that is faster then.
template <ByteTerms kTerms, size_t kRoom>
size_t DecodeWhileBytes(const LaneTables& tables, const LaneGroup<ByteLanes>& group, ByteRansDecoder& rans,
                        size_t end) {
  BytePredictor<kTerms> predictor(tables, group);  // if const, g++ would keep it in memory
  const InnovationScale scale(group.innovation_bits);
  const ByteVec mode = ModeOf(tables);
  constexpr bool kFew = kRoom < kMaxIntervalContexts;
  BankStates banks[kRansBanks] = {LoadBank(rans, rans.bank), LoadBank(rans, rans.bank ^ 1)};
  const std::byte* next = rans.next;
  ByteStep step, following;
  size_t k = 0, c = 0;
  const auto predict = [&](size_t of) HWY_ATTR __attribute__((always_inline)) {
    const StepPlace place = predictor.Predict(of * kRansLanes, c, following);
    c = NextColumn(group, c);
    return FindContexts<kTerms, kFew>(tables, place, following);
  };
  StepBytes contexts = predict(0);
  step = following;
  const auto decode = [&](BankStates & bank) HWY_ATTR __attribute__((always_inline)) {
    const StepBytes following_contexts = predict(k + 1);
    const StepSlots slots = FindSlots<kRoom>(*tables.intervals, bank, contexts);
    const StepResiduals found = TakeResiduals<false>(slots, bank, kRansLanes, next);
    FinishStep<kFew>(group, mode, scale, k * kRansLanes, step, found);
    step = following;
    contexts = following_contexts;
    ++k;
  };
  while (k + kRansBanks <= end && rans.limit - next >= static_cast<ptrdiff_t>(kLaneStageBytes)) {
    decode(banks[0]);
    decode(banks[1]);
  }
  StoreBank(banks[0], rans.bank, rans);
  StoreBank(banks[1], rans.bank ^ 1, rans);
  rans.next = next;
  return k;
}
#endif

template <ByteTerms kTerms>
bool DecodeSteps(const LaneTables& tables, const LaneGroup<ByteLanes>& group, ByteRansDecoder& rans) {
  size_t p = 0;
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
  if (group.columns >= 2 * kRansLanes + 2) {
#if HWY_TARGET <= HWY_AVX3_DL
    const bool few = tables.context.has_few() && (group.innovation_bits > 0 || !group.has_innovations);
    const size_t room = few ? tables.intervals->room : kMaxIntervalContexts;
    const auto decode = room == kFewestIntervalContexts ? DecodeWhileBytes<kTerms, kFewestIntervalContexts>
                        : room == kFewIntervalContexts  ? DecodeWhileBytes<kTerms, kFewIntervalContexts>
                                                        : DecodeWhileBytes<kTerms, kMaxIntervalContexts>;
#else
    const auto decode = DecodeWhileBytes<kTerms, kMaxIntervalContexts>;
#endif
    p = kRansLanes * decode(tables, group, rans, group.positions / kRansLanes);
  }
#endif
  const BytePredictor<kTerms> predictor(tables, group);
  const InnovationScale scale(group.innovation_bits);
  const ByteVec mode = ModeOf(tables);
  ByteStep step;
  alignas(64) uint8_t contexts[kRansLanes];
  for (size_t c = p % group.columns; p < group.positions; p += group.step, c = NextColumn(group, c)) {
    const size_t active = HWY_MIN(group.step, group.positions - p);
    const StepPlace place = predictor.Predict(p, c, step);
    StoreStep(FindContexts<kTerms, false>(tables, place, step), contexts);
    const StepResiduals found = active == kRansLanes
                                    ? DecodeIntervals<false>(rans, *tables.intervals, contexts, kRansLanes)
                                    : DecodeIntervals<true>(rans, *tables.intervals, contexts, active);
    FinishStep<false>(group, mode, scale, p, step, found);
  }
  return !rans.failed;
}

bool Decode(const LaneTables& tables, const LaneGroup<ByteLanes>& group, ByteRansDecoder& rans) {
  return VisitTerms(group,
                    [&](auto terms) HWY_ATTR { return DecodeSteps<decltype(terms)::value>(tables, group, rans); });
}

// Sums of the innovations of references.
template <size_t kCount>
class ReferenceSum {
 public:
  HWY_INLINE explicit ReferenceSum(const LaneReferences<ByteLanes>& references)
      : doubles_(references.shift < 0),
        shift_(std::max(references.shift, 0)),
        ahead_(kRowsAhead * references.innovation_stride) {
    int32_t sum = 0;
    for (size_t r = 0; r < kCount; ++r) {
      innovation_[r] = references.innovation[r];
      sum += references.weight[r];
    }
    offset_ = hn::Set(HalfTag(), static_cast<int16_t>(-128 * sum));
    for (size_t r = 0; r < kCount; r += 2) {
      weights_[r / 2] = WeightPair(references.weight[r], r + 1 < kCount ? references.weight[r + 1] : 0);
    }
  }

  // Of a vector of positions from `at` on, in their order, and how large innovations are there.
  HWY_INLINE ByteHalves At(size_t at, ByteVec& activity) const {
    const ByteTag d;
    ByteVec innovation[4], magnitude[4];
    for (size_t r = 0; r < kCount; ++r) {
      innovation[r] = hn::LoadU(d, innovation_[r] + at);
      hwy::Prefetch(innovation_[r] + at + ahead_);
      const hn::RebindToSigned<ByteTag> ds;
      magnitude[r] = hn::BitCast(d, hn::Abs(hn::BitCast(ds, hn::Xor(innovation[r], hn::Set(d, 0x80)))));
    }
    ByteHalves sums = {offset_, offset_};
#pragma GCC unroll 2
    for (size_t r = 0; r < kCount; r += 2) {
      const ByteHalves products =
          weights_[r / 2].Products(innovation[r], r + 1 < kCount ? innovation[r + 1] : hn::Zero(d));
      sums = {hn::Add(sums.lower, products.lower), hn::Add(sums.upper, products.upper)};
    }
    activity = kCount == 0 ? hn::Zero(d) : magnitude[0];
    if constexpr (kCount > 1) activity = hn::AverageRound(magnitude[0], magnitude[1]);
    if constexpr (kCount == 3) activity = hn::AverageRound(activity, magnitude[2]);
    if constexpr (kCount == 4) activity = hn::AverageRound(activity, hn::AverageRound(magnitude[2], magnitude[3]));
    if (doubles_) {
      sums = {hn::SaturatedAdd(sums.lower, sums.lower), hn::SaturatedAdd(sums.upper, sums.upper)};
    } else {
      sums = {shift_.Of(sums.lower), shift_.Of(sums.upper)};
    }
    return ToOrder(sums);
  }

 private:
  static constexpr size_t kRowsAhead = 4;  // rows are too short, and too far apart, to be foreseen

  bool doubles_;
  SameShift<HalfTag> shift_;
  size_t ahead_;
  const uint8_t* innovation_[kMaxByteReferences];
  HalfVec offset_;
  WeightPair weights_[kMaxByteReferences / 2];
};

template <size_t kCount>
void SumRows(const LaneReferences<ByteLanes>& references, size_t rows, size_t columns, size_t room) {
  const ByteTag d;
  const HalfTag dh;
  const size_t lanes = hn::Lanes(d);
  const ReferenceSum<kCount> sum(references);
  for (size_t row = 0; row < rows; ++row) {
    const size_t begin = row * references.innovation_stride;
    int16_t* const sum_out = references.sum + row * references.stride;
    uint8_t* const activity_out = references.activity + row * references.stride;
    for (size_t next = 0; next < columns; next += lanes) {  // the last vector overlaps the one before it
      const size_t i = columns < lanes || next + lanes <= columns ? next : columns - lanes;
      ByteVec activity;
      ByteHalves sums = sum.At(begin + i, activity);
      if (i + lanes > room) {
        const size_t count = columns - i, half = hn::Lanes(dh);
        activity = hn::IfThenElse(hn::FirstN(d, count), activity, hn::LoadU(d, activity_out + i));
        sums.lower = hn::IfThenElse(hn::FirstN(dh, count), sums.lower, hn::LoadU(dh, sum_out + i));
        if (half < lanes) {
          sums.upper = hn::IfThenElse(hn::FirstN(dh, count > half ? count - half : 0), sums.upper,
                                      hn::LoadU(dh, sum_out + i + half));
        }
      }
      hn::StoreU(activity, d, activity_out + i);
      hn::StoreU(sums.lower, dh, sum_out + i);
      if (hn::Lanes(dh) < lanes) hn::StoreU(sums.upper, dh, sum_out + i + hn::Lanes(dh));
    }
  }
}

void SumBytes(const LaneReferences<ByteLanes>& references) {
  size_t rows = references.rows, columns = references.columns, room = references.room;
  if (references.stride == columns && references.innovation_stride == columns) {
    columns *= rows;
    room *= rows;
    rows = 1;
  }
  switch (references.count) {
    case 0:
      return SumRows<0>(references, rows, columns, room);
    case 1:
      return SumRows<1>(references, rows, columns, room);
    case 2:
      return SumRows<2>(references, rows, columns, room);
    case 3:
      return SumRows<3>(references, rows, columns, room);
    default:
      return SumRows<4>(references, rows, columns, room);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(Analyse);
HWY_EXPORT(Tokenize);
HWY_EXPORT(Decode);
HWY_EXPORT(SumBytes);

void SumLaneReferences(const LaneReferences<ByteLanes>& references) {
  DCAC_DYNAMIC_DISPATCH(SumBytes)(references);
}

void AnalyseLaneGroup(const LaneTables& tables, const LaneGroup<ByteLanes>& group,
                      const LaneAnalysis<ByteLanes>& analysis) {
  DCAC_DYNAMIC_DISPATCH(Analyse)(tables, group, analysis);
}

void TokenizeLaneGroup(const LaneTables& tables, const LaneGroup<ByteLanes>& group, const LaneSymbols& symbols) {
  DCAC_DYNAMIC_DISPATCH(Tokenize)(tables, group, symbols);
}

bool DecodeLaneGroup(const LaneTables& tables, const LaneGroup<ByteLanes>& group, ByteRansDecoder& rans) {
  return DCAC_DYNAMIC_DISPATCH(Decode)(tables, group, rans);
}

}  // namespace dcac
#endif  // HWY_ONCE
