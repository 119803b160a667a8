// Groups of byte lanes (lane_group.h).
#include <array>
#include <cstddef>
#include <cstdint>

#include "core/kernels/lane_group.h"
#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/byte_group.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h: what follows is compiled for each target.
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

// Sums of the products of pairs of bytes, unsigned and signed.
HWY_INLINE HalfVec SumProducts(ByteVec values, HalfVec weights) {
#if HWY_TARGET <= HWY_AVX3
  return HalfVec{_mm512_maddubs_epi16(values.raw, weights.raw)};
#elif HWY_TARGET == HWY_AVX2
  return HalfVec{_mm256_maddubs_epi16(values.raw, weights.raw)};
#else
  return HalfVec{_mm_maddubs_epi16(values.raw, weights.raw)};
#endif
}

// Numbers cut to 0 .. 255, of halves that InterleaveLower and InterleaveUpper made.
HWY_INLINE ByteVec PackInterleaved(HalfVec lower, HalfVec upper) {
#if HWY_TARGET <= HWY_AVX3
  return ByteVec{_mm512_packus_epi16(lower.raw, upper.raw)};
#elif HWY_TARGET == HWY_AVX2
  return ByteVec{_mm256_packus_epi16(lower.raw, upper.raw)};
#else
  return ByteVec{_mm_packus_epi16(lower.raw, upper.raw)};
#endif
}
#else
#define DCAC_HAS_BYTE_PRODUCTS 0
#endif

// |a - b|.
HWY_INLINE ByteVec Distance(ByteVec a, ByteVec b) {
  return hn::Sub(hn::Max(a, b), hn::Min(a, b));
}

// Predicts positions of a group, with copies of what it needs of it.
class BytePredictor {
 public:
  HWY_INLINE BytePredictor(const LaneTables& tables, const LaneGroup<ByteLanes>& group)
      : position_base_(hn::Set(ByteTag(), static_cast<uint8_t>(tables.position_base))),
        columns_(group.columns),
        value_(group.value),
        error_(group.error),
        base_(hn::Set(HalfTag(), static_cast<int16_t>(group.taps.base + kHalf))) {
#if DCAC_HAS_BYTE_PRODUCTS
    const auto pair = [&](size_t t) HWY_ATTR {
      const uint32_t first = group.taps.weight[t] & 0xff, second = group.taps.weight[t + 1] & 0xff;
      return hn::Set(HalfTag(), static_cast<int16_t>(static_cast<uint16_t>(first | second << 8)));
    };
    for (size_t k = 0; k < kByteTaps / 2; ++k) weight_[k] = pair(2 * k);
#else
    for (size_t t = 0; t < kByteTaps; ++t) {
      weight_[t] = hn::Set(HalfTag(), static_cast<int16_t>(group.taps.weight[t]));
    }
#endif
  }

  // Vector k of the positions from p on.
  HWY_INLINE void Predict(size_t p, size_t k, StepBytes& center, StepPlace& place) const {
    p += k * hn::Lanes(ByteTag());
    const uint8_t* const row = value_ + p - columns_;
    const ByteVec here = Load(row), left = Load(row - 1), right = Load(row + 1);
    center.part[k] = Predict(row, here, left, right);
    place.position.part[k] = hn::Sub(center.part[k], position_base_);
    const ByteVec range = hn::Sub(hn::Max(hn::Max(left, right), here), hn::Min(hn::Min(left, right), here));
    const uint8_t* const errors = error_ + p - columns_;
    const ByteVec error = hn::AverageRound(Load(errors), hn::AverageRound(Load(errors - 1), Load(errors + 1)));
    place.activity.part[k] = hn::AverageRound(range, hn::SaturatedAdd(error, error));
  }

  HWY_INLINE StepPlace Predict(size_t p, StepBytes& center) const {
    StepPlace place;
    for (size_t k = 0; k < kByteVectors; ++k) Predict(p, k, center, place);
    return place;
  }

 private:
  static constexpr int kHalf = 1 << (kByteTapBits - 1);

  static HWY_INLINE ByteVec Load(const uint8_t* from) {
    return hn::LoadU(ByteTag(), from);
  }

#if DCAC_HAS_BYTE_PRODUCTS
  HWY_INLINE ByteVec Predict(const uint8_t* row, ByteVec here, ByteVec left, ByteVec right) const {
    const ByteVec above = Load(row - columns_);
    const auto sum = [&](ByteVec first, ByteVec second) HWY_ATTR {
      const HalfVec products = hn::Add(SumProducts(first, weight_[0]), SumProducts(second, weight_[1]));
      return hn::ShiftRight<kByteTapBits>(hn::Add(base_, products));
    };
    const ByteTag d;
    return PackInterleaved(sum(hn::InterleaveLower(d, here, left), hn::InterleaveLower(d, right, above)),
                           sum(hn::InterleaveUpper(d, here, left), hn::InterleaveUpper(d, right, above)));
  }
#else
  HWY_INLINE ByteVec Predict(const uint8_t* row, ByteVec, ByteVec, ByteVec) const {
    const auto half = [&](size_t i) HWY_ATTR {
      const hn::Rebind<uint8_t, HalfTag> d;
      const auto product = [&](const uint8_t* from, size_t t) HWY_ATTR {
        return hn::Mul(hn::PromoteTo(HalfTag(), hn::LoadU(d, from + i)), weight_[t]);
      };
      const HalfVec first = hn::Add(product(row, 0), product(row - 1, 1));
      const HalfVec second = hn::Add(product(row + 1, 2), product(row - columns_, 3));
      return hn::DemoteTo(d, hn::ShiftRight<kByteTapBits>(hn::Add(base_, hn::Add(first, second))));
    };
#if HWY_TARGET == HWY_SCALAR
    return half(0);
#else
    return hn::Combine(ByteTag(), half(hn::Lanes(HalfTag())), half(0));
#endif
  }
#endif

  ByteVec position_base_;
  size_t columns_;
  const uint8_t *value_, *error_;
  HalfVec base_;
#if DCAC_HAS_BYTE_PRODUCTS
  HalfVec weight_[kByteTaps / 2];  // of pairs of taps
#else
  HalfVec weight_[kByteTaps];
#endif
};

HWY_INLINE void StoreErrors(const StepBytes& codes, const StepBytes& predictions, uint8_t* errors) {
  StepBytes result;
  for (size_t k = 0; k < kByteVectors; ++k) result.part[k] = Distance(codes.part[k], predictions.part[k]);
  StoreStep(result, errors);
}

// In what follows, lanes beyond the active ones of a step compute what later steps overwrite or nothing reads.

void Analyse(const LaneTables& tables, const LaneGroup<ByteLanes>& group, const LaneAnalysis<ByteLanes>& analysis) {
  const BytePredictor predictor(tables, group);
  StepBytes center;
  for (size_t p = 0; p < group.positions; p += group.step) {
    const StepPlace place = predictor.Predict(p, center);
    StoreErrors(LoadStep(group.value + p), center, group.error + p);
    StoreStep(place.position, analysis.position + p);
    StoreStep(place.activity, analysis.activity + p);
    StoreStep(center, analysis.center + p);
  }
}

HWY_INLINE StepBytes ContextsOf(const LaneTables& tables, const StepPlace& place) {
  return LookUp(tables.context, FindByteCells(tables, place));
}

void Tokenize(const LaneTables& tables, const LaneGroup<ByteLanes>& group, const LaneSymbols& symbols) {
  const BytePredictor predictor(tables, group);
  StepBytes center;
  size_t out = 0;
  for (size_t p = 0; p < group.positions; p += group.step, out += kRansLanes) {
    const StepPlace place = predictor.Predict(p, center);
    const StepBytes codes = LoadStep(group.value + p);
    TokenStep(tables, codes, center, ContextsOf(tables, place), symbols, out);
    StoreErrors(codes, center, group.error + p);
  }
}

// Codes and errors of a step.
HWY_INLINE void FinishStep(const LaneTables& tables, const LaneGroup<ByteLanes>& group, size_t p,
                           const StepBytes& predictions, const int32_t* HWY_RESTRICT residuals) {
  const StepBytes codes = CodesOf(tables, residuals, predictions);
  StoreStep(codes, group.value + p);
  StoreErrors(codes, predictions, group.error + p);
}

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SSE4
// Decodes the full steps from `first` on, before `end` and while there are words for sure; returns the step after them.
// The first one was predicted, and so is the one after the last.  While the lanes of a step wait for their slots, the
// next one is predicted, which is not to depend on it.
HWY_INLINE size_t DecodeWhileWords(const LaneTables& tables, const LaneGroup<ByteLanes>& group, LaneRansDecoder& rans,
                                   size_t first, size_t end, StepBytes& predictions, uint8_t* HWY_RESTRICT context) {
  FreshIndices indices;
  alignas(64) uint32_t entries[kRansLanes];
  alignas(64) int32_t residuals[kRansLanes];
  BytePredictor predictor(tables, group);  // if const, g++ would keep it in memory
  const uint32_t* const slots = tables.slots;
  const std::byte* words = rans.next;
  size_t k = first;
  do {
    const size_t p = k * kRansLanes;
    StepBytes next;
    StepPlace place;
    constexpr size_t kPart = hn::MaxLanes(ByteTag()) / 2;
    const auto take = [&](size_t begin) HWY_ATTR {
#pragma GCC unroll 16
      for (size_t i = begin; i < begin + kPart; i += hn::MaxLanes(LaneTag())) {
        const LaneVec entry = hn::Load(LaneTag(), entries + i);
        const LaneVec raw =
            TakeSymbolsAt<LaneRaw::kInState, false>(rans.state.data() + i, kNarrowTableBits, entry, LaneMask(), words);
        hn::Store(ResidualsOf(entry, raw), WideIntTag(), residuals + i);
      }
    };
    FindEntries(rans.state.data(), kNarrowTableBits, context, indices);
#pragma GCC unroll 8
    for (size_t i = 0; i < kRansLanes; i += kPart) {
      LookUpEntries<kPart>(slots, indices, i, entries);
      if (i % (2 * kPart) == 0) predictor.Predict(p + kRansLanes, i / (2 * kPart), next, place);
      // What was looked up an iteration ago is here by now.
      if (i > 0) take(i - kPart);
    }
    StoreStep(ContextsOf(tables, place), context);
    take(kRansLanes - kPart);
    FinishStep(tables, group, p, predictions, residuals);
    predictions = next;
  } while (++k < end && words <= rans.limit);
  rans.next = words;
  return k;
}
#endif

// Decodes full steps from the first on; returns how many.
size_t DecodeFullSteps([[maybe_unused]] const LaneTables& tables, [[maybe_unused]] const LaneGroup<ByteLanes>& group,
                       [[maybe_unused]] LaneRansDecoder& rans) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SSE4  // too few registers
  return 0;
#else
  const size_t count = group.columns < 2 * kRansLanes + 2 ? 0 : group.positions / kRansLanes;
  if (count == 0) return 0;
  alignas(64) uint8_t context[kRansLanes];
  StepBytes predictions;
  StoreStep(ContextsOf(tables, BytePredictor(tables, group).Predict(0, predictions)), context);
  for (size_t k = 0; k < count;) {
    rans.PrepareStage();
    k = DecodeWhileWords(tables, group, rans, k, count, predictions, context);
  }
  return count;
#endif
}

bool Decode(const LaneTables& tables, const LaneGroup<ByteLanes>& group, LaneRansDecoder& rans) {
  const BytePredictor predictor(tables, group);
  StepBytes center;
  alignas(64) uint8_t context[kRansLanes];
  alignas(64) uint32_t entries[kRansLanes] = {}, raw[kRansLanes] = {};
  alignas(64) int32_t residuals[kRansLanes];
  for (size_t p = DecodeFullSteps(tables, group, rans) * kRansLanes; p < group.positions; p += group.step) {
    const size_t active = HWY_MIN(group.step, group.positions - p);
    StoreStep(ContextsOf(tables, predictor.Predict(p, center)), context);
    LookUpSlots(rans, tables.slots, kNarrowTableBits, context, active, entries);
    TakeSymbols<LaneRaw::kInState>(rans, kNarrowTableBits, entries, active, raw);
    StoreResiduals(entries, raw, residuals);
    FinishStep(tables, group, p, center, residuals);
  }
  return !rans.failed;
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(Analyse);
HWY_EXPORT(Tokenize);
HWY_EXPORT(Decode);

void AnalyseLaneGroup(const LaneTables& tables, const LaneGroup<ByteLanes>& group,
                      const LaneAnalysis<ByteLanes>& analysis) {
  DCAC_DYNAMIC_DISPATCH(Analyse)(tables, group, analysis);
}

void TokenizeLaneGroup(const LaneTables& tables, const LaneGroup<ByteLanes>& group, const LaneSymbols& symbols) {
  DCAC_DYNAMIC_DISPATCH(Tokenize)(tables, group, symbols);
}

bool DecodeLaneGroup(const LaneTables& tables, const LaneGroup<ByteLanes>& group, LaneRansDecoder& rans) {
  return DCAC_DYNAMIC_DISPATCH(Decode)(tables, group, rans);
}

}  // namespace dcac
#endif  // HWY_ONCE
