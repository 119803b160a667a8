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

// Tells codes that have details from the others.
class DetailFinder {
 public:
  HWY_INLINE explicit DetailFinder(const CoarseMap& map)
      : num_exact_(map.num_exact), zero_(hn::Set(CodeTag(), static_cast<uint8_t>(map.zero))) {
    for (size_t e = 0; e < map.num_exact; ++e) exact_[e] = hn::Set(CodeTag(), map.exact[e].code);
  }

  // Bit i: element i has details.
  HWY_INLINE uint64_t MaskOf(hn::Vec<CodeTag> codes) const {
    const auto above_zero = hn::Sub(codes, zero_);  // 1 of the escape
    auto has_none = hn::Eq(hn::Min(above_zero, hn::Set(CodeTag(), 1)), above_zero);
    for (size_t e = 0; e < num_exact_; ++e) has_none = hn::Or(has_none, hn::Eq(codes, exact_[e]));
    uint64_t bits = 0;
    hn::StoreMaskBits(CodeTag(), hn::Not(has_none), reinterpret_cast<uint8_t*>(&bits));
    return bits;
  }
  // Of a block.
  HWY_INLINE uint64_t MaskOf(const uint8_t* HWY_RESTRICT codes) const {
    uint64_t result = 0;
    for (size_t i = 0; i < kBlock; i += hn::Lanes(CodeTag())) result |= MaskOf(hn::LoadU(CodeTag(), codes + i)) << i;
    return result;
  }

 private:
  size_t num_exact_;
  hn::Vec<CodeTag> zero_, exact_[kMaxCoarseExact];
};

// out[i] = the next of `from` for each bit of the mask, 0 elsewhere.
template <typename T>
HWY_INLINE void ExpandPlain(uint64_t mask, const void* from, T* HWY_RESTRICT out) {
  const std::byte* next = static_cast<const std::byte*>(from);
  for (size_t i = 0; i < kBlock; ++i) {
    const bool is_next = (mask >> i & 1) != 0;
    T value;
    std::memcpy(&value, next, sizeof(T));
    out[i] = is_next ? value : T{0};
    next += is_next ? sizeof(T) : 0;
  }
}

HWY_INLINE void Expand(uint64_t mask, const uint8_t* HWY_RESTRICT from, uint8_t* HWY_RESTRICT out) {
#if HWY_TARGET <= HWY_AVX3_DL
  _mm512_store_si512(out, _mm512_maskz_expand_epi8(mask, _mm512_loadu_si512(from)));
#elif HWY_TARGET == HWY_SCALAR
  ExpandPlain(mask, from, out);
#else
  if (mask == ~uint64_t{0}) {
    std::memcpy(out, from, kBlock);
    return;
  }
  const hn::CappedTag<uint8_t, 8> d;
  for (size_t i = 0; i < kBlock; i += 8) {
    const size_t bits = mask >> i & 255;
    hn::Store(hn::TableLookupBytesOr0(hn::LoadU(d, from), hn::LoadU(d, kExpandBytes8[bits].data())), d, out + i);
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
#elif HWY_TARGET == HWY_SCALAR
  ExpandPlain(mask, from, out);
#else
  const hn::Full128<uint8_t> d;
  for (size_t i = 0; i < kBlock; i += 8) {
    const size_t bits = mask >> i & 255;
    const auto next = hn::LoadU(d, reinterpret_cast<const uint8_t*>(from));
    const auto expanded = hn::TableLookupBytesOr0(next, hn::Load(d, kExpandWords8[bits].data()));
    hn::Store(expanded, d, reinterpret_cast<uint8_t*>(out + i));
    from += 2 * std::popcount(bits);
  }
#endif
}

#if HWY_TARGET > HWY_AVX3_DL
using SignedHalfTag = hn::RebindToSigned<HalfTag>;

// The upper 16 bits of samples less details; 0 for zero and the escape.
HWY_INLINE hn::Vec<HalfTag> UpperOf(const CoarseMap& map, hn::Vec<SignedHalfTag> code) {
  const HalfTag d;
  const SignedHalfTag ds;
  const auto above_escape = hn::Sub(code, hn::Set(ds, static_cast<int16_t>(map.escape())));
  const auto sign = hn::BroadcastSignBit(above_escape);
  const auto steps = hn::Xor(above_escape, sign);  // and one more; 0 for zero and the escape
  const auto magnitude =
      hn::ShiftLeftSame(hn::Add(steps, hn::Set(ds, static_cast<int16_t>(map.least - 1))), map.detail_bits);
  const auto upper = hn::Or(magnitude, hn::And(sign, hn::Set(ds, INT16_MIN)));
  return hn::BitCast(d, hn::IfThenZeroElse(hn::Eq(steps, hn::Zero(ds)), upper));
}
#endif

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
  const SignedHalfTag ds;
  const hn::Rebind<uint8_t, HalfTag> d8;
  const CoarseMap& map = tables.map;
  for (size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
    const auto code = hn::PromoteTo(ds, hn::LoadU(d8, codes + i));
    auto joined = hn::Or(UpperOf(map, code), hn::PromoteTo(d, hn::Load(d8, details + i)));
    for (size_t e = 0; e < map.num_exact; ++e) {
      const auto is_exact = hn::Eq(code, hn::Set(ds, static_cast<int16_t>(map.exact[e].code)));
      const auto exact = hn::Set(d, tables.ExactUpper(e));
      joined = hn::IfThenElse(hn::RebindMask(d, is_exact), exact, joined);
    }
    hn::Store(joined, d, upper + i);
  }
#endif
}

// binary32 from halves.
HWY_INLINE void JoinHalves(const CoarseMap& map, const uint8_t* HWY_RESTRICT codes, const uint16_t* HWY_RESTRICT upper,
                           uint16_t* HWY_RESTRICT low, std::byte* HWY_RESTRICT samples) {
  for (size_t e = 0; e < map.num_exact; ++e) {
    const uint8_t code = map.exact[e].code;
    const uint16_t half = static_cast<uint16_t>(map.exact[e].sample);
    for (size_t i = 0; i < kBlock; ++i) low[i] |= codes[i] == code ? half : 0;
  }
#if HWY_TARGET == HWY_SCALAR
  for (size_t i = 0; i < kBlock; ++i) {
    const uint32_t sample = static_cast<uint32_t>(upper[i]) << 16 | low[i];
    std::memcpy(samples + 4 * i, &sample, 4);
  }
#else
  const HalfTag d;
  uint16_t* const out = reinterpret_cast<uint16_t*>(samples);
  for (size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
    hn::StoreInterleaved2(hn::Load(d, low + i), hn::Load(d, upper + i), d, out + 2 * i);
  }
#endif
}

// A block's samples; returns the number of details that it has.
HWY_INLINE size_t JoinBlock(const CoarseTables& tables, const DetailFinder& finder, const uint8_t* HWY_RESTRICT codes,
                            const uint8_t* HWY_RESTRICT details, const std::byte* HWY_RESTRICT low,
                            std::byte* HWY_RESTRICT samples) {
  alignas(64) uint8_t expanded[kBlock];
  alignas(64) uint16_t upper[kBlock], expanded_low[kBlock];
  const uint64_t mask = finder.MaskOf(codes);
  Expand(mask, details, expanded);
  JoinUpper(tables, codes, expanded, upper);
  if (tables.sample_bytes == 2) {
    std::memcpy(samples, upper, sizeof(upper));
  } else {
    Expand(mask, low, expanded_low);
    JoinHalves(tables.map, codes, upper, expanded_low, samples);
  }
  return static_cast<size_t>(std::popcount(mask));
}

void Join(const CoarseTables& tables, const uint8_t* HWY_RESTRICT codes, size_t count,
          const uint8_t* HWY_RESTRICT details, const std::byte* HWY_RESTRICT low, std::byte* HWY_RESTRICT samples) {
  const size_t sample_bytes = tables.sample_bytes;
  const DetailFinder finder(tables.map);
  size_t begin = 0;
  for (; begin + kBlock <= count; begin += kBlock) {
    const size_t used = JoinBlock(tables, finder, codes + begin, details, low, samples + begin * sample_bytes);
    details += used;
    if (sample_bytes == 4) low += 2 * used;
  }
  if (begin == count) return;
  alignas(64) uint8_t last[kBlock];
  alignas(64) std::byte joined[4 * kBlock];
  std::memset(last, tables.map.zero, kBlock);
  std::memcpy(last, codes + begin, count - begin);
  JoinBlock(tables, finder, last, details, low, joined);
  std::memcpy(samples + begin * sample_bytes, joined, (count - begin) * sample_bytes);
}

size_t CountDetails(const CoarseMap& map, const uint8_t* HWY_RESTRICT codes, size_t count) {
  const DetailFinder finder(map);
  size_t result = 0, i = 0;
  for (; i + kBlock <= count; i += kBlock) result += static_cast<size_t>(std::popcount(finder.MaskOf(codes + i)));
  if (i == count) return result;
  alignas(64) uint8_t last[kBlock];
  std::memset(last, map.zero, kBlock);
  std::memcpy(last, codes + i, count - i);
  return result + static_cast<size_t>(std::popcount(finder.MaskOf(last)));
}

// Upper and, of four bytes, lower halves of samples.
template <size_t kBytes>
HWY_INLINE hn::Vec<HalfTag> LoadHalves(const std::byte* HWY_RESTRICT samples, hn::Vec<HalfTag>& low) {
  const HalfTag d;
  const uint16_t* const halves = reinterpret_cast<const uint16_t*>(samples);
  if constexpr (kBytes == 2) return hn::LoadU(d, halves);
#if HWY_TARGET == HWY_SCALAR
  low = hn::LoadU(d, halves);
  return hn::LoadU(d, halves + 1);
#else
  const auto first = hn::LoadU(d, halves), second = hn::LoadU(d, halves + hn::Lanes(d));
  low = hn::ConcatEven(d, second, first);
  return hn::ConcatOdd(d, second, first);
#endif
}

// Splits samples of kBytes bytes, of which kExact are exact, with copies of what it needs of the map.
template <size_t kBytes, size_t kExact>
class Splitter {
 public:
  HWY_INLINE explicit Splitter(const CoarseMap& map)
      : finder_(map),
        shift_(map.detail_bits),
        detail_bits_(hn::Set(HalfTag(), static_cast<uint16_t>((1u << map.detail_bits) - 1))),
        least_(Each(map.least)),
        positive_(Each(map.positive())),
        negative_(Each(map.negative())),
        above_(Each(map.escape() + 1)),
        below_(Each(map.zero - 1)),
        zero_(Each(map.zero)),
        escape_(Each(map.escape())) {
    for (size_t e = 0; e < kExact; ++e) {
      const uint32_t sample = map.exact[e].sample;
      exact_code_[e] = Each(map.exact[e].code);
      exact_upper_[e] = hn::Set(HalfTag(), static_cast<uint16_t>(kHasLow ? sample >> 16 : sample));
      exact_low_[e] = hn::Set(HalfTag(), static_cast<uint16_t>(sample));
    }
  }

  // Codes, details and, of four bytes, lower halves of a block; bit i: sample i has details.  From registers, for
  // loads of what several stores wrote a moment before take long.
  HWY_INLINE uint64_t Split(const std::byte* HWY_RESTRICT samples, uint8_t* HWY_RESTRICT codes,
                            uint8_t* HWY_RESTRICT details, uint16_t* HWY_RESTRICT low_halves) const {
    const CodeTag d;
    uint64_t mask = 0;
    for (size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
#if HWY_TARGET == HWY_SCALAR
      const Half half = SplitHalf(samples + kBytes * i, low_halves + i);
      const hn::Vec<CodeTag> code = hn::Set(d, static_cast<uint8_t>(hn::GetLane(half.code)));
      const hn::Vec<CodeTag> detail = hn::Set(d, static_cast<uint8_t>(hn::GetLane(half.detail)));
#else
      constexpr size_t kHalf = hn::MaxLanes(HalfTag());
      const Half first = SplitHalf(samples + kBytes * i, low_halves + i);
      const Half second = SplitHalf(samples + kBytes * (i + kHalf), low_halves + i + kHalf);
      const hn::Vec<CodeTag> code = Pack(first.code, second.code), detail = Pack(first.detail, second.detail);
#endif
      hn::StoreU(code, d, codes + i);
      hn::StoreU(detail, d, details + i);
      mask |= finder_.MaskOf(code) << i;
    }
    return mask;
  }

 private:
  static constexpr bool kHasLow = kBytes == 4;
  using SignedTag = hn::RebindToSigned<HalfTag>;
  using Signed = hn::Vec<SignedTag>;

  struct Half {
    Signed code, detail;
  };

  template <typename T>
  static HWY_INLINE Signed Each(T value) {
    return hn::Set(SignedTag(), static_cast<int16_t>(value));
  }

#if HWY_TARGET != HWY_SCALAR
  // Numbers up to 255 as bytes.
  static HWY_INLINE hn::Vec<CodeTag> Pack(Signed first, Signed second) {
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    return hn::Vec<CodeTag>{_mm512_permutexvar_epi64(order, _mm512_packus_epi16(first.raw, second.raw))};
#elif HWY_TARGET == HWY_AVX2
    return hn::Vec<CodeTag>{_mm256_permute4x64_epi64(_mm256_packus_epi16(first.raw, second.raw), 0xd8)};
#else
    const hn::Rebind<uint8_t, SignedTag> d8;
    return hn::Combine(CodeTag(), hn::DemoteTo(d8, second), hn::DemoteTo(d8, first));
#endif
  }
#endif

  HWY_INLINE Half SplitHalf(const std::byte* HWY_RESTRICT samples, uint16_t* HWY_RESTRICT low_halves) const {
    const HalfTag d;
    const SignedTag ds;
    auto low = hn::Zero(d);
    const auto sample = LoadHalves<kBytes>(samples, low);
    if constexpr (kHasLow) hn::Store(low, d, low_halves);
    const auto magnitude = hn::And(sample, hn::Set(d, uint16_t{0x7fff}));
    const auto steps = hn::Sub(hn::BitCast(ds, hn::ShiftRightSame(magnitude, shift_)), least_);
    const auto is_negative = hn::Lt(hn::BitCast(ds, sample), hn::Zero(ds));
    const auto room = hn::IfThenElse(is_negative, negative_, positive_);
    const auto is_coded = hn::And(hn::Not(hn::Lt(steps, hn::Zero(ds))), hn::Lt(steps, room));
    const auto code = hn::IfThenElse(is_negative, hn::Sub(below_, steps), hn::Add(above_, steps));
    const auto is_zero = hn::RebindMask(ds, hn::Eq(hn::Or(sample, low), hn::Zero(d)));
    auto result = hn::IfThenElse(is_zero, zero_, hn::IfThenElse(is_coded, code, escape_));
    for (size_t e = 0; e < kExact; ++e) {
      auto differs = hn::Xor(sample, exact_upper_[e]);
      if constexpr (kHasLow) differs = hn::Or(differs, hn::Xor(low, exact_low_[e]));
      const auto is_other = hn::RebindMask(ds, hn::Ne(differs, hn::Zero(d)));
      result = hn::IfThenElse(hn::And(hn::Eq(result, exact_code_[e]), is_other), escape_, result);
    }
    return {result, hn::BitCast(ds, hn::And(sample, detail_bits_))};
  }

  DetailFinder finder_;
  int shift_;
  hn::Vec<HalfTag> detail_bits_;
  Signed least_, positive_, negative_, above_, below_, zero_, escape_;
  Signed exact_code_[kMaxCoarseExact];
  hn::Vec<HalfTag> exact_upper_[kMaxCoarseExact], exact_low_[kMaxCoarseExact];
};

// Moves the elements of the mask to `to`.
template <typename T>
HWY_INLINE void CompressPlain(uint64_t mask, const T* HWY_RESTRICT from, T* HWY_RESTRICT to) {
  for (size_t i = 0; i < kBlock; ++i) {
    *to = from[i];
    to += mask >> i & 1;
  }
}

HWY_INLINE void Compress(uint64_t mask, const uint8_t* HWY_RESTRICT from, uint8_t* HWY_RESTRICT to) {
#if HWY_TARGET <= HWY_AVX3_DL
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi8(mask, _mm512_load_si512(from)));
#elif HWY_TARGET == HWY_SCALAR
  CompressPlain(mask, from, to);
#else
  if (mask == ~uint64_t{0}) {
    std::memcpy(to, from, kBlock);
    return;
  }
  const hn::CappedTag<uint8_t, 8> d;
  for (size_t i = 0; i < kBlock; i += 8) {
    const size_t bits = mask >> i & 255;
    hn::StoreU(hn::TableLookupBytesOr0(hn::Load(d, from + i), hn::LoadU(d, kPackBytes8[bits].data())), d, to);
    to += std::popcount(bits);
  }
#endif
}

HWY_INLINE void Compress(uint64_t mask, const uint16_t* HWY_RESTRICT from, uint16_t* HWY_RESTRICT to) {
#if HWY_TARGET <= HWY_AVX3_DL
  const uint32_t first = static_cast<uint32_t>(mask), second = static_cast<uint32_t>(mask >> 32);
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi16(first, _mm512_load_si512(from)));
  to += std::popcount(first);
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi16(second, _mm512_load_si512(from + 32)));
#elif HWY_TARGET == HWY_SCALAR
  CompressPlain(mask, from, to);
#else
  const hn::Full128<uint8_t> d;
  for (size_t i = 0; i < kBlock; i += 8) {
    const size_t bits = mask >> i & 255;
    const auto words = hn::Load(d, reinterpret_cast<const uint8_t*>(from + i));
    hn::StoreU(hn::TableLookupBytesOr0(words, hn::Load(d, kPackWords8[bits].data())), d,
               reinterpret_cast<uint8_t*>(to));
    to += std::popcount(bits);
  }
#endif
}

template <size_t kBytes, size_t kExact>
HWY_INLINE size_t SplitSamples(const CoarseMap& map, const std::byte* HWY_RESTRICT samples, size_t count,
                               uint8_t* HWY_RESTRICT codes, const CoarseDetails& out) {
  alignas(64) uint16_t low[kBlock];
  alignas(64) uint8_t details[kBlock];
  const Splitter<kBytes, kExact> splitter(map);
  size_t total = 0;
  const auto split = [&](const std::byte* from, size_t begin) HWY_ATTR {
    const uint64_t mask = splitter.Split(from, codes + begin, details, low);
    Compress(mask, details, out.details + total);
    if constexpr (kBytes == 4) Compress(mask, low, out.low + total);
    total += static_cast<size_t>(std::popcount(mask));
  };
  size_t begin = 0;
  for (; begin + kBlock <= count; begin += kBlock) split(samples + kBytes * begin, begin);
  if (begin < count) {
    alignas(64) std::byte last[kBytes * kBlock] = {};
    std::memcpy(last, samples + kBytes * begin, kBytes * (count - begin));
    split(last, begin);
  }
  return total;
}

template <size_t kBytes>
size_t SplitOfBytes(const CoarseMap& map, const std::byte* HWY_RESTRICT samples, size_t count,
                    uint8_t* HWY_RESTRICT codes, const CoarseDetails& out) {
  switch (map.num_exact) {
    case 0:
      return SplitSamples<kBytes, 0>(map, samples, count, codes, out);
    case 1:
      return SplitSamples<kBytes, 1>(map, samples, count, codes, out);
    case 2:
      return SplitSamples<kBytes, 2>(map, samples, count, codes, out);
    default:
      return SplitSamples<kBytes, kMaxCoarseExact>(map, samples, count, codes, out);
  }
}

size_t Split(const CoarseMap& map, size_t sample_bytes, const std::byte* HWY_RESTRICT samples, size_t count,
             uint8_t* HWY_RESTRICT codes, const CoarseDetails& out) {
  if (sample_bytes == 2) return SplitOfBytes<2>(map, samples, count, codes, out);
  return SplitOfBytes<4>(map, samples, count, codes, out);
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
  const auto pack = [bits, &packed](uint64_t eight) HWY_ATTR {
    const uint64_t bytes = PackEight(eight, bits);
    std::memcpy(packed, &bytes, 8);
    packed += bits;
  };
  uint64_t eight = 0;
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    std::memcpy(&eight, fields + i, 8);
    pack(eight);
  }
  if (i == count) return;
  eight = 0;
  std::memcpy(&eight, fields + i, count - i);
  pack(eight);
}

void Unpack(const std::byte* HWY_RESTRICT packed, size_t count, int bits, uint8_t* HWY_RESTRICT fields) {
  const std::byte* const end = packed + PackedFieldBytes(count, bits);
  uint64_t bytes = 0;
  size_t i = 0;
  for (; i < count && end - packed >= 8; i += 8, packed += bits) {
    std::memcpy(&bytes, packed, 8);
    const uint64_t eight = UnpackEight(bytes, bits);
    std::memcpy(fields + i, &eight, 8);
  }
  for (; i < count; i += 8, packed += bits) {
    bytes = 0;
    if (packed != end) std::memcpy(&bytes, packed, static_cast<size_t>(end - packed));
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

CoarseTables::CoarseTables(const CoarseMap& coarse_map, size_t bytes) : map(coarse_map), sample_bytes(bytes) {
  const auto set = [&](int code, uint32_t upper) {
    low_byte[static_cast<size_t>(code)] = static_cast<uint8_t>(upper);
    high_byte[static_cast<size_t>(code)] = static_cast<uint8_t>(upper >> 8);
  };
  for (int code = 0; code < 256; ++code) {
    set(code, code == map.zero || code == map.escape() ? 0 : map.Upper(code));
  }
  for (size_t e = 0; e < map.num_exact; ++e) set(map.exact[e].code, ExactUpper(e));
}

void JoinCoarse(const CoarseTables& tables, const uint8_t* codes, size_t count, const uint8_t* details,
                const std::byte* low, std::byte* samples) {
  DCAC_DYNAMIC_DISPATCH(Join)(tables, codes, count, details, low, samples);
}

void PackFields(const uint8_t* fields, size_t count, int bits, std::byte* packed) {
  DCAC_DYNAMIC_DISPATCH(Pack)(fields, count, bits, packed);
}

void UnpackFields(const std::byte* packed, size_t count, int bits, uint8_t* fields) {
  DCAC_DYNAMIC_DISPATCH(Unpack)(packed, count, bits, fields);
}

}  // namespace dcac
#endif  // HWY_ONCE
