#include "core/codec/set_model.h"

#include <algorithm>
#include <bit>

#include "core/codec/range_coder.h"
#include "core/codec/table_coder.h"

namespace dcac {
namespace {

// One description for both directions: Coder is RangeEncoder or RangeDecoder.  A value out of its range makes the coder
// fail and is cut, so that no later step runs off; the caller sees failed() at the end.
template <typename Coder>
class ModelCoder {
 public:
  ModelCoder(Coder& coder, SampleKind kind, const SetShape& shape, const std::vector<int>& same_channel,
             SetModel& model)
      : coder_(coder), kind_(kind), shape_(shape), same_channel_(same_channel), model_(model) {}

  void Run() {
    CodeHead();
    CodeMeans();
    for (SpatialWeights& weights : model_.spatial) CodeSpatial(weights, &weights - model_.spatial.data());
    CodeTerms();
    for (SigmaWeights& weights : model_.sigma) CodeSigma(weights, &weights - model_.sigma.data());
    CodeThresholds(kMaxPositionBins, model_.position_thresholds);
    CodeThresholds(kMaxActivityBins, model_.activity_thresholds);
    CodeCells();
    CodeTables(coder_, model_.table_bits, model_.num_tokens, model_.tables);
  }

 private:
  void Check(bool valid) {
    if (!valid) coder_.Fail();
  }

  void Uniform(uint32_t count, int& value) {
    uint32_t v = static_cast<uint32_t>(value);
    CodeUniform(coder_, count, v);
    value = static_cast<int>(v);
  }

  void Signed(AdaptiveSigned& state, int32_t limit, int32_t& value) {
    CodeSigned(coder_, state, value);
    Check(value >= -limit && value <= limit);
    value = std::clamp(value, -limit, limit);
  }

  void CodeHead() {
    const bool narrow = IsNarrow(kind_);
    int skew = model_.skew - 1;
    Uniform(kMaxSkew, skew);
    model_.skew = skew + 1;
    Uniform(kMaxLanesLog2 + 1, model_.lanes_log2);
    if (narrow) {
      model_.table_bits = 10;  // leaves room in the state for the raw bits of a token
    } else {
      int bits = model_.table_bits - 10;
      Uniform(3, bits);
      model_.table_bits = bits + 10;
    }
    if (IsFloat(kind_)) {
      Uniform(255, model_.base_exponent);
      const int least = SampleMap::MinBaseExponent(kind_), most = SampleMap::MaxBaseExponent(kind_);
      Check(model_.base_exponent >= least && model_.base_exponent <= most);
      model_.base_exponent = std::clamp(model_.base_exponent, least, most);
    }
    const SampleMap map(kind_, model_.base_exponent);
    CodeCode(map.MinCode(), map.MaxCode(), model_.low_code);
    CodeCode(map.MinCode(), map.MaxCode(), model_.high_code);
    Check(model_.low_code <= model_.high_code);
    model_.high_code = std::max(model_.low_code, model_.high_code);
    CodeFlag(coder_, model_.has_mode);
    if (model_.has_mode) CodeDirect(coder_, SampleBits(kind_), model_.mode_sample);
    if (!narrow) {
      CodeFlag(coder_, model_.has_west);
      CodeFlag(coder_, model_.has_north);
      CodeFlag(coder_, model_.has_reference);
      if (IsFloat(kind_)) CodeFlag(coder_, model_.has_escape);
      Uniform(32, model_.shift);
      int exponent = model_.unit_exponent + 100;
      Uniform(256, exponent);
      Check(exponent <= 200);
      model_.unit_exponent = std::min(exponent, 200) - 100;
    }
  }

  // A code as its distance from the least one.
  void CodeCode(int32_t low, int32_t high, int32_t& code) {
    const uint32_t span = static_cast<uint32_t>(high) - static_cast<uint32_t>(low);
    uint32_t distance = static_cast<uint32_t>(code) - static_cast<uint32_t>(low);
    CodeDirect(coder_, std::bit_width(span), distance);
    Check(distance <= span);
    code = static_cast<int32_t>(static_cast<uint32_t>(low) + std::min(distance, span));
  }

  void CodeMeans() {
    constexpr int32_t kMeanLimit = 1 << 22;
    AdaptiveSigned prior;
    Signed(prior, kMeanLimit, model_.mean_prior);
    Signed(prior, kMeanLimit, model_.error_prior);
    Check(model_.error_prior >= 0);
    model_.error_prior = std::max(model_.error_prior, 0);
    CodeFlag(coder_, model_.sends_means);
    if (!model_.sends_means) return;
    // Planes differ little from their neighbours; the sum stays far from overflow.
    AdaptiveSigned step;
    int32_t previous = 0;
    for (PlaneModel& plane : model_.planes) {
      int32_t difference = plane.mean - previous;
      Signed(step, 2 * kMeanLimit, difference);
      const int32_t mean = previous + difference;
      Check(mean >= -kMeanLimit && mean <= kMeanLimit);
      plane.mean = std::clamp(mean, -kMeanLimit, kMeanLimit);
      previous = plane.mean;
    }
  }

  void CodeSpatial(SpatialWeights& weights, ptrdiff_t class_index) {
    for (int i = 0; i < kClassNumTaps[static_cast<size_t>(class_index)]; ++i) {
      Signed(spatial_tap_, kMaxWeight, weights.tap[static_cast<size_t>(i)]);
    }
    Signed(spatial_unit_, kMaxWeight, weights.unit);
    int32_t mean = weights.mean - kMeanWeightOffset;
    Signed(spatial_unit_, kMaxWeight, mean);
    Check(mean <= kMaxWeight - kMeanWeightOffset);
    weights.mean = std::min(mean + kMeanWeightOffset, kMaxWeight);
  }

  void CodeSigma(SigmaWeights& weights, ptrdiff_t class_index) {
    for (int i = 0; i < kClassNumTaps[static_cast<size_t>(class_index)]; ++i) {
      Signed(sigma_weight_, kMaxWeight, weights.tap[static_cast<size_t>(i)]);
    }
    if (kClassNumTaps[static_cast<size_t>(class_index)] > 0) Signed(sigma_weight_, kMaxWeight, weights.spread);
    Signed(sigma_weight_, kMaxWeight, weights.running);
    Signed(sigma_weight_, kMaxWeight, weights.unit);
    Signed(sigma_weight_, kMaxWeight, weights.recent);
    if (!any_terms_) return;
    Signed(sigma_weight_, kMaxWeight, weights.reference);
    Signed(sigma_weight_, kMaxWeight, weights.local);
  }

  void CodeTerms() {
    CodeFlag(coder_, any_terms_);
    if (!any_terms_) return;
    AdaptiveNumber count_state;
    for (int p = 0; p < shape_.planes; ++p) {
      PlaneModel& plane = model_.planes[static_cast<size_t>(p)];
      uint32_t count = static_cast<uint32_t>(plane.terms.size());
      const uint32_t most = static_cast<uint32_t>(MaxTerms(shape_));
      CodeNumber(coder_, count_state, count);
      Check(count <= most);
      plane.terms.resize(std::min(count, most));
      for (size_t i = 0; i < plane.terms.size(); ++i) CodeTerm(p, plane.terms, i);
      if (coder_.failed()) return;
    }
  }

  void CodeTerm(int plane, std::vector<Term>& terms, size_t at) {
    Term& term = terms[at];
    uint32_t kind = static_cast<uint32_t>(term.kind);
    CodeKind(kind);
    term.kind = static_cast<TermKind>(kind);
    if (term.refers()) CodeReference(plane, terms, at);
    if (term.kind == TermKind::kTap) Uniform(kNumTaps, term.index);
    if (term.kind == TermKind::kNeighbour) Uniform(8, term.index);
    Signed(term_weight_[kind], kMaxWeight, term.weight);
  }

  // Truncated unary: innovation, tap, neighbour, spatial, unit.
  void CodeKind(uint32_t& kind) {
    static constexpr std::array<uint32_t, kNumTermKinds> kOrder = {1, 3, 4, 2, 0};
    uint32_t rank = 0;
    for (; rank + 1 < kNumTermKinds; ++rank) {
      bool more = kOrder[rank] != kind;
      coder_.Bit(kind_state_[rank], more);
      if (!more) break;
    }
    kind = kOrder[rank];
  }

  void CodeReference(int plane, const std::vector<Term>& terms, size_t at) {
    Term& term = const_cast<Term&>(terms[at]);
    std::vector<int> known;
    for (size_t i = 0; i < at; ++i) {
      if (terms[i].refers() && std::find(known.begin(), known.end(), terms[i].plane) == known.end()) {
        known.push_back(terms[i].plane);
      }
    }
    const auto found = std::find(known.begin(), known.end(), term.plane);
    bool is_known = Coder::kEncodes && found != known.end();
    if (!known.empty()) coder_.Bit(known_state_[term.kind == TermKind::kNeighbour], is_known);
    if (is_known && !known.empty()) {
      int index = static_cast<int>(found - known.begin());
      Uniform(static_cast<uint32_t>(known.size()), index);
      term.plane = known[static_cast<size_t>(index)];
      CheckReference(plane, term);
      return;
    }
    Check(plane > 0 && known.size() < kMaxReferences);
    const int same_channel = same_channel_[static_cast<size_t>(plane)];
    bool is_same_channel = Coder::kEncodes && term.plane == same_channel;
    if (same_channel >= 0) coder_.Bit(same_channel_state_, is_same_channel);
    if (is_same_channel && same_channel >= 0) {
      term.plane = same_channel;
    } else {
      Uniform(static_cast<uint32_t>(std::max(plane, 1)), term.plane);
    }
    CheckReference(plane, term);
  }

  void CheckReference(int plane, const Term& term) {
    Check(term.plane < plane);
    if (term.kind == TermKind::kNeighbour) Check(model_.skew * (plane - term.plane) >= kNeighbourLead);
  }

  void CodeThresholds(int max_bins, std::vector<int32_t>& thresholds) {
    int count = static_cast<int>(thresholds.size());
    Uniform(static_cast<uint32_t>(max_bins), count);
    thresholds.resize(static_cast<size_t>(count));
    if (count == 0) return;
    // A common shift keeps wide ranges cheap; the encoder has rounded the thresholds to it.
    int shift = 0;
    if constexpr (Coder::kEncodes) {
      uint32_t all = 0;
      for (int32_t t : thresholds) all |= static_cast<uint32_t>(t);
      shift = all == 0 ? 0 : std::countr_zero(all);
    }
    Uniform(32, shift);
    AdaptiveSigned first;
    AdaptiveNumber step;
    int64_t previous = 0;
    for (size_t i = 0; i < thresholds.size(); ++i) {
      int64_t value = int64_t{thresholds[i]} >> shift;
      if (i == 0) {
        int32_t v = static_cast<int32_t>(value);
        CodeSigned(coder_, first, v);
        value = v;
      } else {
        uint32_t v = static_cast<uint32_t>(value - previous);
        CodeNumber(coder_, step, v);
        value = previous + v;
      }
      const int64_t low = INT32_MIN >> shift, high = INT32_MAX >> shift;
      Check(value >= low && value <= high);
      previous = std::clamp(value, low, high);
      thresholds[i] = static_cast<int32_t>(previous * (int64_t{1} << shift));
    }
  }

  void CodeCells() {
    const int rows = model_.position_bins(), columns = model_.activity_bins();
    const size_t num_cells = static_cast<size_t>(rows) * static_cast<size_t>(columns);
    model_.fixed_center.resize(num_cells);
    model_.center.resize(static_cast<size_t>(rows));
    CodeClusterMap(coder_, num_cells, static_cast<size_t>(columns), model_.cluster, model_.tables);
    std::array<AdaptiveBit, 4> fixed_state;
    for (int row = 0; row < rows; ++row) {
      for (int column = 0; column < columns; ++column) {
        const size_t cell = static_cast<size_t>(row * columns + column);
        const size_t left = column > 0 && model_.fixed_center[cell - 1] ? 1 : 0;
        const size_t up = row > 0 && model_.fixed_center[cell - static_cast<size_t>(columns)] ? 2 : 0;
        bool fixed = model_.fixed_center[cell];
        coder_.Bit(fixed_state[left + up], fixed);
        model_.fixed_center[cell] = fixed;
      }
    }
    CodeCenters(rows, columns);
  }

  // Centers of the position bins that a fixed cell needs, in steps that give the range of codes about 12 bits.
  void CodeCenters(int rows, int columns) {
    const int64_t span = int64_t{model_.high_code} - model_.low_code;
    const int drop = CenterDrop(model_);
    AdaptiveSigned state;
    int64_t previous = 0;
    for (int row = 0; row < rows; ++row) {
      bool needed = false;
      for (int column = 0; column < columns; ++column) {
        needed = needed || model_.fixed_center[static_cast<size_t>(row * columns + column)];
      }
      int32_t& center = model_.center[static_cast<size_t>(row)];
      if (!needed) {
        center = model_.low_code;
        continue;
      }
      const int64_t steps = (int64_t{center} - model_.low_code) >> drop;
      int32_t difference = static_cast<int32_t>(steps - previous);
      CodeSigned(coder_, state, difference);
      previous = std::clamp<int64_t>(previous + difference, 0, span >> drop);
      center = static_cast<int32_t>(model_.low_code + (previous << drop));
    }
  }

  Coder& coder_;
  SampleKind kind_;
  SetShape shape_;
  const std::vector<int>& same_channel_;
  SetModel& model_;

  bool any_terms_ = HasTerms(model_);
  AdaptiveSigned spatial_tap_, spatial_unit_, sigma_weight_;
  std::array<AdaptiveSigned, kNumTermKinds> term_weight_;
  std::array<AdaptiveBit, kNumTermKinds> kind_state_;
  std::array<AdaptiveBit, 2> known_state_;
  AdaptiveBit same_channel_state_;

  static bool HasTerms(const SetModel& model) {
    return std::any_of(model.planes.begin(), model.planes.end(), [](const PlaneModel& p) { return !p.terms.empty(); });
  }
};

}  // namespace

void DeriveReferences(SetModel& model) {
  for (PlaneModel& plane : model.planes) {
    plane.references.clear();
    for (const Term& term : plane.terms) {
      if (term.refers() &&
          std::find(plane.references.begin(), plane.references.end(), term.plane) == plane.references.end()) {
        plane.references.push_back(term.plane);
      }
    }
  }
}

void EncodeSetModel(RangeEncoder& coder, SampleKind kind, const SetShape& shape, const std::vector<int>& same_channel,
                    const SetModel& model) {
  SetModel copy = model;  // the shared description takes a mutable model; the encoder's side leaves it as it is
  ModelCoder<RangeEncoder>(coder, kind, shape, same_channel, copy).Run();
}

SetModel DecodeSetModel(RangeDecoder& coder, SampleKind kind, const SetShape& shape,
                        const std::vector<int>& same_channel) {
  SetModel model;
  model.planes.resize(static_cast<size_t>(shape.planes));
  ModelCoder<RangeDecoder>(coder, kind, shape, same_channel, model).Run();
  DeriveReferences(model);
  return model;
}

}  // namespace dcac
