// Prediction of a sample and of its error, the same code for encoder and decoder: format.md, "Prediction", as plain
// loops.
#ifndef DCAC_CORE_CODEC_PLANE_PREDICTOR_H_
#define DCAC_CORE_CODEC_PLANE_PREDICTOR_H_

#include <array>
#include <cstdint>
#include <vector>

#include "core/codec/arithmetic.h"
#include "core/codec/set_model.h"
#include "core/codec/wave.h"

namespace dcac {

// What is kept of every coded plane of a set.
template <typename Arithmetic>
struct CodedPlane {
  using Stored = typename Arithmetic::Stored;

  CodedPlane() = default;
  explicit CodedPlane(const SetShape& shape)
      : value(shape.height, shape.width), innovation(shape.height, shape.width), error(shape.height, shape.width) {}

  PaddedPlane<Stored> value;
  PaddedPlane<Stored> innovation;  // value less the spatial prediction, cut to the range of values
  PaddedPlane<Stored> error;       // |value less the prediction, cut to the range of values|
};

// Mean of what was seen of a plane, drawn towards a prior that counts as many samples as `weight` says.
class RunningMean {
 public:
  static int PriorWeight(const SetShape& shape) { return std::max(4, shape.width / 4); }

  RunningMean(int32_t prior, int weight) : sum_(int64_t{prior} * weight), weight_(weight) {}

  void Add(int64_t quanta) { sum_ += quanta; }
  int32_t Get(int samples_before) const {
    const int64_t count = int64_t{samples_before} + weight_;
    int64_t mean = sum_ / count;
    if (sum_ % count < 0) --mean;  // rounds down
    return static_cast<int32_t>(mean);
  }

 private:
  int64_t sum_;
  int64_t weight_;
};

// Sent means are in steps that cut the range of values into 128 to 255.
template <typename Arithmetic>
int MeanShift(const Arithmetic& arithmetic, const SetModel& model) {
  const int64_t range = int64_t{arithmetic.Quantize(arithmetic.ValueOf(model.high_code))} -
                        arithmetic.Quantize(arithmetic.ValueOf(model.low_code));
  return std::max(0, static_cast<int>(std::bit_width(static_cast<uint64_t>(range))) - 8);
}

inline int32_t SentMean(int32_t mean, int shift) {
  constexpr int64_t kLimit = int64_t{1} << 22;
  return static_cast<int32_t>(std::clamp(int64_t{mean} * (int64_t{1} << shift), -kLimit, kLimit));
}

template <typename Arithmetic>
using TapValues = std::array<typename Arithmetic::Value, kNumTaps>;

// What the expected error of a sample is computed from.
template <typename Arithmetic>
struct SigmaTerms {
  using Value = typename Arithmetic::Value;
  TapValues<Arithmetic> errors{};  // at the taps
  Value spread{};                  // mean |tap - spatial prediction|
  Value running{};                 // running mean of the plane's errors
  Value recent{};                  // moving mean of the errors of earlier planes at the same place
  Value reference{}, local{};      // see ReferenceActivity
};

// The taps of class `c` at a position of a plane, in the order of kClassTaps.  NN and WW reach two samples back and the
// border is one wide: where they leave the plane they are N and W.
template <typename Arithmetic, typename Stored>
TapValues<Arithmetic> TapsAt(const Stored* at, int stride, int c) {
  TapValues<Arithmetic> taps;
  switch (c) {
    case 0:
      taps = {at[-1], at[-stride], at[-stride - 1], at[-stride + 1], at[-2 * stride], at[-2]};
      break;
    case 1:
      taps = {at[-1], at[-2]};
      break;
    case 2:
      taps = {at[-stride], at[-stride + 1], at[-2 * stride]};
      break;
    default:
      taps = {};
  }
  return taps;
}

template <typename Arithmetic>
class PlanePredictor {
 public:
  using Value = typename Arithmetic::Value;
  using Stored = typename Arithmetic::Stored;
  using Weight = typename Arithmetic::Weight;
  using Planes = std::vector<CodedPlane<Arithmetic>>;

  PlanePredictor(const Arithmetic& arithmetic, const SetModel& model)
      : arithmetic_(arithmetic), skew_(model.skew), unit_(arithmetic.Unit()), sigma_unit_(arithmetic.SigmaUnit()) {
    for (size_t c = 0; c < kNumClasses; ++c) {
      SetSpatial(c, model.spatial[c]);
      SetSigma(c, model.sigma[c]);
    }
  }

  void SetSpatial(size_t c, const SpatialWeights& weights) {
    spatial_[c].unit = Arithmetic::MakeWeight(weights.unit, kSpatialWeightBits);
    spatial_[c].mean = Arithmetic::MakeWeight(weights.mean, kSpatialWeightBits);
    for (size_t i = 0; i < kNumTaps; ++i)
      spatial_[c].tap[i] = Arithmetic::MakeWeight(weights.tap[i], kSpatialWeightBits);
  }

  void SetSigma(size_t c, const SigmaWeights& weights) {
    SigmaFactors& s = sigma_[c];
    for (size_t i = 0; i < kNumTaps; ++i) s.tap[i] = Arithmetic::MakeWeight(weights.tap[i], kSigmaWeightBits);
    s.spread = Arithmetic::MakeWeight(weights.spread, kSigmaWeightBits);
    s.running = Arithmetic::MakeWeight(weights.running, kSigmaWeightBits);
    s.unit = Arithmetic::MakeWeight(weights.unit, kSigmaWeightBits);
    s.recent = Arithmetic::MakeWeight(weights.recent, kSigmaWeightBits);
    s.reference = Arithmetic::MakeWeight(weights.reference, kSigmaWeightBits);
    s.local = Arithmetic::MakeWeight(weights.local, kSigmaWeightBits);
  }

  // Taps of a sample whose plane is `plane`.
  TapValues<Arithmetic> Taps(const PaddedPlane<Stored>& plane, int y, int x, int c) const {
    return TapsAt<Arithmetic>(plane.At(y, x), plane.stride(), c);
  }

  Value Spatial(int c, const TapValues<Arithmetic>& taps, Value mean) const {
    const auto& w = spatial_[static_cast<size_t>(c)];
    Value sum = w.unit * unit_;
    sum = sum + w.mean * mean;
    for (size_t i = 0; i < static_cast<size_t>(kClassNumTaps[static_cast<size_t>(c)]); ++i) {
      sum = sum + w.tap[i] * (taps[i] - mean);
    }
    return arithmetic_.FinishSpatial(sum);
  }

  // The value of a term's feature; `spatial` is the spatial prediction.
  Value Feature(const Term& term, const Planes& planes, int y, int x, int c, const TapValues<Arithmetic>& taps,
                Value spatial) const {
    switch (term.kind) {
      case TermKind::kUnit:
        return unit_;
      case TermKind::kInnovation:
        return *planes[static_cast<size_t>(term.plane)].innovation.At(y, x);
      case TermKind::kSpatial:
        return spatial;
      case TermKind::kTap: {
        const int at = kTapPlace[static_cast<size_t>(c)][static_cast<size_t>(term.index)];
        return at < 0 ? Value{0} : taps[static_cast<size_t>(at)] - spatial;
      }
      case TermKind::kNeighbour: {
        const auto& plane = planes[static_cast<size_t>(term.plane)].value;
        const TapOffset offset = kNeighbours[static_cast<size_t>(term.index)];
        const Stored* at = plane.At(y, x);
        return Value{at[offset.dy * plane.stride() + offset.dx]} - Value{*at};
      }
    }
    return 0;
  }

  Value Predict(const PlaneModel& model, const Planes& planes, int y, int x, int c, const TapValues<Arithmetic>& taps,
                Value spatial) const {
    Value sum = Arithmetic::BeginTerms(spatial);
    for (const Term& term : model.terms) {
      sum = sum + Arithmetic::MakeWeight(term.weight, kTermWeightBits) * Feature(term, planes, y, x, c, taps, spatial);
    }
    return arithmetic_.FinishTerms(spatial, sum);
  }

  // Mean |innovation| of the reference planes, and around the sample in the first of them.
  void ReferenceActivity(int plane, const PlaneModel& model, const Planes& planes, int y, int x, Value& mean,
                         Value& local) const {
    mean = local = 0;
    if (model.references.empty()) return;
    for (int reference : model.references) {
      mean = mean + Arithmetic::Abs(*planes[static_cast<size_t>(reference)].innovation.At(y, x));
    }
    mean = Arithmetic::Mean(mean, static_cast<int>(model.references.size()));
    const int first = model.references[0];
    const auto& innovation = planes[static_cast<size_t>(first)].innovation;
    const Stored* at = innovation.At(y, x);
    if (!NeighboursKnown(plane, first)) {
      local = Arithmetic::Abs(*at);
      return;
    }
    for (int dy = -1; dy <= 1; ++dy) {
      for (int dx = -1; dx <= 1; ++dx) local = local + Arithmetic::Abs(at[dy * innovation.stride() + dx]);
    }
    local = Arithmetic::MeanOfNine(local);
  }

  // Mean |tap - spatial prediction|; 0 without taps.
  static Value Spread(int c, const TapValues<Arithmetic>& taps, Value spatial) {
    const int count = kClassNumTaps[static_cast<size_t>(c)];
    if (count == 0) return 0;
    Value sum = 0;
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) sum = sum + Arithmetic::Abs(taps[i] - spatial);
    return Arithmetic::Mean(sum, count);
  }

  Value Sigma(int c, const SigmaTerms<Arithmetic>& terms) const {
    const auto& w = sigma_[static_cast<size_t>(c)];
    Value sum = w.unit * sigma_unit_;
    for (size_t i = 0; i < static_cast<size_t>(kClassNumTaps[static_cast<size_t>(c)]); ++i)
      sum = sum + w.tap[i] * terms.errors[i];
    sum = sum + w.spread * terms.spread;
    sum = sum + w.running * terms.running;
    sum = sum + w.recent * terms.recent;
    sum = sum + w.reference * terms.reference;
    sum = sum + w.local * terms.local;
    return arithmetic_.FinishSigma(sum);
  }

  // Whether all neighbours of a sample of `reference` are of earlier waves than the sample of `plane` at the same
  // place.
  bool NeighboursKnown(int plane, int reference) const { return skew_ * (plane - reference) >= kNeighbourLead; }

  struct SpatialFactors {
    std::array<Weight, kNumTaps> tap{};
    Weight unit{}, mean{};
  };
  struct SigmaFactors {
    std::array<Weight, kNumTaps> tap{};
    Weight spread{}, running{}, unit{}, recent{}, reference{}, local{};
  };

  const Arithmetic& arithmetic() const { return arithmetic_; }
  const SpatialFactors& spatial_factors(size_t c) const { return spatial_[c]; }
  const SigmaFactors& sigma_factors(size_t c) const { return sigma_[c]; }
  Value unit() const { return unit_; }
  Value sigma_unit() const { return sigma_unit_; }

 private:
  // Where tap i of kTaps is in the list of a class; -1: the class lacks it.
  static constexpr std::array<std::array<int, kNumTaps>, kNumClasses> kTapPlace = {
      {{0, 1, 2, 3, 4, 5}, {0, -1, -1, -1, -1, 1}, {-1, 0, -1, 1, 2, -1}, {-1, -1, -1, -1, -1, -1}}};

  Arithmetic arithmetic_;
  int skew_;
  Value unit_, sigma_unit_;
  std::array<SpatialFactors, kNumClasses> spatial_;
  std::array<SigmaFactors, kNumClasses> sigma_;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_PLANE_PREDICTOR_H_
