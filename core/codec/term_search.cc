#include "core/codec/term_search.h"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/enumerable_thread_specific.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/exact_math.h"
#include "core/codec/least_squares.h"
#include "core/codec/spatial_fit.h"
#include "core/kernels/dot.h"

namespace dcac {
namespace {

constexpr size_t kGramSamples = 4096;  // of a plane, for the search of candidates
constexpr size_t kFitSamplesPerPlane = 6000;
constexpr int kOwnTermSamples = 200;  // smaller planes get no terms of their own taps
constexpr int kSmallPlane = 128;      // planes of fewer samples gain little: a narrow search is enough
constexpr int kSmallPlaneBand = 128;
constexpr int kMinBand = 64;
constexpr int kNeighbourSamples = 1024;  // smaller planes get no terms of their references' neighbours
constexpr double kNoiseShare = 0.1;      // floor of the weighted squared error, per sample
constexpr double kGainTrust = 0.8;       // of the gain in bits that least squares promise
constexpr double kWeightBits = 6;
constexpr double kFirstTermBits = 3;
constexpr double kMinScore = 3;  // least gain of a candidate, in weighted squares

size_t RoundUpToLanes(size_t n) {
  return (n + kDotLanes - 1) / kDotLanes * kDotLanes;
}

// Positions of a plane, evenly spread: at most about `limit` of them.
std::vector<int> SpreadPositions(int plane_samples, size_t limit) {
  std::vector<int> positions;
  const size_t step = SampleStep(static_cast<size_t>(plane_samples) - 1, limit);
  for (size_t i = 0; i < static_cast<size_t>(plane_samples); i += step) positions.push_back(static_cast<int>(i));
  return positions;
}

template <typename Arithmetic>
class TermSearch {
 public:
  using Value = typename Arithmetic::Value;

  TermSearch(const SetAnalysis<Arithmetic>& analysis, const TermSearchOptions& options, SetModel& model)
      : analysis_(analysis),
        options_(options),
        model_(model),
        unit_(static_cast<float>(analysis.arithmetic.Unit())),
        positions_(SpreadPositions(analysis.shape.plane_samples(), kFitSamplesPerPlane)),
        gram_positions_(SpreadPositions(analysis.shape.plane_samples(), kGramSamples)),
        gram_stride_(RoundUpToLanes(gram_positions_.size())) {
    const int width = analysis.shape.width;
    for (size_t i = 0; i < positions_.size(); ++i) {
      const int y = positions_[i] / width, x = positions_[i] % width;
      if (i == 0 || positions_[i - 1] / width != y) {
        runs_.push_back({i, 0, static_cast<size_t>(y * (width + 2) + x)});
      }
      ++runs_.back().count;
      has_all_taps_.push_back(ClassOf(y, x) == 0);
    }
    step_ = positions_.size() > 1 ? static_cast<size_t>(positions_[1]) : 1;
  }

  double Run() {
    const size_t planes = static_cast<size_t>(analysis_.shape.planes);
    scale_.resize(planes);
    normalized_.assign(planes * gram_stride_, 0.0f);
    power_.resize(planes);
    gain_.assign(planes, 0.0);
    ForEachPlane([this](int plane) { Normalize(plane); });
    MultiplyAll();
    tbb::enumerable_thread_specific<Workspace> workspaces;
    ForEachPlane([&](int plane) { Fit(plane, Candidates(plane), workspaces.local()); });
    return std::accumulate(gain_.begin(), gain_.end(), 0.0);
  }

 private:
  struct Candidate {
    int plane;
    float product;  // with the plane that is predicted
  };

  template <typename Body>
  void ForEachPlane(Body body) {
    tbb::parallel_for(tbb::blocked_range<int>(0, analysis_.shape.planes, 4), [&](const tbb::blocked_range<int>& range) {
      const FloatEnvironment environment;
      for (int plane = range.begin(); plane < range.end(); ++plane) body(plane);
    });
  }

  const float* NormalizedRow(int plane) const { return normalized_.data() + static_cast<size_t>(plane) * gram_stride_; }
  float* NormalizedRow(int plane) { return normalized_.data() + static_cast<size_t>(plane) * gram_stride_; }

  // Innovations over their local scale: what counts is their shape where the plane is quiet, too.
  void Normalize(int plane) {
    const auto& innovation = analysis_.planes[static_cast<size_t>(plane)].innovation;
    const int width = analysis_.shape.width;
    std::vector<float>& scale = scale_[static_cast<size_t>(plane)];
    const auto local_scale = [&](int position) {
      const auto* at = innovation.At(position / width, position % width);
      float sum = 0;
      for (int dy = -1; dy <= 1; ++dy) {
        for (int dx = -1; dx <= 1; ++dx) sum += std::abs(static_cast<float>(at[dy * innovation.stride() + dx]));
      }
      return 1.0f / (sum * (1.0f / 9.0f) + unit_);
    };
    scale.reserve(positions_.size());
    for (int position : positions_) scale.push_back(local_scale(position));
    float* row = NormalizedRow(plane);
    for (size_t i = 0; i < gram_positions_.size(); ++i) {
      const int y = gram_positions_[i] / width, x = gram_positions_[i] % width;
      const float scale_here = same_positions_ ? scale[i] : local_scale(gram_positions_[i]);
      row[i] = static_cast<float>(*innovation.At(y, x)) * scale_here;
    }
    power_[static_cast<size_t>(plane)] = Dot(row, row, gram_stride_);
  }

  bool MayRefer(int plane, int other) const {
    return options_.previous_item || other >= analysis_.input.item_begin[static_cast<size_t>(plane)];
  }

  // Products of every plane with the `band_` planes before it; of every two, both ways round, where the band is
  // everything.
  void MultiplyAll() {
    const int planes = analysis_.shape.planes;
    constexpr int64_t kMaxProducts = 1 << 22;
    band_ = options_.window > 0 ? std::min(options_.window, planes) : planes;
    band_ = static_cast<int>(std::min<int64_t>(band_, std::max<int64_t>(kMinBand, kMaxProducts / planes)));
    if (analysis_.shape.plane_samples() < kSmallPlane) band_ = std::min(band_, kSmallPlaneBand);
    square_ = band_ == planes;
    gram_.assign(static_cast<size_t>(planes) * static_cast<size_t>(band_), 0.0f);
    ForEachPlane([this](int plane) {
      const int begin = std::max(0, plane - band_);
      std::vector<float> products(static_cast<size_t>(plane - begin));
      DotWithRows(NormalizedRow(plane), NormalizedRow(begin), gram_stride_, products.size(), gram_stride_,
                  products.data());
      for (int other = begin; other < plane; ++other) {
        gram_[GramIndex(plane, other)] = products[static_cast<size_t>(other - begin)];
      }
    });
    if (!square_) return;
    for (int plane = 0; plane < planes; ++plane) {
      gram_[GramIndex(plane, plane)] = power_[static_cast<size_t>(plane)];
      for (int other = 0; other < plane; ++other) gram_[GramIndex(other, plane)] = gram_[GramIndex(plane, other)];
    }
  }

  size_t GramIndex(int plane, int other) const {
    const size_t row = static_cast<size_t>(plane) * static_cast<size_t>(band_);
    return row + static_cast<size_t>(square_ ? other : plane - other - 1);
  }

  float Product(int a, int b) const {
    if (square_) return gram_[GramIndex(a, b)];
    if (a == b) return power_[static_cast<size_t>(a)];
    const int late = std::max(a, b), early = std::min(a, b);
    return late - early <= band_ ? gram_[GramIndex(late, early)]
                                 : Dot(NormalizedRow(a), NormalizedRow(b), gram_stride_);
  }

  // Up to max_references earlier planes by orthogonal matching pursuit on the normalized innovations.
  std::vector<int> Candidates(int plane) const {
    std::vector<Candidate> pool;
    const auto offer = [&](int other) {
      if (power_[static_cast<size_t>(other)] > 1e-6f && MayRefer(plane, other))
        pool.push_back({other, Product(plane, other)});
    };
    const int begin = std::max(0, plane - band_);
    const int same_channel = analysis_.input.same_channel[static_cast<size_t>(plane)];
    if (same_channel >= 0 && same_channel < begin) offer(same_channel);
    for (int other = begin; other < plane; ++other) offer(other);

    const double sample_share = static_cast<double>(gram_positions_.size()) / analysis_.shape.plane_samples();
    const double min_score = kMinScore * std::min(1.0, sample_share);
    const size_t n = pool.size();
    std::vector<float> start(n);
    std::vector<double> power(n);
    for (size_t i = 0; i < n; ++i) {
      start[i] = pool[i].product;
      power[i] = power_[static_cast<size_t>(pool[i].plane)];
    }
    std::vector<int> chosen;
    std::vector<size_t> chosen_at;
    std::vector<float> products;  // of each chosen plane with the pool, row after row
    // What the chosen planes leave of the products of the pool; kept up to date by their solved weights.
    std::vector<double> rest(start.begin(), start.end());
    std::vector<bool> used(n, false);
    while (static_cast<int>(chosen.size()) < options_.max_references) {
      const size_t best_at = BestCandidate(rest, power, used, min_score);
      if (best_at == n) break;
      used[best_at] = true;
      chosen.push_back(pool[best_at].plane);
      chosen_at.push_back(best_at);
      products.resize(chosen.size() * n);
      Products(chosen.back(), pool, products.data() + products.size() - n);
      const std::vector<double> weights = SolveChosen(start, chosen_at, products);
      SubtractRows(start.data(), products.data(), n, weights.data(), chosen.size(), n, rest.data());
    }
    return chosen;
  }

  // Products of `plane` with all of the pool.
  void Products(int plane, const std::vector<Candidate>& pool, float* out) const {
    if (square_) {
      const float* const row = gram_.data() + GramIndex(plane, 0);
      for (size_t i = 0; i < pool.size(); ++i) out[i] = row[pool[i].plane];
      return;
    }
    for (size_t i = 0; i < pool.size(); ++i) out[i] = Product(plane, pool[i].plane);
  }

  // The first of those with the greatest rest^2 / power above `best`; rest.size() if there is none.
  static size_t BestCandidate(const std::vector<double>& rest, const std::vector<double>& power,
                              const std::vector<bool>& used, double best) {
    constexpr double kSurelyBelow = 1 - 1e-9;  // whatever the quotient is rounded to
    size_t best_at = rest.size();
    for (size_t i = 0; i < rest.size(); ++i) {
      const double square = rest[i] * rest[i];
      if (square < best * power[i] * kSurelyBelow || used[i]) continue;  // spares most divisions
      if (square / power[i] > best) {
        best = square / power[i];
        best_at = i;
      }
    }
    return best_at;
  }

  // The weights of the chosen planes; `products` is a row of as many as `start` has for each.
  static std::vector<double> SolveChosen(const std::vector<float>& start, const std::vector<size_t>& chosen_at,
                                         const std::vector<float>& products) {
    const size_t k = chosen_at.size();
    std::vector<double> matrix(k * k), rhs(k);
    for (size_t i = 0; i < k; ++i) {
      for (size_t j = 0; j < k; ++j) matrix[i * k + j] = products[i * start.size() + chosen_at[j]];
      rhs[i] = start[chosen_at[i]];
    }
    SolveSymmetric(k, 1e-4, matrix.data(), rhs.data());
    return rhs;
  }

  std::vector<Term> Pool(int plane, const std::vector<int>& candidates) const {
    std::vector<Term> pool{Term{TermKind::kUnit, 0, 0, 0}};
    for (int candidate : candidates) pool.push_back({TermKind::kInnovation, candidate, 0, 0});
    if (analysis_.shape.plane_samples() >= kOwnTermSamples) {
      pool.push_back({TermKind::kSpatial, 0, 0, 0});
      for (int tap = 0; tap < kNumTaps; ++tap) pool.push_back({TermKind::kTap, 0, tap, 0});
    }
    const int neighbour_references =
        analysis_.shape.plane_samples() >= kNeighbourSamples ? options_.neighbour_references : 0;
    int offered = 0;
    for (int candidate : candidates) {
      if (offered == neighbour_references) break;
      if (model_.skew * (plane - candidate) < kNeighbourLead) continue;
      ++offered;
      for (int neighbour = 0; neighbour < static_cast<int>(kNeighbours.size()); ++neighbour) {
        pool.push_back({TermKind::kNeighbour, candidate, neighbour, 0});
      }
    }
    return pool;
  }

  // Rows of the pool's features and of the residual, each sample divided by its local scale.
  struct Rows {
    size_t stride = 0;
    std::vector<float> features, residual;
    std::vector<float> spatial;  // unscaled
  };

  // Kept from plane to plane: fresh memory costs more than the rows.
  struct Workspace {
    Rows all, masked;
  };

  void MakeRows(int plane, const std::vector<Term>& pool, Rows& rows) const {
    rows.stride = RoundUpToLanes(positions_.size());
    rows.features.resize(pool.size() * rows.stride);
    rows.residual.resize(rows.stride);
    rows.spatial.resize(rows.stride);
    const auto& values = analysis_.planes[static_cast<size_t>(plane)].value;
    const std::vector<float>& scale = scale_[static_cast<size_t>(plane)];
    const Value* spatial = analysis_.spatial.data() + static_cast<size_t>(plane) * analysis_.plane_samples();
    const auto* origin = values.At(0, 0);
    for (size_t i = 0; i < positions_.size(); ++i) rows.spatial[i] = static_cast<float>(spatial[positions_[i]]);
    ForEachPosition([&](size_t i, size_t offset) {
      rows.residual[i] = (static_cast<float>(origin[offset]) - rows.spatial[i]) * scale[i];
    });
    for (size_t k = 0; k < pool.size(); ++k) {
      float* const row = rows.features.data() + k * rows.stride;
      FillRow(plane, pool[k], rows.spatial, row);
      std::fill(row + positions_.size(), row + rows.stride, 0.0f);
    }
    std::fill(rows.residual.begin() + static_cast<ptrdiff_t>(positions_.size()), rows.residual.end(), 0.0f);
  }

  // Calls body(i, offset of positions_[i] from sample (0, 0) of a padded plane) for all i.
  template <typename Body>
  void ForEachPosition(Body body) const {
    for (const RowRun& run : runs_) {
      if (step_ == 1) {  // a loop over contiguous samples
        for (size_t i = 0; i < run.count; ++i) body(run.first + i, run.offset + i);
      } else {
        for (size_t i = 0; i < run.count; ++i) body(run.first + i, run.offset + i * step_);
      }
    }
  }

  // A term's feature at positions_, as PlanePredictor::Feature gives it (but for taps at the edge,
  // which are left out), divided by the local scale.
  void FillRow(int plane, const Term& term, const std::vector<float>& spatial, float* row) const {
    const float* const scale = scale_[static_cast<size_t>(plane)].data();
    const size_t n = positions_.size();
    switch (term.kind) {
      case TermKind::kUnit:
        for (size_t i = 0; i < n; ++i) row[i] = unit_ * scale[i];
        return;
      case TermKind::kInnovation: {
        const auto* origin = analysis_.planes[static_cast<size_t>(term.plane)].innovation.At(0, 0);
        ForEachPosition([=](size_t i, size_t at) { row[i] = static_cast<float>(origin[at]) * scale[i]; });
        return;
      }
      case TermKind::kSpatial:
        for (size_t i = 0; i < n; ++i) row[i] = spatial[i] * scale[i];
        return;
      case TermKind::kTap: {
        const auto& values = analysis_.planes[static_cast<size_t>(plane)].value;
        const TapOffset offset = kTaps[static_cast<size_t>(term.index)];
        const auto* tap = values.At(offset.dy, offset.dx);
        const float* const spatial_at = spatial.data();
        // The first row and column, which may be less than the taps reach back, have none.
        ForEachPosition([=, this](size_t i, size_t at) {
          row[i] = has_all_taps_[i] ? (static_cast<float>(tap[at]) - spatial_at[i]) * scale[i] : 0.0f;
        });
        return;
      }
      case TermKind::kNeighbour: {
        const auto& values = analysis_.planes[static_cast<size_t>(term.plane)].value;
        const TapOffset offset = kNeighbours[static_cast<size_t>(term.index)];
        const auto *origin = values.At(0, 0), *neighbour = values.At(offset.dy, offset.dx);
        ForEachPosition([=](size_t i, size_t at) {
          row[i] = (static_cast<float>(neighbour[at]) - static_cast<float>(origin[at])) * scale[i];
        });
        return;
      }
    }
  }

  // Indices of the positions of samples that the range hides under the prediction `prediction`.
  std::vector<size_t> Hidden(int plane, const std::vector<float>& prediction) const {
    const int32_t* const codes = analysis_.codes.data() + analysis_.SampleIndex(plane, 0, 0);
    std::vector<size_t> hidden;
    for (size_t i = 0; i < positions_.size(); ++i) {
      if (analysis_.IsHidden(codes[positions_[i]], Arithmetic::FromFloat(prediction[i]))) hidden.push_back(i);
    }
    return hidden;
  }

  // Zeroes those positions.
  static void Mask(const std::vector<size_t>& hidden, Rows& rows) {
    for (size_t i : hidden) rows.residual[i] = 0;
    for (float* row = rows.features.data(); row != rows.features.data() + rows.features.size(); row += rows.stride) {
      for (size_t i : hidden) row[i] = 0;
    }
  }

  void Fit(int plane, const std::vector<int>& candidates, Workspace& workspace) {
    const std::vector<Term> pool = Pool(plane, candidates);
    if (pool.size() == 1) return;
    MakeRows(plane, pool, workspace.all);
    std::vector<float> prediction = workspace.all.spatial;
    Selection selection;
    constexpr int kRounds = 2;
    for (int round = 0; round < kRounds; ++round) {
      const std::vector<size_t> hidden = Hidden(plane, prediction);
      if (!hidden.empty()) {
        workspace.masked = workspace.all;
        Mask(hidden, workspace.masked);
      }
      selection =
          Select(plane, pool, hidden.empty() ? workspace.all : workspace.masked, positions_.size() - hidden.size());
      if (hidden.empty() || round + 1 == kRounds || selection.terms.empty()) break;
      prediction = Predict(workspace.all, plane, selection);
    }
    gain_[static_cast<size_t>(plane)] = selection.gain;
    model_.planes[static_cast<size_t>(plane)].terms = Quantize(pool, selection);
  }

  struct Selection {
    std::vector<size_t> terms;  // indices into the pool
    std::vector<double> weights;
    double gain = 0;
  };

  std::vector<float> Predict(const Rows& rows, int plane, const Selection& selection) const {
    std::vector<float> prediction = rows.spatial;
    const std::vector<float>& scale = scale_[static_cast<size_t>(plane)];
    for (size_t k = 0; k < selection.terms.size(); ++k) {
      const float* feature = rows.features.data() + selection.terms[k] * rows.stride;
      const float weight = static_cast<float>(selection.weights[k]);
      for (size_t i = 0; i < positions_.size(); ++i) prediction[i] += weight * feature[i] / scale[i];
    }
    return prediction;
  }

  // Forward selection: the term that explains most, as long as it pays for its side information.
  Selection Select(int plane, const std::vector<Term>& pool, const Rows& rows, size_t samples) const {
    const size_t k = pool.size();
    const auto row = [&](size_t i) { return rows.features.data() + i * rows.stride; };
    std::vector<float> dots(k);
    const auto dot_with_all = [&](const float* a) {
      DotWithRows(a, rows.features.data(), rows.stride, k, rows.stride, dots.data());
    };
    std::vector<double> power(k);
    for (size_t i = 0; i < k; ++i) power[i] = Dot(row(i), row(i), rows.stride);
    dot_with_all(rows.residual.data());
    const std::vector<double> rhs(dots.begin(), dots.end());
    std::vector<std::vector<double>> products;  // of the terms chosen, and of the one that is tried, with all
    const double total = Dot(rows.residual.data(), rows.residual.data(), rows.stride);
    const double noise = kNoiseShare * static_cast<double>(samples) + 1e-9;
    const double sample_weight =
        static_cast<double>(analysis_.shape.plane_samples()) / static_cast<double>(positions_.size());
    const double bits_per_log = 0.5 * kGainTrust * static_cast<double>(samples) * sample_weight;
    const double reference_bits = Log2(std::max(1, plane) + 1.0);

    Selection selection;
    double error = total;
    std::vector<bool> used(k, false);
    const size_t max_terms = static_cast<size_t>(std::min(options_.max_terms, MaxTerms(analysis_.shape)));
    while (selection.terms.size() < max_terms) {
      size_t best_at = k;
      double best = 0;
      for (size_t i = 0; i < k; ++i) {
        if (used[i] || power[i] <= 1e-12) continue;
        double rest = rhs[i];
        for (size_t s = 0; s < selection.terms.size(); ++s) rest -= selection.weights[s] * products[s][i];
        const double score = rest * rest / power[i];
        if (score > best) {
          best = score;
          best_at = i;
        }
      }
      if (best_at == k) break;
      std::vector<size_t> terms = selection.terms;
      terms.push_back(best_at);
      dot_with_all(row(best_at));
      products.emplace_back(dots.begin(), dots.end());
      const size_t m = terms.size();
      std::vector<double> matrix(m * m), weights(m);
      for (size_t r = 0; r < m; ++r) {
        for (size_t s = 0; s < m; ++s) matrix[r * m + s] = products[r][terms[s]];
        weights[r] = rhs[terms[r]];
      }
      SolveSymmetric(m, 1e-5, matrix.data(), weights.data());
      double explained = 0;
      for (size_t r = 0; r < m; ++r) explained += weights[r] * rhs[terms[r]];
      const double next = std::max(0.0, total - explained);
      const double gain = bits_per_log * Log2((error + noise) / (next + noise));
      const TermKind kind = pool[best_at].kind;
      const double id_bits =
          kind == TermKind::kUnit ? 4 : (kind == TermKind::kInnovation ? reference_bits : 4) + kWeightBits;
      const double cost = id_bits + (selection.terms.empty() ? kFirstTermBits : 0);
      if (gain < cost) break;
      used[best_at] = true;
      selection = {std::move(terms), std::move(weights), selection.gain + gain - cost};
      error = next;
    }
    return selection;
  }

  // Terms in the order in which they are sent: innovations first, the strongest first.
  static std::vector<Term> Quantize(const std::vector<Term>& pool, const Selection& selection) {
    std::vector<Term> terms;
    for (size_t k = 0; k < selection.terms.size(); ++k) {
      Term term = pool[selection.terms[k]];
      term.weight = RoundWeight(selection.weights[k], kTermWeightBits);
      if (term.weight != 0) terms.push_back(term);
    }
    std::stable_sort(terms.begin(), terms.end(), [](const Term& a, const Term& b) {
      const bool a_first = a.kind == TermKind::kInnovation, b_first = b.kind == TermKind::kInnovation;
      if (a_first != b_first) return a_first;
      return a_first && std::abs(a.weight) > std::abs(b.weight);
    });
    return terms;
  }

  const SetAnalysis<Arithmetic>& analysis_;
  const TermSearchOptions& options_;
  SetModel& model_;
  float unit_;
  std::vector<int> positions_, gram_positions_;
  bool same_positions_ = positions_ == gram_positions_;
  size_t gram_stride_;
  // Those of positions_ that are in one row, each step_ samples after the one before.
  struct RowRun {
    size_t first, count;
    size_t offset;  // of the first from sample (0, 0) of a padded plane
  };
  std::vector<RowRun> runs_;
  size_t step_ = 1;
  std::vector<char> has_all_taps_;
  std::vector<std::vector<float>> scale_;  // of each plane at positions_
  std::vector<float> normalized_;
  std::vector<float> power_;
  int band_ = 0;
  bool square_ = false;
  std::vector<float> gram_;
  std::vector<double> gain_;
};

}  // namespace

template <typename Arithmetic>
double SearchTerms(const SetAnalysis<Arithmetic>& analysis, const TermSearchOptions& options, SetModel& model) {
  return TermSearch<Arithmetic>(analysis, options, model).Run();
}

template double SearchTerms(const SetAnalysis<NarrowArithmetic>&, const TermSearchOptions&, SetModel&);
template double SearchTerms(const SetAnalysis<WideArithmetic>&, const TermSearchOptions&, SetModel&);

}  // namespace dcac
