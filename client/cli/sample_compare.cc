#include "client/cli/sample_compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace dcac::cli {
namespace {

template <typename Value>
Value Load(const std::byte* bytes) {
  Value value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

template <typename Integer>
double IntegerDifference(const std::byte* a, const std::byte* b) {
  const auto [low, high] = std::minmax({Load<Integer>(a), Load<Integer>(b)});  // copies
  // As unsigned: the difference of two signed ones need not fit.
  return static_cast<double>(static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low));
}

template <typename Float>
double FloatDifference(const std::byte* a, const std::byte* b) {
  const double x = Load<Float>(a), y = Load<Float>(b);
  return x == y ? 0 : std::abs(x - y);
}

// A float of a sign, some bits of exponent, and the rest mantissa.  `has_infinity`: as in IEEE 754; otherwise only the
// largest pattern of all is NaN.
double SmallFloat(unsigned bits, int exponent_bits, int mantissa_bits, bool has_infinity) {
  const unsigned mantissa_range = 1u << mantissa_bits, exponent_range = 1u << exponent_bits;
  const unsigned mantissa = bits & (mantissa_range - 1);
  const unsigned exponent = (bits >> mantissa_bits) & (exponent_range - 1);
  const double sign = (bits >> (mantissa_bits + exponent_bits)) & 1 ? -1 : 1;
  const int bias = static_cast<int>(exponent_range / 2) - 1;
  if (exponent == exponent_range - 1 && (has_infinity || mantissa == mantissa_range - 1)) {
    const bool is_infinity = has_infinity && mantissa == 0;
    return is_infinity ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  const unsigned significand = exponent == 0 ? mantissa : mantissa + mantissa_range;
  return sign * std::ldexp(significand, static_cast<int>(std::max(exponent, 1u)) - bias - mantissa_bits);
}

double SmallFloatDifference(unsigned a, unsigned b, int exponent_bits, int mantissa_bits, bool has_infinity) {
  const double x = SmallFloat(a, exponent_bits, mantissa_bits, has_infinity);
  const double y = SmallFloat(b, exponent_bits, mantissa_bits, has_infinity);
  return x == y ? 0 : std::abs(x - y);
}

template <typename Float>
double ComplexDifference(const std::byte* a, const std::byte* b) {
  return std::hypot(FloatDifference<Float>(a, b), FloatDifference<Float>(a + sizeof(Float), b + sizeof(Float)));
}

}  // namespace

double AbsDifference(DType dtype, const std::byte* a, const std::byte* b) {
  switch (dtype) {
    case DType::kU8:
    case DType::kBool:
      return IntegerDifference<std::uint8_t>(a, b);
    case DType::kI8:
      return IntegerDifference<std::int8_t>(a, b);
    case DType::kU16:
      return IntegerDifference<std::uint16_t>(a, b);
    case DType::kI16:
      return IntegerDifference<std::int16_t>(a, b);
    case DType::kU32:
      return IntegerDifference<std::uint32_t>(a, b);
    case DType::kI32:
      return IntegerDifference<std::int32_t>(a, b);
    case DType::kU64:
      return IntegerDifference<std::uint64_t>(a, b);
    case DType::kI64:
      return IntegerDifference<std::int64_t>(a, b);
    case DType::kF16:
      return SmallFloatDifference(Load<std::uint16_t>(a), Load<std::uint16_t>(b), 5, 10, true);
    case DType::kBF16:
      return SmallFloatDifference(Load<std::uint16_t>(a), Load<std::uint16_t>(b), 8, 7, true);
    case DType::kF8E4M3:
      return SmallFloatDifference(Load<std::uint8_t>(a), Load<std::uint8_t>(b), 4, 3, false);
    case DType::kF8E5M2:
      return SmallFloatDifference(Load<std::uint8_t>(a), Load<std::uint8_t>(b), 5, 2, true);
    case DType::kF32:
      return FloatDifference<float>(a, b);
    case DType::kF64:
      return FloatDifference<double>(a, b);
    case DType::kC64:
      return ComplexDifference<float>(a, b);
    case DType::kC128:
      return ComplexDifference<double>(a, b);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

void SampleComparison::Add(std::span<const std::byte> a, std::span<const std::byte> b) {
  const std::size_t sample_bytes = SampleBytes(dtype_);
  const std::uint64_t count = a.size() / sample_bytes;
  if (!std::equal(a.begin(), a.end(), b.begin(), b.end())) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::byte* const x = a.data() + i * sample_bytes;
      const std::byte* const y = b.data() + i * sample_bytes;
      if (std::memcmp(x, y, sample_bytes) == 0) continue;
      if (!difference_.first_index) difference_.first_index = samples_ + i;
      AddDiffering(x, y);
    }
  }
  samples_ += count;
}

void SampleComparison::AddDiffering(const std::byte* a, const std::byte* b) {
  ++difference_.differing_samples;
  const double difference = AbsDifference(dtype_, a, b);
  if (!std::isnan(difference)) {
    difference_.max_abs_difference = std::max(difference, difference_.max_abs_difference.value_or(0));
  }
}

}  // namespace dcac::cli
