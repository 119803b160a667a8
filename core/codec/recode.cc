#include "core/codec/recode.h"

#include <algorithm>
#include <bit>

namespace dcac {
namespace {

// The targets in the order in which the encoder prefers them: integers that the narrow model codes, then few bits.
constexpr DType kTargets[] = {DType::kU8,  DType::kI8,  DType::kBF16, DType::kU16,
                              DType::kI16, DType::kF16, DType::kI32,  DType::kF32};

int Bits(DType dtype) {
  return static_cast<int>(8 * SampleBytes(dtype));
}

bool IsFloat(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32 || dtype == DType::kF64;
}
bool IsByteFloat(DType dtype) {
  return dtype == DType::kF8E4M3 || dtype == DType::kF8E5M2;
}
bool IsSigned(DType dtype) {
  return dtype == DType::kI8 || dtype == DType::kI16 || dtype == DType::kI32 || dtype == DType::kI64;
}

uint64_t Mask(int bits) {
  return bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
}

int64_t ValueOfInteger(DType dtype, uint64_t sample) {
  if (!IsSigned(dtype)) return static_cast<int64_t>(sample);
  const uint64_t sign = uint64_t{1} << (Bits(dtype) - 1);
  return static_cast<int64_t>((sample ^ sign) - sign);
}

// A sign and magnitude pattern of `bits` bits to the order of values and back: all bits but the sign are inverted where
// it is set.
uint64_t SwapOrder(uint64_t sample, int bits) {
  const uint64_t sign = uint64_t{1} << (bits - 1);
  return sample & sign ? sample ^ (sign - 1) : sample;
}

// An IEEE 754 format of at most 64 bits.
struct FloatFormat {
  int exponent_bits;
  int mantissa_bits;

  int bits() const { return 1 + exponent_bits + mantissa_bits; }
  int special() const { return (1 << exponent_bits) - 1; }
  int bias() const { return special() >> 1; }
};

FloatFormat FormatOf(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return {5, 10};
    case DType::kBF16:
      return {8, 7};
    case DType::kF32:
      return {8, 23};
    default:
      return {11, 52};
  }
}

// The number of a narrower format in a wider one: the same value, or for NaNs the same payload at the upper end.
uint64_t Widen(FloatFormat from, FloatFormat to, uint64_t sample) {
  const uint64_t sign = sample >> (from.bits() - 1) << (to.bits() - 1);
  const int shift = to.mantissa_bits - from.mantissa_bits;
  int exponent = static_cast<int>(sample >> from.mantissa_bits) & from.special();
  uint64_t mantissa = sample & Mask(from.mantissa_bits);
  if (exponent == from.special()) {
    exponent = to.special();
  } else if (exponent != 0) {
    exponent += to.bias() - from.bias();
  } else if (mantissa != 0 && from.exponent_bits != to.exponent_bits) {  // subnormal there, normal here
    const int missing = from.mantissa_bits + 1 - static_cast<int>(std::bit_width(mantissa));
    mantissa = (mantissa << missing) & Mask(from.mantissa_bits);
    exponent = to.bias() - from.bias() + 1 - missing;
  }
  return sign | static_cast<uint64_t>(exponent) << to.mantissa_bits | mantissa << shift;
}

// The inverse of Widen where there is one; else anything.
uint64_t Narrow(FloatFormat from, FloatFormat to, uint64_t sample) {
  const uint64_t sign = sample >> (from.bits() - 1) << (to.bits() - 1);
  const int shift = from.mantissa_bits - to.mantissa_bits;
  int exponent = static_cast<int>(sample >> from.mantissa_bits) & from.special();
  uint64_t mantissa = sample & Mask(from.mantissa_bits);
  if (exponent == from.special()) {
    exponent = to.special();
  } else if (exponent != 0 && from.exponent_bits != to.exponent_bits) {
    exponent += to.bias() - from.bias();
    if (exponent <= 0) {
      mantissa = (mantissa | uint64_t{1} << from.mantissa_bits) >> std::min(1 - exponent, 63);
      exponent = 0;
    }
    exponent = std::min(exponent, to.special());
  }
  return sign | static_cast<uint64_t>(exponent) << to.mantissa_bits | mantissa >> shift;
}

// The float of a format whose value is `value`, which has no more bits than the mantissa.
uint64_t FloatOfInteger(FloatFormat format, int64_t value) {
  if (value == 0) return 0;
  const uint64_t sign = value < 0 ? uint64_t{1} << (format.bits() - 1) : 0;
  const uint64_t magnitude = static_cast<uint64_t>(value < 0 ? -value : value);
  const int log2 = static_cast<int>(std::bit_width(magnitude)) - 1;
  const uint64_t mantissa = (magnitude << (format.mantissa_bits - log2)) & Mask(format.mantissa_bits);
  return sign | static_cast<uint64_t>(format.bias() + log2) << format.mantissa_bits | mantissa;
}

// The integer part of a float of magnitude below 2^32; 0 for others.
int64_t IntegerOfFloat(FloatFormat format, uint64_t sample) {
  const int log2 = (static_cast<int>(sample >> format.mantissa_bits) & format.special()) - format.bias();
  if (log2 < 0 || log2 >= 32) return 0;
  const uint64_t mantissa = (sample & Mask(format.mantissa_bits)) | uint64_t{1} << format.mantissa_bits;
  const int shift = format.mantissa_bits - log2;
  const int64_t magnitude = static_cast<int64_t>(shift >= 0 ? mantissa >> shift : mantissa << -shift);
  return sample >> (format.bits() - 1) ? -magnitude : magnitude;
}

uint64_t RestoreSample(DType dtype, DType target, uint64_t sample) {
  if (IsFloat(target)) return Widen(FormatOf(target), FormatOf(dtype), sample);
  if (IsByteFloat(dtype)) return SwapOrder(sample, 8);
  const int64_t value = ValueOfInteger(target, sample);
  return IsFloat(dtype) ? FloatOfInteger(FormatOf(dtype), value) : static_cast<uint64_t>(value) & Mask(Bits(dtype));
}

// The sample of `target` for one of `dtype`, if it has one; else anything.
uint64_t RecodeSample(DType dtype, DType target, uint64_t sample) {
  if (IsFloat(target)) return Narrow(FormatOf(dtype), FormatOf(target), sample);
  if (IsByteFloat(dtype)) return SwapOrder(sample, 8);
  if (IsFloat(dtype)) sample = static_cast<uint64_t>(IntegerOfFloat(FormatOf(dtype), sample));
  return sample & Mask(Bits(target));
}

bool HoldsAll(DType dtype, DType target, ByteSpan packed) {
  const int bytes = static_cast<int>(SampleBytes(dtype));
  for (const std::byte* at = packed.data(); at != packed.data() + packed.size(); at += bytes) {
    const uint64_t sample = LoadLittleEndian(at, bytes);
    if (RestoreSample(dtype, target, RecodeSample(dtype, target, sample)) != sample) return false;
  }
  return true;
}

void StoreLittleEndian(uint64_t value, int bytes, std::byte* at) {
  for (int b = 0; b < bytes; ++b) at[b] = static_cast<std::byte>(value >> (8 * b));
}

// The ordered integer of a sample of 8 bytes, as unsigned bits.
uint64_t OrderedBits(DType dtype, uint64_t sample) {
  return IsFloat(dtype) ? SwapOrder(sample, 64) : sample;
}

}  // namespace

double ValueOfSample(DType dtype, uint64_t sample) {
  if (dtype == DType::kF64) return std::bit_cast<double>(sample);
  if (IsFloat(dtype)) return std::bit_cast<double>(Widen(FormatOf(dtype), FormatOf(DType::kF64), sample));
  if (IsByteFloat(dtype)) return static_cast<double>(ValueOfInteger(DType::kI8, SwapOrder(sample, 8)));
  return dtype == DType::kU64 ? static_cast<double>(sample) : static_cast<double>(ValueOfInteger(dtype, sample));
}

bool IsRecoding(DType dtype, DType target) {
  if (std::find(std::begin(kTargets), std::end(kTargets), target) == std::end(kTargets)) return false;
  switch (dtype) {
    case DType::kBool:
      return target == DType::kU8;
    case DType::kF8E4M3:
    case DType::kF8E5M2:
      return target == DType::kI8;
    case DType::kU16:
    case DType::kI16:
    case DType::kI32:
    case DType::kU64:
    case DType::kI64:
      return !IsFloat(target) && Bits(target) < Bits(dtype);
    case DType::kU32:
      return !IsFloat(target);
    case DType::kF16:
    case DType::kBF16:
    case DType::kF32:
    case DType::kF64:
      return Bits(target) < Bits(dtype);
    default:
      return false;
  }
}

std::optional<DType> ChooseRecoding(DType dtype, ByteSpan packed) {
  for (DType target : kTargets) {
    if (IsRecoding(dtype, target) && HoldsAll(dtype, target, packed)) return target;
  }
  return std::nullopt;
}

Bytes RecodeSamples(DType dtype, DType target, ByteSpan packed) {
  const size_t from = SampleBytes(dtype), to = SampleBytes(target);
  Bytes recoded(packed.size() / from * to);
  for (size_t i = 0; i < packed.size() / from; ++i) {
    const uint64_t sample = LoadLittleEndian(packed.data() + i * from, static_cast<int>(from));
    StoreLittleEndian(RecodeSample(dtype, target, sample), static_cast<int>(to), recoded.data() + i * to);
  }
  return recoded;
}

void RestoreSamples(DType dtype, DType target, ByteSpan recoded, std::span<std::byte> packed) {
  const size_t from = SampleBytes(target), to = SampleBytes(dtype);
  for (size_t i = 0; i < recoded.size() / from; ++i) {
    const uint64_t sample = LoadLittleEndian(recoded.data() + i * from, static_cast<int>(from));
    StoreLittleEndian(RestoreSample(dtype, target, sample), static_cast<int>(to), packed.data() + i * to);
  }
}

Words SplitWords(DType dtype, bool differences, ByteSpan packed) {
  const size_t n = packed.size() / 8;
  Words words{differences, Bytes(4 * n), Bytes(4 * n)};
  uint64_t before = 0;
  for (size_t i = 0; i < n; ++i) {
    const uint64_t ordered = OrderedBits(dtype, LoadLittleEndian(packed.data() + 8 * i, 8));
    const uint64_t word = ordered - (differences ? before : 0);
    before = ordered;
    StoreLittleEndian(word >> 32, 4, words.high.data() + 4 * i);
    StoreLittleEndian(word, 4, words.low.data() + 4 * i);
  }
  return words;
}

void JoinWords(DType dtype, const Words& words, std::span<std::byte> packed) {
  uint64_t ordered = 0;
  for (size_t i = 0; i < packed.size() / 8; ++i) {
    const uint64_t word =
        LoadLittleEndian(words.high.data() + 4 * i, 4) << 32 | LoadLittleEndian(words.low.data() + 4 * i, 4);
    ordered = word + (words.differences ? ordered : 0);
    StoreLittleEndian(OrderedBits(dtype, ordered), 8, packed.data() + 8 * i);
  }
}

bool DifferencesFitLowWords(DType dtype, ByteSpan packed) {
  const size_t n = packed.size() / 8;
  const auto ordered = [&](size_t i) { return OrderedBits(dtype, LoadLittleEndian(packed.data() + 8 * i, 8)); };
  const auto magnitude_bits = [](uint64_t bits) {
    return static_cast<size_t>(std::bit_width(static_cast<int64_t>(bits) < 0 ? ~bits : bits));
  };
  size_t of_neighbours = 0, of_distant = 0;
  for (size_t i = 1; i < n; ++i) {
    of_neighbours += magnitude_bits(ordered(i) - ordered(i - 1));
    of_distant += magnitude_bits(ordered(i) - ordered((i + n / 2) % n));
  }
  return of_neighbours < 32 * n && of_neighbours < of_distant;
}

}  // namespace dcac
