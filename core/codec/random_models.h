// Tests: models of plane sets that frames can carry, but that no encoder would choose.
#ifndef DCAC_CORE_CODEC_RANDOM_MODELS_H_
#define DCAC_CORE_CODEC_RANDOM_MODELS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "core/codec/sample_map.h"
#include "core/codec/set_model.h"
#include "core/codec/wave.h"

namespace dcac {

inline constexpr SampleKind kAllKinds[] = {SampleKind::kU8,  SampleKind::kI8,  SampleKind::kU16,  SampleKind::kI16,
                                           SampleKind::kI32, SampleKind::kF16, SampleKind::kBF16, SampleKind::kF32};

class RandomModels {
 public:
  explicit RandomModels(uint64_t seed) : random_(seed) {}

  int Below(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
  int32_t Within(int32_t limit) { return Below(2 * limit + 1) - limit; }
  bool Flag() { return random_() % 2 == 0; }

  // A model that a frame can carry: all fields in their ranges and on the grids
  // that the format rounds them to.
  SetModel Model(SampleKind kind, const SetShape& shape, const std::vector<int>& same_channel) {
    SetModel m;
    m.planes.resize(static_cast<size_t>(shape.planes));
    m.skew = 1 + Below(kMaxSkew);
    m.lanes_log2 = Below(kMaxLanesLog2 + 1);
    m.table_bits = IsNarrow(kind) ? 10 : 10 + Below(3);
    const int least_base = SampleMap::MinBaseExponent(kind);
    if (IsFloat(kind)) m.base_exponent = least_base + Below(SampleMap::MaxBaseExponent(kind) - least_base + 1);
    const SampleMap map(kind, m.base_exponent);
    const int64_t span = int64_t{map.MaxCode()} - map.MinCode();
    m.low_code =
        static_cast<int32_t>(map.MinCode() + static_cast<int64_t>(random_() % static_cast<uint64_t>(span + 1)));
    m.high_code = static_cast<int32_t>(
        m.low_code + static_cast<int64_t>(random_() % static_cast<uint64_t>(map.MaxCode() - int64_t{m.low_code} + 1)));
    m.has_mode = Flag();
    if (m.has_mode) m.mode_sample = static_cast<uint32_t>(random_()) & (~0u >> (32 - SampleBits(kind)));
    if (!IsNarrow(kind)) {
      m.has_west = Flag();
      m.has_north = Flag();
      m.has_reference = Flag();
      m.has_escape = IsFloat(kind) && Flag();
      m.shift = Below(32);
      m.unit_exponent = Below(201) - 100;
    }
    m.mean_prior = Within(1 << 22);
    m.error_prior = Below((1 << 22) + 1);
    m.sends_means = Flag();
    if (m.sends_means) {
      for (PlaneModel& plane : m.planes) plane.mean = Within(1 << 22);
    }
    const bool terms = Flag();
    if (terms) Terms(shape, same_channel, m);
    Weights(terms && HasTerms(m), m);
    Cells(m);
    Tables(m);
    DeriveReferences(m);
    return m;
  }

 private:
  static bool HasTerms(const SetModel& m) {
    return std::any_of(m.planes.begin(), m.planes.end(), [](const PlaneModel& p) { return !p.terms.empty(); });
  }

  void Terms(const SetShape& shape, const std::vector<int>& same_channel, SetModel& m) {
    for (int p = 0; p < shape.planes; ++p) {
      std::vector<Term>& terms = m.planes[static_cast<size_t>(p)].terms;
      std::vector<int> known;
      for (int i = 0, count = Below(MaxTerms(shape) + 1); i < count; ++i) {
        Term term;
        term.kind = static_cast<TermKind>(Below(kNumTermKinds));
        term.weight = Within(kMaxWeight);
        if (term.kind == TermKind::kTap) term.index = Below(kNumTaps);
        if (term.kind == TermKind::kNeighbour) term.index = Below(8);
        if (term.refers()) {
          if (p == 0) continue;
          const int channel = same_channel[static_cast<size_t>(p)];
          term.plane = channel >= 0 && Flag() ? channel : Below(p);
          if (term.kind == TermKind::kNeighbour && m.skew * (p - term.plane) < kNeighbourLead) continue;
          if (std::find(known.begin(), known.end(), term.plane) == known.end()) {
            if (known.size() == kMaxReferences) continue;
            known.push_back(term.plane);
          }
        }
        terms.push_back(term);
      }
    }
  }

  void Weights(bool terms, SetModel& m) {
    for (size_t c = 0; c < kNumClasses; ++c) {
      const size_t taps = static_cast<size_t>(kClassNumTaps[c]);
      for (size_t i = 0; i < taps; ++i) {
        m.spatial[c].tap[i] = Within(kMaxWeight);
        m.sigma[c].tap[i] = Within(kMaxWeight);
      }
      m.spatial[c].unit = Within(kMaxWeight);
      m.spatial[c].mean = kMinMeanWeight + Below(kMaxWeight - kMinMeanWeight + 1);
      if (taps > 0) m.sigma[c].spread = Within(kMaxWeight);
      m.sigma[c].running = Within(kMaxWeight);
      m.sigma[c].unit = Within(kMaxWeight);
      m.sigma[c].recent = Within(kMaxWeight);
      if (!terms) continue;
      m.sigma[c].reference = Within(kMaxWeight);
      m.sigma[c].local = Within(kMaxWeight);
    }
  }

  std::vector<int32_t> Thresholds(int most) {
    std::vector<int32_t> thresholds(static_cast<size_t>(Below(most + 1)));
    const int shift = Below(20);
    for (int32_t& t : thresholds) t = static_cast<int32_t>(static_cast<uint32_t>(random_()) >> shift << shift);
    if (!thresholds.empty() && thresholds[0] == INT32_MIN) thresholds[0] = 0;
    std::sort(thresholds.begin(), thresholds.end());
    return thresholds;
  }

  void Cells(SetModel& m) {
    m.position_thresholds = Thresholds(kMaxPositionBins - 1);
    m.activity_thresholds = Thresholds(kMaxActivityBins - 1);
    const int clusters = 1 + Below(kMaxClusters);
    m.tables.resize(static_cast<size_t>(clusters));
    const int drop = CenterDrop(m);
    for (int row = 0; row < m.position_bins(); ++row) {
      bool fixed = false;
      for (int column = 0; column < m.activity_bins(); ++column) {
        m.cluster.push_back(static_cast<uint8_t>(Below(clusters)));
        m.fixed_center.push_back(Below(4) == 0);
        fixed = fixed || m.fixed_center.back();
      }
      const int64_t steps = (int64_t{m.high_code} - m.low_code) >> drop;
      const int64_t step = fixed ? static_cast<int64_t>(random_() % static_cast<uint64_t>(steps + 1)) : 0;
      m.center.push_back(static_cast<int32_t>(m.low_code + (step << drop)));
    }
  }

  void Tables(SetModel& m) {
    m.num_tokens = 1 + Below(kMaxTokens);
    for (auto& table : m.tables) {
      for (int t = 0; t < m.num_tokens; ++t) {
        const int size = Flag() ? 0 : Below(14);
        uint32_t weight = size == 0 ? 0 : 1;
        for (int bit = 1; bit < size; ++bit) weight = weight << 1 | (bit < 3 && Flag() ? 1 : 0);
        table.push_back(weight);
      }
      if (std::all_of(table.begin(), table.end(), [](uint32_t w) { return w == 0; })) table.back() = 1;
    }
  }

  std::mt19937_64 random_;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_RANDOM_MODELS_H_
