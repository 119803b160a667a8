// Products of rows of floats, which searches for similar planes and rows spend their time on.
#ifndef DCAC_CORE_KERNELS_DOT_H_
#define DCAC_CORE_KERNELS_DOT_H_

#include <cstddef>

namespace dcac {

// Sums are of this many partial ones, each over every so many products: one result on all targets.
inline constexpr size_t kDotLanes = 16;

// Sum of the products of two rows of `n` floats, n a multiple of kDotLanes.  The partial sums are added in halves: the
// first half of them to the second, until one is left.
float Dot(const float* a, const float* b, size_t n);

// out[k] = Dot(a, rows + k * stride, n) for k = 0 .. count - 1, faster.
void DotWithRows(const float* a, const float* rows, size_t stride, size_t count, size_t n, float* out);

// out[i] = start[i] less the products of weights[k] and rows[k * stride + i], taken off for k = 0, 1, ... count - 1 in
// binary64; for i = 0 .. n - 1.
void SubtractRows(const float* start, const float* rows, size_t stride, const double* weights, size_t count, size_t n,
                  double* out);

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_DOT_H_
