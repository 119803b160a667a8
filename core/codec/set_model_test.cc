#include "core/codec/set_model.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "core/codec/random_models.h"
#include "core/codec/range_coder.h"

namespace dcac {
namespace {

void ExpectEqual(const SetModel& a, const SetModel& b) {
  EXPECT_EQ(a.skew, b.skew);
  EXPECT_EQ(a.lanes_log2, b.lanes_log2);
  EXPECT_EQ(a.table_bits, b.table_bits);
  EXPECT_EQ(a.base_exponent, b.base_exponent);
  EXPECT_EQ(a.low_code, b.low_code);
  EXPECT_EQ(a.high_code, b.high_code);
  EXPECT_EQ(a.has_mode, b.has_mode);
  EXPECT_EQ(a.mode_sample, b.mode_sample);
  EXPECT_EQ(a.has_west, b.has_west);
  EXPECT_EQ(a.has_north, b.has_north);
  EXPECT_EQ(a.has_reference, b.has_reference);
  EXPECT_EQ(a.has_escape, b.has_escape);
  EXPECT_EQ(a.shift, b.shift);
  EXPECT_EQ(a.unit_exponent, b.unit_exponent);
  EXPECT_EQ(a.sends_means, b.sends_means);
  EXPECT_EQ(a.mean_prior, b.mean_prior);
  EXPECT_EQ(a.error_prior, b.error_prior);
  for (size_t c = 0; c < kNumClasses; ++c) {
    EXPECT_EQ(a.spatial[c].tap, b.spatial[c].tap);
    EXPECT_EQ(a.spatial[c].unit, b.spatial[c].unit);
    EXPECT_EQ(a.spatial[c].mean, b.spatial[c].mean);
    EXPECT_EQ(a.sigma[c].tap, b.sigma[c].tap);
    EXPECT_EQ(a.sigma[c].spread, b.sigma[c].spread);
    EXPECT_EQ(a.sigma[c].running, b.sigma[c].running);
    EXPECT_EQ(a.sigma[c].unit, b.sigma[c].unit);
    EXPECT_EQ(a.sigma[c].recent, b.sigma[c].recent);
    EXPECT_EQ(a.sigma[c].reference, b.sigma[c].reference);
    EXPECT_EQ(a.sigma[c].local, b.sigma[c].local);
  }
  ASSERT_EQ(a.planes.size(), b.planes.size());
  for (size_t p = 0; p < a.planes.size(); ++p) {
    EXPECT_EQ(a.planes[p].mean, b.planes[p].mean);
    EXPECT_EQ(a.planes[p].references, b.planes[p].references);
    ASSERT_EQ(a.planes[p].terms.size(), b.planes[p].terms.size());
    for (size_t i = 0; i < a.planes[p].terms.size(); ++i) {
      const Term &s = a.planes[p].terms[i], &t = b.planes[p].terms[i];
      EXPECT_EQ(s.kind, t.kind);
      EXPECT_EQ(s.plane, t.plane);
      EXPECT_EQ(s.index, t.index);
      EXPECT_EQ(s.weight, t.weight);
    }
  }
  EXPECT_EQ(a.position_thresholds, b.position_thresholds);
  EXPECT_EQ(a.activity_thresholds, b.activity_thresholds);
  EXPECT_EQ(a.cluster, b.cluster);
  EXPECT_EQ(a.fixed_center, b.fixed_center);
  EXPECT_EQ(a.center, b.center);
  EXPECT_EQ(a.num_tokens, b.num_tokens);
  EXPECT_EQ(a.tables, b.tables);
}

struct Setting {
  SampleKind kind;
  SetShape shape;
  std::vector<int> same_channel;
};

Setting SettingOf(SampleKind kind, int items, int channels) {
  Setting s{kind, {items * channels, 5, 7}, {}};
  for (int p = 0; p < items * channels; ++p) s.same_channel.push_back(p - channels >= 0 ? p - channels : -1);
  return s;
}

bool Encode(const Setting& s, const SetModel& model, Bytes& bytes) {
  RangeEncoder encoder;
  EncodeSetModel(encoder, s.kind, s.shape, s.same_channel, model);
  bytes = encoder.Finish();
  return !encoder.failed();
}

bool Refuses(const Setting& s, const SetModel& model) {
  Bytes bytes;
  const bool encoded = Encode(s, model, bytes);
  RangeDecoder decoder(bytes);
  DecodeSetModel(decoder, s.kind, s.shape, s.same_channel);
  EXPECT_FALSE(encoded);
  return decoder.failed() || !encoded;
}

TEST(SetModelTest, AnyModelRoundTrips) {
  RandomModels generator(1);
  for (int round = 0; round < 60; ++round) {
    for (SampleKind kind : kAllKinds) {
      const Setting s = SettingOf(kind, 1 + generator.Below(3), 1 + generator.Below(20));
      const SetModel model = generator.Model(kind, s.shape, s.same_channel);
      Bytes bytes;
      ASSERT_TRUE(Encode(s, model, bytes)) << round << " kind " << static_cast<int>(kind);
      RangeDecoder decoder(bytes);
      const SetModel decoded = DecodeSetModel(decoder, s.kind, s.shape, s.same_channel);
      ASSERT_FALSE(decoder.failed()) << round << " kind " << static_cast<int>(kind);
      ExpectEqual(model, decoded);
      if (HasFailure()) return;
    }
  }
}

class SetModelRangeTest : public ::testing::Test {
 protected:
  // A model with all parts: sends means, has terms and several clusters.
  SetModelRangeTest() {
    RandomModels generator(2);
    do {
      model_ = generator.Model(setting_.kind, setting_.shape, setting_.same_channel);
    } while (!model_.sends_means || model_.planes[7].terms.empty() || model_.position_thresholds.size() < 2 ||
             model_.skew != 1 || model_.tables.size() < 2);
  }

  Setting setting_ = SettingOf(SampleKind::kBF16, 2, 8);
  SetModel model_;
};

TEST_F(SetModelRangeTest, TheModelItselfIsFine) {
  Bytes bytes;
  EXPECT_TRUE(Encode(setting_, model_, bytes));
}

TEST_F(SetModelRangeTest, RefusesSkew) {
  model_.skew = kMaxSkew + 1;
  EXPECT_TRUE(Refuses(setting_, model_));
}

TEST_F(SetModelRangeTest, RefusesLanes) {
  model_.lanes_log2 = kMaxLanesLog2 + 1;
  EXPECT_TRUE(Refuses(setting_, model_));
}

TEST_F(SetModelRangeTest, RefusesTableBits) {
  model_.table_bits = 13;
  EXPECT_TRUE(Refuses(setting_, model_));
}

TEST_F(SetModelRangeTest, RefusesBaseExponents) {
  model_.base_exponent = 0;
  EXPECT_TRUE(Refuses(setting_, model_));
  setting_.kind = SampleKind::kF16;
  for (int base : {112, 143, 254}) {
    model_.base_exponent = base;
    EXPECT_TRUE(Refuses(setting_, model_)) << base;
  }
}

TEST_F(SetModelRangeTest, RefusesAReversedRange) {
  model_.low_code = 5;
  model_.high_code = 4;
  EXPECT_TRUE(Refuses(setting_, model_));
}

TEST_F(SetModelRangeTest, RefusesCodesBeyondTheKind) {
  model_.high_code = SampleMap(setting_.kind, model_.base_exponent).MaxCode() + 1;
  EXPECT_TRUE(Refuses(setting_, model_));
}

TEST_F(SetModelRangeTest, RefusesUnits) {
  model_.unit_exponent = 101;
  EXPECT_TRUE(Refuses(setting_, model_));
}

TEST_F(SetModelRangeTest, RefusesPriors) {
  model_.mean_prior = (1 << 22) + 1;
  EXPECT_TRUE(Refuses(setting_, model_));
  model_.mean_prior = 0;
  model_.error_prior = -1;
  EXPECT_TRUE(Refuses(setting_, model_));
}

TEST_F(SetModelRangeTest, RefusesMeans) {
  model_.planes[3].mean = (1 << 22) + 1;
  EXPECT_TRUE(Refuses(setting_, model_));
}

TEST_F(SetModelRangeTest, RefusesWeights) {
  SetModel changed = model_;
  changed.spatial[0].tap[2] = kMaxWeight + 1;
  EXPECT_TRUE(Refuses(setting_, changed));
  changed = model_;
  changed.spatial[3].unit = -kMaxWeight - 1;
  EXPECT_TRUE(Refuses(setting_, changed));
  changed = model_;
  changed.spatial[1].mean = kMinMeanWeight - 1;
  EXPECT_TRUE(Refuses(setting_, changed));
  changed = model_;
  changed.spatial[1].mean = kMaxWeight + 1;
  EXPECT_TRUE(Refuses(setting_, changed));
  changed = model_;
  changed.sigma[2].local = kMaxWeight + 1;
  EXPECT_TRUE(Refuses(setting_, changed));
  changed = model_;
  changed.planes[7].terms[0].weight = kMaxWeight + 1;
  EXPECT_TRUE(Refuses(setting_, changed));
}

TEST_F(SetModelRangeTest, RefusesTooManyTerms) {
  Bytes bytes;
  for (PlaneModel& plane : model_.planes) plane.terms.clear();
  setting_.shape.height = setting_.shape.width = 20;
  model_.planes[7].terms.assign(kMaxTerms, Term{});
  EXPECT_TRUE(Encode(setting_, model_, bytes));
  model_.planes[7].terms.assign(kMaxTerms + 1, Term{});
  EXPECT_TRUE(Refuses(setting_, model_));
  setting_.shape.height = setting_.shape.width = 4;
  model_.planes[7].terms.assign(4, Term{});
  EXPECT_TRUE(Encode(setting_, model_, bytes));
  model_.planes[7].terms.assign(5, Term{});
  EXPECT_TRUE(Refuses(setting_, model_)) << "of planes of 16 samples";
}

TEST_F(SetModelRangeTest, RefusesTooManyReferences) {
  model_.skew = 4;
  setting_ = SettingOf(setting_.kind, 1, 20);
  setting_.shape.height = setting_.shape.width = 20;
  RandomModels generator(3);
  model_.planes.resize(20);
  model_.planes[19].terms.clear();
  for (int q = 0; q < kMaxReferences; ++q) model_.planes[19].terms.push_back({TermKind::kInnovation, q, 0, 1});
  Bytes bytes;
  EXPECT_TRUE(Encode(setting_, model_, bytes));
  model_.planes[19].terms.push_back({TermKind::kInnovation, kMaxReferences, 0, 1});
  EXPECT_TRUE(Refuses(setting_, model_));
}

TEST_F(SetModelRangeTest, RefusesReferencesOfTheFirstPlaneAndForward) {
  SetModel changed = model_;
  changed.planes[0].terms = {{TermKind::kInnovation, 0, 0, 1}};
  EXPECT_TRUE(Refuses(setting_, changed));
  changed = model_;
  changed.planes[5].terms = {{TermKind::kInnovation, 5, 0, 1}};
  EXPECT_TRUE(Refuses(setting_, changed));
}

TEST_F(SetModelRangeTest, RefusesNeighboursThatAreTooClose) {
  ASSERT_EQ(model_.skew, 1);
  model_.planes[7].terms = {{TermKind::kNeighbour, 3, 0, 1}};
  Bytes bytes;
  EXPECT_TRUE(Encode(setting_, model_, bytes));
  model_.planes[7].terms = {{TermKind::kNeighbour, 4, 0, 1}};
  EXPECT_TRUE(Refuses(setting_, model_));
  // Also where another term has named the plane before.
  model_.planes[7].terms = {{TermKind::kInnovation, 4, 0, 1}, {TermKind::kNeighbour, 4, 0, 1}};
  EXPECT_TRUE(Refuses(setting_, model_));
}

TEST_F(SetModelRangeTest, RefusesEmptyTables) {
  std::fill(model_.tables[1].begin(), model_.tables[1].end(), 0u);
  EXPECT_TRUE(Refuses(setting_, model_));
}

TEST_F(SetModelRangeTest, RefusesNoTokens) {
  model_.num_tokens = 0;
  for (auto& table : model_.tables) table.clear();
  EXPECT_TRUE(Refuses(setting_, model_));
}

TEST(SetModelTest, AnyBytesDecodeToAModelWithinItsBounds) {
  std::mt19937_64 random(4);
  RandomModels generator(5);
  int accepted = 0;
  for (int round = 0; round < 4000; ++round) {
    const Setting s = SettingOf(kAllKinds[random() % 8], 2, 6);
    Bytes bytes;
    if (round % 2 == 0) {
      bytes.resize(random() % 200);
      for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    } else {
      ASSERT_TRUE(Encode(s, generator.Model(s.kind, s.shape, s.same_channel), bytes));
      for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
        bytes[random() % bytes.size()] ^= static_cast<std::byte>(1 << (random() % 8));
      }
    }
    RangeDecoder decoder(bytes);
    const SetModel m = DecodeSetModel(decoder, s.kind, s.shape, s.same_channel);
    if (decoder.failed()) continue;
    ++accepted;
    const SampleMap map(s.kind, m.base_exponent);
    ASSERT_TRUE(m.skew >= 1 && m.skew <= kMaxSkew);
    ASSERT_LE(map.MinCode(), m.low_code);
    ASSERT_LE(m.low_code, m.high_code);
    ASSERT_LE(m.high_code, map.MaxCode());
    ASSERT_TRUE(std::is_sorted(m.position_thresholds.begin(), m.position_thresholds.end()));
    ASSERT_TRUE(std::is_sorted(m.activity_thresholds.begin(), m.activity_thresholds.end()));
    ASSERT_EQ(m.cluster.size(), static_cast<size_t>(m.position_bins() * m.activity_bins()));
    for (uint8_t cluster : m.cluster) ASSERT_LT(cluster, m.tables.size());
    for (int32_t center : m.center) ASSERT_TRUE(center >= m.low_code && center <= m.high_code);
    for (size_t p = 0; p < m.planes.size(); ++p) {
      ASSERT_LE(m.planes[p].references.size(), static_cast<size_t>(kMaxReferences));
      for (int q : m.planes[p].references) ASSERT_LT(q, static_cast<int>(p));
    }
    for (const auto& table : m.tables) ASSERT_EQ(table.size(), static_cast<size_t>(m.num_tokens));
  }
  EXPECT_GT(accepted, 0);
}

TEST(NormalizeTableTest, SumsUpKeepsUsedTokensAndTheirOrder) {
  std::mt19937_64 random(6);
  for (int round = 0; round < 20000; ++round) {
    const int table_bits = 10 + static_cast<int>(random() % 3);
    std::vector<uint32_t> weights(1 + random() % 256, 0);
    for (uint32_t& weight : weights) {
      if (random() % 3 != 0) weight = static_cast<uint32_t>(random() & 0x1fff) >> random() % 14;
    }
    if (std::accumulate(weights.begin(), weights.end(), 0u) == 0) weights[0] = 1;
    const std::vector<uint32_t> f = NormalizeTable(weights, table_bits);
    ASSERT_EQ(f.size(), weights.size());
    ASSERT_EQ(std::accumulate(f.begin(), f.end(), 0u), 1u << table_bits);
    for (size_t i = 0; i < f.size(); ++i) ASSERT_EQ(f[i] > 0, weights[i] > 0);
  }
}

TEST(NormalizeTableTest, WorkedExamples) {
  EXPECT_EQ(NormalizeTable({0, 7, 0}, 10), (std::vector<uint32_t>{0, 1024, 0}));
  EXPECT_EQ(NormalizeTable({1, 1, 2}, 10), (std::vector<uint32_t>{256, 256, 512}));
  EXPECT_EQ(NormalizeTable({1, 1, 1}, 10),
            (std::vector<uint32_t>{342, 341, 341}));  // the rest to the first of the largest
  EXPECT_EQ(NormalizeTable({7168, 1, 7168, 0}, 10), (std::vector<uint32_t>{512, 1, 511, 0}));
}

TEST(NormalizeTableTest, TakesFromTheLargestWhereMinimaDoNotFit) {
  std::vector<uint32_t> weights(256, 1);
  weights[0] = 7168;
  weights[1] = 7168;
  const std::vector<uint32_t> f = NormalizeTable(weights, 10);
  EXPECT_EQ(std::accumulate(f.begin(), f.end(), 0u), 1024u);
  EXPECT_EQ(f[2], 1u);
  EXPECT_LE(f[1] - f[0], 1u);
}

TEST(QuantizerTest, CountsThresholdsReached) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::vector<int32_t> thresholds(random() % kMaxPositionBins);
    const int shift = static_cast<int>(random() % 32);
    for (int32_t& t : thresholds) t = static_cast<int32_t>(random()) >> shift;
    std::sort(thresholds.begin(), thresholds.end());
    const Quantizer quantizer(thresholds);
    const auto check = [&](int32_t value) {
      size_t expected = 0;
      for (int32_t t : thresholds) expected += t <= value;
      ASSERT_EQ(quantizer.BinOf(value), expected) << value;
    };
    for (int i = 0; i < 20; ++i) check(std::min(INT32_MAX - 1, static_cast<int32_t>(random()) >> shift));
    for (int32_t t : thresholds) {
      check(std::min(t, INT32_MAX - 1));
      check(t == INT32_MIN ? t : t - 1);
    }
    check(INT32_MIN);
    check(INT32_MAX - 1);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace dcac
