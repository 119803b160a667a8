#include "core/codec/wave_decoder.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/exact_math.h"
#include "core/codec/random_models.h"
#include "core/codec/set_decoder.h"
#include "core/codec/set_encoder.h"
#include "core/kernels/each_target.h"

namespace dcac {
namespace {

// Planes that resemble each other, with repeated samples and, of floats, escapes.
SetInput InputOf(SampleKind kind, const SetShape& shape, uint64_t seed) {
  std::mt19937_64 random(seed);
  SetInput input;
  input.kind = kind;
  input.shape = shape;
  input.same_channel.assign(static_cast<size_t>(shape.planes), -1);
  input.item_begin.assign(static_cast<size_t>(shape.planes), 0);
  const int bits = SampleBits(kind);
  const uint32_t mask = ~0u >> (32 - bits);
  const uint32_t one = kind == SampleKind::kF16 ? 0x3c00u : IsFloat(kind) ? 0x3f800000u >> (32 - bits) : mask / 4;
  std::vector<uint32_t> place(static_cast<size_t>(shape.plane_samples()));
  for (uint32_t& p : place) p = static_cast<uint32_t>(random() % 64);
  for (int plane = 0; plane < shape.planes; ++plane) {
    for (size_t i = 0; i < place.size(); ++i) {
      const uint32_t noise = static_cast<uint32_t>(random());
      uint32_t sample = one + (place[i] + noise % 8) * (one >> 8 | 1);
      if (noise >> 29 == 0) sample = 0;
      if (noise >> 29 == 1 && i > 0) sample = input.samples.back();
      if (noise >> 24 == 0xff) sample = ~(noise << 12);
      input.samples.push_back(sample & mask);
    }
  }
  return input;
}

struct Coded {
  SetModel model;
  Bytes entropy_coded, raw_bits;
};

// All targets must say the same as the decoder that goes sample by sample.
void ExpectAgreement(SampleKind kind, const SetShape& shape, const Coded& coded) {
  const FloatEnvironment environment;
  std::vector<uint32_t> expected;
  SetAccount account;
  const absl::Status status =
      DecodeSet(kind, shape, coded.model, coded.entropy_coded, coded.raw_bits, expected, &account);
  ForEachTarget([&] {
    std::vector<uint32_t> samples;
    const absl::Status other = DecodeWaves(kind, shape, coded.model, coded.entropy_coded, coded.raw_bits, samples);
    EXPECT_EQ(other.code(), status.code()) << other << " instead of " << status;
    if (status.ok()) {
      EXPECT_EQ(samples, expected);
    }
  });
}

class WaveDecoderTest : public testing::TestWithParam<SampleKind> {
 protected:
  static Coded Encode(const SetInput& input) {
    EncodedSet set = EncodeSet(input, SetEncoderOptions());
    return {std::move(set.model), std::move(set.entropy_coded), std::move(set.raw_bits)};
  }
};

TEST_P(WaveDecoderTest, DecodesPlanesOfAllSizesAsSampleBySample) {
  const SetShape shapes[] = {{3, 1, 1},  {2, 1, 40}, {2, 40, 1}, {5, 2, 2},   {9, 3, 5},   {40, 7, 7},
                             {6, 14, 9}, {5, 9, 33}, {4, 33, 9}, {3, 40, 70}, {12, 28, 28}};
  for (const SetShape& shape : shapes) {
    SCOPED_TRACE(absl::StrCat(shape.planes, " x ", shape.height, " x ", shape.width));
    const SetInput input = InputOf(GetParam(), shape, 7);
    const Coded coded = Encode(input);
    std::vector<uint32_t> samples;
    ASSERT_TRUE(DecodeWaves(input.kind, shape, coded.model, coded.entropy_coded, coded.raw_bits, samples).ok());
    EXPECT_EQ(samples, input.samples);
    ExpectAgreement(input.kind, shape, coded);
  }
}

TEST_P(WaveDecoderTest, RefusesDamagedStreamsAsSampleBySample) {
  const SetShape shape{6, 12, 11};
  const Coded coded = Encode(InputOf(GetParam(), shape, 8));
  std::mt19937_64 random(9);
  for (int round = 0; round < 60; ++round) {
    Coded damaged = coded;
    Bytes& bytes = !coded.raw_bits.empty() && round % 2 == 0 ? damaged.raw_bits : damaged.entropy_coded;
    const size_t at = random() % bytes.size();
    if (round % 3 == 0) {
      bytes.resize(round % 2 == 0 ? at : at / 2 * 2);
    } else {
      bytes[at] ^= static_cast<std::byte>(1u << random() % 8);
    }
    ExpectAgreement(GetParam(), shape, damaged);
  }
}

// Of models with extreme weights, which only a hostile frame has.
TEST_P(WaveDecoderTest, TakesAnyModelAsSampleBySample) {
  const SetShape shape{5, 6, 9};
  const std::vector<int> same_channel(5, -1);
  RandomModels models(10);
  std::mt19937_64 random(11);
  for (int round = 0; round < 200; ++round) {
    Coded coded;
    coded.model = models.Model(GetParam(), shape, same_channel);
    if (round % 2 == 0) {  // few samples leave the widest range
      const SampleMap map(GetParam(), coded.model.base_exponent);
      coded.model.low_code = map.MinCode();
      coded.model.high_code = map.MaxCode();
      coded.model.num_tokens = std::min(coded.model.num_tokens, 40);
      for (auto& table : coded.model.tables) {
        table.resize(static_cast<size_t>(coded.model.num_tokens), 0);
        table.back() = 1;
      }
    }
    coded.entropy_coded.resize((size_t{4} << coded.model.lanes_log2) + 2000);
    for (std::byte& b : coded.entropy_coded) b = static_cast<std::byte>(random() % 128);
    coded.raw_bits.resize(IsNarrow(GetParam()) ? 0 : 2000);
    for (std::byte& b : coded.raw_bits) b = static_cast<std::byte>(random());
    ExpectAgreement(GetParam(), shape, coded);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, WaveDecoderTest, testing::ValuesIn(kAllKinds));

}  // namespace
}  // namespace dcac
