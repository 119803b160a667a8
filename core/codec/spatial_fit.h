// Encoder: the weights of the spatial prediction and of the expected error, one set per class, by weighted least
// squares.
#ifndef DCAC_CORE_CODEC_SPATIAL_FIT_H_
#define DCAC_CORE_CODEC_SPATIAL_FIT_H_

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/codec/least_squares.h"
#include "core/codec/set_analysis.h"

namespace dcac {

// 0 for NaN, which sums over extreme ranges of values give: a conversion of it would differ between machines.
inline int32_t RoundWeight(double weight, int fraction_bits) {
  if (std::isnan(weight)) return 0;
  const double scaled = weight * (1 << fraction_bits);
  const double limited = std::clamp(scaled, -double{kMaxWeight}, double{kMaxWeight});
  return static_cast<int32_t>(std::floor(limited + 0.5));
}

// Calls visit(plane, y, x) for a spread sample of at most about `limit` samples of class `c`.
template <typename Visit>
void VisitClass(const SetShape& shape, int c, size_t limit, Visit visit) {
  const int y_begin = c == 0 || c == 2 ? 1 : 0, y_end = c == 0 || c == 2 ? shape.height : 1;
  const int x_begin = c == 0 || c == 1 ? 1 : 0, x_end = c == 0 || c == 1 ? shape.width : 1;
  if (y_begin >= y_end || x_begin >= x_end) return;
  const size_t columns = static_cast<size_t>(x_end - x_begin);
  const size_t per_plane = static_cast<size_t>(y_end - y_begin) * columns;
  const size_t step = SampleStep(per_plane * static_cast<size_t>(shape.planes), limit);
  for (int plane = 0; plane < shape.planes; ++plane) {
    for (size_t i = static_cast<size_t>(plane) % step; i < per_plane; i += step) {
      visit(plane, y_begin + static_cast<int>(i / columns), x_begin + static_cast<int>(i % columns));
    }
  }
}

// Samples that a fit looks at: enough that more do not change the weights.
inline size_t FitSamples(const SetShape& shape) {
  return std::clamp<size_t>(shape.samples() / 8, 6000, 24000);
}

// Fits model.spatial.  Samples are weighted by the inverse square of their neighbourhood's spread: what is large does
// not rule, and costs bits by its logarithm only.  Samples that the range hides are left out once there is a
// prediction.
template <typename Arithmetic>
void FitSpatial(const SetAnalysis<Arithmetic>& analysis, SetModel& model) {
  using Value = typename Arithmetic::Value;
  constexpr int kRounds = 2;
  PlanePredictor<Arithmetic> predictor(analysis.arithmetic, model);
  const float unit = static_cast<float>(analysis.arithmetic.Unit());
  for (int c = 0; c < kNumClasses; ++c) {
    const size_t num_taps = static_cast<size_t>(kClassNumTaps[static_cast<size_t>(c)]);
    for (int round = 0; round < kRounds; ++round) {
      NormalEquations equations(num_taps + 2);
      VisitClass(analysis.shape, c, FitSamples(analysis.shape), [&](int plane, int y, int x) {
        const auto& values = analysis.planes[static_cast<size_t>(plane)].value;
        const auto taps = predictor.Taps(values, y, x, c);
        const Value mean = analysis.MeanAt(plane, y, x);
        if (round > 0 &&
            analysis.IsHidden(analysis.codes[analysis.SampleIndex(plane, y, x)], predictor.Spatial(c, taps, mean))) {
          return;
        }
        NormalEquations::Features f{};
        float center = 0;
        for (size_t i = 0; i < num_taps; ++i) {
          f[i] = static_cast<float>(taps[i]) - static_cast<float>(mean);
          center += f[i];
        }
        float spread = 0;
        if (num_taps > 0) {
          center /= static_cast<float>(num_taps);
          for (size_t i = 0; i < num_taps; ++i) spread += std::abs(f[i] - center);
          spread /= static_cast<float>(num_taps);
        } else {
          spread = std::abs(static_cast<float>(mean));
        }
        f[num_taps] = unit;
        f[num_taps + 1] = static_cast<float>(mean);
        const float weight = unit / (spread + unit);  // relative to the unit, so that its square stays in range
        const float scale = 1.0f / unit;
        for (size_t i = 0; i < num_taps + 2; ++i) f[i] *= scale;
        equations.Add(f, (static_cast<float>(*values.At(y, x)) - static_cast<float>(mean)) * scale, weight * weight);
      });
      if (equations.empty()) break;
      // What the taps do not explain is drawn towards the mean itself: where all planes have about the same mean, unit
      // and mean are nearly collinear, and their weights would leave the range.
      NormalEquations::Ridge ridge;
      ridge.fill(1e-5);
      ridge[num_taps] = ridge[num_taps + 1] = 1e-3;
      const auto solution = equations.Solve(ridge);
      SpatialWeights& weights = model.spatial[static_cast<size_t>(c)];
      for (size_t i = 0; i < num_taps; ++i) weights.tap[i] = RoundWeight(solution[i], kSpatialWeightBits);
      weights.unit = RoundWeight(solution[num_taps], kSpatialWeightBits);
      weights.mean = std::max(RoundWeight(1 + solution[num_taps + 1], kSpatialWeightBits), kMinMeanWeight);
      predictor.SetSpatial(static_cast<size_t>(c), weights);
    }
  }
}

// Fits model.sigma to the errors |value - prediction|, then once more weighted by the first fit's inverse square.
// `terms(plane, y, x)` gives the SigmaTerms of a sample.
template <typename Arithmetic, typename Terms>
void FitSigma(const SetAnalysis<Arithmetic>& analysis, Terms terms, SetModel& model) {
  constexpr int kRounds = 2;
  const float unit = static_cast<float>(analysis.arithmetic.SigmaUnit());
  const float scale = 1.0f / unit;
  for (int c = 0; c < kNumClasses; ++c) {
    const size_t num_taps = static_cast<size_t>(kClassNumTaps[static_cast<size_t>(c)]);
    const size_t num_features = num_taps + 6;
    std::array<double, NormalEquations::kMaxFeatures> solution{};
    bool fitted = false;
    for (int round = 0; round < kRounds; ++round) {
      NormalEquations equations(num_features);
      VisitClass(analysis.shape, c, FitSamples(analysis.shape), [&](int plane, int y, int x) {
        const SigmaTerms<Arithmetic> t = terms(plane, y, x);
        NormalEquations::Features f{};
        for (size_t i = 0; i < num_taps; ++i) f[i] = static_cast<float>(t.errors[i]) * scale;
        f[num_taps] = static_cast<float>(t.spread) * scale;
        f[num_taps + 1] = static_cast<float>(t.running) * scale;
        f[num_taps + 2] = 1.0f;
        f[num_taps + 3] = static_cast<float>(t.reference) * scale;
        f[num_taps + 4] = static_cast<float>(t.local) * scale;
        f[num_taps + 5] = static_cast<float>(t.recent) * scale;
        float weight = 1.0f;
        if (round > 0) {
          double expected = 0;
          for (size_t i = 0; i < num_features; ++i) expected += solution[i] * double{f[i]};
          weight = 1.0f / (static_cast<float>(std::max(expected, 0.0)) + 1.0f);
        }
        const float error = static_cast<float>(*analysis.planes[static_cast<size_t>(plane)].error.At(y, x));
        equations.Add(f, error * scale, weight * weight);
      });
      if (equations.empty()) break;
      NormalEquations::Ridge ridge;
      ridge.fill(1e-4);
      solution = equations.Solve(ridge);
      fitted = true;
    }
    if (!fitted) continue;
    SigmaWeights& weights = model.sigma[static_cast<size_t>(c)];
    for (size_t i = 0; i < num_taps; ++i) weights.tap[i] = RoundWeight(solution[i], kSigmaWeightBits);
    weights.spread = num_taps > 0 ? RoundWeight(solution[num_taps], kSigmaWeightBits) : 0;
    weights.running = RoundWeight(solution[num_taps + 1], kSigmaWeightBits);
    weights.unit = RoundWeight(solution[num_taps + 2], kSigmaWeightBits);
    weights.reference = RoundWeight(solution[num_taps + 3], kSigmaWeightBits);
    weights.local = RoundWeight(solution[num_taps + 4], kSigmaWeightBits);
    weights.recent = RoundWeight(solution[num_taps + 5], kSigmaWeightBits);
  }
}

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SPATIAL_FIT_H_
