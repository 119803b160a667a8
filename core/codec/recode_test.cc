#include "core/codec/recode.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace dcac {
namespace {

template <typename Sample>
Bytes BytesOf(const std::vector<Sample>& samples) {
  const auto bytes = std::as_bytes(std::span(samples));
  return Bytes(bytes.begin(), bytes.end());
}

template <typename Sample>
std::optional<DType> Choose(DType dtype, const std::vector<Sample>& samples) {
  return ChooseRecoding(dtype, BytesOf(samples));
}

// Every pattern of a narrow target is the recoding of what it is restored to.
TEST(RecodeTest, EveryNarrowSampleIsRestoredAndFoundAgain) {
  for (DType target : AllDTypes()) {
    if (SampleBytes(target) > 2) continue;
    Bytes all;
    const int bytes = static_cast<int>(SampleBytes(target));
    for (uint64_t sample = 0; sample < uint64_t{1} << (8 * bytes); ++sample) AppendLittleEndian(sample, bytes, all);
    for (DType dtype : AllDTypes()) {
      if (!IsRecoding(dtype, target)) continue;
      Bytes restored(all.size() / SampleBytes(target) * SampleBytes(dtype));
      RestoreSamples(dtype, target, all, restored);
      EXPECT_TRUE(RecodeSamples(dtype, target, restored) == all) << DTypeName(dtype) << " as " << DTypeName(target);
      EXPECT_TRUE(ChooseRecoding(dtype, restored).has_value());
    }
  }
}

// The machine's conversions as oracle.
TEST(RecodeTest, FloatsWidenAsTheMachineDoes) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 200000; ++round) {
    const uint32_t bits = static_cast<uint32_t>(random());
    const float single = std::bit_cast<float>(round % 3 == 0 ? bits & 0x807fffffu : bits);
    if (std::isnan(single)) continue;
    Bytes restored(8);
    RestoreSamples(DType::kF64, DType::kF32, BytesOf(std::vector<float>{single}), restored);
    ASSERT_EQ(LoadLittleEndian(restored.data(), 8), std::bit_cast<uint64_t>(static_cast<double>(single)));
  }
  for (int value = -300; value <= 300; ++value) {
    Bytes restored(4);
    RestoreSamples(DType::kF32, DType::kI16, BytesOf(std::vector<int16_t>{static_cast<int16_t>(value)}), restored);
    ASSERT_EQ(LoadLittleEndian(restored.data(), 4), std::bit_cast<uint32_t>(static_cast<float>(value)));
  }
}

TEST(RecodeTest, IntegersTakeTheNarrowestTypeThatHoldsThem) {
  EXPECT_EQ(Choose<int64_t>(DType::kI64, {0, 255}), DType::kU8);
  EXPECT_EQ(Choose<int64_t>(DType::kI64, {-1, 127}), DType::kI8);
  EXPECT_EQ(Choose<int64_t>(DType::kI64, {0, 65535}), DType::kU16);
  EXPECT_EQ(Choose<int64_t>(DType::kI64, {-1, 255}), DType::kI16);
  EXPECT_EQ(Choose<int64_t>(DType::kI64, {-40000, 0x7fffffff}), DType::kI32);
  EXPECT_EQ(Choose<int64_t>(DType::kI64, {0x80000000}), std::nullopt);
  EXPECT_EQ(Choose<uint64_t>(DType::kU64, {~uint64_t{0}, 5}), DType::kI8);
  EXPECT_EQ(Choose<uint32_t>(DType::kU32, {0xf0000000u, 5}), DType::kI32);
  EXPECT_EQ(Choose<int32_t>(DType::kI32, {0x10000}), std::nullopt);
  EXPECT_EQ(Choose<int16_t>(DType::kI16, {256}), std::nullopt);
  EXPECT_EQ(Choose<uint8_t>(DType::kU8, {1}), std::nullopt);
  EXPECT_EQ(Choose<uint8_t>(DType::kBool, {1, 255}), DType::kU8);
  EXPECT_EQ(Choose<uint8_t>(DType::kF8E4M3, {0x80, 0}), DType::kI8);
}

TEST(RecodeTest, FloatsTakeWhatHoldsThemBitForBit) {
  EXPECT_EQ(Choose<float>(DType::kF32, {0, 200}), DType::kU8);
  EXPECT_EQ(Choose<float>(DType::kF32, {-0.0f, 200}), DType::kBF16) << "-0 is no integer";
  EXPECT_EQ(Choose<float>(DType::kF32, {1.5f, 0x1p100f}), DType::kBF16);
  EXPECT_EQ(Choose<float>(DType::kF32, {1.0009765625f}), DType::kF16);
  EXPECT_EQ(Choose<float>(DType::kF32, {1.0009765625f, 0x1p100f}), std::nullopt);
  EXPECT_EQ(Choose<float>(DType::kF32, {1001}), DType::kU16);
  EXPECT_EQ(Choose<double>(DType::kF64, {0.1f, 1e-40f}), DType::kF32);
  EXPECT_EQ(Choose<double>(DType::kF64, {0.1}), std::nullopt);
  EXPECT_EQ(Choose<double>(DType::kF64, {-2147483648.0, 70001}), DType::kI32);
  EXPECT_EQ(Choose<uint32_t>(DType::kF32, {0x7fc00000}), DType::kBF16) << "a NaN of a short payload";
  EXPECT_EQ(Choose<uint32_t>(DType::kF32, {0x7fc00001}), std::nullopt) << "a NaN of a long payload";
}

TEST(WordsTest, JoinUndoesSplit) {
  std::mt19937_64 random(2);
  Bytes packed;
  for (int i = 0; i < 1000; ++i) AppendLittleEndian(random() >> (random() % 64), 8, packed);
  for (DType dtype : {DType::kU64, DType::kI64, DType::kF64}) {
    for (bool differences : {false, true}) {
      Bytes joined(packed.size());
      JoinWords(dtype, SplitWords(dtype, differences, packed), joined);
      EXPECT_TRUE(joined == packed);
    }
  }
}

TEST(WordsTest, DifferencesOfRisingNumbersFit) {
  std::mt19937_64 random(3);
  std::vector<uint64_t> times, noise;
  for (uint64_t i = 0; i < 1000; ++i) {
    times.push_back(1700000000000000000 + i * 1000000 + random() % 1000);
    noise.push_back(random());
  }
  EXPECT_TRUE(DifferencesFitLowWords(DType::kI64, BytesOf(times)));
  EXPECT_FALSE(DifferencesFitLowWords(DType::kI64, BytesOf(noise)));
  EXPECT_FALSE(DifferencesFitLowWords(DType::kF64, BytesOf(std::vector<double>(5, 0.1))));
}

}  // namespace
}  // namespace dcac
