#include "core/codec/sample_map.h"

namespace dcac {
namespace {

uint32_t SignBit(DType dtype) {
  return SampleBytes(dtype) == 1 ? 0x80u : SampleBytes(dtype) == 2 ? 0x8000u : 0x80000000u;
}

bool IsFloatType(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32;
}

int32_t SignExtend(uint32_t value, uint32_t sign_bit) {
  return static_cast<int32_t>((value ^ sign_bit) - sign_bit);
}

}  // namespace

int SampleBits(SampleKind kind) {
  switch (kind) {
    case SampleKind::kU8:
    case SampleKind::kI8:
      return 8;
    case SampleKind::kU16:
    case SampleKind::kI16:
    case SampleKind::kF16:
    case SampleKind::kBF16:
      return 16;
    case SampleKind::kI32:
    case SampleKind::kF32:
      return 32;
  }
  return 0;
}

bool IsModelled(DType dtype) {
  return dtype <= DType::kF32 || dtype == DType::kI32;
}

SampleKind KindOf(DType dtype) {
  switch (dtype) {
    case DType::kU8:
      return SampleKind::kU8;
    case DType::kI8:
      return SampleKind::kI8;
    case DType::kU16:
      return SampleKind::kU16;
    case DType::kI16:
      return SampleKind::kI16;
    case DType::kF16:
      return SampleKind::kF16;
    case DType::kBF16:
      return SampleKind::kBF16;
    case DType::kI32:
      return SampleKind::kI32;
    case DType::kF32:
      return SampleKind::kF32;
    default:  // not modelled
      break;
  }
  return SampleKind::kU8;
}

SampleKind DifferenceKindOf(DType dtype) {
  return SampleBytes(dtype) == 1 ? SampleKind::kI8 : SampleBytes(dtype) == 2 ? SampleKind::kI16 : SampleKind::kI32;
}

int32_t OrderedInteger(DType dtype, uint32_t sample) {
  const uint32_t sign = SignBit(dtype);
  if (IsFloatType(dtype) && (sample & sign)) sample ^= sign - 1;
  return SignExtend(sample, sign);
}

uint32_t SampleOfOrderedInteger(DType dtype, int32_t ordered) {
  const uint32_t sign = SignBit(dtype);
  uint32_t sample = static_cast<uint32_t>(ordered) & (sign | (sign - 1));
  if (IsFloatType(dtype) && (sample & sign)) sample ^= sign - 1;
  return sample;
}

std::optional<int> BiasedExponent(SampleKind kind, uint32_t sample) {
  const bool is_half = kind == SampleKind::kF16;
  const uint32_t field = is_half ? (sample >> 10) & 31 : (sample >> SampleMap::MantissaBits(kind)) & 255;
  if (field == 0 || field == (is_half ? 31u : 255u)) return std::nullopt;
  return static_cast<int>(field) + (is_half ? 112 : 0);
}

int32_t SampleMap::MaxCode() const {
  switch (kind_) {
    case SampleKind::kU8:
      return 255;
    case SampleKind::kI8:
      return 127;
    case SampleKind::kU16:
      return 65535;
    case SampleKind::kI16:
      return 32767;
    case SampleKind::kI32:
      return 0x7fffffff;
    case SampleKind::kF16:
    case SampleKind::kBF16:
    case SampleKind::kF32:
      return (EndExponent() - base_) << mantissa_bits_;
  }
  return 0;
}

int32_t SampleMap::MinCode() const {
  switch (kind_) {
    case SampleKind::kU8:
    case SampleKind::kU16:
      return 0;
    case SampleKind::kI8:
      return -128;
    case SampleKind::kI16:
      return -32768;
    case SampleKind::kI32:
      return -0x7fffffff - 1;
    case SampleKind::kF16:
    case SampleKind::kBF16:
    case SampleKind::kF32:
      return -MaxCode();
  }
  return 0;
}

uint32_t SampleMap::ToSample(int32_t code) const {
  if (!IsFloat(kind_)) {
    const int bits = SampleBits(kind_);
    return static_cast<uint32_t>(code) & (bits == 32 ? 0xffffffffu : (1u << bits) - 1);
  }
  if (code == 0) return 0;
  const uint32_t magnitude =
      static_cast<uint32_t>(code < 0 ? -code : code) - 1 + (static_cast<uint32_t>(base_) << mantissa_bits_);
  if (kind_ == SampleKind::kF16) return (magnitude - (112u << 10)) | (code < 0 ? 0x8000u : 0);
  if (kind_ == SampleKind::kBF16) return magnitude | (code < 0 ? 0x8000u : 0);
  return magnitude | (code < 0 ? 0x80000000u : 0);
}

}  // namespace dcac
