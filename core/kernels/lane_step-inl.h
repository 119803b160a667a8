// Steps of the lanes coder in vectors: bytes of its 64 positions, cells, tokens of samples of 8 bits.  Compiled for
// each SIMD target, like lane_rans-inl.h.
#if defined(DCAC_CORE_KERNELS_LANE_STEP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DCAC_CORE_KERNELS_LANE_STEP_INL_H_
#undef DCAC_CORE_KERNELS_LANE_STEP_INL_H_
#else
#define DCAC_CORE_KERNELS_LANE_STEP_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/kernels/lane_group.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Vectors of values, codes and bytes of a step's positions.
template <typename T>
using StepTag = hn::CappedTag<T, kRansLanes>;
using ByteTag = StepTag<uint8_t>;

using WideTag = StepTag<float>;
using WideIntTag = hn::RebindToSigned<WideTag>;
using WideUintTag = hn::RebindToUnsigned<WideTag>;

using WideVec = hn::Vec<WideTag>;
using WideIntVec = hn::Vec<WideIntTag>;
using WideUintVec = hn::Vec<WideUintTag>;

// Bytes of a step.
constexpr size_t kByteVectors = kRansLanes / hn::MaxLanes(ByteTag());
using ByteVec = hn::Vec<ByteTag>;
struct StepBytes {
  ByteVec part[kByteVectors];
};

HWY_INLINE StepBytes LoadStep(const uint8_t* HWY_RESTRICT from) {
  StepBytes result;
  for (size_t k = 0; k < kByteVectors; ++k) result.part[k] = hn::LoadU(ByteTag(), from + k * hn::Lanes(ByteTag()));
  return result;
}
HWY_INLINE void StoreStep(const StepBytes& bytes, uint8_t* HWY_RESTRICT to) {
  for (size_t k = 0; k < kByteVectors; ++k) hn::StoreU(bytes.part[k], ByteTag(), to + k * hn::Lanes(ByteTag()));
}

#if HWY_TARGET <= HWY_AVX3_DL
// table[v] of each byte, modulo 128.
HWY_INLINE ByteVec Permute128(const uint8_t* HWY_RESTRICT table, ByteVec v) {
  return ByteVec{_mm512_permutex2var_epi8(_mm512_load_si512(table), v.raw, _mm512_load_si512(table + 64))};
}
// table[v] of each byte.
HWY_INLINE ByteVec Permute256(const uint8_t* HWY_RESTRICT table, ByteVec v) {
  const ByteVec low = Permute128(table, v), high = Permute128(table + 128, v);
  return ByteVec{_mm512_mask_blend_epi8(_mm512_movepi8_mask(v.raw), low.raw, high.raw)};
}
#endif

// Shifts numbers of 16 bits right, all by as many bits.
template <class D>
class SameShift {
 public:
  HWY_INLINE explicit SameShift(int bits) : bits_(bits), each_(hn::Set(D(), static_cast<int16_t>(bits))) {}

  HWY_INLINE hn::Vec<D> Of(hn::Vec<D> v) const {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
    return hn::Shr(v, each_);  // by one count for all takes two instructions of some processors
#else
    return hn::ShiftRightSame(v, bits_);
#endif
  }

 private:
  int bits_;
  hn::Vec<D> each_;
};

// Bins of bytes.
HWY_INLINE StepBytes FindBins(const LaneBins& bins, const StepBytes& bytes) {
  StepBytes result;
#if HWY_TARGET == HWY_SCALAR
  for (size_t i = 0; i < kRansLanes; ++i) {
    result.part[i] = hn::Set(ByteTag(), bins.of_byte[hn::GetLane(bytes.part[i])]);
  }
#elif HWY_TARGET <= HWY_AVX3_DL
  result.part[0] = Permute256(bins.of_byte.data(), bytes.part[0]);
#else
  const ByteTag d;
  const hn::RebindToSigned<ByteTag> ds;
  ByteVec half[kByteVectors];
  hn::Vec<decltype(ds)> value[kByteVectors];
  const auto below = hn::LoadDup128(d, bins.below.data());
  for (size_t k = 0; k < kByteVectors; ++k) {
    half[k] = hn::ShiftRight<4>(bytes.part[k]);
    value[k] = hn::BitCast(ds, hn::Xor(bytes.part[k], hn::Set(d, 0x80)));
    result.part[k] = hn::TableLookupBytes(below, half[k]);
  }
  for (size_t row = 0; row < bins.num_rows; ++row) {
    const auto thresholds = hn::LoadDup128(ds, bins.threshold[row].data());
    for (size_t k = 0; k < kByteVectors; ++k) {
      const auto threshold = hn::BitCast(ds, hn::TableLookupBytes(thresholds, half[k]));
      const auto is_above = hn::VecFromMask(ds, hn::Gt(value[k], threshold));
      result.part[k] = hn::Sub(result.part[k], hn::BitCast(d, is_above));
    }
  }
#endif
  return result;
}

#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
// Adds, by xor, what `count` rows from `row` on, of which there are no more than 8, say of bytes less 16 `row`.  One
// row more may be looked into, which no byte is in.
HWY_INLINE void XorRows(const LaneByteTable& table, size_t row, size_t count,
                        hn::Vec<hn::RebindToSigned<ByteTag>>* HWY_RESTRICT bytes,
                        hn::Vec<hn::RebindToSigned<ByteTag>>* HWY_RESTRICT result) {
  const hn::RebindToSigned<ByteTag> ds;
  const auto sixteen = hn::Set(ds, 16);
  const uint8_t* changes = table.change.data() + 16 * row;
  constexpr size_t kAtOnce = 2;
  for (const uint8_t* const end = changes + 16 * count; changes < end; changes += 16 * kAtOnce) {
#pragma GCC unroll 2
    for (size_t r = 0; r < kAtOnce; ++r) {
      const auto change = hn::BitCast(ds, hn::LoadDup128(ByteTag(), changes + 16 * r));
      for (size_t k = 0; k < kByteVectors; ++k) {
        // Bytes of rows before this one are below 0, which finds 0; those of later ones find the change as well.
        result[k] = hn::Xor(result[k], hn::TableLookupBytesOr0(change, bytes[k]));
        bytes[k] = hn::SaturatedSub(bytes[k], sixteen);
      }
    }
  }
}
#endif

// table.byte[v] of each byte v below 16 * table.num_rows.  kFew: table.has_few().
template <bool kFew>
HWY_INLINE StepBytes LookUp(const LaneByteTable& table, const StepBytes& bytes) {
  StepBytes result;
#if HWY_TARGET == HWY_SCALAR
  for (size_t i = 0; i < kRansLanes; ++i) {
    result.part[i] = hn::Set(ByteTag(), table.byte[hn::GetLane(bytes.part[i])]);
  }
#elif HWY_TARGET <= HWY_AVX3_DL
  result.part[0] = kFew ? Permute128(table.byte.data(), bytes.part[0]) : Permute256(table.byte.data(), bytes.part[0]);
#elif HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128
  const ByteTag d;
  const hn::RebindToSigned<ByteTag> ds;
  hn::Vec<decltype(ds)> index[kByteVectors], found[kByteVectors];
  for (size_t k = 0; k < kByteVectors; ++k) {
    index[k] = hn::BitCast(ds, bytes.part[k]);
    found[k] = hn::Zero(ds);
  }
  constexpr size_t kHalf = 8;
  XorRows(table, 0, HWY_MIN(table.num_rows, kHalf), index, found);
  if (table.num_rows > kHalf) {
    for (size_t k = 0; k < kByteVectors; ++k) index[k] = hn::BitCast(ds, hn::Xor(bytes.part[k], hn::Set(d, 0x80)));
    XorRows(table, kHalf, table.num_rows - kHalf, index, found);
  }
  for (size_t k = 0; k < kByteVectors; ++k) result.part[k] = hn::BitCast(d, found[k]);
#else
  const ByteTag d;
  const hn::RebindToSigned<ByteTag> ds;
  for (size_t k = 0; k < kByteVectors; ++k) {
    const auto v = bytes.part[k];
    const auto row = hn::BitCast(ds, hn::And(hn::ShiftRight<4>(v), hn::Set(d, 15)));
    const auto column = hn::And(v, hn::Set(d, 15));
    auto found = hn::Zero(d);
    for (size_t r = 0; r < table.num_rows; ++r) {
      const auto entries = hn::TableLookupBytes(hn::LoadDup128(d, table.byte.data() + 16 * r), column);
      const auto is_row = hn::VecFromMask(ds, hn::Eq(row, hn::Set(ds, static_cast<int8_t>(r))));
      found = hn::Or(found, hn::And(entries, hn::BitCast(d, is_row)));
    }
    result.part[k] = found;
  }
#endif
  return result;
}

// Numbers of 32 bits, cut to what T has, uint8_t or int8_t; load(i): the vector of those from i on.
template <typename T, class Load>
HWY_INLINE StepBytes PackWords(Load load) {
  StepBytes result;
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  const auto pack = [](__m512i first, __m512i second) HWY_ATTR {
    return std::is_signed_v<T> ? _mm512_packs_epi16(first, second) : _mm512_packus_epi16(first, second);
  };
  const auto pair = [&](size_t i) HWY_ATTR { return _mm512_packs_epi32(load(i).raw, load(i + 16).raw); };
  const __m512i from = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  result.part[0].raw = _mm512_permutexvar_epi32(from, pack(pair(0), pair(32)));
#elif HWY_TARGET == HWY_AVX2
  const auto pack = [](__m256i first, __m256i second) HWY_ATTR {
    return std::is_signed_v<T> ? _mm256_packs_epi16(first, second) : _mm256_packus_epi16(first, second);
  };
  const __m256i from = _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0);
#pragma GCC unroll 2
  for (size_t k = 0; k < kByteVectors; ++k) {
    const __m256i first = _mm256_packs_epi32(load(32 * k).raw, load(32 * k + 8).raw);
    const __m256i second = _mm256_packs_epi32(load(32 * k + 16).raw, load(32 * k + 24).raw);
    result.part[k].raw = _mm256_permutevar8x32_epi32(pack(first, second), from);
  }
#else
  alignas(64) T bytes[kRansLanes];
  const hn::Rebind<T, WideIntTag> d8;
  for (size_t i = 0; i < kRansLanes; i += hn::Lanes(d8)) hn::StoreU(hn::DemoteTo(d8, load(i)), d8, bytes + i);
  result = LoadStep(reinterpret_cast<const uint8_t*>(bytes));
#endif
  return result;
}

// What the cells of a step are made of.
struct StepPlace {
  StepBytes position, activity;
};

// Position bins and cells of a step.
struct StepCells {
  StepBytes rows, cells;
};
HWY_INLINE StepCells FindCells(const LaneTables& tables, const StepPlace& place) {
  StepCells result{FindBins(tables.position_bins, place.position), FindBins(tables.activity_bins, place.activity)};
  for (size_t k = 0; k < kByteVectors; ++k) {
    const ByteVec row = result.rows.part[k];
    ByteVec& cell = result.cells.part[k];
#if HWY_TARGET == HWY_SCALAR
    cell = hn::Set(ByteTag(), static_cast<uint8_t>(tables.CellNumber(hn::GetLane(row), hn::GetLane(cell))));
#else
    const hn::Repartition<uint16_t, ByteTag> d;  // bins are small enough to be shifted in pairs
    if (tables.has_few_activity_bins) {
      cell = hn::Or(cell, hn::BitCast(ByteTag(), hn::ShiftLeft<3>(hn::BitCast(d, row))));
    } else {
      cell = hn::Or(row, hn::BitCast(ByteTag(), hn::ShiftLeft<4>(hn::BitCast(d, cell))));
    }
#endif
  }
  return result;
}

// Finds in nibbles what belongs to bytes.
#if HWY_TARGET <= HWY_AVX3_DL
class NibbleIndex {
 public:
  HWY_INLINE explicit NibbleIndex(ByteVec v) {
    const __m512i upper = _mm512_and_si512(_mm512_srli_epi16(v.raw, 4), _mm512_set1_epi8(15));
    index_ = _mm512_min_epu8(v.raw, _mm512_or_si512(upper, _mm512_set1_epi8(16)));
  }

  HWY_INLINE ByteVec LookUp(const LaneNibbles& nibbles) const {
    const __m256i all = _mm256_load_si256(reinterpret_cast<const __m256i*>(nibbles.all.data()));
    return ByteVec{_mm512_permutexvar_epi8(index_, _mm512_broadcast_i64x4(all))};
  }

 private:
  __m512i index_;
};
#else
class NibbleIndex {
 public:
  HWY_INLINE explicit NibbleIndex(ByteVec v) {
    [[maybe_unused]] const ByteTag d;
    // From 16 on bytes find 0 in the first table, and the others in the second one.
#if HWY_TARGET == HWY_SCALAR
    low_ = v;
#elif HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128
    low_ = hn::SaturatedAdd(v, hn::Set(d, 0x70));  // of what is below 0x80 only the lower half counts here
    high_ = hn::And(hn::ShiftRight<4>(v), hn::Set(d, 15));
#else
    low_ = hn::Or(v, hn::VecFromMask(d, hn::Gt(v, hn::Set(d, 15))));
    high_ = hn::And(hn::ShiftRight<4>(v), hn::Set(d, 15));
#endif
  }

  HWY_INLINE ByteVec LookUp(const LaneNibbles& nibbles) const {
#if HWY_TARGET == HWY_SCALAR
    const uint8_t byte = hn::GetLane(low_);
    return hn::Set(ByteTag(), byte < 16 ? nibbles.low[byte] : nibbles.high[byte / 16]);
#else
    const ByteTag d;
    return hn::Or(hn::TableLookupBytesOr0(hn::LoadDup128(d, nibbles.low.data()), low_),
                  hn::TableLookupBytes(hn::LoadDup128(d, nibbles.high.data()), high_));
#endif
  }

 private:
  ByteVec low_;
#if HWY_TARGET != HWY_SCALAR
  ByteVec high_;
#endif
};
#endif

// Residuals from entries of samples of 8 bits and their raw bits, as numbers whose low bytes they are; below 0 where
// the sample is the mode.
HWY_INLINE WideIntVec ResidualsOf(WideUintVec entry, WideUintVec raw) {
  const WideIntVec base = hn::ShiftRight<23>(hn::ShiftLeft<3>(hn::BitCast(WideIntTag(), entry)));
  return hn::Add(base, hn::BitCast(WideIntTag(), raw));
}

HWY_INLINE void StoreResiduals(const uint32_t* HWY_RESTRICT entries, const uint32_t* HWY_RESTRICT raw,
                               int32_t* HWY_RESTRICT residuals) {
  const WideUintTag d;
  for (size_t i = 0; i < kRansLanes; i += hn::Lanes(d)) {
    hn::Store(ResidualsOf(hn::Load(d, entries + i), hn::Load(d, raw + i)), WideIntTag(), residuals + i);
  }
}

// The code of the mode.  Loops have a copy, which what they store cannot change.
HWY_INLINE ByteVec ModeOf(const LaneTables& tables) {
  return hn::Set(ByteTag(), static_cast<uint8_t>(tables.mode_code));
}

// Codes of samples of 8 bits.
HWY_INLINE StepBytes CodesOf(bool has_mode, ByteVec mode, const int32_t* HWY_RESTRICT residuals,
                             const StepBytes& center) {
  const ByteTag d;
  const hn::RebindToSigned<ByteTag> ds;
#if HWY_TARGET == HWY_AVX2
  // Both the low bytes of residuals and their signs from numbers of 16 bits.
  const auto load = [residuals](size_t i) HWY_ATTR { return hn::Load(WideIntTag(), residuals + i).raw; };
  const __m256i order = _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0), low_byte = _mm256_set1_epi16(255);
  StepBytes code, signs;
#pragma GCC unroll 2
  for (size_t k = 0; k < kByteVectors; ++k) {
    const __m256i first = _mm256_packs_epi32(load(32 * k), load(32 * k + 8));
    const __m256i second = _mm256_packs_epi32(load(32 * k + 16), load(32 * k + 24));
    const __m256i low = _mm256_packus_epi16(_mm256_and_si256(first, low_byte), _mm256_and_si256(second, low_byte));
    code.part[k].raw = _mm256_permutevar8x32_epi32(low, order);
    signs.part[k].raw = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(first, second), order);
  }
#else
  const auto low_bytes = [residuals](size_t i) HWY_ATTR {
    return hn::And(hn::Load(WideIntTag(), residuals + i), hn::Set(WideIntTag(), 255));
  };
  StepBytes code = PackWords<uint8_t>(low_bytes);
#endif
  for (size_t k = 0; k < kByteVectors; ++k) code.part[k] = hn::Add(code.part[k], center.part[k]);
  if (!has_mode) return code;
#if HWY_TARGET != HWY_AVX2
  const StepBytes signs =
      PackWords<int8_t>([residuals](size_t i) HWY_ATTR { return hn::Load(WideIntTag(), residuals + i); });
#endif
  for (size_t k = 0; k < kByteVectors; ++k) {
    const auto is_mode = hn::RebindMask(d, hn::Lt(hn::BitCast(ds, signs.part[k]), hn::Zero(ds)));
    code.part[k] = hn::IfThenElse(is_mode, mode, code.part[k]);
  }
  return code;
}

// Tokens of residuals, none of them special, and their raw bits.
HWY_INLINE void TokensOfResiduals(const LaneTables& tables, const StepBytes& residual, StepBytes& token,
                                  StepBytes& raw) {
#if HWY_TARGET == HWY_SCALAR
  for (size_t i = 0; i < kRansLanes; ++i) {
    token.part[i] = hn::Set(ByteTag(), tables.token[hn::GetLane(residual.part[i])]);
    raw.part[i] = hn::Set(ByteTag(), tables.raw[hn::GetLane(residual.part[i])]);
  }
#elif HWY_TARGET <= HWY_AVX3_DL
  token.part[0] = Permute256(tables.token.data(), residual.part[0]);
  raw.part[0] = Permute256(tables.raw.data(), residual.part[0]);
#else
  const ByteTag d;
  const hn::RebindToSigned<ByteTag> ds;
  const auto fifteen = hn::Set(ds, 15);
  const auto table = [](const std::array<uint8_t, 16>& bytes)
                         HWY_ATTR { return hn::LoadDup128(ByteTag(), bytes.data()); };
  const auto& of = tables.magnitude;
  const auto tokens = table(of.token), of_quarter = table(of.token_of_quarter),
             of_sixteenth = table(of.token_of_sixteenth), mask_of_sixteenth = table(of.raw_mask_of_sixteenth);
  // 0 where `index` is above 15.
  const auto look_up = [&](auto entries, auto index) HWY_ATTR {
    const auto beyond = hn::VecFromMask(ds, hn::Gt(hn::BitCast(ds, index), fifteen));
    return hn::TableLookupBytesOr0(entries, hn::Or(index, hn::BitCast(d, beyond)));
  };
  for (size_t k = 0; k < kByteVectors; ++k) {
    const auto value = residual.part[k];
    const auto sign = hn::BitCast(d, hn::BroadcastSignBit(hn::BitCast(ds, value)));
    const auto magnitude = hn::Xor(value, sign);
    const auto quarter = hn::ShiftRight<2>(magnitude), sixteenth = hn::ShiftRight<4>(magnitude);
    const auto unsigned_token = hn::Or(hn::Or(look_up(tokens, magnitude), look_up(of_quarter, quarter)),
                                       hn::TableLookupBytes(of_sixteenth, sixteenth));
    token.part[k] = hn::Sub(unsigned_token, sign);
    // From 8 on there is one raw bit at least.
    const auto one_bit = hn::And(hn::ShiftRight<3>(magnitude), hn::Set(d, 1));
    const auto mask = hn::Max(hn::TableLookupBytes(mask_of_sixteenth, sixteenth), one_bit);
    raw.part[k] = hn::And(value, mask);
  }
#endif
}

// Symbols of contexts and tokens.
HWY_INLINE void StoreSymbols(const StepBytes& context, const StepBytes& token, uint16_t* HWY_RESTRICT out) {
  const StepTag<uint16_t> d;
  const hn::Rebind<uint8_t, StepTag<uint16_t>> d8;
  alignas(64) uint8_t contexts[kRansLanes], tokens[kRansLanes];
  StoreStep(context, contexts);
  StoreStep(token, tokens);
  for (size_t i = 0; i < kRansLanes; i += hn::Lanes(d)) {
    const auto of_context = hn::ShiftLeft<6>(hn::PromoteTo(d, hn::Load(d8, contexts + i)));
    hn::StoreU(hn::Or(of_context, hn::PromoteTo(d, hn::Load(d8, tokens + i))), d, out + i);
  }
}

// Tokens of the codes of a narrow step, and their raw bits.
HWY_INLINE void TokenStep(const LaneTables& tables, const StepBytes& code, const StepBytes& center,
                          const StepBytes& context, const LaneSymbols& symbols, size_t out) {
  const ByteTag d;
  StepBytes residual, token, raw;
  for (size_t k = 0; k < kByteVectors; ++k) {
    residual.part[k] = hn::Sub(code.part[k], center.part[k]);
  }
  TokensOfResiduals(tables, residual, token, raw);
  if (tables.has_mode) {
    for (size_t k = 0; k < kByteVectors; ++k) {
      const auto is_mode = hn::Eq(code.part[k], hn::Set(d, static_cast<uint8_t>(tables.mode_code)));
      token.part[k] = hn::IfThenZeroElse(is_mode, token.part[k]);
      raw.part[k] = hn::IfThenZeroElse(is_mode, raw.part[k]);
    }
  }
  StoreStep(raw, symbols.narrow_raw + out);
  StoreSymbols(context, token, symbols.symbol + out);
}

// Indices of the entries of the residuals of a step, or of the mode.
HWY_INLINE void StoreResidualSymbols(const LaneTables& tables, const StepBytes& codes, const StepBytes& center,
                                     const StepBytes& contexts, uint16_t* HWY_RESTRICT out) {
  const ByteTag d;
  for (size_t k = 0; k < kByteVectors; ++k) {
    const ByteVec context = contexts.part[k];
    ByteVec low = hn::Sub(codes.part[k], center.part[k]), high = context;
    if (tables.has_mode) {
      const auto is_mode = hn::Eq(codes.part[k], hn::Set(d, static_cast<uint8_t>(tables.mode_code)));
      low = hn::IfThenElse(is_mode, context, low);
      high = hn::IfThenElse(is_mode, hn::Set(d, static_cast<uint8_t>(tables.num_contexts)), high);
    }
    hn::StoreInterleaved2(low, high, d, reinterpret_cast<uint8_t*>(out + k * hn::Lanes(d)));
  }
}

}  // namespace dcac::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // DCAC_CORE_KERNELS_LANE_STEP_INL_H_
