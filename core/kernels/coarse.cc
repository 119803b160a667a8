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
// Of vectors first all of so many samples, then of their details all, which are found eight at a time: loads of what
// several stores wrote a moment before, or of parts of what one wrote, take long.
constexpr size_t kChunk = 16 * kBlock;

using CodeTag = hn::CappedTag<uint8_t, kBlock>;
using HalfTag = hn::CappedTag<uint16_t, kBlock / 2>;

// Tells codes that are neither zero nor the escape nor exact from these.
class StepFinder {
 public:
  HWY_INLINE explicit StepFinder(const CoarseMap& map)
      : num_exact_(map.num_exact), zero_(hn::Set(CodeTag(), static_cast<uint8_t>(map.zero))) {
    for (size_t e = 0; e < map.num_exact; ++e) exact_[e] = hn::Set(CodeTag(), map.exact[e].code);
  }

  // Bit i: element i is one of them.
  HWY_INLINE uint64_t MaskOf(hn::Vec<CodeTag> codes) const {
    const auto above_zero = hn::Sub(codes, zero_);  // 1 of the escape
    auto is_none = hn::Eq(hn::Min(above_zero, hn::Set(CodeTag(), 1)), above_zero);
    for (size_t e = 0; e < num_exact_; ++e) is_none = hn::Or(is_none, hn::Eq(codes, exact_[e]));
    uint64_t bits = 0;
    hn::StoreMaskBits(CodeTag(), hn::Not(is_none), reinterpret_cast<uint8_t*>(&bits));
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
HWY_INLINE void ExpandPlain(uint64_t mask, const std::byte* next, uint16_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < kBlock; ++i) {
    const bool is_next = (mask >> i & 1) != 0;
    uint16_t value;
    std::memcpy(&value, next, 2);
    out[i] = is_next ? value : 0;
    next += is_next ? 2 : 0;
  }
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

// Bytes to their bits that are in the mask, together, and back.  Masks of bytes are 2^n - 1.
HWY_INLINE uint64_t Gather(uint64_t bytes, uint64_t mask) {
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2
  return _pext_u64(bytes, mask);
#else
  uint64_t result = 0;
  for (int i = 0, count = 0; i < 64; i += 8) {
    const uint64_t of_byte = mask >> i & 0xff;
    result |= (bytes >> i & of_byte) << count;
    count += std::popcount(of_byte);
  }
  return result;
#endif
}
HWY_INLINE uint64_t Spread(uint64_t bits, uint64_t mask) {
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2
  return _pdep_u64(bits, mask);
#else
  uint64_t result = 0;
  for (int i = 0; i < 64; i += 8) {
    const uint64_t of_byte = mask >> i & 0xff;
    result |= (bits & of_byte) << i;
    bits >>= std::popcount(of_byte);
  }
  return result;
#endif
}

HWY_INLINE uint64_t LoadEight(const uint8_t* HWY_RESTRICT bytes) {
  uint64_t result;
  std::memcpy(&result, bytes, 8);
  return result;
}

// 57 bits from a position on, or 64 with kWhole; 9 bytes are read.
template <bool kWhole>
HWY_INLINE uint64_t LoadBits(const std::byte* HWY_RESTRICT bytes, size_t position) {
  bytes += position / 8;
  const unsigned skipped = position % 8;
  uint64_t first;
  std::memcpy(&first, bytes, 8);
  first >>= skipped;
  if constexpr (kWhole) first |= std::to_integer<uint64_t>(bytes[8]) << 1 << (63 - skipped);
  return first;
}

// The masks of details, of a multiple of eight, to these, from a position on that is moved behind them.
template <bool kWhole>
HWY_INLINE void SpreadDetails(const std::byte* HWY_RESTRICT bytes, size_t& position, size_t count,
                              uint8_t* HWY_RESTRICT details) {
  size_t at = position;
  for (size_t i = 0; i < count; i += 8) {
    const uint64_t masks = LoadEight(details + i), eight = Spread(LoadBits<kWhole>(bytes, at), masks);
    std::memcpy(details + i, &eight, 8);
    at += static_cast<size_t>(std::popcount(masks));
  }
  position = at;
}

// What the details of a chunk take at most.  Where they are read, there are 9 bytes more.
constexpr size_t kDetailBytes = kChunk * kMaxCoarseDetailBits / 8;

#if HWY_TARGET <= HWY_AVX3_DL
HWY_INLINE __m512i LookUp(const std::array<uint8_t, 256>& table, __m512i index) {
  const uint8_t* rows = table.data();
  const __m512i first = _mm512_permutex2var_epi8(_mm512_load_si512(rows), index, _mm512_load_si512(rows + 64));
  const __m512i second = _mm512_permutex2var_epi8(_mm512_load_si512(rows + 128), index, _mm512_load_si512(rows + 192));
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), first, second);
}

HWY_INLINE void FindDetailMasks(const CoarseTables& tables, const uint8_t* HWY_RESTRICT codes,
                                uint8_t* HWY_RESTRICT masks) {
  _mm512_store_si512(masks, LookUp(tables.detail_mask, _mm512_loadu_si512(codes)));
}

// The upper 16 bits of a block's samples.
HWY_INLINE void JoinUpper(const CoarseTables& tables, const uint8_t* HWY_RESTRICT codes,
                          const uint8_t* HWY_RESTRICT details, std::byte* HWY_RESTRICT upper) {
  const __m512i code = _mm512_loadu_si512(codes);
  const __m512i low = _mm512_or_si512(LookUp(tables.low_byte, code), _mm512_load_si512(details));
  const __m512i high = LookUp(tables.high_byte, code);
  // Pairs of bytes lie in the right order within each 16 bytes.
  const __m512i even = _mm512_unpacklo_epi8(low, high), odd = _mm512_unpackhi_epi8(low, high);
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  _mm512_storeu_si512(upper, _mm512_permutex2var_epi64(even, first, odd));
  _mm512_storeu_si512(upper + kBlock, _mm512_permutex2var_epi64(even, second, odd));
}
#else
HWY_INLINE void FindDetailMasks(const CoarseTables& tables, const uint8_t* HWY_RESTRICT codes,
                                uint8_t* HWY_RESTRICT masks) {
  for (size_t i = 0; i < kBlock; ++i) masks[i] = tables.detail_mask[codes[i]];
}

HWY_INLINE void JoinUpper(const CoarseTables& tables, const uint8_t* HWY_RESTRICT codes,
                          const uint8_t* HWY_RESTRICT details, std::byte* HWY_RESTRICT upper) {
  for (size_t i = 0; i < kBlock; ++i) {
    const uint16_t joined = tables.upper[codes[i]] | details[i];
    std::memcpy(upper + 2 * i, &joined, 2);
  }
}
#endif

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

// Joins samples of kBytes bytes, with copies of what it needs of what it reads from.  kWhole: details may have 8 bits.
template <size_t kBytes, bool kWhole>
class Joiner {
 public:
  HWY_INLINE Joiner(const CoarseTables& tables, const CoarseReader& rest)
      : tables_(tables), finder_(tables.map), rest_(rest) {}

  // A multiple of kBlock samples, kChunk at most.
  HWY_INLINE void JoinChunk(const uint8_t* HWY_RESTRICT codes, size_t count, std::byte* HWY_RESTRICT samples) {
    alignas(64) uint8_t details[kChunk];
    for (size_t i = 0; i < count; i += kBlock) FindDetailMasks(tables_, codes + i, details + i);
    if (rest_.detail_bits / 8 + kDetailBytes + 9 <= rest_.details.size()) {
      SpreadDetails<kWhole>(rest_.details.data(), rest_.detail_bits, count, details);
    } else {
      SpreadLast(count, details);
    }
    for (size_t i = 0; i < count; i += kBlock) {
      if constexpr (kBytes == 2) {
        JoinUpper(tables_, codes + i, details + i, samples + kBytes * i);
      } else {
        alignas(64) uint16_t upper[kBlock], low[kBlock];
        JoinUpper(tables_, codes + i, details + i, reinterpret_cast<std::byte*>(upper));
        ExpandLow(finder_.MaskOf(codes + i), low);
        JoinHalves(tables_.map, codes + i, upper, low, samples + kBytes * i);
      }
    }
  }

  const CoarseReader& rest() const { return rest_; }

 private:
  HWY_INLINE void ExpandLow(uint64_t mask, uint16_t* HWY_RESTRICT low) {
    if (rest_.low_bytes + 2 * kBlock <= rest_.low.size()) {
      Expand(mask, rest_.low.data() + rest_.low_bytes, low);
    } else {
      std::byte last[2 * kBlock];
      CopyRest(rest_.low, rest_.low_bytes, last);
      Expand(mask, last, low);
    }
    rest_.low_bytes += 2 * static_cast<size_t>(std::popcount(mask));
  }

  // Where there may be too few bytes to read in vain.
  HWY_NOINLINE void SpreadLast(size_t count, uint8_t* HWY_RESTRICT details) {
    std::byte last[kDetailBytes + 16];
    CopyRest(rest_.details, rest_.detail_bits / 8, last);
    size_t position = rest_.detail_bits % 8;
    SpreadDetails<kWhole>(last, position, count, details);
    rest_.detail_bits += position - rest_.detail_bits % 8;
  }

  // Bytes from `begin` on, and zeros.
  template <size_t kSize>
  static void CopyRest(ByteSpan bytes, size_t begin, std::byte (&out)[kSize]) {
    const size_t count = begin < bytes.size() ? HWY_MIN(bytes.size() - begin, kSize) : 0;
    if (count > 0) std::memcpy(out, bytes.data() + begin, count);
    std::memset(out + count, 0, kSize - count);
  }

  const CoarseTables& tables_;
  StepFinder finder_;
  CoarseReader rest_;
};

template <size_t kBytes, bool kWhole>
void JoinSamples(const CoarseTables& tables, const uint8_t* HWY_RESTRICT codes, size_t count, CoarseReader& rest,
                 std::byte* HWY_RESTRICT samples) {
  Joiner<kBytes, kWhole> joiner(tables, rest);
  size_t begin = 0;
  while (count - begin >= kBlock) {
    const size_t blocks = HWY_MIN(count - begin, kChunk) / kBlock * kBlock;
    joiner.JoinChunk(codes + begin, blocks, samples + begin * kBytes);
    begin += blocks;
  }
  if (begin < count) {
    alignas(64) uint8_t last[kBlock];
    alignas(64) std::byte joined[kBytes * kBlock];
    std::memset(last, tables.map.zero, kBlock);
    std::memcpy(last, codes + begin, count - begin);
    joiner.JoinChunk(last, kBlock, joined);
    std::memcpy(samples + begin * kBytes, joined, (count - begin) * kBytes);
  }
  rest = joiner.rest();
}

void Join(const CoarseTables& tables, const uint8_t* HWY_RESTRICT codes, size_t count, CoarseReader& rest,
          std::byte* HWY_RESTRICT samples) {
  if (tables.sample_bytes == 4) return JoinSamples<4, false>(tables, codes, count, rest, samples);
  if (tables.has_whole_bytes) return JoinSamples<2, true>(tables, codes, count, rest, samples);
  return JoinSamples<2, false>(tables, codes, count, rest, samples);
}

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
// Upper and, of four bytes, lower halves of samples.
template <size_t kBytes>
HWY_INLINE hn::Vec<HalfTag> LoadHalves(const std::byte* HWY_RESTRICT samples, hn::Vec<HalfTag>& low) {
  const HalfTag d;
  const uint16_t* const halves = reinterpret_cast<const uint16_t*>(samples);
  if constexpr (kBytes == 2) return hn::LoadU(d, halves);
  const auto first = hn::LoadU(d, halves), second = hn::LoadU(d, halves + hn::Lanes(d));
  low = hn::ConcatEven(d, second, first);
  return hn::ConcatOdd(d, second, first);
}
#endif

// Moves the elements of the mask to `to`.
HWY_INLINE void CompressPlain(uint64_t mask, const uint16_t* HWY_RESTRICT from, uint16_t* HWY_RESTRICT to) {
  for (size_t i = 0; i < kBlock; ++i) {
    *to = from[i];
    to += mask >> i & 1;
  }
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

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
// What splitters need of a map, in each byte or word.
struct MapVectors {
  HWY_INLINE explicit MapVectors(const CoarseTables& tables)
      : num_exact(tables.map.num_exact),
        positive(Each(tables.map.positive())),
        negative(Each(tables.map.negative())),
        above(Each(tables.map.escape() + 1)),
        below(Each(tables.map.zero - 1)),
        zero(Each(tables.map.zero)),
        escape(Each(tables.map.escape())) {
    for (size_t e = 0; e < num_exact; ++e) {
      exact_code[e] = Each(tables.map.exact[e].code);
      exact_upper[e] = hn::Set(HalfTag(), tables.ExactUpper(e));
      exact_low[e] = hn::Set(HalfTag(), static_cast<uint16_t>(tables.map.exact[e].sample));
    }
  }

  static HWY_INLINE hn::Vec<CodeTag> Each(int value) { return hn::Set(CodeTag(), static_cast<uint8_t>(value)); }

  size_t num_exact;
  hn::Vec<CodeTag> positive, negative, above, below, zero, escape;
  hn::Vec<CodeTag> exact_code[kMaxCoarseExact];
  hn::Vec<HalfTag> exact_upper[kMaxCoarseExact], exact_low[kMaxCoarseExact];
};
#endif

// What samples of a chunk are split into beside codes: details with all bits of the bytes that they are in.
struct ChunkDetails {
  alignas(64) uint8_t details[kChunk], masks[kChunk];
};

#if HWY_TARGET <= HWY_AVX3_DL
// Words of a block in two vectors that packs make the bytes of in their order.
struct BlockWords {
  __m512i first, second;
};
HWY_INLINE BlockWords InPackOrder(__m512i first, __m512i second) {
  return {_mm512_shuffle_i64x2(first, second, 0x88), _mm512_shuffle_i64x2(first, second, 0xdd)};
}

// Splits samples of kBytes bytes, with copies of what it needs of the map.
template <size_t kBytes>
class Splitter {
 public:
  static constexpr size_t kSampleBytes = kBytes;

  HWY_INLINE explicit Splitter(const CoarseTables& tables)
      : tables_(tables),
        map_(tables),
        mantissa_bits_(_mm_cvtsi32_si128(tables.map.mantissa_bits)),
        mantissa_(_mm512_set1_epi16(static_cast<int16_t>((1 << tables.map.mantissa_bits) - 1))) {}

  // Codes, details and their masks and, of four bytes, lower halves of a block.
  HWY_INLINE void Block(const std::byte* HWY_RESTRICT samples, uint8_t* HWY_RESTRICT codes,
                        uint8_t* HWY_RESTRICT details, uint8_t* HWY_RESTRICT masks,
                        uint16_t* HWY_RESTRICT low_halves) const {
    const HalfTag d;
    auto low_first = hn::Zero(d), low_second = low_first;
    const auto half_first = LoadHalves<kBytes>(samples, low_first);
    const auto half_second = LoadHalves<kBytes>(samples + kBytes * kBlock / 2, low_second);
    if constexpr (kHasLow) {
      hn::Store(low_first, d, low_halves);
      hn::Store(low_second, d, low_halves + kBlock / 2);
    }
    const BlockWords upper = InPackOrder(half_first.raw, half_second.raw);
    const BlockWords low = kHasLow ? InPackOrder(low_first.raw, low_second.raw) : BlockWords();
    const auto octaves_of = [&](__m512i words) HWY_ATTR {
      return _mm512_srl_epi16(_mm512_and_si512(words, _mm512_set1_epi16(0x7fff)), mantissa_bits_);
    };
    const __m512i octave = _mm512_packus_epi16(octaves_of(upper.first), octaves_of(upper.second));
    const __m512i bits = LookUp(tables_.detail_bits, octave), none = _mm512_setzero_si512();
    const auto steps_of = [&](__m512i words, __m512i bits_of_words)
                              HWY_ATTR { return _mm512_srlv_epi16(_mm512_and_si512(words, mantissa_), bits_of_words); };
    const __m512i within = _mm512_packus_epi16(steps_of(upper.first, _mm512_unpacklo_epi8(bits, none)),
                                               steps_of(upper.second, _mm512_unpackhi_epi8(bits, none)));
    const __m512i step = _mm512_adds_epu8(LookUp(tables_.steps_to, octave), within);
    // Bytes that have the signs of words, and are 0 where these are.
    const __m512i signs = _mm512_packs_epi16(upper.first, upper.second);
    const __mmask64 is_negative = _mm512_movepi8_mask(signs);
    const __mmask64 is_coded =
        _mm512_cmplt_epu8_mask(step, _mm512_mask_blend_epi8(is_negative, map_.positive.raw, map_.negative.raw));
    __m512i code = _mm512_mask_sub_epi8(_mm512_add_epi8(map_.above.raw, step), is_negative, map_.below.raw, step);
    code = _mm512_mask_blend_epi8(is_coded, map_.escape.raw, code);
    const __m512i rest =
        kHasLow ? Packed(_mm512_or_si512(upper.first, low.first), _mm512_or_si512(upper.second, low.second)) : signs;
    code = _mm512_mask_blend_epi8(_mm512_testn_epi8_mask(rest, rest), code, map_.zero.raw);
    for (size_t e = 0; e < map_.num_exact; ++e) {
      const auto differs = [&](__m512i of_upper, __m512i of_low) HWY_ATTR {
        const __m512i differ = _mm512_xor_si512(of_upper, map_.exact_upper[e].raw);
        return kHasLow ? _mm512_or_si512(differ, _mm512_xor_si512(of_low, map_.exact_low[e].raw)) : differ;
      };
      const __m512i differ = Packed(differs(upper.first, low.first), differs(upper.second, low.second));
      const __mmask64 is_other =
          _mm512_mask_test_epi8_mask(_mm512_cmpeq_epi8_mask(code, map_.exact_code[e].raw), differ, differ);
      code = _mm512_mask_blend_epi8(is_other, code, map_.escape.raw);
    }
    const __m512i low_byte = _mm512_set1_epi16(0xff);
    _mm512_storeu_si512(codes, code);
    _mm512_store_si512(masks, LookUp(tables_.detail_mask, code));
    _mm512_store_si512(details, _mm512_packus_epi16(_mm512_and_si512(upper.first, low_byte),
                                                    _mm512_and_si512(upper.second, low_byte)));
  }

 private:
  static constexpr bool kHasLow = kBytes == 4;

  // Bytes that are 0 where words are.
  static HWY_INLINE __m512i Packed(__m512i first, __m512i second) { return _mm512_packs_epi16(first, second); }

  const CoarseTables& tables_;
  MapVectors map_;
  __m128i mantissa_bits_;
  __m512i mantissa_;
};
#else

template <size_t kBytes>
class PlainSplitter {
 public:
  static constexpr size_t kSampleBytes = kBytes;

  explicit PlainSplitter(const CoarseTables& tables) : tables_(tables) {}

  HWY_INLINE void Block(const std::byte* HWY_RESTRICT samples, uint8_t* HWY_RESTRICT codes,
                        uint8_t* HWY_RESTRICT details, uint8_t* HWY_RESTRICT masks,
                        uint16_t* HWY_RESTRICT low_halves) const {
    const CoarseMap& map = tables_.map;
    for (size_t i = 0; i < kBlock; ++i) {
      uint16_t upper, low = 0;
      if constexpr (kBytes == 4) std::memcpy(&low, samples + kBytes * i, 2);
      std::memcpy(&upper, samples + kBytes * i + kBytes - 2, 2);
      const uint32_t magnitude = upper & 0x7fffu, octave = magnitude >> map.mantissa_bits;
      const uint32_t mantissa = magnitude & ((1u << map.mantissa_bits) - 1);
      const int step = tables_.steps_to[octave] + static_cast<int>(mantissa >> tables_.detail_bits[octave]);
      const bool is_negative = upper >> 15 != 0;
      int code = is_negative ? map.zero - 1 - step : map.escape() + 1 + step;
      code = step < (is_negative ? map.negative() : map.positive()) ? code : map.escape();
      code = (upper | low) == 0 ? map.zero : code;
      for (size_t e = 0; e < map.num_exact; ++e) {
        const bool is_exact =
            upper == tables_.ExactUpper(e) && (kBytes == 2 || low == static_cast<uint16_t>(map.exact[e].sample));
        code = code == map.exact[e].code && !is_exact ? map.escape() : code;
      }
      codes[i] = static_cast<uint8_t>(code);
      masks[i] = tables_.detail_mask[static_cast<size_t>(code)];
      details[i] = static_cast<uint8_t>(upper);
      low_halves[i] = low;
    }
  }

 private:
  const CoarseTables& tables_;
};

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
// Numbers up to 255 as bytes.
HWY_INLINE hn::Vec<CodeTag> PackHalves(hn::Vec<HalfTag> first, hn::Vec<HalfTag> second) {
  const hn::RebindToSigned<HalfTag> ds;
  const auto lower = hn::BitCast(ds, first), upper = hn::BitCast(ds, second);
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  return hn::Vec<CodeTag>{_mm512_permutexvar_epi64(order, _mm512_packus_epi16(lower.raw, upper.raw))};
#elif HWY_TARGET == HWY_AVX2
  return hn::Vec<CodeTag>{_mm256_permute4x64_epi64(_mm256_packus_epi16(lower.raw, upper.raw), 0xd8)};
#else
  const hn::Rebind<uint8_t, decltype(ds)> half;
  return hn::Combine(CodeTag(), hn::DemoteTo(half, upper), hn::DemoteTo(half, lower));
#endif
}

// Places of numbers in the two halves of tables of 32, above 127 where they are not in these.
class FewIndex {
 public:
  HWY_INLINE explicit FewIndex(hn::Vec<CodeTag> number)
      : first_(hn::Or(number, Beyond(number))), second_(hn::Sub(number, hn::Set(CodeTag(), 16))) {
    second_ = hn::Or(second_, Beyond(second_));
  }

  // table[number]; 0 of numbers from 32 to 127.
  HWY_INLINE hn::Vec<CodeTag> LookUp(const std::array<uint8_t, kFewCoarseOctaves>& table) const {
    const CodeTag d;
    return hn::Or(hn::TableLookupBytesOr0(hn::LoadDup128(d, table.data()), first_),
                  hn::TableLookupBytesOr0(hn::LoadDup128(d, table.data() + 16), second_));
  }

 private:
  static HWY_INLINE hn::Vec<CodeTag> Beyond(hn::Vec<CodeTag> number) {
    const CodeTag d;
    const hn::RebindToSigned<CodeTag> ds;
    return hn::BitCast(d, hn::VecFromMask(ds, hn::Gt(hn::BitCast(ds, number), hn::Set(ds, int8_t{15}))));
  }

  hn::Vec<CodeTag> first_, second_;
};

// Of maps of few octaves, with copies of what it needs of the map.
template <size_t kBytes>
class VectorSplitter {
 public:
  static constexpr size_t kSampleBytes = kBytes;

  HWY_INLINE explicit VectorSplitter(const CoarseTables& tables)
      : tables_(tables),
        map_(tables),
        mantissa_bits_(tables.map.mantissa_bits),
        least_(hn::Set(HalfTag(), static_cast<uint16_t>(tables.map.least))),
        num_octaves_(MapVectors::Each(tables.map.end - tables.map.least)) {}

  HWY_INLINE void Block(const std::byte* HWY_RESTRICT samples, uint8_t* HWY_RESTRICT codes,
                        uint8_t* HWY_RESTRICT details, uint8_t* HWY_RESTRICT masks,
                        uint16_t* HWY_RESTRICT low_halves) const {
    const CodeTag d;
    for (size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
      Vector(samples + kBytes * i, codes + i, details + i, masks + i, low_halves + i);
    }
  }

 private:
  static constexpr bool kHasLow = kBytes == 4;
  using Bytes = hn::Vec<CodeTag>;
  using Halves = hn::Vec<HalfTag>;

  // Bytes that are 1 where halves are not 0.
  static HWY_INLINE Bytes PackNonzero(Halves first, Halves second) {
    const auto one = hn::Set(HalfTag(), uint16_t{1});
    return PackHalves(hn::Min(first, one), hn::Min(second, one));
  }

  HWY_INLINE void Vector(const std::byte* HWY_RESTRICT samples, uint8_t* HWY_RESTRICT codes,
                         uint8_t* HWY_RESTRICT details, uint8_t* HWY_RESTRICT masks,
                         uint16_t* HWY_RESTRICT low_halves) const {
    const CodeTag d;
    const HalfTag dh;
    const hn::Half<CodeTag> half;
    constexpr size_t kHalf = hn::MaxLanes(HalfTag());
    Halves low[2] = {hn::Zero(dh), hn::Zero(dh)};
    const Halves upper[2] = {LoadHalves<kBytes>(samples, low[0]), LoadHalves<kBytes>(samples + kBytes * kHalf, low[1])};
    if constexpr (kHasLow) {
      hn::Store(low[0], dh, low_halves);
      hn::Store(low[1], dh, low_halves + kHalf);
    }
    const auto octave_of = [&](Halves of) HWY_ATTR {
      const Halves magnitude = hn::And(of, hn::Set(dh, uint16_t{0x7fff}));
      // Those below the first are beyond the last, too.
      return hn::Min(hn::Sub(hn::ShiftRightSame(magnitude, mantissa_bits_), least_), hn::Set(dh, uint16_t{127}));
    };
    const Bytes octave = PackHalves(octave_of(upper[0]), octave_of(upper[1]));
    const FewIndex index(octave);
    const auto& few = tables_.few_octaves;
    const Bytes steps = index.LookUp(few.steps);
    const auto within_of = [&](Halves of, auto factor) HWY_ATTR {
      return hn::MulHigh(hn::ShiftLeftSame(of, 16 - mantissa_bits_), hn::PromoteTo(dh, factor));
    };
    const Bytes within =
        PackHalves(within_of(upper[0], hn::LowerHalf(half, steps)), within_of(upper[1], hn::UpperHalf(half, steps)));
    const Bytes step = hn::SaturatedAdd(index.LookUp(few.steps_to), within);
    const auto none = hn::Zero(d);
    const auto sign = [&](Halves of) HWY_ATTR { return hn::ShiftRight<15>(of); };
    const auto is_positive = hn::Eq(PackHalves(sign(upper[0]), sign(upper[1])), none);
    const Bytes room = hn::IfThenElse(is_positive, map_.positive, map_.negative);
    const auto is_coded = hn::And(hn::Lt(octave, num_octaves_), hn::Lt(step, room));
    Bytes code = hn::IfThenElse(is_positive, hn::Add(map_.above, step), hn::Sub(map_.below, step));
    code = hn::IfThenElse(is_coded, code, map_.escape);
    const Bytes nonzero =
        kHasLow ? PackNonzero(hn::Or(upper[0], low[0]), hn::Or(upper[1], low[1])) : PackNonzero(upper[0], upper[1]);
    const auto is_zero = hn::Eq(nonzero, none);
    code = hn::IfThenElse(is_zero, map_.zero, code);
    Bytes mask = hn::IfThenElseZero(is_coded, hn::IfThenZeroElse(is_zero, index.LookUp(few.detail_mask)));
    for (size_t e = 0; e < map_.num_exact; ++e) {
      const auto differ = [&](size_t k) HWY_ATTR {
        const Halves of_upper = hn::Xor(upper[k], map_.exact_upper[e]);
        return kHasLow ? hn::Or(of_upper, hn::Xor(low[k], map_.exact_low[e])) : of_upper;
      };
      const auto has_code = hn::Eq(code, map_.exact_code[e]);
      const auto is_other = hn::And(has_code, hn::Ne(PackNonzero(differ(0), differ(1)), none));
      mask = hn::IfThenZeroElse(has_code, mask);
      code = hn::IfThenElse(is_other, map_.escape, code);
    }
    const auto low_byte = [&](Halves of) HWY_ATTR { return hn::And(of, hn::Set(dh, uint16_t{0xff})); };
    hn::StoreU(code, d, codes);
    hn::Store(PackHalves(low_byte(upper[0]), low_byte(upper[1])), d, details);
    hn::Store(mask, d, masks);
  }

  const CoarseTables& tables_;
  MapVectors map_;
  int mantissa_bits_;
  Halves least_;
  Bytes num_octaves_;
};
#endif
#endif

// The `count` (kMaxAppended at most) low bits, beyond which there are none.
constexpr unsigned kMaxAppended = 56;
HWY_INLINE void AppendBits(uint64_t bits, unsigned count, CoarseBitWriter& out) {
  const uint64_t word = out.pending | bits << out.count;
  std::memcpy(out.next, &word, 8);
  count += out.count;
  out.next += count / 8;
  out.pending = word >> (count & ~7u);
  out.count = count % 8;
}

// Of a multiple of eight.  A writer of its own can be in registers.
template <bool kWhole>
HWY_INLINE CoarseBitWriter AppendDetails(const ChunkDetails& chunk, size_t count, CoarseBitWriter out) {
  for (size_t i = 0; i < count; i += 8) {
    const uint64_t masks = LoadEight(chunk.masks + i), bits = Gather(LoadEight(chunk.details + i), masks);
    const unsigned bits_of_eight = static_cast<unsigned>(std::popcount(masks));
    if (kWhole && bits_of_eight > kMaxAppended) {
      AppendBits(bits & 0xff, 8, out);
      AppendBits(bits >> 8, bits_of_eight - 8, out);
    } else {
      AppendBits(bits, bits_of_eight, out);
    }
  }
  return out;
}

template <class Splitter, bool kWhole>
void SplitSamples(const CoarseTables& tables, const std::byte* HWY_RESTRICT samples, size_t count,
                  uint8_t* HWY_RESTRICT codes, CoarseBitWriter& details, uint16_t*& low) {
  constexpr size_t kBytes = Splitter::kSampleBytes;
  const Splitter splitter(tables);
  const StepFinder finder(tables.map);
  ChunkDetails chunk;
  uint16_t* next_low = low;
  // Of `wanted` samples; there is room for all of their last block.
  const auto split = [&](const std::byte* from, size_t wanted, uint8_t* to) HWY_ATTR {
    size_t i = 0;
    for (; i < wanted; i += kBlock) {
      alignas(64) uint16_t low_halves[kBlock];
      splitter.Block(from + kBytes * i, to + i, chunk.details + i, chunk.masks + i, low_halves);
      if constexpr (kBytes == 4) {
        uint64_t mask = finder.MaskOf(to + i);
        if (wanted - i < kBlock) mask &= (uint64_t{1} << (wanted - i)) - 1;
        Compress(mask, low_halves, next_low);
        next_low += std::popcount(mask);
      }
    }
    std::memset(chunk.masks + wanted, 0, i - wanted);
    details = AppendDetails<kWhole>(chunk, i, details);
  };
  size_t begin = 0;
  while (count - begin >= kBlock) {
    const size_t blocks = HWY_MIN(count - begin, kChunk) / kBlock * kBlock;
    split(samples + kBytes * begin, blocks, codes + begin);
    begin += blocks;
  }
  if (begin < count) {
    alignas(64) std::byte last[kBytes * kBlock] = {};
    std::memcpy(last, samples + kBytes * begin, kBytes * (count - begin));
    split(last, count - begin, codes + begin);
  }
  low = next_low;
}

template <template <size_t> class Splitter>
void SplitBy(const CoarseTables& tables, const std::byte* HWY_RESTRICT samples, size_t count,
             uint8_t* HWY_RESTRICT codes, CoarseBitWriter& details, uint16_t*& low) {
  if (tables.sample_bytes == 4) return SplitSamples<Splitter<4>, false>(tables, samples, count, codes, details, low);
  if (tables.has_whole_bytes) return SplitSamples<Splitter<2>, true>(tables, samples, count, codes, details, low);
  return SplitSamples<Splitter<2>, false>(tables, samples, count, codes, details, low);
}

void SplitAll(const CoarseTables& tables, const std::byte* HWY_RESTRICT samples, size_t count,
              uint8_t* HWY_RESTRICT codes, CoarseBitWriter& details, uint16_t*& low) {
#if HWY_TARGET <= HWY_AVX3_DL
  SplitBy<Splitter>(tables, samples, count, codes, details, low);
#else
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
  if (tables.has_few_octaves) return SplitBy<VectorSplitter>(tables, samples, count, codes, details, low);
#endif
  SplitBy<PlainSplitter>(tables, samples, count, codes, details, low);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(SplitAll);
HWY_EXPORT(Join);

CoarseMap::Step CoarseMap::StepOf(int code) const {
  const bool is_negative = code < zero;
  const int step = is_negative ? zero - 1 - code : code - escape() - 1;
  for (int octave = least; octave < end; ++octave) {
    const size_t o = static_cast<size_t>(octave);
    if (step >= steps_to[o + 1]) continue;
    const uint32_t within = static_cast<uint32_t>(step - steps_to[o]) << detail_bits[o];
    return {static_cast<uint32_t>(octave) << mantissa_bits | within | (is_negative ? 0x8000u : 0u), detail_bits[o]};
  }
  return {};
}

CoarseTables::CoarseTables(const CoarseMap& coarse_map, size_t bytes_of_sample)
    : map(coarse_map), sample_bytes(bytes_of_sample) {
  const auto set = [&](int code, uint32_t of_code, int detail_bits_of_code) {
    const size_t c = static_cast<size_t>(code);
    upper[c] = static_cast<uint16_t>(of_code);
    low_byte[c] = static_cast<uint8_t>(of_code);
    high_byte[c] = static_cast<uint8_t>(of_code >> 8);
    detail_mask[c] = static_cast<uint8_t>((1 << detail_bits_of_code) - 1);
  };
  for (int octave = map.least; octave < map.end; ++octave) {
    const size_t o = static_cast<size_t>(octave);
    uint32_t first = static_cast<uint32_t>(octave) << map.mantissa_bits;
    for (int step = map.steps_to[o]; step < map.steps_to[o + 1]; ++step, first += 1u << map.detail_bits[o]) {
      if (step < map.positive()) set(map.escape() + 1 + step, first, map.detail_bits[o]);
      if (step < map.negative()) set(map.zero - 1 - step, first | 0x8000u, map.detail_bits[o]);
    }
  }
  for (size_t e = 0; e < map.num_exact; ++e) set(map.exact[e].code, ExactUpper(e), 0);
  has_whole_bytes = std::find(detail_mask.begin(), detail_mask.end(), 255) != detail_mask.end();
  steps_to.fill(255);
  for (size_t octave = static_cast<size_t>(map.least); octave < static_cast<size_t>(map.end); ++octave) {
    steps_to[octave] = static_cast<uint8_t>(std::min<int>(map.steps_to[octave], 255));
    detail_bits[octave] = map.detail_bits[octave];
  }
  has_few_octaves = static_cast<size_t>(map.end - map.least) <= kFewCoarseOctaves;
  for (int octave = map.least; octave < map.end; ++octave) {
    const size_t o = static_cast<size_t>(octave), i = o - static_cast<size_t>(map.least);
    const int steps = 1 << (map.mantissa_bits - map.detail_bits[o]);
    has_few_octaves = has_few_octaves && steps < 256;
    if (!has_few_octaves) break;
    few_octaves.steps_to[i] = steps_to[o];
    few_octaves.steps[i] = static_cast<uint8_t>(steps);
    few_octaves.detail_mask[i] = static_cast<uint8_t>((1 << map.detail_bits[o]) - 1);
  }
}

std::byte* CoarseBitWriter::Finish() {
  if (count > 0) *next++ = static_cast<std::byte>(pending);
  count = 0;
  return next;
}

void SplitCoarse(const CoarseTables& tables, const std::byte* samples, size_t count, uint8_t* codes,
                 CoarseBitWriter& details, uint16_t*& low) {
  DCAC_DYNAMIC_DISPATCH(SplitAll)(tables, samples, count, codes, details, low);
}

void JoinCoarse(const CoarseTables& tables, const uint8_t* codes, size_t count, CoarseReader& rest,
                std::byte* samples) {
  DCAC_DYNAMIC_DISPATCH(Join)(tables, codes, count, rest, samples);
}

}  // namespace dcac
#endif  // HWY_ONCE
