#include "core/codec/lane_search.h"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <cmath>

#include "core/base/exact_math.h"
#include "core/codec/least_squares.h"
#include "core/kernels/dot.h"

namespace dcac {
namespace {

constexpr double kUnitScale = 8;  // units of LaneTapWeights::unit and LanePlane::unit

int32_t RoundTo(double value, int32_t limit) {
  if (std::isnan(value)) return 0;
  return static_cast<int32_t>(std::floor(std::clamp(value, -double{1e9}, double{1e9}) + 0.5) < -limit ? -limit
                              : std::floor(std::clamp(value, -double{1e9}, double{1e9}) + 0.5) > limit
                                  ? limit
                                  : std::floor(value + 0.5));
}

struct TapsAt {
  std::array<float, kLaneTapsOfClass> tap{};
  float spread = 0;  // mean distance of the taps from their mean
};

TapsAt CollectTaps(const LaneValues& values, size_t plane, size_t row, size_t column, size_t num_taps, float mean) {
  TapsAt result;
  float sum = 0;
  for (size_t t = 0; t < num_taps; ++t) {
    result.tap[t] = values.Tap(plane, row, column, t, mean);
    sum += result.tap[t];
  }
  const float center = sum / static_cast<float>(num_taps);
  for (size_t t = 0; t < num_taps; ++t) result.spread += std::abs(result.tap[t] - center);
  result.spread /= static_cast<float>(num_taps);
  return result;
}

float PredictSpatially(const LaneTapWeights& weights, const TapsAt& taps, size_t num_taps, float mean, float unit) {
  float sum = mean + static_cast<float>(weights.unit) * unit / static_cast<float>(kUnitScale);
  for (size_t t = 0; t < num_taps; ++t) {
    sum += static_cast<float>(weights.tap[t]) / static_cast<float>(1 << kLaneTapBits) * (taps.tap[t] - mean);
  }
  return sum;
}

}  // namespace

void FitLaneSpatial(const LaneCodes& codes, const LaneValues& values, LaneModel& model) {
  const float slack = values.slack(), unit = values.unit();
  const size_t num_taps = static_cast<size_t>(model.num_taps);
  const size_t total = codes.planes * codes.plane_samples();
  const size_t wanted = std::min(total, std::clamp<size_t>(total / 16, 2000, 16000));
  const float low = values.OfCode(model.low_code), high = values.OfCode(model.high_code);
  constexpr int kRounds = 2;
  for (int round = 0; round < kRounds; ++round) {
    std::array<NormalEquations, kLaneClasses> equations = {NormalEquations(num_taps + 1),
                                                           NormalEquations(num_taps + 1)};
    for (size_t k = 0; k < wanted; ++k) {
      const size_t at = SpreadIndex(k, wanted, total);
      const size_t plane = at / codes.plane_samples(), place = at % codes.plane_samples();
      const size_t row = place / codes.columns, column = place % codes.columns;
      if (row == 0 || codes.IsFiller(row, column)) continue;
      const float mean = values.OfCode(model.planes[plane].mean);
      const size_t c = codes.ClassOfRow(row);
      const TapsAt taps = CollectTaps(values, plane, row, column, num_taps, mean);
      const float value = values.OfCode(codes.codes[at]);
      if (round > 0) {
        const float p = PredictSpatially(model.spatial[c], taps, num_taps, mean, unit);
        if ((value <= low && p < low) || (value >= high && p > high)) continue;
      }
      NormalEquations::Features f{};
      const float scale = 1.0f / slack;
      for (size_t t = 0; t < num_taps; ++t) f[t] = (taps.tap[t] - mean) * scale;
      f[num_taps] = unit * scale;
      const float weight = slack / (taps.spread + slack);
      equations[c].Add(f, (value - mean) * scale, weight * weight);
    }
    for (size_t c = 0; c < model.num_classes(); ++c) {
      if (equations[c].empty()) continue;
      NormalEquations::Ridge ridge;
      ridge.fill(1e-5);
      ridge[num_taps] = 1e-3;
      const auto solution = equations[c].Solve(ridge);
      for (size_t t = 0; t < num_taps; ++t) {
        model.spatial[c].tap[t] = RoundTo(solution[t] * (1 << kLaneTapBits), kMaxLaneTapWeight);
      }
      model.spatial[c].unit = RoundTo(solution[num_taps] * kUnitScale, kMaxLaneUnitWeight);
    }
  }
}

namespace {

constexpr double kNoiseShare = 0.1, kGainTrust = 0.8, kWeightBits = 6, kFirstTermBits = 3, kOwnTapBits = 4;

class LaneSearch {
 public:
  LaneSearch(const PlaneSet& set, const LaneCodes& codes, const LaneValues& values, const LaneEncoderOptions& options,
             LaneModel& model)
      : set_(set), codes_(codes), values_(values), slack_(values.slack()), options_(options), model_(model) {
    const size_t samples = codes.plane_samples();
    const size_t count = std::min(samples, options.search_samples);
    for (size_t i = 0; i < count; ++i) {
      const size_t at = SpreadIndex(i, count, samples);
      if (!codes.IsFiller(at / codes.columns, at % codes.columns)) positions_.push_back(at);
    }
    stride_ = (count + kDotLanes - 1) / kDotLanes * kDotLanes;
    num_taps_ = static_cast<size_t>(model.num_taps);
  }

  void Run() {
    const size_t size = codes_.planes * stride_;
    innovation_.assign(size, 0.0f);
    scale_.assign(size, 0.0f);
    normalized_.assign(size, 0.0f);
    residual_.assign(size, 0.0f);
    power_.resize(codes_.planes);
    ForEachPlane([this](size_t plane) { Sample(plane); });
    ForEachPlane([this](size_t plane) { Fit(plane); });
  }

 private:
  template <typename Body>
  void ForEachPlane(Body body) {
    tbb::parallel_for(tbb::blocked_range<size_t>(0, codes_.planes, 8), [&](const tbb::blocked_range<size_t>& range) {
      const FloatEnvironment environment;
      for (size_t plane = range.begin(); plane < range.end(); ++plane) body(plane);
    });
  }

  // Innovations at the positions, and how much they count.
  void Sample(size_t plane) {
    const float mean = values_.OfCode(model_.planes[plane].mean);
    const float low = values_.OfCode(model_.low_code), high = values_.OfCode(model_.high_code);
    for (size_t i = 0; i < positions_.size(); ++i) {
      const size_t row = positions_[i] / codes_.columns, column = positions_[i] % codes_.columns;
      const TapsAt taps = CollectTaps(values_, plane, row, column, num_taps_, mean);
      const float value = values_.OfCode(codes_.Plane(plane)[positions_[i]]);
      const float p = PredictSpatially(model_.spatial[codes_.ClassOfRow(row)], taps, num_taps_, mean, values_.unit());
      const size_t at = plane * stride_ + i;
      const float cut = p < low ? low : p > high ? high : p;
      innovation_[at] = value - cut;
      residual_[at] = value - p;
      scale_[at] = 1.0f / (0.5f * taps.spread + 0.1f * std::abs(innovation_[at]) + slack_);
      // Few large values would rule the products of floats.
      normalized_[at] = values_.is_narrow() ? innovation_[at] : innovation_[at] * scale_[at];
    }
    power_[plane] = Dot(Row(normalized_, plane), Row(normalized_, plane), stride_);
  }

  const float* Row(const std::vector<float>& rows, size_t plane) const { return rows.data() + plane * stride_; }

  // Planes of earlier groups, by orthogonal matching pursuit on the normalized innovations.
  std::vector<int> Candidates(size_t plane) const {
    const size_t end = static_cast<size_t>(model_.GroupBegin(static_cast<int>(plane)));
    size_t begin = options_.window > 0 && end > static_cast<size_t>(options_.window)
                       ? end - static_cast<size_t>(options_.window)
                       : 0;
    if (!options_.previous_item) begin = std::max(begin, static_cast<size_t>(set_.item_begin[plane]));
    std::vector<size_t> pool;
    const int same = set_.same_channel[plane];
    if (same >= 0 && static_cast<size_t>(same) < begin && options_.previous_item)
      pool.push_back(static_cast<size_t>(same));
    for (size_t other = begin; other < end; ++other) {
      if (power_[other] > 1e-6f) pool.push_back(other);
    }
    std::vector<int> chosen;
    if (pool.empty()) return chosen;
    std::vector<float> rest(Row(normalized_, plane), Row(normalized_, plane) + stride_);
    std::vector<bool> used(pool.size(), false);
    // What is left after the projection on each chosen plane in turn.
    while (static_cast<int>(chosen.size()) < options_.max_references) {
      float best = 3.0f;
      size_t best_at = pool.size();
      float best_product = 0;
      for (size_t i = 0; i < pool.size(); ++i) {
        if (used[i]) continue;
        const float product = Dot(rest.data(), Row(normalized_, pool[i]), stride_);
        const float score = product * product / power_[pool[i]];
        if (score > best) {
          best = score;
          best_at = i;
          best_product = product;
        }
      }
      if (best_at == pool.size()) break;
      used[best_at] = true;
      chosen.push_back(static_cast<int>(pool[best_at]));
      const float weight = best_product / power_[pool[best_at]];
      const float* row = Row(normalized_, pool[best_at]);
      for (size_t i = 0; i < stride_; ++i) rest[i] -= weight * row[i];
    }
    return chosen;
  }

  // A feature of the pool of a plane: a reference, an own tap of a class, or the unit.
  struct Feature {
    int reference = -1;
    size_t c = 0, tap = 0;
    bool is_unit = false;
    double bits = 0;
  };

  std::vector<Feature> Pool(size_t plane, const std::vector<int>& candidates) const {
    std::vector<Feature> pool;
    const double reference_bits = Log2(static_cast<double>(std::max(2, model_.GroupBegin(static_cast<int>(plane)))));
    for (int candidate : candidates) pool.push_back({candidate, 0, 0, false, reference_bits + kWeightBits});
    if (options_.own_taps && codes_.plane_samples() >= 700) {
      for (size_t c = 0; c < model_.num_classes(); ++c) {
        for (size_t t = 0; t < num_taps_; ++t) pool.push_back({-1, c, t, false, kOwnTapBits + kWeightBits});
      }
      pool.push_back({-1, 0, 0, true, kWeightBits});
    }
    return pool;
  }

  void Fit(size_t plane) {
    const std::vector<Feature> pool = Pool(plane, Candidates(plane));
    if (pool.empty()) return;
    const size_t k = pool.size();
    std::vector<float> all(k * stride_, 0.0f), target(stride_);
    FillRows(plane, pool, all);
    const float* scale = Row(scale_, plane);
    const float* residual = Row(residual_, plane);
    for (size_t i = 0; i < stride_; ++i) target[i] = residual[i] * scale[i];
    const float low = values_.OfCode(model_.low_code), high = values_.OfCode(model_.high_code);
    std::vector<size_t> terms;
    std::vector<double> weights;
    size_t left = positions_.size();
    constexpr int kRounds = 2;
    for (int round = 0; round < kRounds; ++round) {
      Select(pool, all, target, left, terms, weights);
      if (terms.empty() || round + 1 == kRounds) break;
      // What the range hides says nothing.
      size_t hidden = 0;
      for (size_t i = 0; i < positions_.size(); ++i) {
        const float value = values_.OfCode(codes_.Plane(plane)[positions_[i]]);
        if (scale[i] == 0) continue;
        double p = double{value} - double{residual[i]};
        for (size_t n = 0; n < terms.size(); ++n)
          p += weights[n] * double{all[terms[n] * stride_ + i]} / double{scale[i]};
        if (!((value <= low && p < double{low}) || (value >= high && p > double{high}))) continue;
        ++hidden;
        target[i] = 0;
        for (size_t f = 0; f < k; ++f) all[f * stride_ + i] = 0;
      }
      if (hidden == 0) break;
      left = positions_.size() - hidden;
    }
    LanePlane& result = model_.planes[plane];
    for (size_t n = 0; n < terms.size(); ++n) {
      const Feature& feature = pool[terms[n]];
      const int32_t weight = RoundTo(weights[n] * (1 << kLaneTermBits), kMaxLaneTermWeight);
      if (feature.is_unit) {
        result.unit = RoundTo(weights[n] * kUnitScale, kMaxLaneUnitWeight);
      } else if (weight == 0) {
        continue;
      } else if (feature.reference >= 0) {
        result.references.push_back({feature.reference, weight});
      } else {
        result.own[feature.c][feature.tap] = weight;
        result.has_own_taps = true;
      }
    }
  }

  void FillRows(size_t plane, const std::vector<Feature>& pool, std::vector<float>& rows) const {
    const float* scale = Row(scale_, plane);
    const float mean = values_.OfCode(model_.planes[plane].mean);
    for (size_t f = 0; f < pool.size(); ++f) {
      float* row = rows.data() + f * stride_;
      if (pool[f].reference >= 0) {
        const float* innovation = Row(innovation_, static_cast<size_t>(pool[f].reference));
        for (size_t i = 0; i < stride_; ++i) row[i] = innovation[i] * scale[i];
      } else if (pool[f].is_unit) {
        for (size_t i = 0; i < positions_.size(); ++i) row[i] = values_.unit() * scale[i];
      } else {
        for (size_t i = 0; i < positions_.size(); ++i) {
          const size_t y = positions_[i] / codes_.columns, x = positions_[i] % codes_.columns;
          if (codes_.ClassOfRow(y) == pool[f].c)
            row[i] = (values_.Tap(plane, y, x, pool[f].tap, mean) - mean) * scale[i];
        }
      }
    }
  }

  // Forward selection: while a term promises more bits than it costs.
  void Select(const std::vector<Feature>& pool, const std::vector<float>& rows, const std::vector<float>& target,
              size_t left, std::vector<size_t>& terms, std::vector<double>& weights) const {
    const size_t k = pool.size();
    std::vector<double> gram(k * k), rhs(k);
    for (size_t a = 0; a < k; ++a) {
      rhs[a] = double{Dot(rows.data() + a * stride_, target.data(), stride_)};
      for (size_t b = 0; b <= a; ++b) {
        gram[a * k + b] = gram[b * k + a] = double{Dot(rows.data() + a * stride_, rows.data() + b * stride_, stride_)};
      }
    }
    const double power = double{Dot(target.data(), target.data(), stride_)};
    const double noise = kNoiseShare * static_cast<double>(left) + 1e-9;
    const double samples = static_cast<double>(codes_.plane_samples()) * static_cast<double>(left) /
                           static_cast<double>(positions_.size());
    terms.clear();
    weights.clear();
    double error = power;
    while (terms.size() < static_cast<size_t>(options_.max_references) + (options_.own_taps ? 6u : 0u)) {
      double best_error = error;
      size_t best = k;
      std::vector<double> best_weights;
      for (size_t f = 0; f < k; ++f) {
        if (std::find(terms.begin(), terms.end(), f) != terms.end()) continue;
        std::vector<size_t> trial = terms;
        trial.push_back(f);
        const size_t n = trial.size();
        std::vector<double> matrix(n * n), x(n);
        for (size_t a = 0; a < n; ++a) {
          x[a] = rhs[trial[a]];
          for (size_t b = 0; b < n; ++b) matrix[a * n + b] = gram[trial[a] * k + trial[b]];
        }
        SolveSymmetric(n, 1e-6, matrix.data(), x.data());
        double trial_error = power;
        for (size_t a = 0; a < n; ++a) trial_error -= x[a] * rhs[trial[a]];
        if (trial_error < best_error) {
          best_error = trial_error;
          best = f;
          best_weights = x;
        }
      }
      if (best == k) break;
      const double gain = kGainTrust * samples / 2 * Log2((error + noise) / (std::max(best_error, 0.0) + noise));
      if (gain < pool[best].bits + (terms.empty() ? kFirstTermBits : 0)) break;
      error = best_error;
      terms.push_back(best);
      weights = best_weights;
    }
  }

  const PlaneSet& set_;
  const LaneCodes& codes_;
  const LaneValues& values_;
  float slack_;
  const LaneEncoderOptions& options_;
  LaneModel& model_;
  size_t num_taps_ = 0, stride_ = 0;
  std::vector<size_t> positions_;
  std::vector<float> innovation_, residual_, scale_, normalized_;
  std::vector<float> power_;
};

}  // namespace

void SearchLaneReferences(const PlaneSet& set, const LaneCodes& codes, const LaneValues& values,
                          const LaneEncoderOptions& options, LaneModel& model) {
  LaneSearch(set, codes, values, options, model).Run();
}

}  // namespace dcac
