#include "core/codec/lane_search.h"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "core/base/exact_math.h"
#include "core/base/scratch.h"
#include "core/codec/least_squares.h"
#include "core/kernels/dot.h"
#include "core/kernels/lane_search.h"

namespace dcac {
namespace {

constexpr double kUnitScale = 8;  // units of LaneTapWeights::unit and LanePlane::unit

int32_t RoundTo(double value, int32_t limit) {
  if (std::isnan(value)) return 0;
  return static_cast<int32_t>(
      std::floor(std::clamp(value, -static_cast<double>(limit), static_cast<double>(limit)) + 0.5));
}

constexpr size_t RoundUp(size_t n, size_t unit) {
  return (n + unit - 1) / unit * unit;
}

struct FitScratch {
  Scratch<float> rows, gaps;
};

// Samples of all planes with their taps, weighted, by class.
template <typename Lanes>
class SpatialFit {
 public:
  SpatialFit(const LaneCodes<Lanes>& codes, const LaneValues& values, size_t max_samples, LaneModel& model)
      : codes_(codes), values_(values), model_(model), num_taps_(static_cast<size_t>(model.num_taps)) {
    constexpr size_t kMinSamples = 1000;
    const size_t total = codes.planes * codes.plane_samples();
    wanted_ = std::min(total, std::clamp(total / 16, kMinSamples, max_samples));
    stride_ = RoundUp(wanted_, kDotLanes);
    const size_t num_rows = num_taps_ + 2;
    float* rows = scratch_->rows.Get(kLaneClasses * num_rows * stride_);
    float* gaps = scratch_->gaps.Get((2 * kLaneClasses + 1) * stride_);
    for (size_t c = 0; c < kLaneClasses; ++c) {
      for (size_t f = 0; f < num_rows; ++f) rows_[c][f] = rows + (c * num_rows + f) * stride_;
      low_gap_[c] = gaps + 2 * c * stride_;
      high_gap_[c] = low_gap_[c] + stride_;
    }
    predicted_ = gaps + 2 * kLaneClasses * stride_;
  }

  void Run() {
    Collect();
    for (size_t c = 0; c < model_.num_classes(); ++c) {
      if (count_[c] == 0) continue;
      const size_t padded = RoundUp(count_[c], kDotLanes);
      for (size_t f = 0; f < num_taps_ + 2; ++f) std::fill(rows_[c][f] + count_[c], rows_[c][f] + padded, 0.0f);
      Solve(c, padded);
      if (Hide(c, padded)) Solve(c, padded);
    }
  }

 private:
  static constexpr float kNoGap = std::numeric_limits<float>::max();

  void Collect() {
    const size_t total = codes_.planes * codes_.plane_samples();
    size_t last_plane = codes_.planes;
    float mean = 0;
    for (size_t k = 0; k < wanted_; ++k) {
      const size_t at = SpreadIndex(k, wanted_, total);
      const size_t plane = at / codes_.plane_samples(), place = at % codes_.plane_samples();
      const size_t row = place / codes_.columns, column = place % codes_.columns;
      if (row == 0 || codes_.IsFiller(row, column)) continue;
      if (plane != last_plane) mean = values_.OfCode(model_.planes[plane].mean);
      last_plane = plane;
      Add(plane, row, column, mean);
    }
  }

  void Add(size_t plane, size_t row, size_t column, float mean) {
    const size_t c = codes_.ClassOfRow(row), n = count_[c]++;
    const auto* const codes = codes_.Plane(plane);
    std::array<float, kLaneTapsOfClass> tap{};
    float sum = 0;
    for (size_t t = 0; t < num_taps_; ++t) {
      const auto place = codes_.TapPlace(row, column, t);
      tap[t] = place ? values_.OfCode(codes[*place]) - mean : 0.0f;
      sum += tap[t];
    }
    const float center = sum / static_cast<float>(num_taps_);
    float spread = 0;
    for (size_t t = 0; t < num_taps_; ++t) spread += std::abs(tap[t] - center);
    const float slack = values_.slack();
    const float scale = 1.0f / (spread / static_cast<float>(num_taps_) + slack);
    for (size_t t = 0; t < num_taps_; ++t) rows_[c][t][n] = tap[t] * scale;
    rows_[c][num_taps_][n] = values_.unit() * scale;
    const int32_t code = codes[row * codes_.columns + column];
    rows_[c][num_taps_ + 1][n] = (values_.OfCode(code) - mean) * scale;
    low_gap_[c][n] = code <= model_.low_code ? (values_.OfCode(model_.low_code) - mean) * scale : -kNoGap;
    high_gap_[c][n] = code >= model_.high_code ? (values_.OfCode(model_.high_code) - mean) * scale : kNoGap;
  }

  void Solve(size_t c, size_t padded) {
    std::array<double, RowEquations::kMaxFeatures> ridge;
    ridge.fill(1e-5);
    ridge[num_taps_] = 1e-3;
    const auto solution = RowEquations::Solve(rows_[c][0], stride_, num_taps_ + 1, padded, ridge.data());
    for (size_t t = 0; t < num_taps_; ++t) {
      model_.spatial[c].tap[t] = RoundTo(solution[t] * (1 << kLaneTapBits), kMaxLaneTapWeight);
    }
    model_.spatial[c].unit = RoundTo(solution[num_taps_] * kUnitScale, kMaxLaneUnitWeight);
  }

  // Takes out what the range hides, which says nothing; whether there is any.
  bool Hide(size_t c, size_t padded) {
    std::fill_n(predicted_, padded, 0.0f);
    for (size_t t = 0; t < num_taps_; ++t) {
      AddWeighted(static_cast<float>(model_.spatial[c].tap[t]) / static_cast<float>(1 << kLaneTapBits), rows_[c][t],
                  padded, predicted_);
    }
    AddWeighted(static_cast<float>(model_.spatial[c].unit) / static_cast<float>(kUnitScale), rows_[c][num_taps_],
                padded, predicted_);
    bool any = false;
    for (size_t i = 0; i < count_[c]; ++i) {
      if (!(predicted_[i] < low_gap_[c][i]) && !(predicted_[i] > high_gap_[c][i])) continue;
      for (size_t f = 0; f < num_taps_ + 2; ++f) rows_[c][f][i] = 0;
      any = true;
    }
    return any;
  }

  ScratchLease<FitScratch> scratch_;
  const LaneCodes<Lanes>& codes_;
  const LaneValues& values_;
  LaneModel& model_;
  size_t num_taps_, wanted_ = 0, stride_ = 0;
  std::array<size_t, kLaneClasses> count_{};
  std::array<std::array<float*, kLaneTapsOfClass + 2>, kLaneClasses> rows_{};
  std::array<float*, kLaneClasses> low_gap_{}, high_gap_{};
  float* predicted_ = nullptr;
};

}  // namespace

RowEquations::Solution RowEquations::Solve(const float* rows, size_t stride, size_t num_features, size_t n,
                                           const double* ridge) {
  std::array<double, kMaxFeatures * kMaxFeatures> matrix{};
  Solution x{};
  std::array<float, kMaxFeatures + 1> products{};
  for (size_t i = 0; i <= num_features; ++i) {
    const size_t count = std::min(i + 1, num_features);
    DotWithRows(rows + i * stride, rows, stride, count, n, products.data());
    for (size_t j = 0; j < count; ++j) (i < num_features ? matrix[i * num_features + j] : x[j]) = double{products[j]};
  }
  SolveSymmetric(num_features, ridge, matrix.data(), x.data());
  return x;
}

template <typename Lanes>
void FitLaneSpatial(const LaneCodes<Lanes>& codes, const LaneValues& values, size_t max_samples, LaneModel& model) {
  SpatialFit<Lanes>(codes, values, max_samples, model).Run();
}

template void FitLaneSpatial(const LaneCodes<NarrowLanes>&, const LaneValues&, size_t, LaneModel&);
template void FitLaneSpatial(const LaneCodes<WideLanes>&, const LaneValues&, size_t, LaneModel&);

namespace {

constexpr double kNoiseShare = 0.1, kGainTrust = 0.8, kWeightBits = 6, kFirstTermBits = 3, kOwnTapBits = 4;
constexpr size_t kMinOwnTapSamples = 700;  // of a plane, for taps of its own
constexpr size_t kMaxOwnTerms = 6;
constexpr size_t kMaxFeatures = kMaxLaneReferences + kLaneClasses * kLaneTapsOfClass + 1;

// What all planes of a search have: rows of `stride` floats or integers for each.
struct SearchScratch {
  Scratch<float> value, residual, innovation, scale;
  Scratch<int16_t> quantized;
  Scratch<int32_t> places;
};

// What one thread has.
struct PlaneScratch {
  Scratch<float> values, rows, predicted;
  Scratch<int32_t> gram;
};

template <typename Lanes>
class LaneSearch {
 public:
  LaneSearch(const PlaneSet& set, const LaneCodes<Lanes>& codes, const LaneValues& values,
             const LaneEncoderOptions& options, LaneModel& model)
      : set_(set),
        codes_(codes),
        values_(values),
        options_(options),
        model_(model),
        num_taps_(static_cast<size_t>(model.num_taps)),
        low_(values.OfCode(model.low_code)),
        high_(values.OfCode(model.high_code)) {}

  void Run() {
    ChoosePlaces();
    const size_t size = codes_.planes * stride_;
    sampled_ = {scratch_->value.Get(size), scratch_->residual.Get(size), scratch_->innovation.Get(size),
                scratch_->scale.Get(size)};
    quantized_ = scratch_->quantized.Get(size);
    power_.assign(codes_.planes, 0);
    inverse_power_.assign(codes_.planes, 0);
    ForEachGroup([this](size_t begin, size_t end) {
      for (size_t plane = begin; plane < end; ++plane) Sample(plane);
    });
    ForEachGroup([this](size_t begin, size_t end) { FitGroup(begin, end); });
  }

 private:
  // ---- Places ----

  // Of class 0, then of class 1; both padded with places that do not count.
  void ChoosePlaces() {
    const size_t samples = codes_.plane_samples();
    const size_t count = std::min(samples, options_.search_samples);
    std::array<std::vector<size_t>, kLaneClasses> chosen;
    for (size_t i = 0; i < count; ++i) {
      const size_t at = SpreadIndex(i, count, samples);
      const size_t row = at / codes_.columns;
      if (!codes_.IsFiller(row, at % codes_.columns)) chosen[codes_.ClassOfRow(row)].push_back(at);
    }
    for (size_t c = 0; c < kLaneClasses; ++c) {
      begin_of_class_[c] = stride_;
      count_of_class_[c] = chosen[c].size();
      stride_ += RoundUp(chosen[c].size(), kGramLanes);
    }
    num_places_ = count_of_class_[0] + count_of_class_[1];
    int32_t* next = scratch_->places.Get((1 + num_taps_) * stride_);
    const int32_t mean = static_cast<int32_t>(samples);  // which lies behind the values of a plane
    std::fill_n(next, (1 + num_taps_) * stride_, mean);
    for (size_t t = 0; t < num_taps_; ++t) places_.tap[t] = next + (1 + t) * stride_;
    for (size_t c = 0; c < kLaneClasses; ++c) {
      for (size_t i = 0; i < chosen[c].size(); ++i) {
        const size_t at = chosen[c][i], to = begin_of_class_[c] + i;
        next[to] = static_cast<int32_t>(at);
        for (size_t t = 0; t < num_taps_; ++t) {
          const auto place = codes_.TapPlace(at / codes_.columns, at % codes_.columns, t);
          next[(1 + t) * stride_ + to] = place ? static_cast<int32_t>(*place) : mean;
        }
      }
    }
    places_.place = next;
    places_.count = stride_;
    places_.num_taps = num_taps_;
  }

  template <typename Body>
  void ForEachGroup(Body body) {
    constexpr size_t kGrainSamples = 1 << 14;
    const size_t group = static_cast<size_t>(model_.group_planes);
    const size_t groups = (codes_.planes + group - 1) / group;
    const size_t grain = kGrainSamples / (group * stride_) + 1;
    tbb::parallel_for(tbb::blocked_range<size_t>(0, groups, grain), [&](const tbb::blocked_range<size_t>& range) {
      const FloatEnvironment environment;
      for (size_t g = range.begin(); g < range.end(); ++g) body(g * group, std::min(codes_.planes, (g + 1) * group));
    });
  }

  float MeanOf(size_t plane) const { return values_.OfCode(model_.planes[plane].mean); }

  // All values of a plane and its mean.
  const float* ValuesOf(size_t plane, PlaneScratch& scratch) const {
    const size_t samples = codes_.plane_samples();
    float* values = scratch.values.Get(samples + 1);
    values_.OfCodes(samples, codes_.Plane(plane), values);
    values[samples] = MeanOf(plane);
    return values;
  }

  // Innovations at the places, and how much they count.
  void Sample(size_t plane) {
    const ScratchLease<PlaneScratch> scratch;
    const float* values = ValuesOf(plane, *scratch);
    const size_t at = plane * stride_;
    for (size_t c = 0; c < model_.num_classes(); ++c) {
      const size_t begin = begin_of_class_[c];
      LaneSpatialFit fit;
      fit.mean = MeanOf(plane);
      fit.base =
          fit.mean + static_cast<float>(model_.spatial[c].unit) * values_.unit() / static_cast<float>(kUnitScale);
      for (size_t t = 0; t < num_taps_; ++t) {
        fit.weight[t] = static_cast<float>(model_.spatial[c].tap[t]) / static_cast<float>(1 << kLaneTapBits);
      }
      fit.low = low_;
      fit.high = high_;
      fit.slack = values_.slack();
      LanePlaces places = places_;
      places.place += begin;
      for (size_t t = 0; t < num_taps_; ++t) places.tap[t] += begin;
      places.count = RoundUp(count_of_class_[c], kGramLanes);
      FindLaneInnovations(values, places, fit,
                          {sampled_.value + at + begin, sampled_.residual + at + begin,
                           sampled_.innovation + at + begin, sampled_.scale + at + begin});
      for (float* row : {sampled_.residual, sampled_.innovation, sampled_.scale}) {
        std::fill(row + at + begin + count_of_class_[c], row + at + begin + places.count, 0.0f);
      }
    }
    Quantize(plane, scratch->rows.Get(stride_));
  }

  // Innovations as small integers, in units of their own; those of floats as they count, for few large values would
  // rule their products.
  void Quantize(size_t plane, float* weighted) {
    constexpr float kRoot = 32;  // of the mean square
    const size_t at = plane * stride_;
    const float* innovation = sampled_.innovation + at;
    const float* scale = values_.is_narrow() ? nullptr : sampled_.scale + at;
    if (scale != nullptr) MultiplyRows(innovation, scale, stride_, weighted);
    const float* row = scale != nullptr ? weighted : innovation;
    const float power = Dot(row, row, stride_);
    const float factor = power > 1e-6f ? kRoot / std::sqrt(power / static_cast<float>(num_places_)) : 0.0f;
    QuantizeRow(innovation, scale, factor, stride_, quantized_ + at);
    int32_t sum = 0;
    GramOfRows(quantized_ + at, 1, quantized_ + at, 1, stride_, &sum);
    power_[plane] = sum;
    inverse_power_[plane] = sum == 0 ? 0.0f : 1.0f / static_cast<float>(sum);
  }

  // ---- Candidates ----

  using Candidates = std::vector<size_t>;

  void FitGroup(size_t begin, size_t end) {
    const ScratchLease<PlaneScratch> scratch;
    size_t first = begin;
    for (size_t plane = begin; plane < end; ++plane) first = std::min(first, FirstOfPool(plane, begin));
    const size_t pool = begin - first;
    int32_t* gram = scratch->gram.Get((end - begin + 1) * pool + 1);
    if (options_.max_references > 0) {
      GramOfRows(quantized_ + begin * stride_, end - begin, quantized_ + first * stride_, pool, stride_, gram);
    }
    for (size_t plane = begin; plane < end; ++plane) {
      const int32_t* products = gram + (plane - begin) * pool;
      Candidates candidates;
      if (options_.max_references > 0 && power_[plane] != 0) {
        candidates = Pursue(plane, first, std::span(products, pool), *scratch, gram + (end - begin) * pool);
      }
      Fit(plane, candidates, *scratch);
    }
  }

  size_t FirstOfPool(size_t plane, size_t group_begin) const {
    const size_t window = static_cast<size_t>(options_.window);
    const size_t first = window > 0 && group_begin > window ? group_begin - window : 0;
    return options_.previous_item ? first
                                  : std::max(first, std::min(group_begin, static_cast<size_t>(set_.item_begin[plane])));
  }

  // Planes of earlier groups by matching pursuit: each is the one most like what those before it leave of the
  // innovations of `plane`.  `products`: with the planes from `first` on; `row` has room for as many.
  Candidates Pursue(size_t plane, size_t first, std::span<const int32_t> products, PlaneScratch& scratch,
                    int32_t* row) const {
    Candidates chosen;
    const size_t begin = FirstOfPool(plane, first + products.size()) - first;
    const size_t pool = products.size();
    float* left = scratch.values.Get(pool);
    for (size_t i = begin; i < pool; ++i) left[i] = static_cast<float>(products[i]);
    double power = power_[plane];
    const int same = set_.same_channel[plane];
    if (same >= 0 && static_cast<size_t>(same) < first + begin && options_.previous_item) {
      chosen.push_back(static_cast<size_t>(same));
      int32_t product = 0;
      GramOfRows(quantized_ + plane * stride_, 1, quantized_ + chosen[0] * stride_, 1, stride_, &product);
      if (pool > begin) power -= TakeOut(chosen[0], static_cast<float>(product), first, pool, left, row);
    }
    while (chosen.size() < static_cast<size_t>(options_.max_references)) {
      float best_score = 0;
      size_t best = pool;
      for (size_t i = begin; i < pool; ++i) {
        const float score = left[i] * left[i] * inverse_power_[first + i];
        if (score > best_score) {
          best_score = score;
          best = i;
        }
      }
      if (best == pool || !MayPay(plane, double{best_score}, power)) break;
      chosen.push_back(first + best);
      power -= TakeOut(first + best, left[best], first, pool, left, row);
    }
    return chosen;
  }

  // What is left of products with planes from `first` on after projection on a plane; returns the power that this
  // takes.
  double TakeOut(size_t plane, float product, size_t first, size_t pool, float* left, int32_t* row) const {
    GramOfRows(quantized_ + plane * stride_, 1, quantized_ + first * stride_, pool, stride_, row);
    const float weight = product * inverse_power_[plane];
    for (size_t i = 0; i < pool; ++i) left[i] -= weight * static_cast<float>(row[i]);
    return double{weight * product};
  }

  // Whether a reference that takes `saved` off the power of the innovations may be worth its bits, seen kindly.
  bool MayPay(size_t plane, double saved, double power) const {
    const double share = std::min(0.999, 1.2 * saved / std::max(power, 1e-9));
    return static_cast<double>(codes_.plane_samples()) / 2 * -Log2(1 - share) > ReferenceBits(plane) / 2;
  }

  double ReferenceBits(size_t plane) const {
    return kWeightBits + Log2(static_cast<double>(std::max(2, model_.GroupBegin(static_cast<int>(plane)))));
  }

  // ---- Fit ----

  // A feature of the pool of a plane: a reference, an own tap of a class, or the unit.
  struct Feature {
    int reference = -1;
    size_t c = 0, tap = 0;
    bool is_unit = false;
    double bits = 0;
  };
  struct Features {
    std::array<Feature, kMaxFeatures> feature;
    size_t size = 0;
  };
  struct Terms {
    std::array<size_t, kMaxFeatures> feature{};
    std::array<double, kMaxFeatures> weight{};
    size_t size = 0;
  };

  Features PoolOf(size_t plane, const Candidates& candidates) const {
    Features pool;
    const auto add = [&](const Feature& feature) { pool.feature[pool.size++] = feature; };
    for (size_t candidate : candidates) add({static_cast<int>(candidate), 0, 0, false, ReferenceBits(plane)});
    if (options_.own_taps && codes_.plane_samples() >= kMinOwnTapSamples) {
      for (size_t c = 0; c < model_.num_classes(); ++c) {
        for (size_t t = 0; t < num_taps_; ++t) add({-1, c, t, false, kOwnTapBits + kWeightBits});
      }
      add({-1, 0, 0, true, kWeightBits});
    }
    return pool;
  }

  void Fit(size_t plane, const Candidates& candidates, PlaneScratch& scratch) {
    const Features pool = PoolOf(plane, candidates);
    if (pool.size == 0) return;
    float* rows = scratch.rows.Get((pool.size + 1) * stride_);  // of features, then the target
    FillRows(plane, pool, rows, scratch);
    size_t left = num_places_;
    Terms terms = Select(pool, rows, left);
    const size_t hidden = terms.size == 0 ? 0 : Hide(plane, terms, pool.size, rows, scratch);
    if (hidden > 0) terms = Select(pool, rows, left - hidden);
    Keep(plane, pool, terms);
  }

  void Keep(size_t plane, const Features& pool, const Terms& terms) {
    LanePlane& result = model_.planes[plane];
    for (size_t n = 0; n < terms.size; ++n) {
      const Feature& feature = pool.feature[terms.feature[n]];
      const int32_t weight = RoundTo(terms.weight[n] * (1 << kLaneTermBits), kMaxLaneTermWeight);
      if (feature.is_unit) {
        result.unit = RoundTo(terms.weight[n] * kUnitScale, kMaxLaneUnitWeight);
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

  void FillRows(size_t plane, const Features& pool, float* rows, PlaneScratch& scratch) const {
    const float* scale = sampled_.scale + plane * stride_;
    const float* values = nullptr;
    for (size_t f = 0; f < pool.size; ++f) {
      const Feature& feature = pool.feature[f];
      float* row = rows + f * stride_;
      if (feature.reference >= 0) {
        MultiplyRows(sampled_.innovation + static_cast<size_t>(feature.reference) * stride_, scale, stride_, row);
      } else if (feature.is_unit) {
        std::fill_n(row, stride_, 0.0f);
        AddWeighted(values_.unit(), scale, stride_, row);
      } else {
        if (values == nullptr) values = ValuesOf(plane, scratch);
        const size_t begin = begin_of_class_[feature.c];
        std::fill_n(row, stride_, 0.0f);
        GatherScaled(values, places_.tap[feature.tap] + begin, MeanOf(plane), scale + begin, count_of_class_[feature.c],
                     row + begin);
      }
    }
    MultiplyRows(sampled_.residual + plane * stride_, scale, stride_, rows + pool.size * stride_);
  }

  // Takes out what the range hides, which says nothing; returns how many places.
  size_t Hide(size_t plane, const Terms& terms, size_t num_features, float* rows, PlaneScratch& scratch) const {
    const float* value = sampled_.value + plane * stride_;
    const float* residual = sampled_.residual + plane * stride_;
    const float* scale = sampled_.scale + plane * stride_;
    float* keep = scratch.predicted.Get(stride_);
    std::fill_n(keep, stride_, 0.0f);
    for (size_t n = 0; n < terms.size; ++n) {
      AddWeighted(static_cast<float>(terms.weight[n]), rows + terms.feature[n] * stride_, stride_, keep);
    }
    size_t hidden = 0;
    for (size_t i = 0; i < stride_; ++i) {
      const float weighted = keep[i] + (value[i] - residual[i]) * scale[i];
      const bool is_hidden = scale[i] > 0 && ((value[i] <= low_ && weighted < low_ * scale[i]) ||
                                              (value[i] >= high_ && weighted > high_ * scale[i]));
      keep[i] = is_hidden ? 0.0f : 1.0f;
      hidden += is_hidden ? 1 : 0;
    }
    if (hidden == 0) return 0;
    for (size_t f = 0; f <= num_features; ++f) MultiplyRows(rows + f * stride_, keep, stride_, rows + f * stride_);
    return hidden;
  }

  // Forward selection: while a term promises more bits than it costs.  What is left of each feature and of the target
  // after projection on the terms so far is known by the products only (as in a Cholesky decomposition).
  Terms Select(const Features& pool, const float* rows, size_t left) const {
    const size_t k = pool.size;
    std::array<std::array<float, kMaxFeatures>, kMaxFeatures> gram;
    for (size_t a = 0; a < k; ++a) DotWithRows(rows + a * stride_, rows, stride_, a + 1, stride_, gram[a].data());
    std::array<float, kMaxFeatures> products;
    const float* target = rows + k * stride_;
    DotWithRows(target, rows, stride_, k, stride_, products.data());
    const double noise = kNoiseShare * static_cast<double>(left) + 1e-9;
    const double samples =
        static_cast<double>(codes_.plane_samples()) * static_cast<double>(left) / static_cast<double>(num_places_);
    std::array<double, kMaxFeatures> diagonal, rhs;
    for (size_t f = 0; f < k; ++f) {
      diagonal[f] = double{gram[f][f]} * (1 + 1e-6);
      rhs[f] = double{products[f]};
    }
    std::array<std::array<double, kMaxFeatures>, kMaxFeatures> factor;  // [term][feature]
    std::array<double, kMaxFeatures> projected{};
    std::array<bool, kMaxFeatures> used{};
    double error = double{Dot(target, target, stride_)};
    Terms terms;
    const size_t limit =
        std::min(k, static_cast<size_t>(options_.max_references) + (options_.own_taps ? kMaxOwnTerms : 0));
    while (terms.size < limit) {
      size_t best = k;
      double saved = 0;
      for (size_t f = 0; f < k; ++f) {
        if (used[f] || !(diagonal[f] > 1e-6 * double{gram[f][f]})) continue;
        const double saves = rhs[f] * rhs[f] / diagonal[f];
        if (saves > saved) {
          saved = saves;
          best = f;
        }
      }
      if (best == k) break;
      const double gain = kGainTrust * samples / 2 * Log2((error + noise) / (std::max(error - saved, 0.0) + noise));
      if (gain < pool.feature[best].bits + (terms.size == 0 ? kFirstTermBits : 0)) break;
      const size_t n = terms.size++;
      terms.feature[n] = best;
      used[best] = true;
      error -= saved;
      const double root = std::sqrt(diagonal[best]);
      projected[n] = rhs[best] / root;
      for (size_t f = 0; f < k; ++f) {
        double value = double{f > best ? gram[f][best] : gram[best][f]};
        for (size_t m = 0; m < n; ++m) value -= factor[m][best] * factor[m][f];
        factor[n][f] = f == best ? root : value / root;
        if (used[f]) continue;
        diagonal[f] -= factor[n][f] * factor[n][f];
        rhs[f] -= factor[n][f] * projected[n];
      }
    }
    for (size_t n = terms.size; n-- > 0;) {
      double value = projected[n];
      for (size_t m = n + 1; m < terms.size; ++m) value -= factor[n][terms.feature[m]] * terms.weight[m];
      terms.weight[n] = value / factor[n][terms.feature[n]];
    }
    return terms;
  }

  ScratchLease<SearchScratch> scratch_;
  const PlaneSet& set_;
  const LaneCodes<Lanes>& codes_;
  const LaneValues& values_;
  const LaneEncoderOptions& options_;
  LaneModel& model_;
  size_t num_taps_;
  float low_, high_;
  std::array<size_t, kLaneClasses> begin_of_class_{}, count_of_class_{};
  size_t num_places_ = 0, stride_ = 0;
  LanePlaces places_;
  LaneInnovations sampled_;  // rows of all planes
  int16_t* quantized_ = nullptr;
  std::vector<int32_t> power_;  // of the quantized innovations
  std::vector<float> inverse_power_;
};

}  // namespace

template <typename Lanes>
void SearchLaneReferences(const PlaneSet& set, const LaneCodes<Lanes>& codes, const LaneValues& values,
                          const LaneEncoderOptions& options, LaneModel& model) {
  LaneSearch<Lanes>(set, codes, values, options, model).Run();
}

template void SearchLaneReferences(const PlaneSet&, const LaneCodes<NarrowLanes>&, const LaneValues&,
                                   const LaneEncoderOptions&, LaneModel&);
template void SearchLaneReferences(const PlaneSet&, const LaneCodes<WideLanes>&, const LaneValues&,
                                   const LaneEncoderOptions&, LaneModel&);

}  // namespace dcac
