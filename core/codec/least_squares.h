// Weighted least squares by normal equations, in a fixed order of operations.
#ifndef DCAC_CORE_CODEC_LEAST_SQUARES_H_
#define DCAC_CORE_CODEC_LEAST_SQUARES_H_

#include <array>
#include <cstddef>
#include <vector>

namespace dcac {

// Solves the k x k system `matrix` * x = `rhs` (symmetric, positive semi-definite; row-major, of which the lower half
// is read; both are overwritten) with `ridge[i]` times its diagonal added.  `rhs` becomes x.  Directions without weight
// get 0.
void SolveSymmetric(size_t k, const double* ridge, double* matrix, double* rhs);
void SolveSymmetric(size_t k, double ridge, double* matrix, double* rhs);  // the same for all

// Sums of products of up to kMaxFeatures features and of a target, over samples added one by one.
class NormalEquations {
 public:
  static constexpr size_t kMaxFeatures = 12;  // six taps and six more
  using Features = std::array<float, kMaxFeatures>;

  explicit NormalEquations(size_t num_features) : k_(num_features) {}

  void Add(const Features& features, float target, float weight);

  // The weights of the features that minimise the weighted squares of the residual.
  using Ridge = std::array<double, kMaxFeatures>;
  std::array<double, kMaxFeatures> Solve(const Ridge& ridge) const;

  bool empty() const { return count_ == 0; }

 private:
  static constexpr size_t kBlock = 4;

  size_t k_;
  size_t count_ = 0;
  std::array<std::array<double, kMaxFeatures>, kMaxFeatures> sum_{};
  std::array<double, kMaxFeatures> rhs_{};
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LEAST_SQUARES_H_
