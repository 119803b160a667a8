#include "core/codec/sample_map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace dcac {
namespace {

double ValueOfSample(SampleKind kind, uint32_t sample) {
  if (kind == SampleKind::kF32) return std::bit_cast<float>(sample);
  if (kind == SampleKind::kBF16) return std::bit_cast<float>(sample << 16);
  const int exponent = static_cast<int>(sample >> 10 & 31), mantissa = static_cast<int>(sample & 1023);
  const double magnitude = exponent == 31  ? (mantissa == 0 ? HUGE_VAL : NAN)
                           : exponent == 0 ? std::ldexp(mantissa, -24)
                                           : std::ldexp(1024 + mantissa, exponent - 25);
  return sample >> 15 & 1 ? -magnitude : magnitude;
}

// Whether the document says that the sample has a code.
bool HasCode(SampleKind kind, int base, uint32_t sample) {
  if (sample == 0) return true;
  const double value = ValueOfSample(kind, sample);
  if (!std::isfinite(value) || value == 0) return false;
  const double least_normal = std::ldexp(1.0, kind == SampleKind::kF16 ? -14 : -126);
  if (std::abs(value) < least_normal) return false;
  const int exponent = std::ilogb(value) + 127;
  return exponent >= base && exponent < std::min(base + 126, kind == SampleKind::kF16 ? 143 : 255);
}

void CheckSample(const SampleMap& map, uint32_t sample) {
  const auto code = map.ToCode(sample);
  ASSERT_EQ(code.has_value(), HasCode(map.kind(), map.base_exponent(), sample)) << std::hex << sample;
  if (!code) return;
  ASSERT_GE(*code, map.MinCode());
  ASSERT_LE(*code, map.MaxCode());
  ASSERT_EQ(map.ToSample(*code), sample);
  ASSERT_EQ(map.NearestCode(map.ToValue(*code)), *code) << std::hex << sample;
}

std::vector<int> BasesOf(SampleKind kind) {
  return kind == SampleKind::kF16 ? std::vector<int>{113, 114, 120, 142}
                                  : std::vector<int>{1, 2, 64, 126, 127, 128, 129, 130, 254};
}

TEST(SampleMapTest, Every16BitFloatPatternHasACodeOrEscapes) {
  for (SampleKind kind : {SampleKind::kF16, SampleKind::kBF16}) {
    for (int base : BasesOf(kind)) {
      const SampleMap map(kind, base);
      for (uint32_t sample = 0; sample < 65536; ++sample) {
        CheckSample(map, sample);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(BiasedExponentTest, IsThatOfEveryNormal16BitFloat) {
  for (SampleKind kind : {SampleKind::kF16, SampleKind::kBF16}) {
    for (uint32_t sample = 0; sample < 65536; ++sample) {
      const double value = ValueOfSample(kind, sample);
      const double least_normal = std::ldexp(1.0, kind == SampleKind::kF16 ? -14 : -126);
      const auto exponent = BiasedExponent(kind, sample);
      ASSERT_EQ(exponent.has_value(), std::isfinite(value) && std::abs(value) >= least_normal) << sample;
      if (!exponent) continue;
      ASSERT_EQ(*exponent, std::ilogb(value) + 127) << sample;
    }
  }
  EXPECT_EQ(BiasedExponent(SampleKind::kF32, std::bit_cast<uint32_t>(-3.5f)), 128);
}

TEST(SampleMapTest, CodesOfFloatsOrderLikeTheirValues) {
  for (SampleKind kind : {SampleKind::kF16, SampleKind::kBF16}) {
    const SampleMap map(kind, kind == SampleKind::kF16 ? 113 : 70);
    double previous = -HUGE_VAL;
    float previous_value = -HUGE_VALF;
    for (int32_t code = map.MinCode(); code <= map.MaxCode(); ++code) {
      const double here = ValueOfSample(kind, map.ToSample(code));
      ASSERT_GT(here, previous) << code;
      ASSERT_GT(map.ToValue(code), previous_value) << code;
      ASSERT_EQ(map.ToCode(map.ToSample(code)), code);
      previous = here;
      previous_value = map.ToValue(code);
    }
  }
}

TEST(SampleMapTest, RandomF32PatternsHaveACodeOrEscape) {
  std::mt19937_64 random(1);
  for (int base : BasesOf(SampleKind::kF32)) {
    const SampleMap map(SampleKind::kF32, base);
    for (uint32_t special : {0u, 0x80000000u, 1u, 0x80000001u, 0x007fffffu, 0x00800000u, 0x80800000u, 0x7f7fffffu,
                             0x7f800000u, 0xff800000u, 0x7fc00000u, 0x7f800001u, 0xffffffffu, 0x3f800000u}) {
      CheckSample(map, special);
      if (HasFatalFailure()) return;
    }
    for (int i = 0; i < 100000; ++i) {
      CheckSample(map, static_cast<uint32_t>(random()));
      if (HasFatalFailure()) return;
    }
    for (int exponent : {base - 1, base, base + 125, base + 126}) {  // the borders of the range
      if (exponent < 0 || exponent > 255) continue;
      for (uint32_t mantissa : {0u, 1u, 0x7fffffu}) {
        for (uint32_t sign : {0u, 1u}) CheckSample(map, sign << 31 | static_cast<uint32_t>(exponent) << 23 | mantissa);
      }
    }
  }
}

TEST(SampleMapTest, EveryIntegerPatternIsItsOwnCode) {
  for (SampleKind kind : {SampleKind::kU8, SampleKind::kI8, SampleKind::kU16, SampleKind::kI16}) {
    const SampleMap map(kind, 1);
    for (uint32_t sample = 0; sample < 1u << SampleBits(kind); ++sample) {
      const int32_t expected = kind == SampleKind::kI8    ? static_cast<int8_t>(sample)
                               : kind == SampleKind::kI16 ? static_cast<int16_t>(sample)
                                                          : static_cast<int32_t>(sample);
      ASSERT_EQ(map.ToCode(sample), expected);
      ASSERT_EQ(map.ToSample(expected), sample);
      ASSERT_GE(expected, map.MinCode());
      ASSERT_LE(expected, map.MaxCode());
    }
  }
  const SampleMap map(SampleKind::kI32, 1);
  for (uint32_t sample : {0u, 1u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    EXPECT_EQ(map.ToSample(*map.ToCode(sample)), sample);
  }
  EXPECT_EQ(map.ToCode(0x80000000u), map.MinCode());
}

TEST(SampleMapTest, ValuesStartAt2ToMinus63WhateverTheBase) {
  for (SampleKind kind : {SampleKind::kF16, SampleKind::kBF16, SampleKind::kF32}) {
    for (int base : BasesOf(kind)) {
      const SampleMap map(kind, base);
      EXPECT_EQ(map.ToValue(0), 0.0f);
      EXPECT_EQ(map.ToValue(1), std::ldexp(1.0f, -63));
      EXPECT_EQ(map.ToValue(-1), -std::ldexp(1.0f, -63));
    }
  }
}

// The nearest code by the document: the two codes around a value, its distance
// to each compared exactly.
TEST(NearestCodeTest, IsTheNearestValueHalvesAwayFromZero) {
  std::mt19937_64 random(2);
  for (SampleKind kind : {SampleKind::kF16, SampleKind::kBF16, SampleKind::kF32}) {
    const SampleMap map(kind, kind == SampleKind::kF16 ? 113 : 1);
    const int32_t top = 126 << SampleMap::MantissaBits(kind);
    for (int i = 0; i < 100000; ++i) {
      const uint32_t exponent = 60 + static_cast<uint32_t>(random() % 134);
      uint32_t bits = exponent << 23 | static_cast<uint32_t>(random() & 0x7fffff);
      if (random() % 3 == 0) bits &= ~0x7fffu;  // on or near the codes of bf16
      if (random() % 3 == 0) bits ^= 0x1000u;   // halves of f16
      const float value = std::bit_cast<float>(bits);
      const int32_t code = map.NearestCode(value);
      ASSERT_EQ(map.NearestCode(-value), -code);
      ASSERT_GE(code, 0);
      ASSERT_LE(code, top);
      const double distance = std::abs(static_cast<double>(map.ToValue(code)) - value);
      if (code > 0) {
        const double below = std::abs(static_cast<double>(map.ToValue(code - 1)) - value);
        ASSERT_LE(distance, below) << value;  // a half goes up
      }
      if (code < top) {
        const double above = std::abs(static_cast<double>(map.ToValue(code + 1)) - value);
        ASSERT_LT(distance, above) << value;
      }
    }
  }
}

TEST(NearestCodeTest, SmallValuesAndBothZeros) {
  const SampleMap map(SampleKind::kF32, 100);
  EXPECT_EQ(map.NearestCode(0.0f), 0);
  EXPECT_EQ(map.NearestCode(-0.0f), 0);
  EXPECT_EQ(map.NearestCode(std::ldexp(1.0f, -64)), 1);
  EXPECT_EQ(map.NearestCode(-std::ldexp(1.0f, -64)), -1);
  EXPECT_EQ(map.NearestCode(std::nextafter(std::ldexp(1.0f, -64), 0.0f)), 0);
  EXPECT_EQ(map.NearestCode(std::ldexp(1.0f, 120)), 126 << 23);
}

TEST(RoundToIntegerTest, AgreesWithNearbyint) {
  std::mt19937_64 random(3);
  const auto check = [](float value, int32_t low, int32_t high) {
    const double expected = std::min(std::max(std::nearbyint(static_cast<double>(value)), static_cast<double>(low)),
                                     static_cast<double>(high));
    ASSERT_EQ(RoundToInteger(value, low, high), static_cast<int32_t>(expected)) << value;
  };
  const std::pair<int32_t, int32_t> ranges[] = {{0, 65535},
                                                {-32768, 32767},
                                                {-0x7fffffff - 1, 0x7fffffff},
                                                {-((1 << 21) - 1), (1 << 21) - 1},
                                                {0, (1 << 30) - 1}};
  for (auto [low, high] : ranges) {
    for (int i = 0; i < 100000; ++i) {
      const float scale = std::ldexp(1.0f, static_cast<int>(random() % 34));
      float value = (static_cast<float>(random() % 2000001) / 1000000.0f - 1.0f) * scale;
      if (random() % 2 == 0) value = std::floor(value) + 0.5f;
      check(value, low, high);
      if (HasFatalFailure()) return;
    }
    for (float value : {0.0f, -0.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 4194303.5f, 4194304.0f, 4194304.5f, -4194304.5f,
                        8388607.5f, static_cast<float>(low), static_cast<float>(high), 1e30f, -1e30f}) {
      check(value, low, high);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(OrderedIntegerTest, IsABijectionThatKeepsTheOrder) {
  for (DType dtype : {DType::kF16, DType::kBF16}) {
    const SampleKind kind = KindOf(dtype);
    std::vector<bool> seen(65536, false);
    for (uint32_t sample = 0; sample < 65536; ++sample) {
      const int32_t ordered = OrderedInteger(dtype, sample);
      ASSERT_GE(ordered, -32768);
      ASSERT_LE(ordered, 32767);
      ASSERT_FALSE(seen[static_cast<size_t>(ordered + 32768)]);
      seen[static_cast<size_t>(ordered + 32768)] = true;
      ASSERT_EQ(SampleOfOrderedInteger(dtype, ordered), sample);
      ASSERT_EQ(SampleOfOrderedInteger(dtype, ordered + 65536),
                sample);  // modulo 2^width
    }
    for (int32_t ordered = -32767; ordered < 32768; ++ordered) {
      const double below = ValueOfSample(kind, SampleOfOrderedInteger(dtype, ordered - 1));
      const double here = ValueOfSample(kind, SampleOfOrderedInteger(dtype, ordered));
      if (std::isnan(below) || std::isnan(here)) continue;
      ASSERT_LE(below, here) << ordered;
    }
  }
}

TEST(OrderedIntegerTest, RoundTripsTheOtherTypes) {
  std::mt19937_64 random(4);
  for (DType dtype : {DType::kU8, DType::kI8, DType::kU16, DType::kI16, DType::kF32}) {
    const uint32_t mask = SampleBytes(dtype) == 4 ? ~0u : (1u << 8 * SampleBytes(dtype)) - 1;
    for (int i = 0; i < 70000; ++i) {
      const uint32_t sample =
          static_cast<uint32_t>(SampleBytes(dtype) == 4 ? random() : static_cast<uint64_t>(i)) & mask;
      ASSERT_EQ(SampleOfOrderedInteger(dtype, OrderedInteger(dtype, sample)), sample);
    }
  }
  EXPECT_EQ(OrderedInteger(DType::kI8, 0x80), -128);
  EXPECT_EQ(OrderedInteger(DType::kU8, 0xff), -1);
  EXPECT_EQ(OrderedInteger(DType::kF32, 0x80000000u), -1);
}

}  // namespace
}  // namespace dcac
