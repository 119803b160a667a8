#include "core/kernels/coarse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
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
  const CoarseMap map{4, 100, 1000, 0, {}};
  for (int code = 0; code < 256; ++code) {
    if (code == map.zero || code == map.escape()) continue;
    EXPECT_EQ(map.CodeOf(map.Upper(code)), code);
    EXPECT_EQ(map.CodeOf(map.Upper(code) | 15), code);
    EXPECT_EQ(map.Upper(code) >> 15, code < map.zero ? 1u : 0u);
  }
  EXPECT_EQ(map.Upper(102), 16000u);
  EXPECT_EQ(map.Upper(103), 16016u);
  EXPECT_EQ(map.Upper(99), 0x8000u | 16000u);
  EXPECT_EQ(map.CodeOf(15999), map.escape());
}

CoarseMap RandomMap(std::mt19937_64& random) {
  CoarseMap map;
  map.zero = random() % 3 == 0 ? 0 : static_cast<int>(random() % (kMaxCoarseZero + 1));
  const int codes = std::max(map.positive(), map.negative());
  do {
    map.detail_bits = static_cast<int>(random() % (kMaxCoarseDetailBits + 1));
  } while (0x8000 >> map.detail_bits < codes);
  map.least = static_cast<uint32_t>(random() % static_cast<uint64_t>((0x8000 >> map.detail_bits) - codes + 1));
  return map;
}

// `all_coded`: all but very few have codes with details, so that blocks have as many as they can.
Samples RandomSamples(std::mt19937_64& random, const CoarseMap& map, size_t bytes, size_t count, bool all_coded) {
  Samples result{{}, bytes};
  for (size_t i = 0; i < count; ++i) {
    uint32_t upper = static_cast<uint32_t>(random() % 0x10000);
    if (random() % 4 != 0) {
      upper = (map.least + static_cast<uint32_t>(random() % 256)) << map.detail_bits | (upper & 0x8000);
      upper = (upper + static_cast<uint32_t>(random() % 256)) & 0xffff;
    }
    if (random() % 3 == 0) upper = 0;
    if (all_coded) {
      const int code = static_cast<int>(map.zero + 2 + random() % 254) & 255;  // neither zero nor the escape
      upper = map.Upper(code) | (upper & ((1u << map.detail_bits) - 1));
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

TEST(CoarseTest, SplitsAndJoinsAsSpecifiedOnAllTargets) {
  ForEachTarget([] {
    std::mt19937_64 random(1);
    for (size_t count : {0, 1, 2, 31, 63, 64, 65, 127, 128, 200, 1000}) {
      for (size_t bytes : {2, 4}) {
        for (int repetition = 0; repetition < 20; ++repetition) {
          CoarseMap map = RandomMap(random);
          Samples samples = RandomSamples(random, map, bytes, count, repetition % 4 == 0);
          AddExact(random, bytes, map, samples);
          const std::vector<std::byte> packed = samples.Packed();
          std::vector<uint8_t> codes(count + kCoarsePadding), details(count + kCoarsePadding);
          std::vector<uint16_t> low(count + 2 * kCoarsePadding);
          const size_t used = SplitCoarse(map, bytes, packed.data(), count, codes.data(), {details.data(), low.data()});
          size_t next = 0;
          std::vector<uint32_t> expected = samples.samples;
          for (size_t i = 0; i < count; ++i) {
            ASSERT_EQ(codes[i], CodeOf(map, samples.samples[i], bytes)) << i;
            if (codes[i] == map.escape()) expected[i] = 0;
            if (!HasDetails(map, codes[i])) continue;
            const uint32_t upper = bytes == 4 ? samples.samples[i] >> 16 : samples.samples[i];
            ASSERT_EQ(details[next], upper & ((1u << map.detail_bits) - 1)) << i;
            if (bytes == 4) {
              ASSERT_EQ(low[next], samples.samples[i] & 0xffff) << i;
            }
            ++next;
          }
          ASSERT_EQ(used, next);
          EXPECT_EQ(CountCoarseDetails(map, codes.data(), count), next);
          std::vector<std::byte> back(packed.size() + 1), low_bytes(2 * low.size() + 1);
          std::memcpy(low_bytes.data() + 1, low.data(), 2 * low.size());
          JoinCoarse(CoarseTables(map, bytes), codes.data(), count, details.data(), low_bytes.data() + 1, back.data());
          back.pop_back();
          EXPECT_EQ(back, (Samples{expected, bytes}).Packed());
        }
      }
    }
  });
}

TEST(CoarseTest, FieldsComeBackFromAsManyBytesAsTheyNeed) {
  ForEachTarget([] {
    std::mt19937_64 random(2);
    for (int bits = 0; bits <= kMaxCoarseDetailBits; ++bits) {
      for (size_t count : {0, 1, 7, 8, 9, 64, 65, 203}) {
        std::vector<uint8_t> fields(count);
        for (uint8_t& field : fields) field = static_cast<uint8_t>(random() & ((1u << bits) - 1));
        std::vector<std::byte> packed(PackedFieldBytes(count, bits) + kCoarsePadding);
        PackFields(fields.data(), count, bits, packed.data());
        packed.resize(PackedFieldBytes(count, bits));
        for (size_t i = 0; i < count; ++i) {
          for (int b = 0; b < bits; ++b) {
            const size_t at = i * static_cast<size_t>(bits) + static_cast<size_t>(b);
            ASSERT_EQ(std::to_integer<int>(packed[at / 8]) >> (at % 8) & 1, fields[i] >> b & 1);
          }
        }
        std::vector<uint8_t> back(count + kCoarsePadding);
        UnpackFields(packed.data(), count, bits, back.data());
        back.resize(count);
        EXPECT_EQ(back, fields);
      }
    }
  });
}

}  // namespace
}  // namespace dcac
