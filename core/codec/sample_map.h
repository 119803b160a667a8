// Samples, codes and values (docs/format.md, "Samples").
//
// A sample is the stored bit pattern.  The model works on two views of it: the code, an integer in which equal steps
// are about equally likely (for floats the re-based order of bit patterns), and the value, in which planes are linear
// combinations of each other.  Samples without a code (escapes: -0, NaN, infinities, floats below the base) are sent as
// they are and have code 0.
#ifndef DCAC_CORE_CODEC_SAMPLE_MAP_H_
#define DCAC_CORE_CODEC_SAMPLE_MAP_H_

#include <bit>
#include <cstdint>
#include <optional>

#include "dcac/tensor.h"

namespace dcac {

// What the samples of a plane set are.
enum class SampleKind : uint8_t { kU8, kI8, kU16, kI16, kI32, kF16, kBF16, kF32 };

inline bool IsNarrow(SampleKind kind) {
  return kind == SampleKind::kU8 || kind == SampleKind::kI8;
}
inline bool IsFloat(SampleKind kind) {
  return kind >= SampleKind::kF16;
}
int SampleBits(SampleKind kind);
// Whether the plane model knows the samples of a type; others are coded as one that it knows, or not modelled.
bool IsModelled(DType dtype);
// `dtype` is modelled.
SampleKind KindOf(DType dtype);
// The kind of the difference of two planes of `dtype`.
SampleKind DifferenceKindOf(DType dtype);

// The position of a sample in the order of the values, as a signed integer of the sample's width; its own inverse on
// the bit pattern.  Differences of planes are taken of these, modulo 2^width.
int32_t OrderedInteger(DType dtype, uint32_t sample);
uint32_t SampleOfOrderedInteger(DType dtype, int32_t ordered);

// The biased binary32 exponent of a normal number of a float kind; nothing for zeros, subnormals, infinities and NaNs.
std::optional<int> BiasedExponent(SampleKind kind, uint32_t sample);

class SampleMap {
 public:
  // `base_exponent`: floats only, the biased binary32 exponent of the base, MinBaseExponent() .. MaxBaseExponent().
  SampleMap(SampleKind kind, int base_exponent)
      : kind_(kind), mantissa_bits_(MantissaBits(kind)), base_(base_exponent) {}

  static int MinBaseExponent(SampleKind kind) { return kind == SampleKind::kF16 ? 113 : 1; }
  static int MaxBaseExponent(SampleKind kind) { return FirstSpecialExponent(kind) - 1; }
  static int MantissaBits(SampleKind kind) {
    return kind == SampleKind::kF16 ? 10 : kind == SampleKind::kBF16 ? 7 : kind == SampleKind::kF32 ? 23 : 0;
  }

  SampleKind kind() const { return kind_; }
  int base_exponent() const { return base_; }
  // The first biased exponent without codes.
  int EndExponent() const {
    const int special = FirstSpecialExponent(kind_);
    return base_ + kMaxOctaves < special ? base_ + kMaxOctaves : special;
  }

  // The code of a sample; nothing for an escape.
  std::optional<int32_t> ToCode(uint32_t sample) const {
    return IsFloat(kind_) ? FloatToCode(sample) : std::optional<int32_t>(IntegerOf(sample));
  }

  // The sample of a code.  The code must be within MinCode() .. MaxCode().
  uint32_t ToSample(int32_t code) const;

  int32_t MinCode() const;
  int32_t MaxCode() const;

  // The value of a code as binary32 (kinds that are not narrow).  The base of a float kind has the value 2^-63,
  // whatever it was: no value is subnormal and no sum of products overflows.
  float ToValue(int32_t code) const {
    if (!IsFloat(kind_)) return static_cast<float>(code);
    if (code == 0) return 0.0f;
    const uint32_t magnitude = static_cast<uint32_t>(code < 0 ? -code : code) - 1 + (kValueBase << mantissa_bits_);
    return std::bit_cast<float>((magnitude << (23 - mantissa_bits_)) | (code < 0 ? 0x80000000u : 0));
  }

  // The code nearest to a value, cut to MinCode() .. MaxCode().
  int32_t NearestCode(float value) const { return IsFloat(kind_) ? NearestFloatCode(value) : NearestInteger(value); }

  static constexpr uint32_t kValueBase = 64;  // biased exponent of 2^-63
  static constexpr int kMaxOctaves = 126;

 private:
  std::optional<int32_t> FloatToCode(uint32_t sample) const;
  int32_t IntegerOf(uint32_t sample) const {
    const uint32_t sign = kind_ == SampleKind::kI8 ? 0x80u : kind_ == SampleKind::kI16 ? 0x8000u : 0;
    return static_cast<int32_t>((sample ^ sign) - sign);
  }
  // The biased binary32 exponent after the last of finite samples.
  static int FirstSpecialExponent(SampleKind kind) { return kind == SampleKind::kF16 ? 143 : 255; }
  // A binary16 pattern as binary32 pattern of the same value, for normal numbers.
  static uint32_t WidenHalf(uint32_t half) {
    return ((half & 0x8000u) << 16) | (((half & 0x7fffu) << 13) + (112u << 23));
  }
  int32_t NearestFloatCode(float value) const {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint32_t magnitude = bits & 0x7fffffffu;
    int32_t code;
    if (magnitude < (kValueBase << 23)) {
      code = magnitude >= ((kValueBase - 1) << 23) ? 1 : 0;
    } else {
      const int drop = 23 - mantissa_bits_;
      const uint32_t rounded = (magnitude + (drop == 0 ? 0u : 1u << (drop - 1))) >> drop;
      code = static_cast<int32_t>(rounded - (kValueBase << mantissa_bits_)) + 1;
      if (code > kMaxOctaves << mantissa_bits_) code = kMaxOctaves << mantissa_bits_;
    }
    return bits >> 31 ? -code : code;
  }
  int32_t NearestInteger(float value) const;

  SampleKind kind_;
  int mantissa_bits_;
  int base_;
};

// binary32 to the nearest integer, ties to even, cut to [low, high].
inline int32_t RoundToInteger(float value, int32_t low, int32_t high) {
  if (value <= static_cast<float>(low)) return low;
  if (value >= static_cast<float>(high)) return high;
  // Adding and taking away 1.5 * 2^23 rounds magnitudes below 2^22; above, a binary32 is a multiple of a half or more.
  if (value > -4194304.0f && value < 4194304.0f) {
    const float shifted = value + 12582912.0f;
    return std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(12582912.0f);
  }
  const int64_t doubled = static_cast<int64_t>(value * 2.0f);
  const int64_t down = doubled >> 1;
  return static_cast<int32_t>(down + ((doubled & 1) & (down & 1)));
}

inline std::optional<int32_t> SampleMap::FloatToCode(uint32_t sample) const {
  if (sample == 0) return 0;
  if (kind_ == SampleKind::kF16 && (sample & 0x7c00u) == 0) return std::nullopt;  // -0 and subnormals
  const uint32_t wide = kind_ == SampleKind::kF16    ? WidenHalf(sample)
                        : kind_ == SampleKind::kBF16 ? sample << 16
                                                     : sample;
  const uint32_t magnitude = (wide & 0x7fffffffu) >> (23 - mantissa_bits_);
  const int exponent = static_cast<int>(magnitude >> mantissa_bits_);
  if (exponent < base_ || exponent >= EndExponent()) return std::nullopt;
  const int32_t code = static_cast<int32_t>(magnitude - (static_cast<uint32_t>(base_) << mantissa_bits_)) + 1;
  return wide >> 31 ? -code : code;
}

inline int32_t SampleMap::NearestInteger(float value) const {
  return RoundToInteger(value, MinCode(), MaxCode());
}

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SAMPLE_MAP_H_
