#include "core/kernels/coarse.h"

#include <bit>
#include <cstring>

#include "core/kernels/lane_shuffles.h"
#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/coarse.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr size_t kBlock = 64;  // codes that are worked on together

using CodeTag = hn::CappedTag<uint8_t, kBlock>;
using HalfTag = hn::CappedTag<uint16_t, kBlock / 2>;

// Bit i: codes[i] has details.
HWY_INLINE uint64_t DetailMask(const CoarseMap& map, const uint8_t* HWY_RESTRICT codes) {
  const CodeTag d;
  const auto zero = hn::Set(d, static_cast<uint8_t>(map.zero)), escape = hn::Set(d, static_cast<uint8_t>(map.escape()));
  uint64_t result = 0;
  for (size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
    const auto code = hn::LoadU(d, codes + i);
    uint8_t bytes[8] = {};
    hn::StoreMaskBits(d, hn::Not(hn::Or(hn::Eq(code, zero), hn::Eq(code, escape))), bytes);
    uint64_t bits;
    std::memcpy(&bits, bytes, 8);
    result |= bits << i;
  }
  return result;
}

// out[i] = the next of `from` for each bit of the mask; anything elsewhere.
HWY_INLINE void Expand(uint64_t mask, const uint8_t* HWY_RESTRICT from, uint8_t* HWY_RESTRICT out) {
#if HWY_TARGET <= HWY_AVX3_DL
  _mm512_store_si512(out, _mm512_maskz_expand_epi8(mask, _mm512_loadu_si512(from)));
#elif HWY_TARGET == HWY_SCALAR
  for (size_t i = 0; i < kBlock; ++i) {
    out[i] = *from;
    from += mask >> i & 1;
  }
#else
  const hn::CappedTag<uint8_t, 8> d;
  const hn::Full128<uint8_t> d128;
  for (size_t i = 0; i < kBlock; i += 8) {
    const uint8_t bits = static_cast<uint8_t>(mask >> i);
    const auto next = hn::LoadU(d128, from), ranks = hn::ZeroExtendVector(d128, hn::LoadU(d, kExpand8[bits].data()));
    hn::StoreU(hn::LowerHalf(d, hn::TableLookupBytes(next, ranks)), d, out + i);
    from += std::popcount(bits);
  }
#endif
}

HWY_INLINE void Expand(uint64_t mask, const std::byte* HWY_RESTRICT from, uint16_t* HWY_RESTRICT out) {
#if HWY_TARGET <= HWY_AVX3_DL
  const uint32_t first = static_cast<uint32_t>(mask), second = static_cast<uint32_t>(mask >> 32);
  _mm512_store_si512(out, _mm512_maskz_expand_epi16(first, _mm512_loadu_si512(from)));
  from += 2 * static_cast<size_t>(std::popcount(first));
  _mm512_store_si512(out + 32, _mm512_maskz_expand_epi16(second, _mm512_loadu_si512(from)));
#else
  for (size_t i = 0; i < kBlock; ++i) {
    std::memcpy(out + i, from, 2);
    from += 2 * (mask >> i & 1);
  }
#endif
}

// The upper 16 bits of a block's samples.
HWY_INLINE void JoinUpper(const CoarseTables& tables, const uint8_t* HWY_RESTRICT codes,
                          const uint8_t* HWY_RESTRICT details, uint16_t* HWY_RESTRICT upper) {
#if HWY_TARGET <= HWY_AVX3_DL
  const __m512i code = _mm512_loadu_si512(codes);
  const __mmask64 is_upper = _mm512_movepi8_mask(code);
  const auto look_up = [&](const std::array<uint8_t, 256>& table) HWY_ATTR {
    const uint8_t* rows = table.data();
    const __m512i first = _mm512_permutex2var_epi8(_mm512_load_si512(rows), code, _mm512_load_si512(rows + 64));
    const __m512i second = _mm512_permutex2var_epi8(_mm512_load_si512(rows + 128), code, _mm512_load_si512(rows + 192));
    return _mm512_mask_blend_epi8(is_upper, first, second);
  };
  const __m512i low = _mm512_or_si512(look_up(tables.low_byte), _mm512_load_si512(details));
  const __m512i high = look_up(tables.high_byte);
  // Pairs of bytes lie in the right order within each 16 bytes.
  const __m512i even = _mm512_unpacklo_epi8(low, high), odd = _mm512_unpackhi_epi8(low, high);
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  _mm512_storeu_si512(upper, _mm512_permutex2var_epi64(even, first, odd));
  _mm512_storeu_si512(upper + 32, _mm512_permutex2var_epi64(even, second, odd));
#else
  const HalfTag d;
  const hn::RebindToSigned<HalfTag> ds;
  const hn::Rebind<uint8_t, HalfTag> d8;
  const CoarseMap& map = tables.map;
  const auto zero = hn::Set(d, static_cast<uint16_t>(map.zero)),
             escape = hn::Set(d, static_cast<uint16_t>(map.escape()));
  const auto above = hn::Set(d, static_cast<uint16_t>(map.least - static_cast<uint32_t>(map.escape()) - 1));
  const auto below = hn::Set(d, static_cast<uint16_t>(map.least + static_cast<uint32_t>(map.zero) - 1));
  const auto sign_bit = hn::Set(d, uint16_t{0x8000});
  for (size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
    const auto code = hn::PromoteTo(d, hn::LoadU(d8, codes + i));
    const auto is_negative = hn::RebindMask(d, hn::Lt(hn::BitCast(ds, code), hn::BitCast(ds, zero)));
    const auto magnitude = hn::IfThenElse(is_negative, hn::Sub(below, code), hn::Add(code, above));
    const auto detail = hn::PromoteTo(d, hn::LoadU(d8, details + i));
    const auto sample = hn::Or(hn::Or(hn::ShiftLeftSame(magnitude, map.detail_bits), detail),
                               hn::IfThenElseZero(is_negative, sign_bit));
    const auto is_none = hn::Or(hn::Eq(code, zero), hn::Eq(code, escape));
    hn::StoreU(hn::IfThenZeroElse(is_none, sample), d, upper + i);
  }
#endif
}

// binary32 from halves; `low` where the mask has no bit is anything.
HWY_INLINE void JoinHalves(uint64_t mask, const uint16_t* HWY_RESTRICT upper, const uint16_t* HWY_RESTRICT low,
                           uint32_t* HWY_RESTRICT samples) {
  for (size_t i = 0; i < kBlock; ++i) {
    const uint32_t half = mask >> i & 1 ? low[i] : 0;
    samples[i] = static_cast<uint32_t>(upper[i]) << 16 | half;
  }
}

// A block's samples; returns the number of details that it has.
HWY_INLINE size_t JoinBlock(const CoarseTables& tables, size_t sample_bytes, const uint8_t* HWY_RESTRICT codes,
                            const uint8_t* HWY_RESTRICT details, const std::byte* HWY_RESTRICT low,
                            std::byte* HWY_RESTRICT samples) {
  alignas(64) uint8_t expanded[kBlock];
  alignas(64) uint16_t upper[kBlock], expanded_low[kBlock];
  alignas(64) uint32_t joined[kBlock];
  const uint64_t mask = DetailMask(tables.map, codes);
  Expand(mask, details, expanded);
  JoinUpper(tables, codes, expanded, upper);
  if (sample_bytes == 2) {
    std::memcpy(samples, upper, sizeof(upper));
  } else {
    Expand(mask, low, expanded_low);
#if HWY_TARGET <= HWY_AVX3_DL
    // Expanding has left zeros elsewhere.
    for (size_t i = 0; i < kBlock; ++i) joined[i] = static_cast<uint32_t>(upper[i]) << 16 | expanded_low[i];
#else
    JoinHalves(mask, upper, expanded_low, joined);
#endif
    std::memcpy(samples, joined, sizeof(joined));
  }
  return static_cast<size_t>(std::popcount(mask));
}

void Join(const CoarseTables& tables, size_t sample_bytes, const uint8_t* HWY_RESTRICT codes, size_t count,
          const uint8_t* HWY_RESTRICT details, const std::byte* HWY_RESTRICT low, std::byte* HWY_RESTRICT samples) {
  size_t begin = 0;
  for (; begin + kBlock <= count; begin += kBlock) {
    const size_t used = JoinBlock(tables, sample_bytes, codes + begin, details, low, samples + begin * sample_bytes);
    details += used;
    if (sample_bytes == 4) low += 2 * used;
  }
  if (begin == count) return;
  alignas(64) uint8_t last[kBlock];
  alignas(64) std::byte joined[4 * kBlock];
  std::memset(last, tables.map.zero, kBlock);
  std::memcpy(last, codes + begin, count - begin);
  JoinBlock(tables, sample_bytes, last, details, low, joined);
  std::memcpy(samples + begin * sample_bytes, joined, (count - begin) * sample_bytes);
}

size_t CountDetails(const CoarseMap& map, const uint8_t* HWY_RESTRICT codes, size_t count) {
  size_t result = 0, i = 0;
  for (; i + kBlock <= count; i += kBlock) result += static_cast<size_t>(std::popcount(DetailMask(map, codes + i)));
  for (; i < count; ++i) result += codes[i] != map.zero && codes[i] != map.escape() ? 1 : 0;
  return result;
}

// Codes and details of a block, from the upper halves of its samples and whether they are +0.
HWY_INLINE void SplitBlock(const CoarseMap& map, const uint16_t* HWY_RESTRICT upper,
                           const uint16_t* HWY_RESTRICT nonzero, uint8_t* HWY_RESTRICT codes,
                           uint8_t* HWY_RESTRICT details) {
  const HalfTag d;
  const hn::RebindToSigned<HalfTag> ds;
  const hn::Rebind<uint8_t, HalfTag> d8;
  const auto magnitude_bits = hn::Set(d, uint16_t{0x7fff});
  const auto detail_bits = hn::Set(d, static_cast<uint16_t>((1u << map.detail_bits) - 1));
  const auto least = hn::Set(ds, static_cast<int16_t>(map.least));
  const auto positive = hn::Set(ds, static_cast<int16_t>(map.positive())),
             negative = hn::Set(ds, static_cast<int16_t>(map.negative()));
  const auto above = hn::Set(ds, static_cast<int16_t>(map.escape() + 1)),
             below = hn::Set(ds, static_cast<int16_t>(map.zero - 1));
  const auto zero = hn::Set(ds, static_cast<int16_t>(map.zero)),
             escape = hn::Set(ds, static_cast<int16_t>(map.escape()));
  for (size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
    const auto sample = hn::Load(d, upper + i);
    const auto steps =
        hn::Sub(hn::BitCast(ds, hn::ShiftRightSame(hn::And(sample, magnitude_bits), map.detail_bits)), least);
    const auto is_negative = hn::Lt(hn::BitCast(ds, sample), hn::Zero(ds));
    const auto room = hn::IfThenElse(is_negative, negative, positive);
    const auto is_coded = hn::And(hn::Not(hn::Lt(steps, hn::Zero(ds))), hn::Lt(steps, room));
    const auto code = hn::IfThenElse(is_negative, hn::Sub(below, steps), hn::Add(above, steps));
    const auto is_zero = hn::RebindMask(ds, hn::Eq(hn::Load(d, nonzero + i), hn::Zero(d)));
    const auto result = hn::IfThenElse(is_zero, zero, hn::IfThenElse(is_coded, code, escape));
    hn::StoreU(hn::DemoteTo(d8, result), d8, codes + i);
    hn::StoreU(hn::DemoteTo(d8, hn::BitCast(ds, hn::And(sample, detail_bits))), d8, details + i);
  }
}

// Moves the elements of the mask to `to`.
HWY_INLINE void Compress(uint64_t mask, const uint8_t* HWY_RESTRICT from, uint8_t* HWY_RESTRICT to) {
#if HWY_TARGET <= HWY_AVX3_DL
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi8(mask, _mm512_load_si512(from)));
#else
  for (size_t i = 0; i < kBlock; ++i) {
    *to = from[i];
    to += mask >> i & 1;
  }
#endif
}

HWY_INLINE void Compress(uint64_t mask, const uint16_t* HWY_RESTRICT from, uint16_t* HWY_RESTRICT to) {
#if HWY_TARGET <= HWY_AVX3_DL
  const uint32_t first = static_cast<uint32_t>(mask), second = static_cast<uint32_t>(mask >> 32);
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi16(first, _mm512_load_si512(from)));
  to += std::popcount(first);
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi16(second, _mm512_load_si512(from + 32)));
#else
  for (size_t i = 0; i < kBlock; ++i) {
    *to = from[i];
    to += mask >> i & 1;
  }
#endif
}

size_t Split(const CoarseMap& map, size_t sample_bytes, const std::byte* HWY_RESTRICT samples, size_t count,
             uint8_t* HWY_RESTRICT codes, const CoarseDetails& out) {
  alignas(64) uint16_t upper[kBlock], low[kBlock], nonzero[kBlock];
  alignas(64) uint32_t wide[kBlock];
  alignas(64) uint8_t details[kBlock];
  size_t total = 0;
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t active = HWY_MIN(kBlock, count - begin);
    if (sample_bytes == 2) {
      if (active < kBlock) std::memset(upper, 0, sizeof(upper));
      std::memcpy(upper, samples + 2 * begin, 2 * active);
      SplitBlock(map, upper, upper, codes + begin, details);
    } else {
      if (active < kBlock) std::memset(wide, 0, sizeof(wide));
      std::memcpy(wide, samples + 4 * begin, 4 * active);
      for (size_t i = 0; i < kBlock; ++i) {
        upper[i] = static_cast<uint16_t>(wide[i] >> 16);
        low[i] = static_cast<uint16_t>(wide[i]);
        nonzero[i] = upper[i] | low[i];
      }
      SplitBlock(map, upper, nonzero, codes + begin, details);
    }
    const uint64_t mask = DetailMask(map, codes + begin);
    Compress(mask, details, out.details + total);
    if (sample_bytes == 4) Compress(mask, low, out.low + total);
    total += static_cast<size_t>(std::popcount(mask));
  }
  return total;
}

// Eight fields are as many bytes as they have bits.
HWY_INLINE uint64_t PackEight(uint64_t fields, int bits) {
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2
  return _pext_u64(fields, 0x0101010101010101u * ((1u << bits) - 1));
#else
  uint64_t packed = 0;
  for (int i = 0; i < 8; ++i) packed |= (fields >> (8 * i) & 0xff) << (bits * i);
  return packed;
#endif
}

HWY_INLINE uint64_t UnpackEight(uint64_t packed, int bits) {
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2
  return _pdep_u64(packed, 0x0101010101010101u * ((1u << bits) - 1));
#else
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  uint64_t fields = 0;
  for (int i = 0; i < 8; ++i) fields |= (packed >> (bits * i) & mask) << (8 * i);
  return fields;
#endif
}

void Pack(const uint8_t* HWY_RESTRICT fields, size_t count, int bits, std::byte* HWY_RESTRICT packed) {
  for (size_t i = 0; i < count; i += 8, packed += bits) {
    uint64_t eight = 0;
    std::memcpy(&eight, fields + i, HWY_MIN(size_t{8}, count - i));
    const uint64_t bytes = PackEight(eight, bits);
    std::memcpy(packed, &bytes, 8);
  }
}

void Unpack(const std::byte* HWY_RESTRICT packed, size_t count, int bits, uint8_t* HWY_RESTRICT fields) {
  const std::byte* const end = packed + PackedFieldBytes(count, bits);
  for (size_t i = 0; i < count; i += 8, packed += bits) {
    uint64_t bytes = 0;
    std::memcpy(&bytes, packed, HWY_MIN(size_t{8}, static_cast<size_t>(end - packed)));
    const uint64_t eight = UnpackEight(bytes, bits);
    std::memcpy(fields + i, &eight, 8);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(Split);
HWY_EXPORT(CountDetails);
HWY_EXPORT(Join);
HWY_EXPORT(Pack);
HWY_EXPORT(Unpack);

size_t SplitCoarse(const CoarseMap& map, size_t sample_bytes, const std::byte* samples, size_t count, uint8_t* codes,
                   const CoarseDetails& out) {
  return DCAC_DYNAMIC_DISPATCH(Split)(map, sample_bytes, samples, count, codes, out);
}

size_t CountCoarseDetails(const CoarseMap& map, const uint8_t* codes, size_t count) {
  return DCAC_DYNAMIC_DISPATCH(CountDetails)(map, codes, count);
}

CoarseTables::CoarseTables(const CoarseMap& coarse_map) : map(coarse_map) {
  for (int code = 0; code < 256; ++code) {
    const bool is_negative = code < map.zero;
    const uint32_t steps = static_cast<uint32_t>(is_negative ? map.zero - 1 - code : code - map.escape() - 1);
    const uint32_t upper = (map.least + steps) << map.detail_bits | (is_negative ? 0x8000u : 0u);
    const bool is_none = code == map.zero || code == map.escape();
    low_byte[static_cast<size_t>(code)] = static_cast<uint8_t>(is_none ? 0 : upper);
    high_byte[static_cast<size_t>(code)] = static_cast<uint8_t>(is_none ? 0 : upper >> 8);
  }
}

void JoinCoarse(const CoarseTables& tables, size_t sample_bytes, const uint8_t* codes, size_t count,
                const uint8_t* details, const std::byte* low, std::byte* samples) {
  DCAC_DYNAMIC_DISPATCH(Join)(tables, sample_bytes, codes, count, details, low, samples);
}

void PackFields(const uint8_t* fields, size_t count, int bits, std::byte* packed) {
  DCAC_DYNAMIC_DISPATCH(Pack)(fields, count, bits, packed);
}

void UnpackFields(const std::byte* packed, size_t count, int bits, uint8_t* fields) {
  DCAC_DYNAMIC_DISPATCH(Unpack)(packed, count, bits, fields);
}

}  // namespace dcac
#endif  // HWY_ONCE
