#include "core/codec/least_squares.h"

#include <cmath>

namespace dcac {

void SolveSymmetric(size_t k, double ridge, double* matrix, double* rhs) {
  const std::vector<double> ridges(k, ridge);
  SolveSymmetric(k, ridges.data(), matrix, rhs);
}

void SolveSymmetric(size_t k, const double* ridge, double* matrix, double* rhs) {
  constexpr double kNoWeight = 1e30;
  for (size_t i = 0; i < k; ++i) matrix[i * k + i] += ridge[i] * matrix[i * k + i];
  for (size_t j = 0; j < k; ++j) {
    const double diagonal = matrix[j * k + j];
    double sum = diagonal;
    for (size_t i = 0; i < j; ++i) sum -= matrix[j * k + i] * matrix[j * k + i];
    if (!(sum > 1e-12 * diagonal) || !(diagonal > 0)) sum = kNoWeight;
    const double root = std::sqrt(sum);
    matrix[j * k + j] = root;
    for (size_t i = j + 1; i < k; ++i) {
      double value = matrix[i * k + j];
      for (size_t m = 0; m < j; ++m) value -= matrix[i * k + m] * matrix[j * k + m];
      matrix[i * k + j] = value / root;
    }
  }
  for (size_t i = 0; i < k; ++i) {
    double value = rhs[i];
    for (size_t m = 0; m < i; ++m) value -= matrix[i * k + m] * rhs[m];
    rhs[i] = value / matrix[i * k + i];
  }
  for (size_t i = k; i-- > 0;) {
    double value = rhs[i];
    for (size_t m = i + 1; m < k; ++m) value -= matrix[m * k + i] * rhs[m];
    rhs[i] = value / matrix[i * k + i];
  }
}

void NormalEquations::Add(const Features& features, float target, float weight) {
  static_assert(kMaxFeatures % kBlock == 0);
  ++count_;
  std::array<double, kMaxFeatures> f;
  for (size_t i = 0; i < kMaxFeatures; ++i) f[i] = double{features[i]};
  for (size_t i = 0; i < k_; ++i) {
    const double weighted = f[i] * double{weight};
    // The lower half, in blocks of fixed length: what is above the diagonal is not read.
    for (size_t block = 0; block <= i; block += kBlock) {
      for (size_t j = block; j < block + kBlock; ++j) sum_[i][j] += weighted * f[j];
    }
    rhs_[i] += weighted * double{target};
  }
}

std::array<double, NormalEquations::kMaxFeatures> NormalEquations::Solve(const Ridge& ridge) const {
  std::array<double, kMaxFeatures * kMaxFeatures> matrix{};
  for (size_t i = 0; i < k_; ++i) {
    for (size_t j = 0; j <= i; ++j) matrix[i * k_ + j] = sum_[i][j];
  }
  std::array<double, kMaxFeatures> x = rhs_;
  SolveSymmetric(k_, ridge.data(), matrix.data(), x.data());
  return x;
}

}  // namespace dcac
