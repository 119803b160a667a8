// The steps of byte_rans.h in vectors, for each SIMD target: include it after hwy/highway.h in files that are compiled
// for all targets, and call the functions of dcac::HWY_NAMESPACE from loops over steps.
#if defined(DCAC_CORE_KERNELS_BYTE_RANS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DCAC_CORE_KERNELS_BYTE_RANS_INL_H_
#undef DCAC_CORE_KERNELS_BYTE_RANS_INL_H_
#else
#define DCAC_CORE_KERNELS_BYTE_RANS_INL_H_
#endif

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/kernels/byte_rans.h"
#include "core/kernels/lane_rans-inl.h"
#include "core/kernels/lane_shuffles.h"
#include "core/kernels/lane_step-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// The states of a bank.
struct BankStates {
  StepBytes low, high;
};
HWY_INLINE BankStates LoadBank(const ByteRansDecoder& decoder, size_t bank) {
  return {LoadStep(decoder.low.data() + bank * kRansLanes), LoadStep(decoder.high.data() + bank * kRansLanes)};
}
HWY_INLINE void StoreBank(const BankStates& states, size_t bank, ByteRansDecoder& decoder) {
  StoreStep(states.low, decoder.low.data() + bank * kRansLanes);
  StoreStep(states.high, decoder.high.data() + bank * kRansLanes);
}

// What a step decodes: its residuals, and bytes below 0 where the sample is the mode.
struct StepResiduals {
  StepBytes residual, mode;
};
HWY_INLINE StepBytes CodesOf(ByteVec mode, const StepResiduals& found, const StepBytes& center) {
  const ByteTag d;
  const hn::RebindToSigned<ByteTag> ds;
  StepBytes codes;
  for (size_t k = 0; k < kByteVectors; ++k) {
    const auto is_mode = hn::RebindMask(d, hn::Lt(hn::BitCast(ds, found.mode.part[k]), hn::Zero(ds)));
    const ByteVec code = hn::Add(center.part[k], found.residual.part[k]);
    codes.part[k] = hn::IfThenElse(is_mode, mode, code);
  }
  return codes;
}

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

template <bool kPartial>
HWY_INLINE StepResiduals DecodeIntervals(ByteRansDecoder& decoder, const IntervalTables& tables,
                                         const uint8_t* HWY_RESTRICT contexts, size_t active) {
  uint8_t residuals[kRansLanes] = {}, modes[kRansLanes] = {};
  bool is_mode[kRansLanes] = {};
  DecodeIntervalsPlain(decoder, tables, contexts, active, residuals, is_mode);
  for (size_t i = 0; i < active; ++i) modes[i] = is_mode[i] ? kModeFlag : 0;
  return {LoadStep(residuals), LoadStep(modes)};
}

#else

using PairTag16 = hn::Repartition<uint16_t, ByteTag>;
using PairVec16 = hn::Vec<PairTag16>;

// Numbers of 16 bits, one for each byte: of those at even places, and at odd ones.  To take them from bytes and back
// takes masks and shifts, where halves of a vector would take shuffles, of which processors do fewer at once.
struct PairHalves {
  PairVec16 even, odd;
};
HWY_INLINE PairVec16 EvenBytes() {
  return hn::Set(PairTag16(), 0xff);
}
// Bytes of one vector at even places, of another at odd ones.  The others of one of both are zeros.
HWY_INLINE PairVec16 AlternateEven(PairVec16 even, PairVec16 odd) {
  return hn::Or(hn::And(EvenBytes(), even), odd);
}
HWY_INLINE PairVec16 AlternateOdd(PairVec16 even, PairVec16 odd) {
  return hn::Or(even, hn::AndNot(EvenBytes(), odd));
}
// Of low bytes and high ones.
HWY_INLINE PairHalves Join(ByteVec low, ByteVec high) {
  const PairTag16 d16;
  const PairVec16 low_pairs = hn::BitCast(d16, low), high_pairs = hn::BitCast(d16, high);
  return {AlternateEven(low_pairs, hn::ShiftLeft<8>(high_pairs)),
          AlternateOdd(hn::ShiftRight<8>(low_pairs), high_pairs)};
}
HWY_INLINE PairHalves Widen(ByteVec v) {
  const auto pairs = hn::BitCast(PairTag16(), v);
  return {hn::And(pairs, EvenBytes()), hn::ShiftRight<8>(pairs)};
}
HWY_INLINE ByteVec LowBytes(const PairHalves& v) {
  return hn::BitCast(ByteTag(), AlternateEven(v.even, hn::ShiftLeft<8>(v.odd)));
}
HWY_INLINE ByteVec HighBytes(const PairHalves& v) {
  return hn::BitCast(ByteTag(), AlternateOdd(hn::ShiftRight<8>(v.even), v.odd));
}
// Products of bytes.
HWY_INLINE PairHalves Multiply(ByteVec a, ByteVec b) {
  const PairTag16 d16;
  const PairVec16 x = hn::BitCast(d16, a), y = hn::BitCast(d16, b), mask = EvenBytes();
  return {hn::Mul(hn::And(x, mask), hn::And(y, mask)), hn::MulHigh(hn::AndNot(mask, x), hn::AndNot(mask, y))};
}

// Shifts numbers, of low bytes and high ones, right by the lower halves of bytes, 8 at most.
HWY_INLINE void ShiftRightBy(ByteVec raw_bits, ByteVec& low, ByteVec& high) {
  const ByteTag d;
  const PairHalves x = Join(low, high);
#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_AVX2
  // There are no such shifts: the upper halves of products with 2^(16 - n), or what it is where n is 0.
  alignas(16) static constexpr uint8_t kPowers[16] = {0, 128, 64, 32, 16, 8, 4, 2, 1};
  const ByteVec power = hn::TableLookupBytesOr0(hn::LoadDup128(d, kPowers), raw_bits);
  const auto stays = hn::Eq(power, hn::Zero(d));
  const PairVec16 powers = hn::BitCast(PairTag16(), power);
  const PairHalves shifted = {hn::MulHigh(x.even, hn::ShiftLeft<8>(powers)),
                              hn::MulHigh(x.odd, hn::AndNot(EvenBytes(), powers))};
  low = hn::IfThenElse(stays, low, LowBytes(shifted));
  high = hn::IfThenElse(stays, high, HighBytes(shifted));
#else
  const PairHalves count = Widen(hn::And(raw_bits, hn::Set(d, 0xf)));
  const PairHalves shifted = {hn::Shr(x.even, count.even), hn::Shr(x.odd, count.odd)};
  low = LowBytes(shifted);
  high = HighBytes(shifted);
#endif
}

#if HWY_TARGET > HWY_AVX3_DL
// Of each 128 bits, from `next` on.  counts: how many bytes each of them takes.
template <class D>
HWY_INLINE hn::Vec<D> LoadBlocks(D d, const uint8_t* HWY_RESTRICT counts, const std::byte*& next) {
  if constexpr (hn::MaxLanes(D()) == 16) {
    const auto block = hn::LoadU(d, reinterpret_cast<const uint8_t*>(next));
    next += *counts;
    return block;
  } else {
    const hn::Half<D> half;
    const auto lower = LoadBlocks(half, counts, next);
    return hn::Combine(d, LoadBlocks(half, counts + hn::MaxLanes(half) / 16, next), lower);
  }
}
// How many lanes of each 128 bits are in the mask.
HWY_INLINE void CountInBlocks(hn::Mask<ByteTag> mask, uint8_t (&counts)[4]) {
  uint64_t bits = 0;
  hn::StoreMaskBits(ByteTag(), mask, reinterpret_cast<uint8_t*>(&bits));
  for (size_t i = 0; i < hn::MaxLanes(ByteTag()) / 16; ++i) {
    counts[i] = static_cast<uint8_t>(std::popcount(static_cast<uint16_t>(bits >> (16 * i))));
  }
}
// The next bytes, in ascending order, in the lanes of the mask; the others get anything.
HWY_INLINE ByteVec NextBytes(hn::Mask<ByteTag> mask, const std::byte*& next) {
  const ByteTag d;
  uint8_t counts[4];
  CountInBlocks(mask, counts);
  // Of each lane of the mask, how many others are before it: their sum is less one for each up to here.
  ByteVec sum = hn::VecFromMask(d, mask);
  const hn::Repartition<uint64_t, ByteTag> d64;
  sum = hn::Add(sum, hn::BitCast(d, hn::ShiftLeft<8>(hn::BitCast(d64, sum))));
  sum = hn::Add(sum, hn::BitCast(d, hn::ShiftLeft<16>(hn::BitCast(d64, sum))));
  sum = hn::Add(sum, hn::BitCast(d, hn::ShiftLeft<32>(hn::BitCast(d64, sum))));
  alignas(16) static constexpr uint8_t kLowerSum[16] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                                        7,    7,    7,    7,    7,    7,    7,    7};
  sum = hn::Add(sum, hn::TableLookupBytesOr0(sum, hn::LoadDup128(d, kLowerSum)));
  return hn::TableLookupBytesOr0(LoadBlocks(d, counts, next), hn::Not(sum));
}
#endif

// States below the bound take a byte; `lanes`: those that may.
template <bool kPartial>
HWY_INLINE void RefillBytes(BankStates& states, const StepBytes& lanes, const std::byte*& next) {
  const ByteTag d;
  for (size_t k = 0; k < kByteVectors; ++k) {
    ByteVec &low = states.low.part[k], &high = states.high.part[k];
    auto is_low = hn::Eq(high, hn::Zero(d));
    if constexpr (kPartial) is_low = hn::And(is_low, hn::MaskFromVec(lanes.part[k]));
    high = hn::IfThenElse(is_low, low, high);
#if HWY_TARGET <= HWY_AVX3_DL
    __m512i bytes = _mm512_loadu_si512(next);
    asm("" : "+v"(bytes));  // expanding from memory would wait for the mask
    low.raw = _mm512_mask_expand_epi8(low.raw, is_low.raw, bytes);
    next += std::popcount(is_low.raw);
#else
    low = hn::IfThenElse(is_low, NextBytes(is_low, next), low);
#endif
  }
}

// What slots say.
struct StepSlots {
  StepBytes distance, frequency, base, raw_bits;
};

#if HWY_TARGET <= HWY_AVX3_DL
// table[index] of indices below 64 or 128.
HWY_INLINE ByteVec LookUpAmong(const std::array<uint8_t, 64>& table, ByteVec index) {
  return ByteVec{_mm512_permutexvar_epi8(index.raw, _mm512_load_si512(table.data()))};
}
template <size_t kRoom>
HWY_INLINE ByteVec LookUpAmong(const std::array<uint8_t, 128>& table, ByteVec index) {
  const __m512i low = _mm512_load_si512(table.data());
  if constexpr (kRoom <= kFewIntervalContexts) return ByteVec{_mm512_permutexvar_epi8(index.raw, low)};
  return ByteVec{_mm512_permutex2var_epi8(low, index.raw, _mm512_load_si512(table.data() + 64))};
}

// Last slots around others.
struct LastSlots {
  ByteVec before, after;  // of the interval before theirs, and of theirs
};

// Four times the index, modulo 256, and how many bounds the values are above: three ascending ones of each index.
// `around`: what is known of the last bound below the values and of the first one that is not, and is known now.
HWY_INLINE ByteVec FindAmong(const ByteVec (&bound)[3], ByteVec index, ByteVec values, LastSlots& around) {
  const ByteTag d;
  ByteVec found = hn::BitCast(d, hn::ShiftLeft<2>(hn::BitCast(PairTag16(), index))), after = bound[0];
  ByteVec number[3];
  for (size_t j = 0; j < 3; ++j) number[j] = hn::Add(j == 0 ? found : number[j - 1], hn::Set(d, 1));
  for (size_t j = 0; j < 3; ++j) {
    const auto is_above = hn::Gt(values, bound[j]);
    found = hn::IfThenElse(is_above, number[j], found);
    around.before = hn::IfThenElse(is_above, bound[j], around.before);
    after = hn::IfThenElse(is_above, j < 2 ? bound[j + 1] : around.after, after);
  }
  around.after = after;
  return found;
}

// Numbers of intervals, modulo 256, by the contexts: those that the bounds of four, then the others lead to.
template <size_t kRoom>
HWY_INLINE ByteVec FindIntervals(const std::array<std::array<uint8_t, 64>, 3>& of_four,
                                 const std::array<std::array<uint8_t, 128>, 3>& others, ByteVec contexts,
                                 ByteVec values, LastSlots& around) {
  const ByteVec first[3] = {LookUpAmong(of_four[0], contexts), LookUpAmong(of_four[1], contexts),
                            LookUpAmong(of_four[2], contexts)};
  ByteVec four = FindAmong(first, contexts, values, around);
  const ByteVec second[3] = {LookUpAmong<kRoom>(others[0], four), LookUpAmong<kRoom>(others[1], four),
                             LookUpAmong<kRoom>(others[2], four)};
  if constexpr (kRoom > kFewIntervalContexts) four = hn::And(four, hn::Set(ByteTag(), 63));
  return FindAmong(second, four, values, around);
}

// table[number] of intervals; `is_upper`: those whose contexts are not among the first kFewIntervalContexts.
template <size_t kRoom>
HWY_INLINE ByteVec LookUpOfIntervals(const std::array<uint8_t, kMaxIntervalContexts * kMaxIntervals>& table,
                                     ByteVec number, hn::Mask<ByteTag> is_upper) {
  if constexpr (kRoom == kFewestIntervalContexts) return Permute128(table.data(), number);
  const ByteVec low = Permute256(table.data(), number);
  if constexpr (kRoom == kFewIntervalContexts) return low;
  return hn::IfThenElse(is_upper, Permute256(table.data() + 256, number), low);
}
template <size_t kRoom>
HWY_INLINE hn::Mask<ByteTag> AreUpper(ByteVec contexts) {
  if constexpr (kRoom <= kFewIntervalContexts) return {};
  return hn::Gt(contexts, hn::Set(ByteTag(), kFewIntervalContexts - 1));
}

// Intervals by how many last slots of others are before theirs: of those of every four, then of those of the four.
template <size_t kRoom>
HWY_INLINE StepSlots FindSlots(const IntervalTables& tables, const BankStates& states, const StepBytes& contexts) {
  const ByteTag d;
  const ByteVec slot = states.low.part[0], end = hn::Set(d, 0xff);
  LastSlots last = {end, end};  // -1, of what is before the first interval
  const ByteVec interval = FindIntervals<kRoom>(tables.last_of_four, tables.last, contexts.part[0], slot, last);
  const auto is_upper = AreUpper<kRoom>(contexts.part[0]);
  StepSlots result;
  result.distance.part[0] = hn::Add(hn::Sub(slot, last.before), end);
  result.frequency.part[0] = hn::Sub(last.after, last.before);
  result.base.part[0] = LookUpOfIntervals<kRoom>(tables.base, interval, is_upper);
  result.raw_bits.part[0] = LookUpOfIntervals<kRoom>(tables.raw_bits, interval, is_upper);
  return result;
}
#else
using SlotTag = hn::Repartition<uint32_t, ByteTag>;

// slots[index[i]] of four lanes for each 128 bits of a vector, whose indices are 8 apart.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
HWY_INLINE __m128i LookUpSlotsOf4(const uint32_t* HWY_RESTRICT slots, const uint16_t* HWY_RESTRICT index) {
  // Loads are wider than the element that is used of them, for inserting one takes another instruction: `slots` have
  // so much before and after them.
  const auto load = [=](size_t i)
                        HWY_ATTR { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(slots + index[i] - i)); };
  const __m128i first = _mm_cvtsi32_si128(static_cast<int>(slots[index[0]]));
  const __m128i two = _mm_blend_epi32(first, load(1), 2);
  return _mm_blend_epi32(_mm_blend_epi32(two, load(2), 4), load(3), 8);
}
HWY_INLINE hn::Vec<SlotTag> LookUpSlotsOf(const uint32_t* HWY_RESTRICT slots, const uint16_t* HWY_RESTRICT index) {
  const auto pair = [=](size_t i) HWY_ATTR {
    const __m256i lower = _mm256_castsi128_si256(LookUpSlotsOf4(slots, index + i));
    return _mm256_inserti128_si256(lower, LookUpSlotsOf4(slots, index + i + 8), 1);
  };
#if HWY_TARGET == HWY_AVX2
  return hn::Vec<SlotTag>{pair(0)};
#else
  return hn::Vec<SlotTag>{_mm512_inserti64x4(_mm512_castsi256_si512(pair(0)), pair(16), 1)};
#endif
}
#else
HWY_INLINE hn::Vec<SlotTag> LookUpSlotsOf(const uint32_t* HWY_RESTRICT slots, const uint16_t* HWY_RESTRICT index) {
  return LookUp(slots, index);
}
#endif

template <size_t kRoom>  // others find all alike
HWY_INLINE StepSlots FindSlots(const IntervalTables& tables, const BankStates& states, const StepBytes& contexts) {
  const ByteTag d;
  constexpr size_t kLanes = hn::MaxLanes(d);
  alignas(64) uint16_t index[kRansLanes];  // slot + 256 context; of a vector the lower halves of 128 bits come first
  for (size_t k = 0; k < kByteVectors; ++k) {
    const auto store = [&](ByteVec half, size_t at)
                           HWY_ATTR { hn::Store(half, d, reinterpret_cast<uint8_t*>(index + k * kLanes + at)); };
    store(hn::InterleaveLower(d, states.low.part[k], contexts.part[k]), 0);
    store(hn::InterleaveUpper(d, states.low.part[k], contexts.part[k]), kLanes / 2);
  }
#if HWY_ARCH_X86
  asm("" : "+m"(index));  // as in FindEntries
#endif
  const uint32_t* const slots = reinterpret_cast<const uint32_t*>(tables.slots.data());
  const SlotTag d32;
  const hn::Repartition<uint64_t, ByteTag> d64;
  // Of four slots, the first bytes of all, then the second ones, and so on.
  alignas(16) static constexpr uint8_t kTransposed[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  const auto transposed = hn::LoadDup128(d, kTransposed);
  StepSlots result;
#pragma GCC unroll 4
  for (size_t k = 0; k < kByteVectors; ++k) {
    const auto find = [&](size_t first) HWY_ATTR {
      const auto found = LookUpSlotsOf(slots, index + k * kLanes + first);
      return hn::BitCast(d32, hn::TableLookupBytes(hn::BitCast(d, found), transposed));
    };
    const auto v0 = find(0), v1 = find(4), v2 = find(kLanes / 2), v3 = find(kLanes / 2 + 4);
    const auto lower = [&](auto a, auto b) HWY_ATTR { return hn::BitCast(d64, hn::InterleaveLower(d32, a, b)); };
    const auto upper = [&](auto a, auto b) HWY_ATTR { return hn::BitCast(d64, hn::InterleaveUpper(d32, a, b)); };
    const auto places0 = lower(v0, v1), places1 = lower(v2, v3), residuals0 = upper(v0, v1), residuals1 = upper(v2, v3);
    result.distance.part[k] = hn::BitCast(d, hn::InterleaveLower(d64, places0, places1));
    result.frequency.part[k] = hn::BitCast(d, hn::InterleaveUpper(d64, places0, places1));
    result.base.part[k] = hn::BitCast(d, hn::InterleaveLower(d64, residuals0, residuals1));
    result.raw_bits.part[k] = hn::BitCast(d, hn::InterleaveUpper(d64, residuals0, residuals1));
  }
  return result;
}
#endif

// What follows of a step of a bank whose slots are found; `next` must be prepared for it.
template <bool kPartial>
HWY_INLINE StepResiduals TakeResiduals(const StepSlots& slots, BankStates& states, size_t active,
                                       const std::byte*& next) {
  const ByteTag d;
  BankStates now;
  StepBytes lanes;
  for (size_t k = 0; k < kByteVectors; ++k) {
    if constexpr (kPartial) {
      const size_t first = k * hn::Lanes(d);
      lanes.part[k] = hn::VecFromMask(d, hn::FirstN(d, active > first ? active - first : 0));
    }
    const PairHalves product = Multiply(states.high.part[k], slots.frequency.part[k]);
    const PairHalves distance = Widen(slots.distance.part[k]);
    const PairHalves x = {hn::Add(product.even, distance.even), hn::Add(product.odd, distance.odd)};
    now.low.part[k] = LowBytes(x);
    now.high.part[k] = HighBytes(x);
  }
  RefillBytes<kPartial>(now, lanes, next);
  StepResiduals result;
  alignas(16) static constexpr uint8_t kMasks[16] = {0, 1, 3, 7, 15, 31, 63, 127, 255};
  const auto masks = hn::LoadDup128(d, kMasks);
  for (size_t k = 0; k < kByteVectors; ++k) {
    const ByteVec raw_bits = slots.raw_bits.part[k];
    const ByteVec raw = hn::And(now.low.part[k], hn::TableLookupBytesOr0(masks, raw_bits));
    result.residual.part[k] = hn::Add(slots.base.part[k], raw);
    result.mode.part[k] = raw_bits;
    ShiftRightBy(raw_bits, now.low.part[k], now.high.part[k]);
  }
  RefillBytes<kPartial>(now, lanes, next);
  if constexpr (kPartial) {
    for (size_t k = 0; k < kByteVectors; ++k) {
      const auto is_active = hn::MaskFromVec(lanes.part[k]);
      now.low.part[k] = hn::IfThenElse(is_active, now.low.part[k], states.low.part[k]);
      now.high.part[k] = hn::IfThenElse(is_active, now.high.part[k], states.high.part[k]);
    }
  }
  states = now;
  return result;
}

// A step with what the decoder holds.
template <bool kPartial>
HWY_INLINE StepResiduals DecodeIntervals(ByteRansDecoder& decoder, const IntervalTables& tables,
                                         const uint8_t* HWY_RESTRICT contexts, size_t active) {
  decoder.PrepareStage();
  BankStates states = LoadBank(decoder, decoder.bank);
  alignas(64) uint8_t padded[kRansLanes];
  const StepBytes of_lanes = LoadStep(kPartial ? PadWithZeros(contexts, active, padded) : contexts);
  const StepSlots slots = FindSlots<kMaxIntervalContexts>(tables, states, of_lanes);
  const StepResiduals result = TakeResiduals<kPartial>(slots, states, active, decoder.next);
  StoreBank(states, decoder.bank, decoder);
  decoder.bank ^= 1;
  return result;
}

#endif  // HWY_TARGET

}  // namespace dcac::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
