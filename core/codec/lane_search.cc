#include "core/codec/lane_search.h"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

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
  SpatialFit(const LaneCodes<Lanes>& codes, const LaneValues& values, const LaneEncoderOptions& options,
             LaneModel& model)
      : codes_(codes),
        values_(values),
        model_(model),
        num_taps_(static_cast<size_t>(model.num_taps)),
        fits_twice_(options.fits_twice) {
    constexpr size_t kMinSamples = 1000;
    const size_t total = codes.planes * codes.plane_samples();
    const size_t least = std::min(kMinSamples, options.fit_samples);
    wanted_ = std::min(total, std::clamp(total / 32, least, options.fit_samples));
    stride_ = RoundUp(wanted_, kDotLanes);
    const size_t num_rows = num_taps_ + 2;
    float* rows = scratch_->rows.Get(kLaneClasses * num_rows * stride_);
    float* gaps = scratch_->gaps.Get((3 * kLaneClasses + 1) * stride_);
    for (size_t c = 0; c < kLaneClasses; ++c) {
      for (size_t f = 0; f < num_rows; ++f) rows_[c][f] = rows + (c * num_rows + f) * stride_;
      low_gap_[c] = std::exchange(gaps, gaps + stride_);
      high_gap_[c] = std::exchange(gaps, gaps + stride_);
      scale_[c] = std::exchange(gaps, gaps + stride_);
    }
    predicted_ = gaps;
  }

  void Run() {
    Collect();
    for (size_t c = 0; c < model_.num_classes(); ++c) {
      if (count_[c] == 0) continue;
      Weight(c);
      const size_t padded = RoundUp(count_[c], kDotLanes);
      for (size_t f = 0; f < num_taps_ + 2; ++f) std::fill(rows_[c][f] + count_[c], rows_[c][f] + padded, 0.0f);
      Solve(c, padded);
      Predict(c, padded);
      const bool hides = Hide(c);
      if (fits_twice_) WeightByErrors(c, padded);
      if (hides || fits_twice_) Solve(c, padded);
    }
  }

 private:
  static constexpr float kNoGap = std::numeric_limits<float>::max();
  static constexpr float kSpreadOfRange = 0.2f;  // weights taps by about what they deviate from their mean

  using Code = typename LaneCodes<Lanes>::Code;
  float ValueOf(int32_t code) const {
    // As OfCode has it, but without questions that are settled here.
    return sizeof(Code) == 1 ? static_cast<float>(code) : values_.OfCode(code);
  }

  void Collect() {
    FindTaps();
    const size_t samples = codes_.plane_samples(), total = codes_.planes * samples;
    const SpreadIndices places(wanted_, total);
    size_t plane = 0, plane_begin = 0;
    float mean = ValueOf(model_.planes[0].mean);
    for (size_t k = 0; k < wanted_; ++k) {
      const size_t at = places[k];
      if (at - plane_begin >= samples) {
        plane = at / samples;
        plane_begin = plane * samples;
        mean = ValueOf(model_.planes[plane].mean);
      }
      const uint32_t place = static_cast<uint32_t>(at - plane_begin), width = static_cast<uint32_t>(codes_.columns);
      const size_t row = place / width, column = place % width;
      if (row == 0 || codes_.IsFiller(row, column)) continue;
      Add(plane, row, column, mean);
    }
  }

  // A tap of a column: how far before a place it is, and how many rows.
  struct TapStep {
    int32_t distance = 0, rows = 0;
  };

  void FindTaps() {
    taps_.resize(kLaneClasses * codes_.columns * num_taps_);
    TapStep* next = taps_.data();
    for (size_t c = 0; c < model_.num_classes(); ++c) {
      for (size_t column = 0; column < codes_.columns; ++column) {
        for (size_t t = 0; t < num_taps_; ++t) {
          const RasterStep step = codes_.StepOfTap(c, column, t);
          *next++ = {step.rows * static_cast<int32_t>(codes_.columns) + step.columns, step.rows};
        }
      }
    }
  }
  const TapStep* TapsOf(size_t c, size_t column) const {
    return taps_.data() + (c * codes_.columns + column) * num_taps_;
  }

  void Add(size_t plane, size_t row, size_t column, float mean) {
    const size_t c = codes_.ClassOfRow(row), n = count_[c]++;
    const auto* const code_at = codes_.Plane(plane) + row * codes_.columns + column;
    const TapStep* const taps = TapsOf(c, column);
    std::array<float, kLaneTapsOfClass> tap{};
    float least = 0, most = 0;
    for (size_t t = 0; t < num_taps_; ++t) {
      if (static_cast<int32_t>(row) >= taps[t].rows) tap[t] = ValueOf(code_at[-taps[t].distance]) - mean;
      least = t == 0 ? tap[t] : std::min(least, tap[t]);
      most = t == 0 ? tap[t] : std::max(most, tap[t]);
    }
    scale_[c][n] = most - least;
    for (size_t t = 0; t < num_taps_; ++t) rows_[c][t][n] = tap[t];
    rows_[c][num_taps_][n] = values_.unit();
    const int32_t code = *code_at;
    rows_[c][num_taps_ + 1][n] = ValueOf(code) - mean;
    low_gap_[c][n] = code <= model_.low_code ? ValueOf(model_.low_code) - mean : -kNoGap;
    high_gap_[c][n] = code >= model_.high_code ? ValueOf(model_.high_code) - mean : kNoGap;
  }

  // By itself, for divisions take long where nothing else goes on.
  void Weight(size_t c) {
    const float slack = values_.slack();
    for (size_t i = 0; i < count_[c]; ++i) scale_[c][i] = 1.0f / (scale_[c][i] * kSpreadOfRange + slack);
    for (size_t f = 0; f < num_taps_ + 2; ++f) MultiplyRows(rows_[c][f], scale_[c], count_[c], rows_[c][f]);
    for (float* gap : {low_gap_[c], high_gap_[c]}) MultiplyRows(gap, scale_[c], count_[c], gap);
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

  void Predict(size_t c, size_t padded) {
    std::fill_n(predicted_, padded, 0.0f);
    for (size_t t = 0; t < num_taps_; ++t) {
      AddWeighted(static_cast<float>(model_.spatial[c].tap[t]) / static_cast<float>(1 << kLaneTapBits), rows_[c][t],
                  padded, predicted_);
    }
    AddWeighted(static_cast<float>(model_.spatial[c].unit) / static_cast<float>(kUnitScale), rows_[c][num_taps_],
                padded, predicted_);
  }

  // Takes out what the range hides, which says nothing; whether there is any.
  bool Hide(size_t c) {
    bool any = false;
    for (size_t i = 0; i < count_[c]; ++i) {
      if (!(predicted_[i] < low_gap_[c][i]) && !(predicted_[i] > high_gap_[c][i])) continue;
      for (size_t f = 0; f < num_taps_ + 2; ++f) rows_[c][f][i] = 0;
      any = true;
    }
    return any;
  }

  // Squares count errors that are large for more than the bits that they cost: those that were far off have less weight
  // now, and what is exact where planes are flat wins.
  void WeightByErrors(size_t c, size_t padded) {
    const float* const target = rows_[c][num_taps_ + 1];
    for (size_t i = 0; i < padded; ++i) predicted_[i] = 1.0f / std::sqrt(1.0f + std::abs(target[i] - predicted_[i]));
    for (size_t f = 0; f < num_taps_ + 2; ++f) MultiplyRows(rows_[c][f], predicted_, padded, rows_[c][f]);
  }

  ScratchLease<FitScratch> scratch_;
  const LaneCodes<Lanes>& codes_;
  const LaneValues& values_;
  LaneModel& model_;
  size_t num_taps_, wanted_ = 0, stride_ = 0;
  bool fits_twice_;
  std::vector<TapStep> taps_;  // of each class and column
  std::array<size_t, kLaneClasses> count_{};
  std::array<std::array<float*, kLaneTapsOfClass + 2>, kLaneClasses> rows_{};
  std::array<float*, kLaneClasses> low_gap_{}, high_gap_{}, scale_{};  // scale: of a sample, from the range of its taps
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
void FitLaneSpatial(const LaneCodes<Lanes>& codes, const LaneValues& values, const LaneEncoderOptions& options,
                    LaneModel& model) {
  SpatialFit<Lanes>(codes, values, options, model).Run();
}

template void FitLaneSpatial(const LaneCodes<NarrowLanes>&, const LaneValues&, const LaneEncoderOptions&, LaneModel&);
template void FitLaneSpatial(const LaneCodes<ByteLanes>&, const LaneValues&, const LaneEncoderOptions&, LaneModel&);
template void FitLaneSpatial(const LaneCodes<WideLanes>&, const LaneValues&, const LaneEncoderOptions&, LaneModel&);

namespace {

constexpr double kNoiseShare = 0.1, kGainTrust = 0.8, kWeightBits = 6, kFirstTermBits = 3, kOwnTapBits = 4;
constexpr size_t kMinOwnTapSamples = 700;  // of a plane, for taps of its own
constexpr size_t kMaxOwnTerms = 6;
constexpr size_t kMaxFeatures = kMaxLaneReferences + kLaneClasses * kLaneTapsOfClass + 1;
constexpr size_t kMaxRows = kMaxLaneReferences + kLaneTapsOfClass + 2;  // of references, taps, the unit, the target
constexpr size_t kMaxWindow = 256;
constexpr size_t kMinCandidateSamples = 512;
constexpr size_t kNarrowProducts = 64, kWideProducts = 128;  // of candidates, about, for each sample
constexpr float kNarrowValue = 64;                           // what CenterCodes makes of a step
constexpr float kTargetRoot = 256, kScaleRoot = 8192;        // roots of mean squares of integers

// Runs of samples of a plane that stand for all of it: their places in a row of samples are those of class 0, then
// those of class 1.  The samples in the middle, of both classes, serve to find candidates.
template <typename Lanes>
class LaneSamplePlan {
 public:
  LaneSamplePlan(const LaneCodes<Lanes>& codes, size_t num_classes, size_t num_taps, size_t samples, size_t candidates)
      : codes_(codes), num_classes_(num_classes), num_taps_(num_taps) {
    ChooseRuns(samples);
    for (size_t c = 0; c < num_classes; ++c) Arrange(c, candidates);
    length_ = end_[num_classes - 1];
    if (num_classes == 1) end_[1] = end_[0];
  }

  size_t length() const { return length_; }  // of a row of samples
  size_t count() const { return count_; }    // of those that are no padding
  size_t begin(size_t c) const { return c == 0 ? 0 : end_[0]; }
  size_t end(size_t c) const { return end_[c]; }
  size_t candidate_begin() const { return candidate_begin_; }
  size_t candidate_end() const { return candidate_end_; }
  size_t candidate_count() const { return candidate_count_; }
  size_t margin() const { return 4 * codes_.columns + kLaneTapsOfClass; }  // before the first value of a plane

  // Rows of the samples of class c and of their taps.  `values`: of a plane, with `margin` means before and kGramLanes
  // more elements behind.
  template <typename T>
  void CopySamples(size_t c, const T* values, T* row) const {
    CopyRuns(runs_[c].data(), runs_[c].size(), values, row);
  }
  template <typename T>
  void CopyTaps(size_t c, size_t t, const T* values, T* row) const {
    CopyRuns(runs_[c].data(), runs_[c].size(), values - distance_[c][t], row);
    for (const Patch& patch : patches_[c][t]) row[patch.to] = values[patch.from];
  }
  // Clears what is no sample.
  template <typename T>
  void ClearPadding(T* row) const {
    for (const LaneRun& run : padding_) std::fill_n(row + run.to, run.count, T{});
  }

 private:
  struct Patch {
    int32_t to, from;
  };

  void ChooseRuns(size_t limit) {
    // Neighbours tell little more than one of them: where planes are large, runs are short.
    constexpr size_t kRunColumns = 64;
    const size_t samples = codes_.plane_samples();
    const size_t width =
        samples <= limit ? codes_.columns : std::clamp<size_t>(kRunColumns * limit / samples, 1, codes_.columns);
    const size_t of_row = codes_.columns / width, total = codes_.rows * of_row;
    const size_t wanted = samples <= limit ? total : std::clamp<size_t>(limit / width, 1, total);
    const SpreadIndices places(wanted, total), shifted(wanted, wanted + codes_.columns - width);
    for (size_t k = 0; k < wanted; ++k) {
      const size_t at = places[k], row = at / of_row;
      const size_t column = of_row == 1 ? shifted[k] - k : at % of_row * (codes_.columns - width) / (of_row - 1);
      const size_t count = width - (codes_.IsFiller(row, column + width - 1) ? 1 : 0);
      if (count == 0) continue;
      runs_[codes_.ClassOfRow(row)].push_back(
          {static_cast<int32_t>(row * codes_.columns + column), 0, static_cast<int32_t>(count)});
    }
  }

  // Those for candidates behind the others in class 0, before them in class 1.
  void Arrange(size_t c, size_t candidates) {
    std::vector<LaneRun> others, chosen;
    size_t all = 0, taken = 0;
    for (const LaneRun& run : runs_[c]) all += static_cast<size_t>(run.count);
    const size_t wanted = std::min(all, candidates / num_classes_);
    size_t before = 0;
    for (const LaneRun& run : runs_[c]) {
      before += static_cast<size_t>(run.count);
      const bool is_chosen = taken * all < wanted * before;
      (is_chosen ? chosen : others).push_back(run);
      taken += is_chosen ? static_cast<size_t>(run.count) : 0;
    }
    size_t next = c == 0 ? 0 : end_[0];
    const auto place = [&](std::vector<LaneRun>& runs) {
      for (LaneRun& run : runs) {
        run.to = static_cast<int32_t>(next);
        next += static_cast<size_t>(run.count);
      }
      const size_t end = RoundUp(next, kGramLanes);
      if (end > next) padding_.push_back({0, static_cast<int32_t>(next), static_cast<int32_t>(end - next)});
      next = end;
    };
    if (c == 0) {
      place(others);
      candidate_begin_ = next;
      place(chosen);
      candidate_end_ = next;
      std::swap(others, chosen);
    } else {
      place(chosen);
      candidate_end_ = next;
      place(others);
    }
    end_[c] = next;
    count_ += all;
    candidate_count_ += taken;
    runs_[c] = std::move(chosen);
    runs_[c].insert(runs_[c].end(), others.begin(), others.end());
    std::sort(runs_[c].begin(), runs_[c].end(), [](const LaneRun& a, const LaneRun& b) { return a.to < b.to; });
    FindTaps(c);
  }

  // Taps lie a fixed distance before samples, but for those near the sides of the plane.
  void FindTaps(size_t c) {
    const std::array<size_t, kMaxLaneTaps> distances = TapDistances(codes_.interlaced, codes_.columns);
    constexpr size_t kSide = 2;
    for (size_t t = 0; t < num_taps_; ++t) {
      distance_[c][t] =
          static_cast<ptrdiff_t>(distances[(codes_.interlaced ? kInterlacedTaps[c][t] : kRasterTaps[t]).distance]);
      for (const LaneRun& run : runs_[c]) {
        const size_t row = static_cast<size_t>(run.from) / codes_.columns;
        const size_t begin = static_cast<size_t>(run.from) % codes_.columns;
        for (size_t i = 0; i < static_cast<size_t>(run.count); ++i) {
          const size_t column = begin + i;
          if (column >= kSide && column + kSide < codes_.columns) continue;
          const auto place = codes_.TapPlace(row, column, t);
          const ptrdiff_t usual = static_cast<ptrdiff_t>(run.from) + static_cast<ptrdiff_t>(i) - distance_[c][t];
          if (!place || static_cast<ptrdiff_t>(*place) == usual) continue;
          patches_[c][t].push_back({run.to + static_cast<int32_t>(i), static_cast<int32_t>(*place)});
        }
      }
    }
  }

  const LaneCodes<Lanes>& codes_;
  size_t num_classes_, num_taps_;
  std::array<std::vector<LaneRun>, kLaneClasses> runs_;
  std::array<std::array<ptrdiff_t, kLaneTapsOfClass>, kLaneClasses> distance_{};
  std::array<std::array<std::vector<Patch>, kLaneTapsOfClass>, kLaneClasses> patches_;
  std::vector<LaneRun> padding_;
  std::array<size_t, kLaneClasses> end_{};
  size_t length_ = 0, count_ = 0, candidate_begin_ = 0, candidate_end_ = 0, candidate_count_ = 0;
};

// What all planes of a search have: rows of `stride` integers for each.
struct SearchScratch {
  Scratch<int16_t> innovation, candidate, target, scale, edges;
  Scratch<int32_t> gram;
};

// What one thread has.
struct PlaneScratch {
  Scratch<float> values, samples, innovations, left;
  Scratch<int16_t> integers, rows;
  Scratch<int32_t> products;
};

template <typename Lanes>
class LaneSearch {
  static constexpr bool kNarrow = !std::is_same_v<Lanes, WideLanes>;
  using Sampled = std::conditional_t<kNarrow, int16_t, float>;

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
        high_(values.OfCode(model.high_code)),
        inverse_unit_(1 / values.unit()),
        plan_(codes, model.num_classes(), num_taps_, options.search_samples, CandidateSamples(codes, options)),
        length_(plan_.length()),
        stride_(StrideOf(length_)),
        planes_(codes.planes),
        window_(options.window > 0 ? std::min(static_cast<size_t>(options.window), kMaxWindow) : kMaxWindow),
        max_references_(static_cast<size_t>(options.max_references)) {}

  void Run() {
    const size_t size = planes_.size() * stride_;
    innovation_ = scratch_->innovation.Get(size);
    target_ = scratch_->target.Get(size);
    scale_ = scratch_->scale.Get(size);
    edges_ = scratch_->edges.Get(size);
    candidate_samples_ = plan_.candidate_end() - plan_.candidate_begin();
    if (kNarrow) {
      candidates_ = {innovation_ + plan_.candidate_begin(), stride_, planes_.size()};
    } else {
      const size_t stride = StrideOf(candidate_samples_);
      weighted_ = scratch_->candidate.Get(planes_.size() * stride);
      candidates_ = {weighted_, stride, planes_.size()};
    }
    inverse_power_.assign(planes_.size(), 0);
    gram_columns_ = std::min(planes_.size(), 2 * (GramReach() + kGramBlock));
    if (max_references_ > 0) gram_ = scratch_->gram.Get(planes_.size() * gram_columns_);
    sampled_ = planes_.size();
    const size_t probed = FirstProbed();
    FitPlanes(probed, planes_.size());
    if (probed == 0) return;
    if (GainOf(probed) >= options_.min_reference_gain) return FitPlanes(0, probed);
    max_references_ = 0;
    for (size_t plane = probed; plane < planes_.size(); ++plane) {
      LanePlane without;
      without.mean = model_.planes[plane].mean;
      model_.planes[plane] = without;
    }
    if (HasOwnTaps()) FitPlanes(0, planes_.size());
  }

 private:
  // Of a plane: what its rows of integers are multiples of, and the power of its candidate row.
  struct Plane {
    double innovation = 0, scale = 0, target = 0;
    float value = 0;
    int32_t power = 0;
    bool has_edges = false;
    double reference_gain = 0;  // bits that its references promise
  };

  template <typename Body>
  void ForEachPlane(size_t begin, size_t end, Body body) {
    constexpr size_t kGrainSamples = 1 << 15;
    const size_t grain = kGrainSamples / stride_ + 1;
    tbb::parallel_for(tbb::blocked_range<size_t>(begin, end, grain), [&](const tbb::blocked_range<size_t>& range) {
      const FloatEnvironment environment;
      for (size_t plane = range.begin(); plane < range.end(); ++plane) body(plane);
    });
  }

  // The first of the planes at the end that tell whether references pay; 0: all planes are to be fitted at once.
  size_t FirstProbed() const {
    constexpr size_t kProbedPart = 8, kFewestProbed = 6;
    if (max_references_ == 0 || options_.min_reference_gain == 0) return 0;
    const std::vector<int>& same = set_.same_channel;
    const bool has_items = std::any_of(same.begin(), same.end(), [](int plane) { return plane >= 0; });
    const size_t planes = planes_.size(), probed = planes / kProbedPart;
    return has_items || probed < kFewestProbed ? 0 : planes - probed;
  }

  // Bits of a sample that references of the planes from `first` on promise.
  double GainOf(size_t first) const {
    double sum = 0;
    for (size_t plane = first; plane < planes_.size(); ++plane) sum += planes_[plane].reference_gain;
    return sum / static_cast<double>((planes_.size() - first) * codes_.plane_samples());
  }

  // Those behind them, if any, come before.
  void FitPlanes(size_t begin, size_t end) {
    const size_t first = max_references_ > 0 ? FirstOfPools(begin) : begin, sampled = std::exchange(sampled_, first);
    ForEachPlane(first, sampled, [this](size_t plane) { Sample(plane); });
    if (max_references_ > 0) MultiplyCandidates(first, sampled);
    ForEachPlane(begin, end, [this](size_t plane) { FitPlane(plane); });
  }

  // Rows that are a large power of two apart would share the same few lines of the cache.
  static size_t StrideOf(size_t length) { return (length / kGramLanes | 1) * kGramLanes; }

  // More where planes are large or few: products of all pairs take a part of the time only.
  static size_t CandidateSamples(const LaneCodes<Lanes>& codes, const LaneEncoderOptions& options) {
    const size_t affordable = (kNarrow ? kNarrowProducts : kWideProducts) * codes.plane_samples() / codes.planes;
    return std::min(std::max(affordable, kMinCandidateSamples), options.search_samples);
  }

  // ---- Samples ----

  float MeanOf(size_t plane) const { return values_.OfCode(model_.planes[plane].mean); }

  // In units.
  float Above(float value, size_t plane) const { return (value - MeanOf(plane)) * inverse_unit_; }

  // What the values of a plane are above its mean, in units (narrow: in 64ths); zeros before and behind.
  const Sampled* ValuesOf(size_t plane, PlaneScratch& scratch) const {
    const size_t margin = plan_.margin(), samples = codes_.plane_samples(), size = margin + samples + kGramLanes;
    Sampled* values = nullptr;
    if constexpr (kNarrow) {
      values = scratch.integers.Get(size) + margin;
      CenterCodes(codes_.Plane(plane), static_cast<uint8_t>(model_.planes[plane].mean), samples, values);
    } else {
      values = scratch.values.Get(size) + margin;
      values_.OfCodes(samples, codes_.Plane(plane), values);
      CenterRow(MeanOf(plane), inverse_unit_, samples, values);
    }
    std::fill_n(values - margin, margin, Sampled{});
    std::fill_n(values + samples, kGramLanes, Sampled{});
    return values;
  }

  LaneSpatialFit SpatialFitOf(size_t plane, size_t c) const {
    LaneSpatialFit fit;
    fit.base = static_cast<float>(model_.spatial[c].unit) / static_cast<float>(kUnitScale);
    for (size_t t = 0; t < num_taps_; ++t) {
      fit.weight[t] = static_cast<float>(model_.spatial[c].tap[t]) / static_cast<float>(1 << kLaneTapBits);
    }
    fit.low = Above(low_, plane);
    fit.high = Above(high_, plane);
    fit.slack = values_.slack() * inverse_unit_;
    return fit;
  }

  // The factor that gives a row the mean square root^2.
  float FactorOf(const float* row, float root) const {
    const float power = Dot(row, row, length_);
    return power > 1e-12f ? root / std::sqrt(power / static_cast<float>(plan_.count())) : 0.0f;
  }
  // So that sums of products have 31 bits, those of a sample are few.
  float Root() const { return std::min(1024.0f, std::sqrt(static_cast<float>(1 << 30) / static_cast<float>(length_))); }

  // Innovations of a plane and how much they count.
  void Sample(size_t plane) {
    const ScratchLease<PlaneScratch> scratch;
    const Sampled* values = ValuesOf(plane, *scratch);
    const auto rows_of = [this](auto& memory, size_t count) { return memory.Get(count * stride_ + kGramLanes); };
    Sampled* sampled = nullptr;
    if constexpr (kNarrow) {
      sampled = rows_of(scratch->rows, 1 + num_taps_);
    } else {
      sampled = rows_of(scratch->samples, 1 + num_taps_);
    }
    float* rows = rows_of(scratch->innovations, 4);
    const auto take = [&] { return std::exchange(rows, rows + stride_); };
    float *residual = take(), *innovation = take(), *scale = take(), *product = take();
    LaneTapRows<Sampled> taps;
    taps.num_taps = num_taps_;
    for (size_t c = 0; c < model_.num_classes(); ++c) {
      const size_t begin = plan_.begin(c);
      plan_.CopySamples(c, values, sampled);
      taps.value = sampled + begin;
      taps.count = plan_.end(c) - begin;
      for (size_t t = 0; t < num_taps_; ++t) {
        Sampled* const tap = sampled + (1 + t) * stride_;
        plan_.CopyTaps(c, t, values, tap);
        taps.tap[t] = tap + begin;
      }
      FindLaneInnovations(taps, SpatialFitOf(plane, c), {residual + begin, innovation + begin, scale + begin});
    }
    for (float* row : {residual, innovation, scale}) plan_.ClearPadding(row);
    plan_.ClearPadding(sampled);
    Quantize(plane, {residual, innovation, scale}, sampled, product);
  }

  void Quantize(size_t plane, const LaneInnovations& rows, const Sampled* value, float* product) {
    const size_t at = plane * stride_;
    Plane& result = planes_[plane];
    const float factor = FactorOf(rows.innovation, Root());
    result.innovation = double{factor};
    QuantizeRow(rows.innovation, factor, length_, innovation_ + at);
    const float scale = FactorOf(rows.scale, kScaleRoot);
    result.scale = double{scale} / (1 << 15);
    QuantizeRow(rows.scale, scale, length_, scale_ + at);
    MultiplyRows(rows.residual, rows.scale, length_, product);
    const float target = FactorOf(product, kTargetRoot);
    result.target = double{target};
    QuantizeRow(product, target, length_, target_ + at);
    const auto edge_at = [&](float bound) {
      return static_cast<Sampled>(Above(bound, plane) * (kNarrow ? kNarrowValue : 1));
    };
    MarkEdges(value, edge_at(low_), edge_at(high_), length_, edges_ + at);
    plan_.ClearPadding(edges_ + at);
    int16_t any = 0;  // all of them: vectors of them are faster than to stop at the first
    for (size_t i = 0; i < length_; ++i) any = static_cast<int16_t>(any | edges_[at + i]);
    result.has_edges = any != 0;
    if constexpr (kNarrow) {
      result.value = kNarrowValue;
    } else if (HasOwnTaps()) {
      result.value = FactorOf(value, Root());
    }
    if (max_references_ == 0) return;
    if (!kNarrow) {
      // As they count, for few large values would rule their products.
      MultiplyRows(rows.innovation, rows.scale, length_, product);
      QuantizeRow(product + plan_.candidate_begin(), FactorOf(product, Root()), candidate_samples_,
                  weighted_ + plane * candidates_.stride);
    }
    result.power = CandidateProduct(plane, plane);
    inverse_power_[plane] = result.power == 0 ? 0.0f : 1.0f / static_cast<float>(result.power);
  }

  int32_t CandidateProduct(size_t a, size_t b) const {
    int32_t product = 0;
    GramOfRows({candidates_.Row(a), 0, 1}, {candidates_.Row(b), 0, 1}, candidate_samples_, &product, 1);
    return product;
  }

  // ---- Candidates ----

  using Candidates = std::vector<size_t>;

  // Products of planes that are not farther apart than the window and a group, both ways: a row of gram_ has those of a
  // plane with gram_columns_ planes from GramBegin on.
  size_t GramReach() const { return window_ + static_cast<size_t>(model_.group_planes); }
  size_t GramBegin(size_t plane) const {
    const size_t block = plane / kGramBlock * kGramBlock;
    return std::min(block > GramReach() ? block - GramReach() : 0, planes_.size() - gram_columns_);
  }
  int32_t* GramRow(size_t plane) { return gram_ + plane * gram_columns_; }
  const int32_t* GramRow(size_t plane) const { return gram_ + plane * gram_columns_; }

  // Of planes from `first` on, if those from `done` on have been multiplied; both begin blocks.
  void MultiplyCandidates(size_t first, size_t done) {
    const size_t planes = planes_.size(), blocks = (planes - first + kGramBlock - 1) / kGramBlock;
    const size_t grain = (1 << 22) / (kGramBlock * gram_columns_ * candidate_samples_) + 1;
    tbb::parallel_for(tbb::blocked_range<size_t>(0, blocks, grain), [&](const tbb::blocked_range<size_t>& range) {
      for (size_t block = range.begin(); block < range.end(); ++block) {
        const size_t begin = first + block * kGramBlock, end = std::min(begin + kGramBlock, planes);
        MultiplyBlock(begin, end, std::max(first, GramBegin(begin)), begin < done ? end : done);
      }
    });
  }

  // Planes from `begin` to `end`, a block, with `others` to `others_end`.
  void MultiplyBlock(size_t begin, size_t end, size_t others, size_t others_end) {
    if (others >= others_end) return;
    const size_t from_block = GramBegin(begin);
    GramOfRows({candidates_.Row(begin), candidates_.stride, end - begin},
               {candidates_.Row(others), candidates_.stride, others_end - others}, candidate_samples_,
               GramRow(begin) + others - from_block, gram_columns_);
    for (size_t other = others; other < std::min(begin, others_end); ++other) {
      const size_t from = GramBegin(other);
      int32_t* to = GramRow(other) + begin - from;
      const size_t count = std::min(end - begin, from + gram_columns_ - std::min(begin, from + gram_columns_));
      const int32_t* product = GramRow(begin) + other - from_block;
      for (size_t i = 0; i < count; ++i) to[i] = product[i * gram_columns_];
    }
  }

  // The first plane that those from `begin` on, of an item, may refer to, or one a little before, where a block begins.
  size_t FirstOfPools(size_t begin) const {
    const size_t group = static_cast<size_t>(model_.GroupBegin(static_cast<int>(begin)));
    return (group > window_ ? group - window_ : 0) / kGramBlock * kGramBlock;
  }

  size_t FirstOfPool(size_t plane, size_t group_begin) const {
    const size_t first = group_begin > window_ ? group_begin - window_ : 0;
    return options_.previous_item ? first
                                  : std::max(first, std::min(group_begin, static_cast<size_t>(set_.item_begin[plane])));
  }

  // Planes of earlier groups by matching pursuit: each is the one most like what those before it leave of the
  // innovations of `plane`.
  Candidates Pursue(size_t plane, PlaneScratch& scratch) const {
    Candidates chosen;
    const size_t end = static_cast<size_t>(model_.GroupBegin(static_cast<int>(plane)));
    const size_t first = FirstOfPool(plane, end), pool = end - first;
    if (planes_[plane].power == 0) return chosen;
    chosen.reserve(max_references_);
    const double reference_bits = ReferenceBits(plane);
    double power = planes_[plane].power;
    float* left = scratch.left.Get(pool);
    std::fill_n(left, pool, 0.0f);
    // Returns the best of what is left.
    const auto take_out = [&](float weight, const int32_t* products) {
      return TakeOutRow(weight, products, inverse_power_.data() + first, pool, left);
    };
    LaneMatch match = take_out(-1, GramRow(plane) + first - GramBegin(plane));
    const auto choose = [&](size_t other, float product, const int32_t* products) {
      chosen.push_back(other);
      const float weight = product * inverse_power_[other];
      power -= double{weight * product};
      match = take_out(weight, products);
    };
    const int same = set_.same_channel[plane];
    if (same >= 0 && static_cast<size_t>(same) < end && options_.previous_item) {
      const size_t other = static_cast<size_t>(same);
      const int32_t* products = GramRow(other) + first - GramBegin(other);
      if (other < first) {
        int32_t* row = scratch.products.Get(pool + 1);
        GramOfRows({candidates_.Row(other), 0, 1}, {candidates_.Row(first), candidates_.stride, pool},
                   candidate_samples_, row, pool);
        products = row;
      }
      choose(other, static_cast<float>(CandidateProduct(plane, other)), products);
    }
    while (chosen.size() < max_references_) {
      if (match.at == pool || !MayPay(reference_bits, double{match.score}, power)) break;
      const size_t other = first + match.at;
      choose(other, left[match.at], GramRow(other) + first - GramBegin(other));
    }
    return chosen;
  }

  // Whether a reference that takes `saved` off the power of the innovations may be worth its bits, seen kindly.
  bool MayPay(double reference_bits, double saved, double power) const {
    const double share = std::min(0.999, 1.2 * saved / std::max(power, 1e-9));
    return static_cast<double>(codes_.plane_samples()) / 2 * -Log2(1 - share) > reference_bits / 2;
  }

  double ReferenceBits(size_t plane) const {
    return kWeightBits + Log2(static_cast<double>(std::max(2, model_.GroupBegin(static_cast<int>(plane)))));
  }

  // ---- Fit ----

  // A feature of the pool of a plane: a reference, an own tap of a class, or the unit.
  struct Feature {
    int reference;  // -1: none
    size_t c, tap;
    bool is_unit;
    double bits;
    size_t row;
    double unit;  // what a weight of the row is in weights of the feature, but for the target
  };
  // What is beyond the sizes is not set, for that would take longer than the rest.
  struct Features {
    std::array<Feature, kMaxFeatures> feature;
    size_t size = 0, rows = 0;
  };
  struct Terms {
    std::array<size_t, kMaxFeatures> feature;
    std::array<double, kMaxFeatures> weight;  // of rows
    size_t size = 0;
    double reference_gain = 0;  // bits that references save beyond their own
  };
  // Of features, and of the target, which comes after them.
  struct Products {
    double operator()(size_t a, size_t b) const {
      const size_t at = std::max(row[a], row[b]) * kMaxRows + std::min(row[a], row[b]);
      const uint32_t both = classes[a] & classes[b];
      return static_cast<double>((both & 1 ? int64_t{sums[0][at]} : 0) + (both & 2 ? int64_t{sums[1][at]} : 0));
    }

    std::array<std::array<int32_t, kMaxRows * kMaxRows>, kLaneClasses> sums;  // of rows, the later one first
    std::array<uint32_t, kMaxFeatures + 1> classes;                           // in which they are not 0, as bits
    std::array<size_t, kMaxFeatures + 1> row;
  };

  bool HasOwnTaps() const { return options_.own_taps && codes_.plane_samples() >= kMinOwnTapSamples; }

  Features PoolOf(size_t plane, const Candidates& candidates) const {
    Features pool;
    const double scale = planes_[plane].scale, reference_bits = ReferenceBits(plane);
    for (size_t candidate : candidates) {
      pool.feature[pool.size++] = {static_cast<int>(candidate),          0, 0, false, reference_bits, pool.rows++,
                                   scale * planes_[candidate].innovation};
    }
    if (!HasOwnTaps()) return pool;
    for (size_t c = 0; c < model_.num_classes(); ++c) {
      for (size_t t = 0; t < num_taps_; ++t) {
        pool.feature[pool.size++] = {
            -1, c, t, false, kOwnTapBits + kWeightBits, pool.rows + t, scale * double{planes_[plane].value}};
      }
    }
    pool.rows += num_taps_;
    pool.feature[pool.size++] = {-1, 0, 0, true, kWeightBits, pool.rows++, scale * double{kUnitRow}};
    return pool;
  }

  // First to a part of the samples, then to all of them what that has chosen, without samples that the range hides.
  void FitPlane(size_t plane) {
    const ScratchLease<PlaneScratch> scratch;
    const Features pool = PoolOf(plane, max_references_ > 0 ? Pursue(plane, *scratch) : Candidates());
    if (pool.size == 0) return;
    const int16_t* values = HasOwnTaps() ? IntegersOf(plane, *scratch) : nullptr;
    int16_t* rows = scratch->rows.Get((kMaxRows + 1) * stride_ + kGramLanes);
    const bool is_part = candidate_samples_ < length_;
    const size_t count = plan_.candidate_count();
    FillRows(plane, pool, values, plan_.candidate_begin(), plan_.candidate_end(), rows);
    const Terms terms =
        Select(plane, pool, ProductsOf(pool, rows, plan_.candidate_begin(), plan_.candidate_end()), count, count);
    planes_[plane].reference_gain = terms.reference_gain;
    if (terms.size == 0) return;
    if (!is_part && !planes_[plane].has_edges) return Keep(plane, pool, terms);
    const Features chosen = Restrict(pool, terms);
    FillRows(plane, chosen, values, 0, length_, rows);
    size_t left = plan_.count();
    if (planes_[plane].has_edges) left -= Hide(plane, chosen, terms, rows);
    Keep(plane, chosen, Select(plane, chosen, ProductsOf(chosen, rows, 0, length_), left, plan_.count()));
  }

  // The features of the terms, in their order.
  Features Restrict(const Features& pool, const Terms& terms) const {
    Features result;
    std::array<size_t, kMaxRows> row_of{};  // 1 + the new one
    for (size_t n = 0; n < terms.size; ++n) {
      Feature& feature = result.feature[result.size++];
      feature = pool.feature[terms.feature[n]];
      size_t& row = row_of[feature.row];
      if (row == 0) row = ++result.rows;
      feature.row = row - 1;
    }
    return result;
  }

  void Keep(size_t plane, const Features& pool, const Terms& terms) {
    LanePlane& result = model_.planes[plane];
    result.references.reserve(terms.size);
    for (size_t n = 0; n < terms.size; ++n) {
      const Feature& feature = pool.feature[terms.feature[n]];
      const double value = terms.weight[n] * feature.unit / planes_[plane].target;
      const int32_t weight = RoundTo(value * (1 << kLaneTermBits), kMaxLaneTermWeight);
      if (feature.is_unit) {
        result.unit = RoundTo(value * kUnitScale, kMaxLaneUnitWeight);
      } else if (weight == 0) {
        continue;
      } else if (feature.reference >= 0) {
        result.references.push_back({feature.reference, weight});
      } else {
        result.own[feature.c][feature.tap] = static_cast<int16_t>(weight);
        result.has_own_taps = true;
      }
    }
  }

  // Samples from `from` to `to` of the rows of features, and of the target behind them.
  void FillRows(size_t plane, const Features& pool, const int16_t* values, size_t from, size_t to,
                int16_t* rows) const {
    // So that sums of products have 31 bits.
    const int16_t limit = static_cast<int16_t>(std::min(4095.0f, std::sqrt(2e9f / static_cast<float>(length_))));
    std::array<bool, kMaxRows> is_filled{};
    for (size_t f = 0; f < pool.size; ++f) {
      const Feature& feature = pool.feature[f];
      int16_t* row = rows + feature.row * stride_;
      const int16_t* plain = row;
      if (std::exchange(is_filled[feature.row], true)) continue;
      if (feature.reference >= 0) {
        plain = innovation_ + static_cast<size_t>(feature.reference) * stride_;
      } else if (feature.is_unit) {
        std::fill_n(row + from, to - from, kUnitRow);
      } else {
        for (size_t c = 0; c < model_.num_classes(); ++c) plan_.CopyTaps(c, feature.tap, values, row);
      }
      WeightRow(plain + from, scale_ + plane * stride_ + from, limit, to - from, row + from);
    }
    std::copy_n(target_ + plane * stride_ + from, to - from, rows + pool.rows * stride_ + from);
  }

  // What the values of a plane are above its mean, in integers; zeros before and behind.
  const int16_t* IntegersOf(size_t plane, PlaneScratch& scratch) const {
    if constexpr (kNarrow) {
      return ValuesOf(plane, scratch);
    } else {
      const size_t size = plan_.margin() + codes_.plane_samples() + kGramLanes;
      int16_t* all = scratch.integers.Get(size);
      QuantizeRow(ValuesOf(plane, scratch) - plan_.margin(), planes_[plane].value, size, all);
      return all + plan_.margin();
    }
  }

  // Over samples from `from` to `to`.
  Products ProductsOf(const Features& pool, const int16_t* rows, size_t from, size_t to) const {
    Products result;
    for (size_t c = 0; c < model_.num_classes(); ++c) {
      const size_t begin = std::max(from, plan_.begin(c)), end = std::min(to, plan_.end(c));
      GramOfRows({rows + begin, stride_, pool.rows + 1}, end - begin, result.sums[c].data(), kMaxRows);
    }
    const uint32_t all_classes = (1u << model_.num_classes()) - 1;
    for (size_t f = 0; f < pool.size; ++f) {
      const Feature& feature = pool.feature[f];
      result.classes[f] = feature.reference >= 0 || feature.is_unit ? all_classes : 1u << feature.c;
      result.row[f] = feature.row;
    }
    result.classes[pool.size] = all_classes;
    result.row[pool.size] = pool.rows;
    return result;
  }

  // Takes out what the range hides, which says nothing; returns how many samples.  `terms`: those of the pool, in
  // order.
  size_t Hide(size_t plane, const Features& pool, const Terms& terms, int16_t* rows) const {
    LaneTerms sum;
    for (size_t n = 0; n < terms.size; ++n) {
      sum.row[sum.count] = rows + pool.feature[n].row * stride_;
      sum.weight[sum.count++] = static_cast<int16_t>(RoundTo(terms.weight[n] * (1 << 12), INT16_MAX));
    }
    int16_t* keep = rows + (pool.rows + 1) * stride_;
    const size_t hidden = FindHidden(sum, target_ + plane * stride_, edges_ + plane * stride_, length_, keep);
    if (hidden == 0) return 0;
    for (size_t row = 0; row <= pool.rows; ++row) MaskRow(keep, length_, rows + row * stride_);
    return hidden;
  }

  // Forward selection: while a term promises more bits than it costs.  What is left of each feature and of the target
  // after projection on the terms so far is known by the products only (as in a Cholesky decomposition).
  // `left` of `count` samples are not hidden.
  Terms Select(size_t plane, const Features& pool, const Products& products, size_t left, size_t count) const {
    const size_t k = pool.size;
    const double unit = planes_[plane].target;
    const double noise = (kNoiseShare * static_cast<double>(left) + 1e-9) * unit * unit;
    const double samples =
        static_cast<double>(codes_.plane_samples()) * static_cast<double>(left) / static_cast<double>(count);
    std::array<double, kMaxFeatures> diagonal, least, rhs;
    for (size_t f = 0; f < k; ++f) {
      const double power = products(f, f);
      diagonal[f] = power * (1 + 1e-6);
      least[f] = power * 1e-6;  // that of a term is 0 up to rounding
      rhs[f] = products(f, k);
    }
    std::array<std::array<double, kMaxFeatures>, kMaxFeatures> factor;  // [term][feature]
    std::array<double, kMaxFeatures> projected;
    double error = products(k, k);
    Terms terms;
    const size_t limit = std::min(k, max_references_ + (options_.own_taps ? kMaxOwnTerms : 0));
    while (terms.size < limit) {
      size_t best = k;
      double saved = 0;
      for (size_t f = 0; f < k; ++f) {
        if (!(diagonal[f] > least[f]) || !(rhs[f] * rhs[f] > saved * diagonal[f])) continue;
        saved = rhs[f] * rhs[f] / diagonal[f];
        best = f;
      }
      if (best == k) break;
      const double gain = kGainTrust * samples / 2 * Log2((error + noise) / (std::max(error - saved, 0.0) + noise));
      const double cost = pool.feature[best].bits + options_.min_saved_bits * samples;
      if (gain < cost + (terms.size == 0 ? kFirstTermBits : 0)) break;
      const size_t n = terms.size++;
      terms.feature[n] = best;
      if (pool.feature[best].reference >= 0) terms.reference_gain += gain - cost;
      error -= saved;
      const double root = std::sqrt(diagonal[best]), inverse = 1 / root;
      projected[n] = rhs[best] * inverse;
      std::array<double, kMaxFeatures>& next = factor[n];
      for (size_t f = 0; f < k; ++f) next[f] = products(best, f);
      for (size_t m = 0; m < n; ++m) {
        const double of_best = factor[m][best];
        for (size_t f = 0; f < k; ++f) next[f] -= of_best * factor[m][f];
      }
      for (size_t f = 0; f < k; ++f) {
        next[f] *= inverse;
        diagonal[f] -= next[f] * next[f];
        rhs[f] -= next[f] * projected[n];
      }
      next[best] = root;
      diagonal[best] = 0;
    }
    for (size_t n = terms.size; n-- > 0;) {
      double value = projected[n];
      for (size_t m = n + 1; m < terms.size; ++m) value -= factor[n][terms.feature[m]] * terms.weight[m];
      terms.weight[n] = value / factor[n][terms.feature[n]];
    }
    return terms;
  }

  static constexpr int16_t kUnitRow = 2048;
  static constexpr size_t kGramBlock = 16;

  ScratchLease<SearchScratch> scratch_;
  const PlaneSet& set_;
  const LaneCodes<Lanes>& codes_;
  const LaneValues& values_;
  const LaneEncoderOptions& options_;
  LaneModel& model_;
  size_t num_taps_;
  float low_, high_, inverse_unit_;
  LaneSamplePlan<Lanes> plan_;
  size_t length_, stride_;  // of rows of samples
  std::vector<Plane> planes_;
  std::vector<float> inverse_power_;  // of candidate rows
  size_t window_, max_references_;
  size_t sampled_ = 0;  // the first plane that has samples
  int16_t *innovation_ = nullptr, *weighted_ = nullptr, *target_ = nullptr, *scale_ = nullptr, *edges_ = nullptr;
  IntegerRows candidates_;  // of all planes
  size_t candidate_samples_ = 0;
  int32_t* gram_ = nullptr;
  size_t gram_columns_ = 0;
};

}  // namespace

template <typename Lanes>
void SearchLaneReferences(const PlaneSet& set, const LaneCodes<Lanes>& codes, const LaneValues& values,
                          const LaneEncoderOptions& options, LaneModel& model) {
  LaneSearch<Lanes>(set, codes, values, options, model).Run();
}

template void SearchLaneReferences(const PlaneSet&, const LaneCodes<NarrowLanes>&, const LaneValues&,
                                   const LaneEncoderOptions&, LaneModel&);
template void SearchLaneReferences(const PlaneSet&, const LaneCodes<ByteLanes>&, const LaneValues&,
                                   const LaneEncoderOptions&, LaneModel&);
template void SearchLaneReferences(const PlaneSet&, const LaneCodes<WideLanes>&, const LaneValues&,
                                   const LaneEncoderOptions&, LaneModel&);

}  // namespace dcac
