// The stages of lane_rans.h in vectors, for each SIMD target: include it after hwy/highway.h in files that are compiled
// for all targets, and call the functions of dcac::HWY_NAMESPACE from loops over steps.  Arrays have 64 elements and
// are fastest when aligned to 64 bytes; results in resting lanes are arbitrary.
#if defined(DCAC_CORE_KERNELS_LANE_RANS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DCAC_CORE_KERNELS_LANE_RANS_INL_H_
#undef DCAC_CORE_KERNELS_LANE_RANS_INL_H_
#else
#define DCAC_CORE_KERNELS_LANE_RANS_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/kernels/lane_rans.h"
#include "core/kernels/lane_shuffles.h"
#include "hwy/highway.h"

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
#define DCAC_RANS_VECTOR_LANES 16
#elif HWY_TARGET == HWY_AVX2
#define DCAC_RANS_VECTOR_LANES 8
#else
#define DCAC_RANS_VECTOR_LANES 4
#endif

HWY_BEFORE_NAMESPACE();
namespace dcac::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

HWY_INLINE void LookUpSlots(LaneRansDecoder& decoder, const uint32_t* slots, int table_bits, const uint8_t* contexts,
                            size_t active, uint32_t* entries) {
  LookUpSlotsPlain(decoder, slots, table_bits, contexts, active, entries);
}

template <LaneRaw kRaw>
HWY_INLINE void TakeSymbols(LaneRansDecoder& decoder, int table_bits, const uint32_t* entries, size_t active,
                            uint32_t* raw) {
  TakeSymbolsPlain<kRaw>(decoder, table_bits, entries, active, raw);
}

HWY_INLINE void DecodeRaw(LaneRansDecoder& decoder, const uint32_t* num_bits, size_t active, uint32_t* raw) {
  DecodeRawPlain(decoder, num_bits, active, raw);
}

template <LaneRaw kRaw>
HWY_INLINE void EncodeSymbols(LaneRansEncoder& encoder, const uint64_t* table, int table_bits, const uint16_t* symbols,
                              const uint8_t* raw, size_t active) {
  EncodeSymbolsPlain<kRaw>(encoder, table, table_bits, symbols, raw, active);
}

HWY_INLINE void EncodeRaw(LaneRansEncoder& encoder, const uint16_t* raw, const uint8_t* num_bits, size_t active) {
  EncodeRawPlain(encoder, raw, num_bits, active);
}

#else

using LaneTag = hn::CappedTag<uint32_t, DCAC_RANS_VECTOR_LANES>;
using LaneVec = hn::Vec<LaneTag>;
using LaneMask = hn::Mask<LaneTag>;

// Of 31-bit numbers: signed comparison, which all targets have.
HWY_INLINE LaneMask LessThan(LaneVec a, LaneVec b) {
  const LaneTag d;
  const hn::RebindToSigned<LaneTag> di;
  return hn::RebindMask(d, hn::Lt(hn::BitCast(di, a), hn::BitCast(di, b)));
}

HWY_INLINE size_t MaskBits(LaneMask mask) {
  uint8_t bits[8] = {};
  hn::StoreMaskBits(LaneTag(), mask, bits);
  return bits[0];
}

// Copies what active lanes have, and zeros for resting ones, which are the safe index.
template <class T>
HWY_INLINE const T* PadWithZeros(const T* values, size_t active, T* padded) {
  std::fill(std::copy_n(values, active, padded), padded + kRansLanes, T{0});
  return padded;
}

// ---- Tables ----

// Loads one by one: gather instructions take twice as long on Zen 4, and longer where microcode guards them.
#if HWY_ARCH_X86
HWY_INLINE __m128i LookUp4(const uint32_t* table, const uint16_t* index) {
  __m128i v = _mm_cvtsi32_si128(static_cast<int>(table[index[0]]));
  v = _mm_insert_epi32(v, static_cast<int>(table[index[1]]), 1);
  v = _mm_insert_epi32(v, static_cast<int>(table[index[2]]), 2);
  return _mm_insert_epi32(v, static_cast<int>(table[index[3]]), 3);
}

// The same by indices in a register.
HWY_INLINE __m128i LookUp4(const uint32_t* table, __m128i index) {
  uint64_t low = static_cast<uint64_t>(_mm_cvtsi128_si64(index));
  uint64_t high = static_cast<uint64_t>(_mm_extract_epi64(index, 1));
  // Compilers who know where these come from would take each index from the vector.
  asm("" : "+r"(low), "+r"(high));
  const auto pair = [table](uint64_t indices) HWY_ATTR {
    const __m128i first = _mm_cvtsi32_si128(static_cast<int>(table[static_cast<uint32_t>(indices)]));
    return _mm_unpacklo_epi32(first, _mm_cvtsi32_si128(static_cast<int>(table[indices >> 32])));
  };
  return _mm_unpacklo_epi64(pair(low), pair(high));
}

HWY_INLINE __m128i LookUp2(const uint64_t* table, const uint16_t* index) {
  const __m128d v = _mm_load_sd(reinterpret_cast<const double*>(table + index[0]));
  return _mm_castpd_si128(_mm_loadh_pd(v, reinterpret_cast<const double*>(table + index[1])));
}
#endif

// table[index[i]] of each lane.
HWY_INLINE LaneVec LookUp(const uint32_t* table, const uint16_t* index) {
#if HWY_ARCH_X86
  const __m128i v0 = LookUp4(table, index);
#if DCAC_RANS_VECTOR_LANES == 4
  return LaneVec{v0};
#else
  const __m256i v01 = _mm256_inserti128_si256(_mm256_castsi128_si256(v0), LookUp4(table, index + 4), 1);
#if DCAC_RANS_VECTOR_LANES == 8
  return LaneVec{v01};
#else
  const __m256i v2 = _mm256_castsi128_si256(LookUp4(table, index + 8));
  const __m256i v23 = _mm256_inserti128_si256(v2, LookUp4(table, index + 12), 1);
  return LaneVec{_mm512_inserti64x4(_mm512_castsi256_si512(v01), v23, 1)};
#endif
#endif
#else
  const hn::RebindToSigned<LaneTag> di;
  const hn::Rebind<uint16_t, LaneTag> d16;
  return hn::GatherIndex(LaneTag(), table, hn::PromoteTo(di, hn::LoadU(d16, index)));
#endif
}

#if DCAC_RANS_VECTOR_LANES == 16
HWY_INLINE LaneVec LookUp(const uint32_t* table, LaneVec index) {
  const auto two = [table](__m128i first, __m128i second) HWY_ATTR {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(LookUp4(table, first)), LookUp4(table, second), 1);
  };
  const __m512i v = index.raw;
  const __m256i low = two(_mm512_castsi512_si128(v), _mm512_extracti32x4_epi32(v, 1));
  const __m256i high = two(_mm512_extracti32x4_epi32(v, 2), _mm512_extracti32x4_epi32(v, 3));
  return LaneVec{_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1)};
}
#endif

#if DCAC_RANS_VECTOR_LANES != 8  // see LookUpSymbols
using PairTag = hn::Repartition<uint64_t, LaneTag>;

// table[index[i]] of each 64-bit lane.
HWY_INLINE hn::Vec<PairTag> LookUp(const uint64_t* table, const uint16_t* index) {
#if HWY_ARCH_X86
  const __m128i v0 = LookUp2(table, index);
#if DCAC_RANS_VECTOR_LANES == 4
  return hn::Vec<PairTag>{v0};
#else
  const __m256i v01 = _mm256_inserti128_si256(_mm256_castsi128_si256(v0), LookUp2(table, index + 2), 1);
  const __m256i v2 = _mm256_castsi128_si256(LookUp2(table, index + 4));
  const __m256i v23 = _mm256_inserti128_si256(v2, LookUp2(table, index + 6), 1);
  return hn::Vec<PairTag>{_mm512_inserti64x4(_mm512_castsi256_si512(v01), v23, 1)};
#endif
#else
  const PairTag d;
  const hn::RebindToSigned<PairTag> di;
  const hn::Rebind<uint16_t, PairTag> d16;
  const hn::Rebind<uint32_t, PairTag> d32;
  const auto wide = hn::PromoteTo(d, hn::PromoteTo(d32, hn::LoadU(d16, index)));
  return hn::GatherIndex(d, table, hn::BitCast(di, wide));
#endif
}
#endif

// ---- Decoder ----

#if DCAC_RANS_VECTOR_LANES == 8
// The next words, in ascending order, in the lanes whose bit is set; zeros in the others.
HWY_INLINE LaneVec WordsOfLanes(size_t bits, const std::byte*& next) {
  const hn::Repartition<uint8_t, LaneTag> d;
  const auto words = hn::LoadDup128(d, reinterpret_cast<const uint8_t*>(next));
  next += 2 * static_cast<size_t>(std::popcount(bits));
  return hn::BitCast(LaneTag(), hn::TableLookupBytesOr0(words, hn::Load(d, kExpandBytes8To32[bits].data())));
}
#endif

// The next words, in ascending order, in the lanes of the mask.
HWY_INLINE LaneVec NextWords(LaneMask mask, const std::byte*& next) {
#if DCAC_RANS_VECTOR_LANES != 8
  const LaneTag d;
  const uint8_t* words = reinterpret_cast<const uint8_t*>(next);
#endif
#if DCAC_RANS_VECTOR_LANES == 16
  const __m256i narrow = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
  next += 2 * hn::CountTrue(d, mask);
  return LaneVec{_mm512_maskz_expand_epi32(mask.raw, _mm512_cvtepu16_epi32(narrow))};
#elif DCAC_RANS_VECTOR_LANES == 8
  return WordsOfLanes(MaskBits(mask), next);
#else
  const hn::CappedTag<uint8_t, 8> d_words;
  const hn::Repartition<uint8_t, LaneTag> d_bytes;
  const size_t bits = MaskBits(mask);
  next += 2 * static_cast<size_t>(std::popcount(bits));
  const auto from = hn::LoadU(d_bytes, kExpandBytes4[bits].data());
  return hn::BitCast(d, hn::TableLookupBytesOr0(hn::LoadU(d_words, words), from));
#endif
}

// Lanes below the bound of states take a word; `lanes`: those that may.
template <bool kPartial>
HWY_INLINE LaneVec Refill(LaneVec x, LaneMask lanes, const std::byte*& next) {
#if DCAC_RANS_VECTOR_LANES == 8
  if constexpr (!kPartial) {
    // The difference is below 0 in these lanes, and nothing else of it counts: two instructions less than comparing.
    const __m256 less = _mm256_castsi256_ps(hn::Sub(x, hn::Set(LaneTag(), kLaneStateLow)).raw);
    const LaneVec words = WordsOfLanes(static_cast<size_t>(_mm256_movemask_ps(less)), next);
    const __m256 refilled = _mm256_castsi256_ps(hn::Or(hn::ShiftLeft<16>(x), words).raw);
    return LaneVec{_mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(x.raw), refilled, less))};
  }
#endif
  LaneMask low = LessThan(x, hn::Set(LaneTag(), kLaneStateLow));
  if constexpr (kPartial) low = hn::And(low, lanes);
  const LaneVec words = NextWords(low, next);
  return hn::IfThenElse(low, hn::Or(hn::ShiftLeft<16>(x), words), x);
}

// The second half of a symbol stage for a vector of lanes, which returns their raw bits (LaneRaw::kInState); `lanes`:
// those that are active.
template <LaneRaw kRaw, bool kPartial>
HWY_INLINE LaneVec TakeSymbolsAt(uint32_t* HWY_RESTRICT state, int table_bits, LaneVec entry, LaneMask lanes,
                                 const std::byte*& next) {
  const LaneTag d;
  constexpr int kFieldBits = SlotFieldBits(kRaw);
  const LaneVec field = hn::Set(d, (1u << kFieldBits) - 1);
  const LaneVec old = hn::Load(d, state);
  const LaneVec complement = hn::And(hn::ShiftRight<kFieldBits>(entry), field);
  const LaneVec product = hn::Mul(complement, hn::ShiftRightSame(old, table_bits));
  LaneVec x = hn::Sub(hn::Sub(old, hn::And(entry, field)), product);
  LaneVec raw = hn::Zero(d);
  if constexpr (kRaw == LaneRaw::kInState) {
    const LaneVec num_bits = hn::ShiftRight<kSlotRawShift>(entry);
    const LaneVec rest = hn::Shr(x, num_bits);
    raw = hn::Xor(x, hn::Shl(rest, num_bits));
    x = rest;
  }
  x = Refill<kPartial>(x, lanes, next);
  if constexpr (kPartial) x = hn::IfThenElse(lanes, x, old);
  hn::Store(x, d, state);
  return raw;
}

template <LaneRaw kRaw, bool kPartial>
HWY_INLINE void TakeSymbolsOf(LaneRansDecoder& decoder, int table_bits, const uint32_t* HWY_RESTRICT entries,
                              size_t active, uint32_t* HWY_RESTRICT raw) {
  const LaneTag d;
  const std::byte* next = decoder.next;
  for (size_t i = 0; i < active; i += hn::Lanes(d)) {
    const LaneMask lanes = kPartial ? hn::FirstN(d, active - i) : LaneMask();
    const LaneVec taken =
        TakeSymbolsAt<kRaw, kPartial>(decoder.state.data() + i, table_bits, hn::LoadU(d, entries + i), lanes, next);
    if constexpr (kRaw == LaneRaw::kInState) hn::StoreU(taken, d, raw + i);
  }
  decoder.next = next;
}

// A raw stage for a vector of lanes, which returns their bits.
template <bool kPartial>
HWY_INLINE LaneVec TakeRawAt(uint32_t* HWY_RESTRICT state, LaneVec num_bits, LaneMask lanes, const std::byte*& next) {
  const LaneTag d;
  const LaneVec old = hn::Load(d, state);
  const LaneVec rest = hn::Shr(old, num_bits);
  LaneVec x = Refill<kPartial>(rest, lanes, next);
  if constexpr (kPartial) x = hn::IfThenElse(lanes, x, old);
  hn::Store(x, d, state);
  return hn::Xor(old, hn::Shl(rest, num_bits));
}

template <bool kPartial>
HWY_INLINE void DecodeRawOf(LaneRansDecoder& decoder, const uint32_t* HWY_RESTRICT num_bits, size_t active,
                            uint32_t* HWY_RESTRICT raw) {
  const LaneTag d;
  const std::byte* next = decoder.next;
  for (size_t i = 0; i < active; i += hn::Lanes(d)) {
    const LaneMask lanes = kPartial ? hn::FirstN(d, active - i) : LaneMask();
    hn::StoreU(TakeRawAt<kPartial>(decoder.state.data() + i, hn::LoadU(d, num_bits + i), lanes, next), d, raw + i);
  }
  decoder.next = next;
}

// Indices of the entries that the lanes have in the slots of their contexts.
HWY_INLINE void FindEntries(const uint32_t* HWY_RESTRICT state, int table_bits, const uint8_t* HWY_RESTRICT contexts,
                            uint16_t (&index)[kRansLanes]) {
  const LaneTag d;
  const LaneVec slot_mask = hn::Set(d, (1u << table_bits) - 1);
  const auto slots_at = [&](size_t i) HWY_ATTR { return hn::And(hn::Load(d, state + i), slot_mask); };
#if DCAC_RANS_VECTOR_LANES == 8
  const hn::Repartition<uint16_t, LaneTag> d16;
#else
  const hn::Rebind<uint16_t, LaneTag> d16;
#endif
  const hn::Rebind<uint8_t, decltype(d16)> d8;
  const auto saved = hn::Set(d16, static_cast<uint16_t>(SavedEntries(table_bits)));
  for (size_t i = 0; i < kRansLanes; i += hn::Lanes(d16)) {
#if DCAC_RANS_VECTOR_LANES == 8
    const __m256i both = _mm256_packus_epi32(slots_at(i).raw, slots_at(i + hn::Lanes(d)).raw);
    const hn::Vec<decltype(d16)> slot{_mm256_permute4x64_epi64(both, 0xd8)};
#else
    const auto slot = hn::DemoteTo(d16, hn::BitCast(hn::RebindToSigned<LaneTag>(), slots_at(i)));
#endif
    const auto first = hn::ShiftLeftSame(hn::PromoteTo(d16, hn::LoadU(d8, contexts + i)), SlotStrideBits(table_bits));
    const auto of_slot = hn::Max(hn::ShiftRight<kSharedSlotBits>(slot), hn::SaturatedSub(slot, saved));
    hn::StoreU(hn::Add(first, of_slot), d16, index + i);
  }
#if HWY_ARCH_X86
  // Compilers who know what was stored would take vectors to pieces instead of reading it, which takes longer.
  asm("" : "+m"(index));
#endif
}

// Indices of entries for who looks them up at once: narrow loads of what a wide store wrote a moment before take half
// of the time again (Zen 5).
#if DCAC_RANS_VECTOR_LANES == 16
struct FreshIndices {
  LaneVec part[kRansLanes / 16];
};

#if HWY_TARGET <= HWY_AVX3_DL
// What contexts from i on add to indices where entries of contexts are 2^8 apart, and so each is the second byte of its
// lane.  One instruction in place of two: narrow lanes are decoded 7 % faster by it (Zen 5).
HWY_INLINE LaneVec PermuteContexts(const uint8_t* HWY_RESTRICT contexts, size_t i) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i from = _mm512_slli_epi32(_mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int>(i))), 8);
  return LaneVec{_mm512_maskz_permutexvar_epi8(0x2222222222222222, from, _mm512_load_si512(contexts))};
}
#endif

template <bool kPermute = false>
HWY_INLINE void FindEntries(const uint32_t* HWY_RESTRICT state, int table_bits, const uint8_t* HWY_RESTRICT contexts,
                            FreshIndices& indices) {
  const LaneTag d;
  const hn::RebindToSigned<LaneTag> di;
  const hn::Rebind<uint8_t, LaneTag> d8;
  const LaneVec slot_mask = hn::Set(d, (1u << table_bits) - 1);
  const auto saved = hn::Set(di, static_cast<int32_t>(SavedEntries(table_bits)));
#pragma GCC unroll 4
  for (size_t i = 0; i < kRansLanes; i += hn::Lanes(d)) {
    const auto slot = hn::BitCast(di, hn::And(hn::Load(d, state + i), slot_mask));
    LaneVec first = hn::ShiftLeftSame(hn::PromoteTo(d, hn::LoadU(d8, contexts + i)), SlotStrideBits(table_bits));
#if HWY_TARGET <= HWY_AVX3_DL
    if constexpr (kPermute) first = PermuteContexts(contexts, i);
#endif
    const auto of_slot = hn::Max(hn::ShiftRight<kSharedSlotBits>(slot), hn::Sub(slot, saved));
    indices.part[i / hn::Lanes(d)] = hn::Add(first, hn::BitCast(d, of_slot));
  }
}
#else
struct FreshIndices {
  alignas(64) uint16_t index[kRansLanes];
};

template <bool kPermute = false>
HWY_INLINE void FindEntries(const uint32_t* HWY_RESTRICT state, int table_bits, const uint8_t* HWY_RESTRICT contexts,
                            FreshIndices& indices) {
  FindEntries(state, table_bits, contexts, indices.index);
}
#endif

// The entries of kCount lanes from `first` on.
template <size_t kCount>
HWY_INLINE void LookUpEntries(const uint32_t* HWY_RESTRICT slots, const uint16_t (&index)[kRansLanes], size_t first,
                              uint32_t* HWY_RESTRICT entries) {
#pragma GCC unroll 16  // g++ does not by itself: 10 %
  for (size_t i = first; i < first + kCount; i += hn::Lanes(LaneTag())) {
    hn::StoreU(LookUp(slots, index + i), LaneTag(), entries + i);
  }
}

template <size_t kCount>
HWY_INLINE void LookUpEntries(const uint32_t* HWY_RESTRICT slots, const FreshIndices& indices, size_t first,
                              uint32_t* HWY_RESTRICT entries) {
#if DCAC_RANS_VECTOR_LANES == 16
#pragma GCC unroll 4
  for (size_t i = first; i < first + kCount; i += hn::Lanes(LaneTag())) {
    hn::StoreU(LookUp(slots, indices.part[i / hn::Lanes(LaneTag())]), LaneTag(), entries + i);
  }
#else
  LookUpEntries<kCount>(slots, indices.index, first, entries);
#endif
}

// The first half of a symbol stage, which needs no words: what the lanes find in the slots of their contexts.  Contexts
// of resting lanes may be anything.
HWY_INLINE void LookUpSlots(const LaneRansDecoder& decoder, const uint32_t* HWY_RESTRICT slots, int table_bits,
                            const uint8_t* contexts, size_t active, uint32_t* HWY_RESTRICT entries) {
  alignas(64) uint8_t padded[kRansLanes];
  if (active < kRansLanes) contexts = PadWithZeros(contexts, active, padded);
  FreshIndices indices;
  FindEntries(decoder.state.data(), table_bits, contexts, indices);
  LookUpEntries<kRansLanes>(slots, indices, 0, entries);
}

// The second half: new states, raw bits.
template <LaneRaw kRaw>
HWY_INLINE void TakeSymbols(LaneRansDecoder& decoder, int table_bits, const uint32_t* entries, size_t active,
                            uint32_t* raw) {
  decoder.PrepareStage();
  if (active == kRansLanes) {
    TakeSymbolsOf<kRaw, false>(decoder, table_bits, entries, kRansLanes, raw);
  } else {
    TakeSymbolsOf<kRaw, true>(decoder, table_bits, entries, active, raw);
  }
}

HWY_INLINE void DecodeRaw(LaneRansDecoder& decoder, const uint32_t* num_bits, size_t active, uint32_t* raw) {
  decoder.PrepareStage();
  if (active == kRansLanes) {
    DecodeRawOf<false>(decoder, num_bits, kRansLanes, raw);
  } else {
    DecodeRawOf<true>(decoder, num_bits, active, raw);
  }
}

// ---- Encoder ----

#if DCAC_RANS_VECTOR_LANES == 8
// Writes the low words of all lanes but those whose bit is set, in ascending order, below `next`.
HWY_INLINE void PutWordsOfOthers(LaneVec x, size_t bits, std::byte*& next) {
  const __m256i low_words = _mm256_set1_epi64x(0x0d0c090805040100);  // of 128 bits each, twice
  // What the bits decide comes last: who waits for them waits for less.
  const __m256i halves = _mm256_shuffle_epi8(x.raw, low_words);
  const __m128i words = _mm256_castsi256_si128(_mm256_permute4x64_epi64(halves, 0x08));
  const __m128i from = _mm_load_si128(reinterpret_cast<const __m128i*>(kPackUpOtherWords8[bits].data()));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(next - 16), _mm_shuffle_epi8(words, from));
  next = next + 2 * static_cast<size_t>(std::popcount(bits)) - 16;
}
#endif

// Writes the low words of the lanes in the mask, in ascending order, below `next`.
HWY_INLINE void PutWords(LaneVec x, LaneMask mask, std::byte*& next) {
#if DCAC_RANS_VECTOR_LANES == 8
  PutWordsOfOthers(x, MaskBits(mask) ^ 255, next);
#else
  const LaneTag d;
  uint8_t* to = reinterpret_cast<uint8_t*>(next);
#if DCAC_RANS_VECTOR_LANES == 16
  const size_t count = hn::CountTrue(d, mask);
  const __m512i packed = _mm512_maskz_compress_epi32(mask.raw, x.raw);
  const LaneVec from = hn::Add(hn::Iota(d, 0), hn::Set(d, static_cast<uint32_t>(count)));
  const __m512i at_end = _mm512_permutexvar_epi32(from.raw, packed);  // rotated by 16 - count
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to - 32), _mm512_cvtepi32_epi16(at_end));
#else
  const hn::CappedTag<uint8_t, 8> d_words;
  const hn::Repartition<uint8_t, LaneTag> d_bytes;
  const size_t bits = MaskBits(mask);
  const size_t count = static_cast<size_t>(std::popcount(bits));
  const auto from = hn::LoadU(d_bytes, kPackUpBytes4[bits].data());
  const auto at_end = hn::TableLookupBytes(hn::BitCast(d_bytes, x), from);
  hn::StoreU(hn::LowerHalf(d_words, at_end), d_words, to - 8);
#endif
  next -= 2 * count;
#endif
}

// Lanes from the bound of a symbol on put a word; `lanes`: those that may.
template <bool kPartial>
HWY_INLINE LaneVec MakeRoom(LaneVec x, LaneVec bound, LaneMask lanes, std::byte*& next) {
#if DCAC_RANS_VECTOR_LANES == 8
  if constexpr (!kPartial) {
    // Below 0 in the others, as in Refill.
    const __m256 less = _mm256_castsi256_ps(hn::Sub(x, bound).raw);
    PutWordsOfOthers(x, static_cast<size_t>(_mm256_movemask_ps(less)), next);
    const __m256 halved = _mm256_castsi256_ps(hn::ShiftRight<16>(x).raw);
    return LaneVec{_mm256_castps_si256(_mm256_blendv_ps(halved, _mm256_castsi256_ps(x.raw), less))};
  }
#endif
  LaneMask high = hn::Not(LessThan(x, bound));
  if constexpr (kPartial) high = hn::And(high, lanes);
  PutWords(x, high, next);
  return hn::IfThenElse(high, hn::ShiftRight<16>(x), x);
}

// Lower and upper halves of table[symbols[i]] of each lane.
struct SymbolEntries {
  LaneVec entry, reciprocal;
};
HWY_INLINE SymbolEntries LookUpSymbols(const uint64_t* HWY_RESTRICT table, const uint16_t* HWY_RESTRICT symbols) {
#if DCAC_RANS_VECTOR_LANES == 8
  // In the order in which a shuffle within 128 bits leaves lanes where they belong.
  const auto look_up = [=](size_t low, size_t high) HWY_ATTR {
    const __m256i v = _mm256_castsi128_si256(LookUp2(table, symbols + low));
    return _mm256_castsi256_ps(_mm256_inserti128_si256(v, LookUp2(table, symbols + high), 1));
  };
  const __m256 first = look_up(0, 4), second = look_up(2, 6);
  return {LaneVec{_mm256_castps_si256(_mm256_shuffle_ps(first, second, 0x88))},
          LaneVec{_mm256_castps_si256(_mm256_shuffle_ps(first, second, 0xdd))}};
#else
  const LaneTag d;
  const LaneVec first = hn::BitCast(d, LookUp(table, symbols));
  const LaneVec second = hn::BitCast(d, LookUp(table, symbols + hn::Lanes(d) / 2));
  return {hn::ConcatEven(d, second, first), hn::ConcatOdd(d, second, first)};
#endif
}

// The upper halves of the 64-bit products.
HWY_INLINE LaneVec MulHigh32(LaneVec a, LaneVec b) {
  const LaneTag d;
  const hn::Repartition<uint64_t, LaneTag> d64;
  const auto odd_lanes = [&](LaneVec v) HWY_ATTR { return hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(d64, v))); };
  const auto even = hn::ShiftRight<32>(hn::MulEven(a, b));
  const auto odd = hn::MulEven(odd_lanes(a), odd_lanes(b));
  return hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, even));
}

template <LaneRaw kRaw, bool kPartial>
HWY_INLINE void EncodeSymbolsOf(LaneRansEncoder& encoder, const uint64_t* HWY_RESTRICT table, int table_bits,
                                const uint16_t* HWY_RESTRICT symbols, const uint8_t* HWY_RESTRICT raw, size_t active) {
  const LaneTag d;
  const hn::Rebind<uint8_t, LaneTag> d8;
  const LaneVec scale = hn::Set(d, 1u << table_bits);
  std::byte* next = encoder.next;
#pragma GCC unroll 4
  for (size_t vector = (active + hn::Lanes(d) - 1) / hn::Lanes(d); vector > 0; --vector) {
    const size_t i = (vector - 1) * hn::Lanes(d);
    const LaneMask lanes = kPartial ? hn::FirstN(d, active - i) : LaneMask();
    const SymbolEntries found = LookUpSymbols(table, symbols + i);
    const LaneVec entry = found.entry, reciprocal = found.reciprocal;
    const LaneVec frequency = hn::And(entry, hn::Set(d, 0x7ff));
    const LaneVec old = hn::Load(d, encoder.state.data() + i);
    LaneVec bound = hn::ShiftLeftSame(frequency, 31 - table_bits);
    LaneVec raw_bits = hn::Zero(d);
    if constexpr (kRaw == LaneRaw::kInState) {
      raw_bits = hn::ShiftRight<27>(entry);
      bound = hn::Shr(bound, raw_bits);
    }
    LaneVec x = MakeRoom<kPartial>(old, bound, lanes, next);
    if constexpr (kRaw == LaneRaw::kInState) {
      x = hn::Or(hn::Shl(x, raw_bits), hn::PromoteTo(d, hn::LoadU(d8, raw + i)));
    }
    const LaneVec shift = hn::And(hn::ShiftRight<23>(entry), hn::Set(d, 0xf));
    const LaneVec quotient = hn::Shr(MulHigh32(x, reciprocal), shift);
    const LaneVec bias = hn::And(hn::ShiftRight<11>(entry), hn::Set(d, 0xfff));
    x = hn::Add(hn::Add(x, bias), hn::Mul(quotient, hn::Sub(scale, frequency)));
    if constexpr (kPartial) x = hn::IfThenElse(lanes, x, old);
    hn::Store(x, d, encoder.state.data() + i);
  }
  encoder.next = next;
}

template <bool kPartial>
HWY_INLINE void EncodeRawOf(LaneRansEncoder& encoder, const uint16_t* HWY_RESTRICT raw,
                            const uint8_t* HWY_RESTRICT num_bits, size_t active) {
  const LaneTag d;
  const hn::Rebind<uint8_t, LaneTag> d8;
  const hn::Rebind<uint16_t, LaneTag> d16;
  std::byte* next = encoder.next;
  for (size_t i = (active - 1) / hn::Lanes(d) * hn::Lanes(d) + hn::Lanes(d); i != 0;) {
    i -= hn::Lanes(d);
    const LaneMask lanes = kPartial ? hn::FirstN(d, active - i) : LaneMask();
    const LaneVec old = hn::Load(d, encoder.state.data() + i);
    const LaneVec bits = hn::PromoteTo(d, hn::LoadU(d8, num_bits + i));
    LaneMask high = hn::Ne(hn::Shr(old, hn::Sub(hn::Set(d, 31), bits)), hn::Zero(d));
    if constexpr (kPartial) high = hn::And(high, lanes);
    PutWords(old, high, next);
    LaneVec x = hn::IfThenElse(high, hn::ShiftRight<16>(old), old);
    x = hn::Or(hn::Shl(x, bits), hn::PromoteTo(d, hn::LoadU(d16, raw + i)));
    if constexpr (kPartial) x = hn::IfThenElse(lanes, x, old);
    hn::Store(x, d, encoder.state.data() + i);
  }
  encoder.next = next;
}

template <LaneRaw kRaw>
HWY_INLINE void EncodeSymbols(LaneRansEncoder& encoder, const uint64_t* table, int table_bits, const uint16_t* symbols,
                              const uint8_t* raw, size_t active) {
  if (active == kRansLanes) {
    EncodeSymbolsOf<kRaw, false>(encoder, table, table_bits, symbols, raw, kRansLanes);
  } else {
    alignas(64) uint16_t padded[kRansLanes];
    EncodeSymbolsOf<kRaw, true>(encoder, table, table_bits, PadWithZeros(symbols, active, padded), raw, active);
  }
}

HWY_INLINE void EncodeRaw(LaneRansEncoder& encoder, const uint16_t* raw, const uint8_t* num_bits, size_t active) {
  if (active == kRansLanes) {
    EncodeRawOf<false>(encoder, raw, num_bits, kRansLanes);
  } else {
    EncodeRawOf<true>(encoder, raw, num_bits, active);
  }
}

#endif  // HWY_TARGET

// A symbol stage.
template <LaneRaw kRaw>
HWY_INLINE void DecodeSymbols(LaneRansDecoder& decoder, const uint32_t* slots, int table_bits, const uint8_t* contexts,
                              size_t active, uint32_t* entries, uint32_t* raw) {
  LookUpSlots(decoder, slots, table_bits, contexts, active, entries);
  TakeSymbols<kRaw>(decoder, table_bits, entries, active, raw);
}

}  // namespace dcac::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#undef DCAC_RANS_VECTOR_LANES

#endif  // toggled guard
