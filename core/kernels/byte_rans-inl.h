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

#if HWY_TARGET == HWY_AVX2

// The states of a bank, as they are: bytes of 32 take too many shuffles here.
struct BankStates {
  LaneVec state[kRansLanes / 8];
};
HWY_INLINE BankStates LoadBank(const ByteRansDecoder& decoder, size_t bank) {
  BankStates result;
  for (size_t j = 0; j < kRansLanes / 8; ++j) {
    const size_t first = bank * kRansLanes + 8 * j;
    const auto load = [first](const auto& bytes) HWY_ATTR {
      return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes.data() + first)));
    };
    result.state[j].raw = _mm256_or_si256(load(decoder.low), _mm256_slli_epi32(load(decoder.high), 8));
  }
  return result;
}
HWY_INLINE void StoreBank(const BankStates& states, size_t bank, ByteRansDecoder& decoder) {
  const auto byte = [&](int shift) HWY_ATTR {
    return PackWords<uint8_t>([&, shift](size_t i) HWY_ATTR {
      const __m256i byte_of =
          _mm256_and_si256(_mm256_srli_epi32(states.state[i / 8].raw, shift), _mm256_set1_epi32(255));
      return WideIntVec{byte_of};
    });
  };
  StoreStep(byte(0), decoder.low.data() + bank * kRansLanes);
  StoreStep(byte(8), decoder.high.data() + bank * kRansLanes);
}

// What a step decodes: numbers whose low bytes are its residuals, below 0 where the sample is the mode.
struct StepResiduals {
  alignas(64) int32_t residual[kRansLanes];
};
HWY_INLINE StepBytes CodesOf(ByteVec mode, const StepResiduals& found, const StepBytes& center) {
  return CodesOf(/*has_mode=*/true, mode, found.residual, center);
}

// What slots say, as they are.
struct StepSlots {
  LaneVec entry[kRansLanes / 8];
};
template <bool kFew>
HWY_INLINE StepSlots FindSlots(const IntervalTables& tables, const BankStates& states, const StepBytes& contexts) {
  alignas(64) uint16_t index[kRansLanes];
  alignas(64) uint8_t context[kRansLanes];
  StoreStep(contexts, context);
  for (size_t i = 0; i < kRansLanes; i += 16) {
    const __m256i mask = _mm256_set1_epi32(255);
    const __m256i slots = _mm256_packus_epi32(_mm256_and_si256(states.state[i / 8].raw, mask),
                                              _mm256_and_si256(states.state[i / 8 + 1].raw, mask));
    const __m256i first = _mm256_cvtepu8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(context + i)));
    _mm256_store_si256(reinterpret_cast<__m256i*>(index + i),
                       _mm256_or_si256(_mm256_permute4x64_epi64(slots, 0xd8), _mm256_slli_epi16(first, 8)));
  }
  asm("" : "+m"(index));  // as in FindEntries
  StepSlots result;
#pragma GCC unroll 8
  for (size_t j = 0; j < kRansLanes / 8; ++j) {
    result.entry[j] = LookUp(reinterpret_cast<const uint32_t*>(tables.slots.data()), index + 8 * j);
  }
  return result;
}

// States below the bound take a byte; `lanes`: those that may.
template <bool kPartial>
HWY_INLINE LaneVec RefillByte(LaneVec x, LaneMask lanes, const std::byte*& next) {
  __m256i is_low = _mm256_sub_epi32(x.raw, _mm256_set1_epi32(kByteStateLow));  // below 0
  if constexpr (kPartial) is_low = _mm256_and_si256(is_low, hn::VecFromMask(LaneTag(), lanes).raw);
  const size_t bits = static_cast<size_t>(_mm256_movemask_ps(_mm256_castsi256_ps(is_low)));
  const __m256i bytes = _mm256_set1_epi64x(static_cast<int64_t>(LoadLittleEndian(next, 8)));
  next += std::popcount(bits);
  const __m256i from = _mm256_load_si256(reinterpret_cast<const __m256i*>(kExpandOneByte8To32[bits].data()));
  const __m256i refilled = _mm256_or_si256(_mm256_slli_epi32(x.raw, 8), _mm256_shuffle_epi8(bytes, from));
  return LaneVec{_mm256_castps_si256(
      _mm256_blendv_ps(_mm256_castsi256_ps(x.raw), _mm256_castsi256_ps(refilled), _mm256_castsi256_ps(is_low)))};
}

// What follows of a step of a bank whose slots are found; `next` must be prepared for it.
template <bool kPartial>
HWY_INLINE StepResiduals TakeResiduals(const StepSlots& slots, BankStates& states, size_t active,
                                       const std::byte*& next) {
  const LaneTag d;
  const LaneVec byte = hn::Set(d, 255);
  const auto lanes_at = [&](size_t j) HWY_ATTR {
    return kPartial ? hn::FirstN(d, active > 8 * j ? active - 8 * j : 0) : LaneMask();
  };
  BankStates now;
#pragma GCC unroll 8
  for (size_t j = 0; j < kRansLanes / 8; ++j) {
    const LaneVec entry = slots.entry[j], frequency = hn::And(hn::ShiftRight<8>(entry), byte);
    const LaneVec product{_mm256_mullo_epi16(hn::ShiftRight<8>(states.state[j]).raw, frequency.raw)};
    now.state[j] = RefillByte<kPartial>(hn::Add(product, hn::And(entry, byte)), lanes_at(j), next);
  }
  StepResiduals result;
  const hn::RebindToSigned<LaneTag> di;
#pragma GCC unroll 8
  for (size_t j = 0; j < kRansLanes / 8; ++j) {
    const LaneVec entry = slots.entry[j], x = now.state[j];
    const LaneVec raw_bits = hn::And(hn::ShiftRight<24>(entry), hn::Set(d, 0xf));
    const LaneVec rest = hn::Shr(x, raw_bits), raw = hn::Xor(x, hn::Shl(rest, raw_bits));
    const auto base = hn::And(hn::ShiftRight<16>(hn::BitCast(di, entry)), hn::Set(di, INT32_MIN | 255));
    hn::Store(hn::Add(base, hn::BitCast(di, raw)), di, result.residual + 8 * j);
    const LaneVec refilled = RefillByte<kPartial>(rest, lanes_at(j), next);
    states.state[j] = kPartial ? hn::IfThenElse(lanes_at(j), refilled, states.state[j]) : refilled;
  }
  return result;
}

#else

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

#endif

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

#if HWY_TARGET != HWY_AVX2

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
// Bytes of one vector at even places, of another at odd ones.
HWY_INLINE PairVec16 Alternate(PairVec16 even, PairVec16 odd) {
  return hn::IfVecThenElse(EvenBytes(), even, odd);
}
// Of low bytes and high ones.
HWY_INLINE PairHalves Join(ByteVec low, ByteVec high) {
  const PairTag16 d16;
  const PairVec16 low_pairs = hn::BitCast(d16, low), high_pairs = hn::BitCast(d16, high);
  return {Alternate(low_pairs, hn::ShiftLeft<8>(high_pairs)), Alternate(hn::ShiftRight<8>(low_pairs), high_pairs)};
}
HWY_INLINE PairHalves Widen(ByteVec v) {
  const auto pairs = hn::BitCast(PairTag16(), v);
  return {hn::And(pairs, EvenBytes()), hn::ShiftRight<8>(pairs)};
}
HWY_INLINE ByteVec LowBytes(const PairHalves& v) {
  return hn::BitCast(ByteTag(), Alternate(v.even, hn::ShiftLeft<8>(v.odd)));
}
HWY_INLINE ByteVec HighBytes(const PairHalves& v) {
  return hn::BitCast(ByteTag(), Alternate(hn::ShiftRight<8>(v.even), v.odd));
}
// Products of bytes.
HWY_INLINE PairHalves Multiply(ByteVec a, ByteVec b) {
  const PairTag16 d16;
  const PairVec16 x = hn::BitCast(d16, a), y = hn::BitCast(d16, b), mask = EvenBytes();
  return {hn::Mul(hn::And(x, mask), hn::And(y, mask)), hn::MulHigh(hn::AndNot(mask, x), hn::AndNot(mask, y))};
}

// Shifted right by the lower halves of bytes, 8 at most.
HWY_INLINE PairHalves ShiftRightBy(const PairHalves& v, ByteVec raw_bits) {
  const ByteTag d;
#if HWY_TARGET == HWY_SSE4
  // There are no such shifts: the upper halves of products with 2^(16 - n), or what it is where n is 0.
  alignas(16) static constexpr uint8_t kPowers[16] = {0, 128, 64, 32, 16, 8, 4, 2, 1};
  const auto power = hn::TableLookupBytesOr0(hn::LoadDup128(d, kPowers), raw_bits);
  const auto is_zero = hn::VecFromMask(d, hn::Eq(power, hn::Zero(d)));
  const PairHalves factor = Join(hn::Zero(d), power), keeps = Join(is_zero, is_zero);
  return {hn::Or(hn::MulHigh(v.even, factor.even), hn::And(v.even, keeps.even)),
          hn::Or(hn::MulHigh(v.odd, factor.odd), hn::And(v.odd, keeps.odd))};
#else
  const PairHalves count = Widen(hn::And(raw_bits, hn::Set(d, 0xf)));
  return {hn::Shr(v.even, count.even), hn::Shr(v.odd, count.odd)};
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
  constexpr size_t kBlocks = hn::MaxLanes(ByteTag()) / 16;
  alignas(8) uint8_t bits[8];
  hn::StoreMaskBits(ByteTag(), mask, bits);
  for (size_t i = 0; i < kBlocks; ++i) {
    counts[i] = static_cast<uint8_t>(std::popcount(bits[2 * i]) + std::popcount(bits[2 * i + 1]));
  }
}
// The next bytes, in ascending order, in the lanes of the mask; zeros in the others.
HWY_INLINE ByteVec NextBytes(hn::Mask<ByteTag> mask, const std::byte*& next) {
  const ByteTag d;
  uint8_t counts[4];
  CountInBlocks(mask, counts);
  const ByteVec in_mask = hn::VecFromMask(d, mask);
  // Of each lane of the mask, how many others are before it: their sum is less one for each up to here.
  ByteVec sum = hn::Add(in_mask, hn::ShiftLeftBytes<1>(d, in_mask));
  sum = hn::Add(sum, hn::ShiftLeftBytes<2>(d, sum));
  sum = hn::Add(sum, hn::ShiftLeftBytes<4>(d, sum));
  sum = hn::Add(sum, hn::ShiftLeftBytes<8>(d, sum));
  const ByteVec from = hn::Not(hn::And(sum, in_mask));
  return hn::TableLookupBytesOr0(LoadBlocks(d, counts, next), from);
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
template <bool kFew>
HWY_INLINE ByteVec LookUpAmong(const std::array<uint8_t, 128>& table, ByteVec index) {
  const __m512i low = _mm512_load_si512(table.data());
  if constexpr (kFew) return ByteVec{_mm512_permutexvar_epi8(index.raw, low)};
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
template <bool kFew>
HWY_INLINE ByteVec FindIntervals(const std::array<std::array<uint8_t, 64>, 3>& of_four,
                                 const std::array<std::array<uint8_t, 128>, 3>& others, ByteVec contexts,
                                 ByteVec values, LastSlots& around) {
  const ByteVec first[3] = {LookUpAmong(of_four[0], contexts), LookUpAmong(of_four[1], contexts),
                            LookUpAmong(of_four[2], contexts)};
  ByteVec four = FindAmong(first, contexts, values, around);
  const ByteVec second[3] = {LookUpAmong<kFew>(others[0], four), LookUpAmong<kFew>(others[1], four),
                             LookUpAmong<kFew>(others[2], four)};
  if constexpr (!kFew) four = hn::And(four, hn::Set(ByteTag(), 63));
  return FindAmong(second, four, values, around);
}

// table[number] of intervals; `is_upper`: those whose contexts are not among the first kFewIntervalContexts.
template <bool kFew>
HWY_INLINE ByteVec LookUpOfIntervals(const std::array<uint8_t, kMaxIntervalContexts * kMaxIntervals>& table,
                                     ByteVec number, hn::Mask<ByteTag> is_upper) {
  const ByteVec low = Permute256(table.data(), number);
  if constexpr (kFew) return low;
  return hn::IfThenElse(is_upper, Permute256(table.data() + 256, number), low);
}
template <bool kFew>
HWY_INLINE hn::Mask<ByteTag> AreUpper(ByteVec contexts) {
  if constexpr (kFew) return {};
  return hn::Gt(contexts, hn::Set(ByteTag(), kFewIntervalContexts - 1));
}

// Intervals by how many last slots of others are before theirs: of those of every four, then of those of the four.
template <bool kFew>
HWY_INLINE StepSlots FindSlots(const IntervalTables& tables, const BankStates& states, const StepBytes& contexts) {
  const ByteTag d;
  const ByteVec slot = states.low.part[0], end = hn::Set(d, 0xff);
  LastSlots last = {end, end};  // -1, of what is before the first interval
  const ByteVec interval = FindIntervals<kFew>(tables.last_of_four, tables.last, contexts.part[0], slot, last);
  const auto is_upper = AreUpper<kFew>(contexts.part[0]);
  StepSlots result;
  result.distance.part[0] = hn::Add(hn::Sub(slot, last.before), end);
  result.frequency.part[0] = hn::Sub(last.after, last.before);
  result.base.part[0] = LookUpOfIntervals<kFew>(tables.base, interval, is_upper);
  result.raw_bits.part[0] = LookUpOfIntervals<kFew>(tables.raw_bits, interval, is_upper);
  return result;
}
#else
template <bool kFew>  // others find all alike
HWY_INLINE StepSlots FindSlots(const IntervalTables& tables, const BankStates& states, const StepBytes& contexts) {
  const ByteTag d;
  alignas(64) uint16_t index[kRansLanes];
  for (size_t k = 0; k < kByteVectors; ++k) {
    hn::StoreInterleaved2(states.low.part[k], contexts.part[k], d,
                          reinterpret_cast<uint8_t*>(index + k * hn::Lanes(d)));  // slot + 256 context
  }
#if HWY_ARCH_X86
  asm("" : "+m"(index));  // as in FindEntries
#endif
  const uint32_t* const slots_of = reinterpret_cast<const uint32_t*>(tables.slots.data());
  StepSlots result;
  alignas(64) uint32_t entries[kRansLanes];
  LookUpEntries<kRansLanes>(slots_of, index, 0, entries);
  for (size_t k = 0; k < kByteVectors; ++k) {
    hn::LoadInterleaved4(d, reinterpret_cast<const uint8_t*>(entries + k * hn::Lanes(d)), result.distance.part[k],
                         result.frequency.part[k], result.base.part[k], result.raw_bits.part[k]);
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
    const PairHalves x = ShiftRightBy(Join(now.low.part[k], now.high.part[k]), raw_bits);
    now.low.part[k] = LowBytes(x);
    now.high.part[k] = HighBytes(x);
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

#endif  // HWY_TARGET != HWY_AVX2

// A step with what the decoder holds.
template <bool kPartial>
HWY_INLINE StepResiduals DecodeIntervals(ByteRansDecoder& decoder, const IntervalTables& tables,
                                         const uint8_t* HWY_RESTRICT contexts, size_t active) {
  decoder.PrepareStage();
  BankStates states = LoadBank(decoder, decoder.bank);
  alignas(64) uint8_t padded[kRansLanes];
  const StepBytes of_lanes = LoadStep(kPartial ? PadWithZeros(contexts, active, padded) : contexts);
  const StepSlots slots = FindSlots<false>(tables, states, of_lanes);
  const StepResiduals result = TakeResiduals<kPartial>(slots, states, active, decoder.next);
  StoreBank(states, decoder.bank, decoder);
  decoder.bank ^= 1;
  return result;
}

#endif  // HWY_TARGET

}  // namespace dcac::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
