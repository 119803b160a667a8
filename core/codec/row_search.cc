#include "core/codec/row_search.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/exact_math.h"
#include "core/codec/least_squares.h"
#include "core/kernels/dot.h"

namespace dcac {
namespace {

constexpr size_t kSketchColumns = 64;
constexpr size_t kCandidates = 6;
// Multiplications of the search of one row, to which its window is cut.
constexpr size_t kWorkPerRow = size_t{1} << 18;
constexpr double kRidge = 1e-4;
constexpr double kWeightBits = 5, kMoreBits = 1, kFollowBits = 1.5;

// Greedy selection of earlier rows for each row, on deviations from the column means in units of the column deviations.
// Candidates come from a sketch: columns added up, with signs, to kSketchColumns.
class RowSearch {
 public:
  RowSearch(const RowShape& shape, const std::vector<float>& values, const ColumnStatistics& statistics,
            const RowSearchOptions& options, std::vector<RowCoding>& rows)
      : shape_(shape),
        options_(options),
        rows_(rows),
        sketch_columns_(std::min(kSketchColumns, shape.columns)),
        stride_((shape.columns + kDotLanes - 1) / kDotLanes * kDotLanes),
        whitened_(shape.rows() * stride_),
        sketch_(shape.rows() * sketch_columns_),
        energy_(shape.rows()),
        sketch_energy_(shape.rows()),
        score_(shape.rows()) {
    Whiten(values, statistics);
    Sketch();
  }

  void Run() {
    for (size_t row = 1; row < shape_.rows(); ++row) {
      if (!rows_[row].repeats) SearchRow(row);
    }
  }

 private:
  // Of `stride_` values, those after the columns 0.
  const float* Row(size_t row) const { return whitened_.data() + row * stride_; }

  void Whiten(const std::vector<float>& values, const ColumnStatistics& statistics) {
    for (size_t row = 0; row < shape_.rows(); ++row) {
      const float* from = values.data() + row * shape_.columns;
      float* to = whitened_.data() + row * stride_;
      for (size_t c = 0; c < shape_.columns; ++c) to[c] = (from[c] - statistics.mean[c]) / statistics.deviation[c];
      energy_[row] = Dot(to, to, stride_);
    }
  }

  // Column-major: all rows of a sketch column together.
  void Sketch() {
    for (size_t row = 0; row < shape_.rows(); ++row) {
      std::array<float, kSketchColumns> sums{};
      AddToSketch(Row(row), sums);
      for (size_t k = 0; k < sketch_columns_; ++k) {
        sketch_[k * shape_.rows() + row] = sums[k];
        sketch_energy_[row] += sums[k] * sums[k];
      }
    }
  }

  void AddToSketch(const float* row, std::array<float, kSketchColumns>& sums) const {
    uint32_t signs = 0x9e3779b9u;
    for (size_t begin = 0; begin < shape_.columns; begin += sketch_columns_) {
      const size_t n = std::min(sketch_columns_, shape_.columns - begin);
      for (size_t k = 0; k < n; ++k) {
        signs = signs * 1664525u + 1013904223u;
        sums[k] += signs >> 31 ? row[begin + k] : -row[begin + k];
      }
    }
  }

  size_t FirstRow(size_t row) const {
    const size_t most = std::max<size_t>(256, kWorkPerRow / sketch_columns_);
    const size_t window = options_.window == 0 ? most : std::min(most, options_.window);
    const size_t first = row > window ? row - window : 0;
    return options_.across_items ? first : std::max(first, row - row % shape_.positions);
  }

  // Correlation of `residual` with the rows from `first` on, by their sketches.
  void Score(size_t row, size_t first, const std::vector<float>& residual) {
    std::array<float, kSketchColumns> sums{};
    AddToSketch(residual.data(), sums);
    float* score = score_.data();
    std::fill(score + first, score + row, 0.0f);
    for (size_t k = 0; k < sketch_columns_; ++k) {
      const float q = sums[k];
      const float* column = sketch_.data() + k * shape_.rows();
      for (size_t r = first; r < row; ++r) score[r] += q * column[r];
    }
    for (size_t r = first; r < row; ++r) score[r] = score[r] * score[r] / (sketch_energy_[r] + 1e-6f);
  }

  // The best by score, best first; the rows after those that the row before refers to are always among them.
  std::vector<size_t> Candidates(size_t row, size_t first) const {
    std::vector<size_t> best;
    float least = 0;
    for (size_t r = first; r < row; ++r) {
      if (score_[r] <= least) continue;
      auto at = std::find_if(best.begin(), best.end(), [&](size_t other) { return score_[r] > score_[other]; });
      best.insert(at, r);
      if (best.size() > kCandidates) best.pop_back();
      if (best.size() == kCandidates) least = score_[best.back()];
    }
    for (const RowTerm& reference : rows_[row - 1].references) {
      const size_t next = reference.row + 1;
      if (next >= first && std::find(best.begin(), best.end(), next) == best.end()) best.push_back(next);
    }
    return best;
  }

  double AddressBits(size_t row, size_t i, size_t candidate) const {
    const auto& before = rows_[row - 1].references;
    if (i < before.size() && candidate == before[i].row + 1) return kFollowBits;
    return Log2(static_cast<double>(row)) + kFollowBits;
  }

  // Bits that the samples of a row save when its energy falls.
  double Saved(double before, double after) const {
    const double columns = static_cast<double>(shape_.columns), floor = 1e-4 * columns;
    return 0.5 * columns * (Log2(before + floor) - Log2(after + floor));
  }

  void SearchRow(size_t row) {
    const size_t first = FirstRow(row);
    const float* target = Row(row);
    std::vector<float> residual(target, target + stride_);
    double energy = energy_[row];
    std::vector<RowTerm>& references = rows_[row].references;
    while (references.size() < options_.max_references) {
      Score(row, first, residual);
      const size_t candidate = Best(row, first, residual, energy);
      if (candidate == row) return;
      std::vector<RowTerm> tried = references;
      tried.push_back({static_cast<uint32_t>(candidate), 0});
      if (!FitWeights(target, tried)) return;
      std::vector<float> rest = Residual(target, tried);
      const double left = Dot(rest.data(), rest.data(), stride_);
      const double cost = AddressBits(row, references.size(), candidate) + kWeightBits + kMoreBits;
      if (Saved(energy, left) <= cost) return;
      references = std::move(tried);
      residual = std::move(rest);
      energy = left;
    }
  }

  // The candidate that saves most with its own best weight; `row` if none saves anything.
  size_t Best(size_t row, size_t first, const std::vector<float>& residual, double energy) const {
    size_t best = row;
    double most = 0;
    for (size_t candidate : Candidates(row, first)) {
      if (Refers(rows_[row], candidate) || !(energy_[candidate] > 0)) continue;
      const double product = Dot(residual.data(), Row(candidate), stride_);
      const double left = std::max(0.0, energy - product * product / static_cast<double>(energy_[candidate]));
      const double saved = Saved(energy, left) - AddressBits(row, rows_[row].references.size(), candidate);
      if (saved > most) {
        most = saved;
        best = candidate;
      }
    }
    return best;
  }

  static bool Refers(const RowCoding& row, size_t candidate) {
    return std::any_of(row.references.begin(), row.references.end(),
                       [&](const RowTerm& r) { return r.row == candidate; });
  }

  bool FitWeights(const float* target, std::vector<RowTerm>& references) const {
    const size_t n = references.size();
    std::vector<double> matrix(n * n), right(n);
    for (size_t i = 0; i < n; ++i) {
      const float* a = Row(references[i].row);
      for (size_t j = 0; j <= i; ++j) {
        matrix[i * n + j] = matrix[j * n + i] = Dot(a, Row(references[j].row), stride_);
      }
      right[i] = Dot(a, target, stride_);
    }
    SolveSymmetric(n, kRidge, matrix.data(), right.data());
    for (size_t i = 0; i < n; ++i) {
      if (!std::isfinite(right[i])) return false;  // values of extreme magnitude
      const double scaled = std::clamp(right[i] * (1 << kRowWeightBits), double{kMinRowWeight}, double{kMaxRowWeight});
      references[i].weight = static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    }
    return true;
  }

  std::vector<float> Residual(const float* target, const std::vector<RowTerm>& references) const {
    std::vector<float> rest(target, target + stride_);
    for (const RowTerm& reference : references) {
      const float weight = static_cast<float>(reference.weight) * PowerOfTwo(-kRowWeightBits);
      const float* values = Row(reference.row);
      for (size_t c = 0; c < shape_.columns; ++c) rest[c] -= weight * values[c];
    }
    return rest;
  }

  const RowShape& shape_;
  const RowSearchOptions& options_;
  std::vector<RowCoding>& rows_;
  size_t sketch_columns_, stride_;
  std::vector<float> whitened_, sketch_, energy_, sketch_energy_, score_;
};

// Rows by the inverse of their squares, those below the median alike: a row of extreme magnitude does not move a mean.
std::vector<double> StartImportance(const RowShape& shape, const std::vector<float>& values) {
  std::vector<double> squares(shape.rows(), 0.0);
  for (size_t i = 0; i < values.size(); ++i) {
    squares[i / shape.columns] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  std::vector<double> sorted = squares;
  const auto middle = sorted.begin() + static_cast<ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  if (!(*middle > 0)) return std::vector<double>(shape.rows(), 1.0);
  for (double& square : squares) square = *middle / std::max(square, *middle);
  return squares;
}

}  // namespace

ColumnStatistics MeasureColumns(const RowShape& shape, const std::vector<float>& values) {
  const size_t rows = shape.rows(), columns = shape.columns;
  std::vector<double> importance = StartImportance(shape, values);
  ColumnStatistics result{std::vector<float>(columns), std::vector<float>(columns)};
  constexpr int kRounds = 3;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> sum(columns, 0.0), squares(columns, 0.0);
    double total = 0;
    for (size_t row = 0; row < rows; ++row) {
      const float* from = values.data() + row * columns;
      for (size_t c = 0; c < columns; ++c) sum[c] += importance[row] * static_cast<double>(from[c]);
      total += importance[row];
    }
    for (double& s : sum) s /= total;
    for (size_t row = 0; row < rows; ++row) {
      const float* from = values.data() + row * columns;
      for (size_t c = 0; c < columns; ++c) {
        const double distance = static_cast<double>(from[c]) - sum[c];
        squares[c] += importance[row] * distance * distance;
      }
    }
    for (size_t c = 0; c < columns; ++c) {
      constexpr double kLeast = 1e-30;
      result.mean[c] = static_cast<float>(sum[c]);
      result.deviation[c] = static_cast<float>(std::sqrt(squares[c] / total + kLeast));
    }
    if (round + 1 == kRounds) break;
    for (size_t row = 0; row < rows; ++row) {
      const float* from = values.data() + row * columns;
      double energy = 0;
      for (size_t c = 0; c < columns; ++c) {
        const double distance = static_cast<double>((from[c] - result.mean[c]) / result.deviation[c]);
        energy += distance * distance;
      }
      importance[row] = 1.0 / std::max(0.25, energy / static_cast<double>(columns));
    }
  }
  return result;
}

void SearchRowReferences(const RowShape& shape, const std::vector<float>& values, const ColumnStatistics& statistics,
                         const RowSearchOptions& options, std::vector<RowCoding>& rows) {
  RowSearch(shape, values, statistics, options, rows).Run();
}

}  // namespace dcac
