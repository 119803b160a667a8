// Encoder and decoder of rows against each other.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "core/codec/rope.h"
#include "core/codec/row_decoder.h"
#include "core/codec/row_encoder.h"

namespace dcac {
namespace {

struct RowData {
  RowShape shape;
  std::vector<uint32_t> samples;
};

uint32_t ToSample(SampleKind kind, double value) {
  if (kind == SampleKind::kF32) return std::bit_cast<uint32_t>(static_cast<float>(value));
  if (kind == SampleKind::kBF16) return (std::bit_cast<uint32_t>(static_cast<float>(value)) + 0x8000u) >> 16;
  if (kind == SampleKind::kF16) {
    // Normal numbers only.
    const uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(value)) + 0x1000u;
    const uint32_t magnitude = bits & 0x7fffffffu;
    return (bits >> 16 & 0x8000u) | (magnitude < (113u << 23) ? 0u : (magnitude - (112u << 23)) >> 13);
  }
  const double scaled = value * 20;
  if (kind == SampleKind::kU8) return static_cast<uint32_t>(std::lround(std::clamp(scaled + 128, 0.0, 255.0)));
  const uint32_t mask = kind == SampleKind::kI8 ? 0xffu : kind == SampleKind::kI32 ? 0xffffffffu : 0xffffu;
  return static_cast<uint32_t>(std::lround(std::clamp(scaled, -127.0, 127.0))) & mask;
}

// Tokens of a vocabulary of 40 words, each with some noise of its own.
RowData WordRows(SampleKind kind, size_t items, size_t positions, size_t columns, double noise) {
  std::mt19937_64 random(columns * 7 + positions);
  std::normal_distribution<double> normal;
  std::vector<std::vector<double>> words(40, std::vector<double>(columns));
  for (auto& word : words) {
    for (double& value : word) value = normal(random);
  }
  RowData data;
  data.shape = {kind, items, positions, columns, 0};
  for (size_t row = 0; row < items * positions; ++row) {
    const auto& word = words[random() % words.size()];
    for (size_t c = 0; c < columns; ++c) {
      const double scale = c % 3 == 0 ? 4 : 0.5;
      data.samples.push_back(ToSample(kind, scale * (word[c] + noise * normal(random)) + static_cast<double>(c % 5)));
    }
  }
  return data;
}

size_t RoundTripBytes(const RowData& data, const EncodeOptions& options = {}) {
  const Bytes body = EncodeRows(data.shape, data.samples, options);
  std::vector<uint32_t> back;
  ByteReader reader(body);
  const absl::Status status = DecodeRows(data.shape, reader, back);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(back, data.samples);
  return body.size();
}

double RowBits(const RowData& data, const EncodeOptions& options = {}) {
  return static_cast<double>(RoundTripBytes(data, options)) * 8 / static_cast<double>(data.samples.size());
}

class RowKindTest : public testing::TestWithParam<SampleKind> {};

TEST_P(RowKindTest, ComesBack) {
  for (size_t columns : {16u, 17u, 64u, 100u}) {
    for (size_t positions : {1u, 2u, 33u}) {
      for (size_t items : {1u, 3u}) RoundTripBytes(WordRows(GetParam(), items, positions, columns, 0.1));
    }
  }
}

TEST_P(RowKindTest, AnyBitsComeBack) {
  std::mt19937_64 random(3);
  RowData data;
  data.shape = {GetParam(), 1, 40, 48, 0};
  const int bits = SampleBits(GetParam());
  for (size_t i = 0; i < data.shape.samples(); ++i)
    data.samples.push_back(static_cast<uint32_t>(random() >> (64 - bits)));
  RoundTripBytes(data);
}

TEST_P(RowKindTest, EqualSamplesComeBack) {
  RowData data;
  data.shape = {GetParam(), 1, 40, 48, 0};
  for (uint32_t sample : {0u, 1u, 0x42u}) {
    data.samples.assign(data.shape.samples(), sample);
    EXPECT_LT(RoundTripBytes(data), 400u);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, RowKindTest,
                         testing::Values(SampleKind::kU8, SampleKind::kI8, SampleKind::kU16, SampleKind::kI16,
                                         SampleKind::kI32, SampleKind::kF16, SampleKind::kBF16, SampleKind::kF32));

TEST(RowCodecTest, SimilarEarlierRowsSaveBits) {
  const RowData data = WordRows(SampleKind::kBF16, 1, 400, 192, 0.1);
  EncodeOptions intra;
  intra.mode = Mode::kIntra;
  EXPECT_LT(RowBits(data) + 2, RowBits(data, intra));
}

TEST(RowCodecTest, RepeatedRowsCostNextToNothing) {
  const RowData data = WordRows(SampleKind::kF16, 1, 400, 192, 0);
  const double all = 40.0 * 192 * 16 / 8;  // the vocabulary as it is
  EXPECT_LT(static_cast<double>(RoundTripBytes(data)), all + 2000);
}

TEST(RowCodecTest, ItemsAreIndependentWhereAsked) {
  RowData data = WordRows(SampleKind::kBF16, 1, 60, 64, 0);
  const std::vector<uint32_t> first = data.samples;
  data.samples.insert(data.samples.end(), first.begin(), first.end());
  data.shape.items = 2;
  EncodeOptions independent;
  independent.previous_item = false;
  const size_t together = RoundTripBytes(data), apart = RoundTripBytes(data, independent);
  EXPECT_LT(together * 3, apart * 2);
}

TEST(RowCodecTest, ExtremeRowsDoNotSpoilTheOthers) {
  RowData data = WordRows(SampleKind::kF32, 1, 200, 64, 0.1);
  const double before = RowBits(data);
  for (size_t c = 0; c < 64; ++c) data.samples[c] = std::bit_cast<uint32_t>(3e18f * (c % 2 ? 1.0f : -1.0f));
  for (size_t c = 0; c < 64; ++c) data.samples[64 * 90 + c] = 0x7fc00000u + static_cast<uint32_t>(c);
  EXPECT_LT(RowBits(data), before + 1);
}

// Keys: words turned by their position.
RowData RotatedRows(const Rope& rope, size_t positions, size_t heads) {
  const RowData words = WordRows(SampleKind::kF32, 1, positions, heads * rope.head_dim, 0.05);
  RowData data = words;
  data.shape.kind = SampleKind::kBF16;
  data.shape.head_dim = rope.head_dim;
  const RowRotation rotation(rope, words.shape.columns, positions);
  for (size_t row = 0; row < positions; ++row) {
    std::vector<float> values;
    for (size_t c = 0; c < words.shape.columns; ++c)
      values.push_back(std::bit_cast<float>(words.samples[row * words.shape.columns + c]));
    rotation.Redo(row, values.data());
    for (size_t c = 0; c < values.size(); ++c) {
      data.samples[row * values.size() + c] = ToSample(SampleKind::kBF16, static_cast<double>(values[c]));
    }
  }
  return data;
}

TEST(RowCodecTest, RotationsAreFoundByTrial) {
  for (const Rope& rope : {Rope{64, 64, 10000, false}, Rope{32, 32, 500000, true}, Rope{64, 32, 10000, false}}) {
    const RowData data = RotatedRows(rope, 500, 3);
    EncodeOptions given, none;
    given.rope_choice = RopeChoice::kGiven;
    given.rope = rope;
    none.rope_choice = RopeChoice::kNone;
    EXPECT_EQ(RoundTripBytes(data), RoundTripBytes(data, given));
    EXPECT_LT(RowBits(data) + 1, RowBits(data, none));
  }
}

TEST(RowCodecTest, ImpossibleRotationsAreNotUsed) {
  const RowData data = WordRows(SampleKind::kBF16, 1, 50, 64, 0.1);
  EncodeOptions options;
  options.rope_choice = RopeChoice::kGiven;
  options.rope = {48, 48, 10000, false};
  RoundTripBytes(data, options);
}

TEST(RowRotationTest, UndoIsTheInverseUpToRounding) {
  const Rope rope{8, 8, 10000, true};
  const RowRotation rotation(rope, 16, 1000);
  std::vector<float> row(16);
  for (size_t c = 0; c < 16; ++c) row[c] = static_cast<float>(c) - 7.5f;
  const std::vector<float> before = row;
  rotation.Redo(999, row.data());
  EXPECT_NEAR(row[0], -7.5 * std::cos(999.0) + 6.5 * std::sin(999.0), 1e-4);
  rotation.Undo(999, row.data());
  for (size_t c = 0; c < 16; ++c) EXPECT_NEAR(row[c], before[c], 1e-5);
}

TEST(RowCodecTest, DamagedBodiesAreRefusedOrDecodeToSamples) {
  const RowData data = WordRows(SampleKind::kBF16, 2, 30, 32, 0.2);
  const Bytes body = EncodeRows(data.shape, data.samples, {});
  std::vector<uint32_t> back;
  for (size_t n = 0; n < body.size(); ++n) {
    ByteReader reader(ByteSpan(body).first(n));
    EXPECT_FALSE(DecodeRows(data.shape, reader, back).ok()) << n;
  }
  for (size_t bit = 0; bit < body.size() * 8; ++bit) {
    Bytes damaged = body;
    damaged[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    ByteReader reader(damaged);
    (void)DecodeRows(data.shape, reader, back);  // must end without harm; checksums are the frame's
  }
}

// Sums of values that are no sample's would leave binary32.
TEST(RowModelTest, RefusesMeansBeyondAllSamples) {
  const RowShape shape{SampleKind::kBF16, 1, 2, kMinRowColumns, 0};
  const auto is_accepted = [&](int32_t mean, int scale) {
    RowModel model;
    model.columns.resize(shape.columns);
    model.columns.back() = {.scale = scale, .mean = mean};
    model.rows.resize(2);
    model.cluster.assign(kErrorBins * kPlaceBins, 0);
    model.num_tokens = 1;
    model.tables = {{1}};
    RangeEncoder side;
    EncodeRowModel(side, shape, model);
    return !side.failed();
  };
  EXPECT_TRUE(is_accepted(1 << 22, 8 * (64 - 22 + 4)));
  EXPECT_FALSE(is_accepted(1 << 22, 8 * (64 - 22 + 5)));
  EXPECT_FALSE(is_accepted(-(1 << 22), kMaxScale));
  EXPECT_TRUE(is_accepted(0, kMaxScale));
}

}  // namespace
}  // namespace dcac
