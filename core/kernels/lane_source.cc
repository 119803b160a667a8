#include "core/kernels/lane_source.h"

#include <bit>
#include <cstring>
#include <type_traits>

#include "core/kernels/lane_group.h"
#include "core/kernels/lane_shuffles.h"
#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/lane_source.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Plain loops, which the compiler vectorises for each target.

// store(i, at): column i of the row is sample `at` of the source.
template <typename Code, typename Load>
HWY_INLINE void LoadRow(size_t width, bool interlaced, Code* HWY_RESTRICT codes, Load load) {
  if (!interlaced) {
    for (size_t i = 0; i < width; ++i) codes[i] = load(i);
    return;
  }
  const size_t odd = width / 2, even = width - odd;
  for (size_t i = 0; i < odd; ++i) {
    codes[i] = load(2 * i);
    codes[even + i] = load(2 * i + 1);
  }
  if (odd == even) return;
  codes[odd] = load(2 * odd);
  codes[even + odd] = codes[even + odd - 1];
}

#if HWY_TARGET != HWY_SCALAR
// An interlaced row of a vector or more; the last vector of pairs overlaps the one before it.
template <class D>
HWY_INLINE void LoadShortRow(D d, size_t width, const uint8_t* samples, uint8_t sign, uint8_t* codes) {
  constexpr size_t kLanes = hn::MaxLanes(d);
  const hn::Half<D> half;
  alignas(16) static constexpr uint8_t kEvenFirst[16] = {0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15};
  alignas(16) static constexpr uint8_t kFourEvenFirst[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  const auto order = hn::Load(d, kLanes == 16 ? kEvenFirst : kFourEvenFirst);
  const size_t pairs = width / 2, even = width - pairs;
  for (size_t next = 0; next < pairs; next += kLanes / 2) {
    const size_t i = next + kLanes / 2 <= pairs ? next : pairs - kLanes / 2;
    const auto code = hn::Xor(hn::TableLookupBytes(hn::LoadU(d, samples + 2 * i), order), hn::Set(d, sign));
    hn::StoreU(hn::LowerHalf(half, code), half, codes + i);
    hn::StoreU(hn::UpperHalf(half, code), half, codes + even + i);
  }
  if (even == pairs) return;
  codes[pairs] = samples[2 * pairs] ^ sign;
  codes[even + pairs] = codes[even + pairs - 1];
}
#endif

void LoadNarrowCodes(const LaneSource& source, uint8_t sign, uint8_t* HWY_RESTRICT codes) {
  const uint8_t* HWY_RESTRICT samples = reinterpret_cast<const uint8_t*>(source.samples);
  if (!source.interlaced) {
    LoadRow(source.height * source.width, false, codes,
            [=](size_t i) { return static_cast<uint8_t>(samples[i] ^ sign); });
    return;
  }
  const auto load_rows = [&](auto load_row) HWY_ATTR {
    const size_t width = source.width, columns = (width + 1) / 2 * 2;
    for (size_t y = 0; y < source.height; ++y) load_row(width, samples + y * width, codes + y * columns);
  };
#if HWY_TARGET != HWY_SCALAR
  constexpr size_t kLong = 128;  // the compiler's vectors are longer
  const auto load_short_rows = [&](auto d) HWY_ATTR {
    load_rows([=](size_t width, const uint8_t* from, uint8_t* to) HWY_ATTR { LoadShortRow(d, width, from, sign, to); });
  };
  if (source.width >= 16 && source.width < kLong) return load_short_rows(hn::FixedTag<uint8_t, 16>());
  if (source.width >= 8 && source.width < kLong) return load_short_rows(hn::FixedTag<uint8_t, 8>());
#endif
  load_rows([=](size_t width, const uint8_t* from, uint8_t* to)
                HWY_ATTR { LoadRow(width, true, to, [=](size_t i) { return static_cast<uint8_t>(from[i] ^ sign); }); });
}

template <size_t kSampleBytes>
HWY_INLINE uint32_t SampleAt(const std::byte* samples, size_t i) {
  std::conditional_t<kSampleBytes == 2, uint16_t, uint32_t> sample;
  std::memcpy(&sample, samples + i * kSampleBytes, kSampleBytes);
  return sample;
}

HWY_INLINE int32_t IntegerCode(uint32_t sample, uint32_t sign) {
  return static_cast<int32_t>((sample ^ sign) - sign);
}

HWY_INLINE int32_t FloatCode(uint32_t sample, bool is_half, int mantissa_bits, int base, int end) {
  const uint32_t wide =
      is_half ? ((sample & 0x8000u) << 16) | (((sample & 0x7fffu) << 13) + (112u << 23)) : sample << 16;
  const int32_t magnitude = static_cast<int32_t>((wide & 0x7fffffffu) >> (23 - mantissa_bits));
  const bool has_code = magnitude >= base << mantissa_bits && magnitude < end << mantissa_bits;
  const int32_t positive = magnitude - (base << mantissa_bits) + 1;
  const int32_t sign = static_cast<int32_t>(wide) >> 31;
  const int32_t code = has_code ? (positive ^ sign) - sign : kLaneEscapeCode;
  return sample == 0 ? 0 : code;
}

template <size_t kSampleBytes, typename Load>
HWY_INLINE void LoadWideRows(const LaneSource& source, int32_t* HWY_RESTRICT codes, Load load) {
  const std::byte* samples = source.samples;
  const size_t rows = source.interlaced ? source.height : 1;
  const size_t width = source.interlaced ? source.width : source.width * source.height;
  const size_t columns = source.interlaced ? (width + 1) / 2 * 2 : width;
  for (size_t y = 0; y < rows; ++y) {
    LoadRow(width, source.interlaced, codes, [=](size_t i) { return load(SampleAt<kSampleBytes>(samples, i)); });
    samples += width * kSampleBytes;
    codes += columns;
  }
}

// Of 2 bytes.
HWY_INLINE void LoadWide(const LaneSource& source, const WideSamples& of, int32_t* HWY_RESTRICT codes) {
  const int base = of.base, end = of.end;
  const uint32_t sign = of.sign;
  if (!of.is_float) {
    LoadWideRows<2>(source, codes, [=](uint32_t sample) { return IntegerCode(sample, sign); });
  } else if (of.is_half) {
    LoadWideRows<2>(source, codes, [=](uint32_t sample) { return FloatCode(sample, true, 10, base, end); });
  } else {
    LoadWideRows<2>(source, codes, [=](uint32_t sample) { return FloatCode(sample, false, 7, base, end); });
  }
}

// Of binary32.
HWY_INLINE void LoadFloats(const LaneSource& source, const WideSamples& of, int32_t* HWY_RESTRICT codes) {
  const int base = of.base, end = of.end;
  const auto code_of = [=](uint32_t sample) { return FloatCode(sample >> 16, false, 7, base, end); };
  if (of.exact.count == 0) {
    LoadWideRows<4>(source, codes, code_of);
    return;
  }
  const auto exact = [&](size_t i) { return static_cast<uint32_t>(of.exact.upper[i]) << 16 | of.exact.low[i]; };
  const uint32_t first = exact(0), second = exact(1), third = exact(2);
  const auto is_other = [](uint32_t sample, uint32_t alike) {
    return ((sample ^ alike) >> 16 == 0) & (sample != alike);
  };
  LoadWideRows<4>(source, codes, [=](uint32_t sample) {
    const bool is_escape = is_other(sample, first) | is_other(sample, second) | is_other(sample, third);
    return is_escape ? kLaneEscapeCode : code_of(sample);
  });
}

bool LoadWideCodes(const LaneSource& source, const WideSamples& of, int32_t* HWY_RESTRICT codes) {
  if (of.sample_bytes == 4) {
    LoadFloats(source, of, codes);
  } else {
    LoadWide(source, of, codes);
  }
  if (!of.is_float) return true;
  const size_t count = source.height * (source.interlaced ? (source.width + 1) / 2 * 2 : source.width);
  int32_t escapes = 0;
  for (size_t i = 0; i < count; ++i) escapes |= codes[i] == kLaneEscapeCode ? 1 : 0;
  return escapes == 0;
}

// Row by row of the planes: values of codes, and copies of them.
template <typename Code, typename Value, typename ToValue>
HWY_INLINE void StoreRows(const LaneRows& rows, const Code* codes, Value* values, Code* raster_codes,
                          ToValue to_value) {
  const size_t columns = rows.columns;  // of their own, for bytes that are written might be those of `rows`
  for (size_t g = 0; g < rows.planes; ++g) {
    const Code* HWY_RESTRICT from = codes + g * rows.plane_stride;
    for (size_t row = 0; row < rows.rows; ++row, from += columns) {
      const size_t begin = row * rows.stride + g * columns;
      Value* HWY_RESTRICT to = values + begin;
      for (size_t i = 0; i < columns; ++i) to[i] = to_value(from[i]);
      if (raster_codes != nullptr) std::memcpy(raster_codes + begin, from, columns * sizeof(Code));
    }
  }
}

#if HWY_TARGET != HWY_SCALAR
// Of short rows, of at least a vector; the last vector of a row overlaps the one before it.
template <class D>
HWY_INLINE void StoreShortRows(D d, const LaneRows& rows, const uint8_t* codes, int16_t* values,
                               uint8_t* raster_codes) {
  const hn::Rebind<uint8_t, D> d8;
  const size_t columns = rows.columns, lanes = hn::Lanes(d);
  for (size_t g = 0; g < rows.planes; ++g) {
    const uint8_t* from = codes + g * rows.plane_stride;
    for (size_t row = 0; row < rows.rows; ++row, from += columns) {
      const size_t begin = row * rows.stride + g * columns;
      for (size_t next = 0; next < columns; next += lanes) {
        const size_t i = next + lanes <= columns ? next : columns - lanes;
        const auto block = hn::LoadU(d8, from + i);
        hn::StoreU(hn::ShiftLeft<6>(hn::PromoteTo(d, block)), d, values + begin + i);
        if (raster_codes != nullptr) hn::StoreU(block, d8, raster_codes + begin + i);
      }
    }
  }
}
#endif

void StoreNarrowValues(const LaneRows& rows, const uint8_t* codes, int16_t* values, uint8_t* raster_codes) {
#if HWY_TARGET != HWY_SCALAR
  if (rows.columns >= 4 && rows.columns < 32) {
    if (rows.columns < 8) return StoreShortRows(hn::FixedTag<int16_t, 4>(), rows, codes, values, raster_codes);
    if (rows.columns < 16) return StoreShortRows(hn::FixedTag<int16_t, 8>(), rows, codes, values, raster_codes);
    return StoreShortRows(hn::CappedTag<int16_t, 16>(), rows, codes, values, raster_codes);
  }
#endif
  StoreRows(rows, codes, values, raster_codes, [](uint8_t code) { return static_cast<int16_t>(code << 6); });
}

HWY_INLINE float FloatOfCode(int32_t code, int mantissa_bits) {
  constexpr int32_t kValueBase = 64;  // biased exponent of 2^-63, the value of code 1
  const uint32_t sign = static_cast<uint32_t>(code) & 0x80000000u;
  const int32_t magnitude = (code < 0 ? -static_cast<uint32_t>(code) : static_cast<uint32_t>(code)) - 1u +
                            static_cast<uint32_t>(kValueBase << mantissa_bits);
  const uint32_t bits = static_cast<uint32_t>(magnitude) << (23 - mantissa_bits) | sign;
  return std::bit_cast<float>(code == 0 || code == kLaneEscapeCode ? 0u : bits);
}

struct ToFloatOfCode {
  int mantissa_bits;

  float operator()(int32_t code) const { return FloatOfCode(code, mantissa_bits); }
#if HWY_TARGET != HWY_SCALAR
  template <class D>
  HWY_INLINE hn::Vec<hn::RebindToFloat<D>> operator()(D d, hn::Vec<D> code) const {
    constexpr int32_t kValueBase = 64;  // as FloatOfCode has it
    const auto magnitude = hn::Add(hn::Abs(code), hn::Set(d, (kValueBase << mantissa_bits) - 1));
    const auto bits = hn::Or(hn::ShiftLeftSame(magnitude, 23 - mantissa_bits), hn::And(code, hn::Set(d, INT32_MIN)));
    const auto is_zero = hn::Or(hn::Eq(code, hn::Zero(d)), hn::Eq(code, hn::Set(d, kLaneEscapeCode)));
    return hn::BitCast(hn::RebindToFloat<D>(), hn::IfThenZeroElse(is_zero, bits));
  }
#endif
};

struct ToFloatOfInteger {
  float operator()(int32_t code) const { return static_cast<float>(code); }
#if HWY_TARGET != HWY_SCALAR
  template <class D>
  HWY_INLINE hn::Vec<hn::RebindToFloat<D>> operator()(D, hn::Vec<D> code) const {
    return hn::ConvertTo(hn::RebindToFloat<D>(), code);
  }
#endif
};

#if HWY_TARGET != HWY_SCALAR
// Likewise of wide codes, in rows of any length from a vector on.
template <class D, typename ToValue>
HWY_INLINE void StoreWideRows(D d, const LaneRows& rows, const int32_t* codes, float* values, int32_t* raster_codes,
                              ToValue to_value) {
  const hn::RebindToFloat<D> df;
  const size_t columns = rows.columns, lanes = hn::Lanes(d);
  for (size_t g = 0; g < rows.planes; ++g) {
    const int32_t* from = codes + g * rows.plane_stride;
    for (size_t row = 0; row < rows.rows; ++row, from += columns) {
      const size_t begin = row * rows.stride + g * columns;
      for (size_t next = 0; next < columns; next += lanes) {
        const size_t i = next + lanes <= columns ? next : columns - lanes;
        const auto block = hn::LoadU(d, from + i);
        hn::StoreU(to_value(d, block), df, values + begin + i);
        if (raster_codes != nullptr) hn::StoreU(block, d, raster_codes + begin + i);
      }
    }
  }
}

#endif

template <typename ToValue>
HWY_INLINE void StoreWide(const LaneRows& rows, const int32_t* codes, float* values, int32_t* raster_codes,
                          ToValue to_value) {
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<int32_t, 16> d;
  const size_t columns = rows.columns;
  if (columns >= hn::Lanes(d)) return StoreWideRows(d, rows, codes, values, raster_codes, to_value);
  if (columns >= 8 && hn::MaxLanes(d) >= 8) {
    return StoreWideRows(hn::CappedTag<int32_t, 8>(), rows, codes, values, raster_codes, to_value);
  }
  if (columns >= 4) return StoreWideRows(hn::FixedTag<int32_t, 4>(), rows, codes, values, raster_codes, to_value);
#endif
  StoreRows(rows, codes, values, raster_codes, to_value);
}

void StoreWideValues(const LaneRows& rows, const WideValues& kind, const int32_t* codes, float* values,
                     int32_t* raster_codes) {
  const int mantissa_bits = kind.mantissa_bits;
  if (kind.is_float) {
    StoreWide(rows, codes, values, raster_codes, ToFloatOfCode{mantissa_bits});
  } else {
    StoreWide(rows, codes, values, raster_codes, ToFloatOfInteger());
  }
}

LaneCodeRange RangeOfNarrow(size_t count, const uint8_t* HWY_RESTRICT codes) {
  LaneCodeRange range;
  range.low = 255;
  range.high = 0;
  const auto add = [&range](uint8_t least, uint8_t most) {
    range.low = least < range.low ? least : range.low;
    range.high = most > range.high ? most : range.high;
  };
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint8_t> d;
  const hn::Repartition<uint64_t, decltype(d)> d64;
  constexpr size_t kLanes = hn::MaxLanes(d);
  auto least = hn::Set(d, uint8_t{255}), most = hn::Zero(d);
  auto sums = hn::Zero(d64);
  for (; i + kLanes <= count; i += kLanes) {
    const auto code = hn::LoadU(d, codes + i);
    least = hn::Min(least, code);
    most = hn::Max(most, code);
    sums = hn::Add(sums, hn::SumsOf8(code));
  }
  HWY_ALIGN uint8_t least_of_lane[kLanes], most_of_lane[kLanes];
  hn::Store(least, d, least_of_lane);
  hn::Store(most, d, most_of_lane);
  for (size_t lane = 0; lane < kLanes; ++lane) add(least_of_lane[lane], most_of_lane[lane]);
  range.sum = static_cast<int64_t>(hn::GetLane(hn::SumOfLanes(d64, sums)));
#endif
  for (; i < count; ++i) {
    add(codes[i], codes[i]);
    range.sum += codes[i];
  }
  return range;
}

LaneCodeRange RangeOfWide(size_t count, const int32_t* HWY_RESTRICT codes) {
  int32_t low = INT32_MAX, high = INT32_MIN;
  for (size_t i = 0; i < count; ++i) {
    const int32_t code = codes[i] == kLaneEscapeCode ? 0 : codes[i];
    low = code < low ? code : low;
    high = code > high ? code : high;
  }
  return {low, high, 0};
}

size_t PackLow(const std::byte* samples, size_t count, const ExactHalves& exact, uint16_t* HWY_RESTRICT out) {
  if (exact.count == 0) {
    for (size_t i = 0; i < count; ++i) std::memcpy(out + i, samples + 4 * i, 2);
    return count;
  }
  size_t packed = 0, i = 0;
#if HWY_TARGET != HWY_SCALAR
  // Eight at a time: upper and lower halves of two vectors, packed by a shuffle, for compress instructions are slow or
  // missing where vectors have eight samples.
  const hn::FixedTag<uint32_t, 4> d;
  const hn::FixedTag<uint16_t, 8> d16;
  const hn::FixedTag<uint8_t, 16> d8;
  const auto first = hn::Set(d16, exact.upper[0]), second = hn::Set(d16, exact.upper[1]),
             third = hn::Set(d16, exact.upper[2]);
  for (; i + 8 <= count; i += 8) {
    const auto a = hn::BitCast(d16, hn::LoadU(d, reinterpret_cast<const uint32_t*>(samples) + i));
    const auto b = hn::BitCast(d16, hn::LoadU(d, reinterpret_cast<const uint32_t*>(samples) + i + 4));
    const auto low = hn::ConcatEven(d16, b, a), high = hn::ConcatOdd(d16, b, a);
    const auto keep = hn::And(hn::Ne(high, first), hn::And(hn::Ne(high, second), hn::Ne(high, third)));
    uint8_t bits[8] = {};
    hn::StoreMaskBits(d16, keep, bits);
    const auto places = hn::Load(d8, kPackWords8[bits[0]].data());
    hn::StoreU(hn::BitCast(d16, hn::TableLookupBytesOr0(hn::BitCast(d8, low), places)), d16, out + packed);
    packed += static_cast<size_t>(std::popcount(bits[0]));
  }
#endif
  for (; i < count; ++i) {
    uint32_t sample;
    std::memcpy(&sample, samples + 4 * i, 4);
    out[packed] = static_cast<uint16_t>(sample);
    packed += exact.Has(static_cast<uint16_t>(sample >> 16)) ? 0 : 1;
  }
  return packed;
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(LoadNarrowCodes);
HWY_EXPORT(LoadWideCodes);
HWY_EXPORT(StoreNarrowValues);
HWY_EXPORT(StoreWideValues);
HWY_EXPORT(RangeOfNarrow);
HWY_EXPORT(RangeOfWide);
HWY_EXPORT(PackLow);

void LoadLaneCodes(const LaneSource& source, uint8_t sign, uint8_t* codes) {
  DCAC_DYNAMIC_DISPATCH(LoadNarrowCodes)(source, sign, codes);
}

bool LoadLaneCodes(const LaneSource& source, const WideSamples& samples, int32_t* codes) {
  return DCAC_DYNAMIC_DISPATCH(LoadWideCodes)(source, samples, codes);
}

void StoreLaneValues(const LaneRows& rows, const uint8_t* codes, int16_t* values, uint8_t* raster_codes) {
  DCAC_DYNAMIC_DISPATCH(StoreNarrowValues)(rows, codes, values, raster_codes);
}

void StoreLaneValues(const LaneRows& rows, const WideValues& kind, const int32_t* codes, float* values,
                     int32_t* raster_codes) {
  DCAC_DYNAMIC_DISPATCH(StoreWideValues)(rows, kind, codes, values, raster_codes);
}

namespace {

// `count` bytes in pieces of kChunk, the last of which overlaps the one before.
template <size_t kChunk>
void CopyInChunks(const uint8_t* from, size_t count, uint8_t* to) {
  for (size_t i = 0; i + kChunk < count; i += kChunk) std::memcpy(to + i, from + i, kChunk);
  std::memcpy(to + count - kChunk, from + count - kChunk, kChunk);
}
// kChunk to 2 kChunk bytes.
template <size_t kChunk>
void CopyEnds(const uint8_t* from, size_t count, uint8_t* to) {
  std::memcpy(to, from, kChunk);
  std::memcpy(to + count - kChunk, from + count - kChunk, kChunk);
}

}  // namespace

void CopyLaneCodes(const LaneRows& rows, const uint8_t* codes, uint8_t* raster_codes) {
  if (rows.columns == rows.stride) {
    std::memcpy(raster_codes, codes, rows.rows * rows.columns);
    return;
  }
  // Rows are often too short for calls to be worth it.
  const auto copy = [&](auto copy_row) {
    for (size_t g = 0; g < rows.planes; ++g) {
      const uint8_t* from = codes + g * rows.plane_stride;
      uint8_t* to = raster_codes + g * rows.columns;
      for (size_t row = 0; row < rows.rows; ++row, from += rows.columns, to += rows.stride) {
        copy_row(from, rows.columns, to);
      }
    }
  };
  if (rows.columns >= 16) {
    copy(CopyInChunks<16>);
  } else if (rows.columns >= 8) {
    copy(CopyEnds<8>);
  } else if (rows.columns >= 4) {
    copy(CopyEnds<4>);
  } else {
    copy(CopyInChunks<1>);
  }
}

LaneCodeRange RangeOfLaneCodes(size_t count, const uint8_t* codes) {
  return DCAC_DYNAMIC_DISPATCH(RangeOfNarrow)(count, codes);
}

LaneCodeRange RangeOfLaneCodes(size_t count, const int32_t* codes) {
  return DCAC_DYNAMIC_DISPATCH(RangeOfWide)(count, codes);
}

size_t PackLowHalves(const std::byte* samples, size_t count, const ExactHalves& exact, uint16_t* out) {
  return DCAC_DYNAMIC_DISPATCH(PackLow)(samples, count, exact, out);
}

}  // namespace dcac
#endif  // HWY_ONCE
