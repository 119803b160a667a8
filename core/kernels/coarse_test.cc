#include "core/kernels/coarse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "core/kernels/each_target.h"

namespace dcac {
namespace {

// The specification.
struct Samples {
  std::vector<uint32_t> samples;
  size_t bytes;

  std::vector<std::byte> Packed() const {
    std::vector<std::byte> packed;
    for (uint32_t sample : samples) {
      for (size_t b = 0; b < bytes; ++b) packed.push_back(static_cast<std::byte>(sample >> (8 * b)));
    }
    return packed;
  }
};

int CodeOf(const CoarseMap& map, uint32_t sample, size_t bytes) {
  if (sample == 0) return map.zero;
  const int code = map.CodeOf(bytes == 4 ? sample >> 16 : sample);
  for (size_t e = 0; e < map.num_exact; ++e) {
    if (code == map.exact[e].code && sample != map.exact[e].sample) return map.escape();
  }
  return code;
}

bool HasDetails(const CoarseMap& map, uint8_t code) {
  bool result = code != map.zero && code != map.escape();
  for (size_t e = 0; e < map.num_exact; ++e) result = result && code != map.exact[e].code;
  return result;
}

TEST(CoarseTest, CodesHaveTheirUpperBits) {
  CoarseMap map(7, 100, 120);
  const std::vector<int> detail_bits = {7, 4, 2, 2, 1, 0};
  for (size_t octave = 0; !map.is_complete(); ++octave) map.AddOctave(detail_bits[std::min(octave, size_t{5})]);
  EXPECT_EQ(map.end, 126);
  EXPECT_EQ(map.steps(), 1 + 8 + 32 + 32 + 64 + 128);
  for (int code = 0; code < 256; ++code) {
    if (code == map.zero || code == map.escape()) continue;
    const CoarseMap::Step step = map.StepOf(code);
    EXPECT_EQ(map.CodeOf(step.upper), code);
    EXPECT_EQ(map.CodeOf(step.upper | ((1u << step.detail_bits) - 1)), code);
    EXPECT_EQ(step.upper >> 15, code < map.zero ? 1u : 0u);
  }
  EXPECT_EQ(map.StepOf(102).upper, 120u << 7);
  EXPECT_EQ(map.StepOf(102).detail_bits, 7);
  EXPECT_EQ(map.StepOf(103).upper, 121u << 7);
  EXPECT_EQ(map.StepOf(104).upper, (121u << 7) + 16);
  EXPECT_EQ(map.StepOf(99).upper, 0x8000u | 120u << 7);
  EXPECT_EQ(map.CodeOf((120u << 7) - 1), map.escape());
  EXPECT_EQ(map.CodeOf(126u << 7), map.escape());
  EXPECT_EQ(map.CodeOf(0x8000u | 125u << 7), map.escape());  // beyond the codes of this side
}

TEST(CoarseTest, CodesWithoutStepsStandForNothing) {
  CoarseMap map(10, 0, 30);
  map.AddOctave(8);
  map.AddOctave(8);
  EXPECT_TRUE(map.is_complete());
  EXPECT_EQ(map.StepOf(9).upper, (31u << 10) + 3 * 256);
  EXPECT_EQ(map.StepOf(10).upper, 0u);
  EXPECT_EQ(map.StepOf(10).detail_bits, 0);
}

CoarseMap RandomMap(std::mt19937_64& random, size_t bytes) {
  const int mantissa_bits = bytes == 2 && random() % 2 == 0 ? 10 : 7;
  const int zero = random() % 3 == 0 ? 0 : static_cast<int>(random() % (kMaxCoarseZero + 1));
  CoarseMap map(mantissa_bits, zero, 0);
  map.least = map.end = static_cast<int>(random() % static_cast<uint64_t>(map.num_octaves()));
  const int most = std::min(kMaxCoarseDetailBits, mantissa_bits);
  while (!map.is_complete()) map.AddOctave(static_cast<int>(random() % static_cast<uint64_t>(most + 1)));
  return map;
}

// `all_coded`: all but very few have codes with details, so that blocks have as many as they can.
Samples RandomSamples(std::mt19937_64& random, const CoarseMap& map, size_t bytes, size_t count, bool all_coded) {
  Samples result{{}, bytes};
  for (size_t i = 0; i < count; ++i) {
    uint32_t upper = static_cast<uint32_t>(random() % 0x10000);
    if (random() % 4 != 0) {
      const uint64_t octaves = static_cast<uint64_t>(std::min(map.end + 2, map.num_octaves()) - map.least);
      const uint32_t octave = static_cast<uint32_t>(map.least) + static_cast<uint32_t>(random() % octaves);
      upper = (upper & 0x8000) | octave << map.mantissa_bits | (upper & ((1u << map.mantissa_bits) - 1));
    }
    if (random() % 3 == 0) upper = 0;
    if (all_coded) {
      const int code = static_cast<int>(map.zero + 2 + random() % 254) & 255;  // neither zero nor the escape
      const CoarseMap::Step step = map.StepOf(code);
      upper = step.upper | (upper & ((1u << step.detail_bits) - 1));
    }
    const uint32_t low = random() % 3 == 0 ? 0 : static_cast<uint32_t>(random() % 0x10000);
    result.samples.push_back(bytes == 4 ? upper << 16 | low : upper);
  }
  return result;
}

// Some of the samples become exact ones, and frequent.
void AddExact(std::mt19937_64& random, size_t bytes, CoarseMap& map, Samples& samples) {
  if (samples.samples.empty()) return;
  const size_t wanted = random() % (kMaxCoarseExact + 1);
  for (size_t tries = 0; tries < 20 && map.num_exact < wanted; ++tries) {
    const uint32_t sample = samples.samples[random() % samples.samples.size()];
    const int code = CodeOf(map, sample, bytes);
    if (code == map.zero || code == map.escape() || !HasDetails(map, static_cast<uint8_t>(code))) continue;
    map.exact[map.num_exact++] = {static_cast<uint8_t>(code), sample};
    for (uint32_t& other : samples.samples) other = random() % 5 == 0 ? sample : other;
  }
}

// Bits as they are written: the first in the low bit of the first byte.
class Bits {
 public:
  void Append(uint32_t value, int count) {
    for (int b = 0; b < count; ++b) bits_.push_back((value >> b & 1) != 0);
  }
  size_t size() const { return bits_.size(); }
  std::vector<std::byte> Packed() const {
    std::vector<std::byte> packed((bits_.size() + 7) / 8);
    for (size_t i = 0; i < bits_.size(); ++i) packed[i / 8] |= static_cast<std::byte>(bits_[i] ? 1 << i % 8 : 0);
    return packed;
  }

 private:
  std::vector<bool> bits_;
};

// What the specification makes of samples.
struct Expected {
  std::vector<uint8_t> codes;
  Bits details;
  std::vector<uint16_t> low;
  Samples joined;
};
Expected ExpectedOf(const CoarseMap& map, const Samples& samples) {
  Expected result{{}, {}, {}, {{}, samples.bytes}};
  for (const uint32_t sample : samples.samples) {
    const uint8_t code = static_cast<uint8_t>(CodeOf(map, sample, samples.bytes));
    result.codes.push_back(code);
    result.joined.samples.push_back(code == map.escape() ? 0 : sample);
    if (!HasDetails(map, code)) continue;
    result.details.Append(samples.bytes == 4 ? sample >> 16 : sample, map.StepOf(code).detail_bits);
    if (samples.bytes == 4) result.low.push_back(static_cast<uint16_t>(sample));
  }
  return result;
}

TEST(CoarseTest, SplitsAndJoinsAsSpecifiedOnAllTargets) {
  ForEachTarget([] {
    std::mt19937_64 random(1);
    for (size_t count : {0, 1, 2, 31, 63, 64, 65, 127, 128, 200, 1000, 1024, 1025, 3000}) {
      for (size_t bytes : {2, 4}) {
        for (int repetition = 0; repetition < 20; ++repetition) {
          CoarseMap map = RandomMap(random, bytes);
          Samples samples = RandomSamples(random, map, bytes, count, repetition % 4 == 0);
          AddExact(random, bytes, map, samples);
          const Expected expected = ExpectedOf(map, samples);
          const std::vector<std::byte> packed = samples.Packed();
          const CoarseTables tables(map, bytes);
          // After some bits of others.
          const unsigned before = static_cast<unsigned>(random() % 8);
          std::vector<uint8_t> codes(count + kCoarsePadding);
          std::vector<std::byte> details(count + 1 + kCoarsePadding);
          std::vector<uint16_t> low(count + kCoarsePadding);
          CoarseBitWriter writer{details.data(), 0, before};
          uint16_t* next_low = low.data();
          SplitCoarse(tables, packed.data(), count, codes.data(), writer, next_low);
          details.resize(static_cast<size_t>(writer.Finish() - details.data()));
          codes.resize(count);
          low.resize(static_cast<size_t>(next_low - low.data()));
          Bits bits;
          bits.Append(0, static_cast<int>(before));
          for (size_t i = 0; i < count; ++i) {
            if (!HasDetails(map, codes[i])) continue;
            const uint32_t upper = bytes == 4 ? samples.samples[i] >> 16 : samples.samples[i];
            bits.Append(upper, map.StepOf(codes[i]).detail_bits);
          }
          ASSERT_EQ(codes, expected.codes);
          ASSERT_EQ(details, bits.Packed());
          ASSERT_EQ(low, expected.low);
          // Low halves of any alignment; some may be missing, and details too.
          std::vector<std::byte> back(packed.size() + 1), low_bytes(2 * low.size() + 1);
          if (!low.empty()) std::memcpy(low_bytes.data() + 1, low.data(), 2 * low.size());
          const CoarseReader all{details, ByteSpan(low_bytes).subspan(1), before};
          CoarseReader rest = all;
          JoinCoarse(tables, codes.data(), count, rest, back.data());
          EXPECT_EQ(rest.detail_bits, before + expected.details.size());
          EXPECT_EQ(rest.low_bytes, 2 * low.size());
          const CoarseReader read = std::exchange(rest, all);
          rest.details = rest.details.first(random() % (rest.details.size() + 1));
          rest.low = rest.low.first(random() % (rest.low.size() + 1));
          std::vector<std::byte> other(back.size());
          JoinCoarse(tables, codes.data(), count, rest, other.data());
          EXPECT_EQ(rest.detail_bits, read.detail_bits);
          EXPECT_EQ(rest.low_bytes, read.low_bytes);
          back.pop_back();
          EXPECT_EQ(back, expected.joined.Packed());
        }
      }
    }
  });
}

}  // namespace
}  // namespace dcac
