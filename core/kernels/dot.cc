#include "core/kernels/dot.h"

#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/dot.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "core/kernels/total-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

static_assert(kDotLanes == kPartialSums);

// Where a vector has fewer than kDotLanes lanes, the rows are gone through once for each part of the partial sums.
inline float DotOfTwo(const float* a, const float* b, size_t n) {
  const hn::CappedTag<float, kDotLanes> d;
  float sums[kDotLanes];
  for (size_t part = 0; part < kDotLanes; part += hn::Lanes(d)) {
    auto sum = hn::Zero(d);
    for (size_t i = part; i < n; i += kDotLanes) {
      sum = hn::Add(sum, hn::Mul(hn::LoadU(d, a + i), hn::LoadU(d, b + i)));
    }
    hn::StoreU(sum, d, sums + part);
  }
  return TotalOf(sums);
}

// With four rows at a time, so that no sum waits for another.
inline void DotWithFour(const float* a, const float* rows, size_t stride, size_t n, float* out) {
  const hn::CappedTag<float, kDotLanes> d;
  float sums[4][kDotLanes];
  for (size_t part = 0; part < kDotLanes; part += hn::Lanes(d)) {
    auto sum0 = hn::Zero(d), sum1 = hn::Zero(d), sum2 = hn::Zero(d), sum3 = hn::Zero(d);
    for (size_t i = part; i < n; i += kDotLanes) {
      const auto factor = hn::LoadU(d, a + i);
      const float* const row = rows + i;
      sum0 = hn::Add(sum0, hn::Mul(factor, hn::LoadU(d, row)));
      sum1 = hn::Add(sum1, hn::Mul(factor, hn::LoadU(d, row + stride)));
      sum2 = hn::Add(sum2, hn::Mul(factor, hn::LoadU(d, row + 2 * stride)));
      sum3 = hn::Add(sum3, hn::Mul(factor, hn::LoadU(d, row + 3 * stride)));
    }
    hn::StoreU(sum0, d, sums[0] + part);
    hn::StoreU(sum1, d, sums[1] + part);
    hn::StoreU(sum2, d, sums[2] + part);
    hn::StoreU(sum3, d, sums[3] + part);
  }
  for (size_t k = 0; k < 4; ++k) out[k] = TotalOf(sums[k]);
}

void DotWithRowsOfTarget(const float* a, const float* rows, size_t stride, size_t count, size_t n, float* out) {
  size_t k = 0;
  for (; k + 4 <= count; k += 4) DotWithFour(a, rows + k * stride, stride, n, out + k);
  for (; k < count; ++k) out[k] = DotOfTwo(a, rows + k * stride, n);
}

void SubtractRowsOfTarget(const float* start, const float* rows, size_t stride, const double* weights, size_t count,
                          size_t n, double* out) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> d32;
  size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    auto rest = hn::PromoteTo(d, hn::LoadU(d32, start + i));
    for (size_t k = 0; k < count; ++k) {
      const auto row = hn::PromoteTo(d, hn::LoadU(d32, rows + k * stride + i));
      rest = hn::Sub(rest, hn::Mul(hn::Set(d, weights[k]), row));
    }
    hn::StoreU(rest, d, out + i);
  }
  for (; i < n; ++i) {
    out[i] = double{start[i]};
    for (size_t k = 0; k < count; ++k) out[i] -= weights[k] * double{rows[k * stride + i]};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(DotWithRowsOfTarget);
HWY_EXPORT(SubtractRowsOfTarget);

float Dot(const float* a, const float* b, size_t n) {
  float sum;
  DotWithRows(a, b, n, 1, n, &sum);
  return sum;
}

void DotWithRows(const float* a, const float* rows, size_t stride, size_t count, size_t n, float* out) {
  DCAC_DYNAMIC_DISPATCH(DotWithRowsOfTarget)(a, rows, stride, count, n, out);
}

void SubtractRows(const float* start, const float* rows, size_t stride, const double* weights, size_t count, size_t n,
                  double* out) {
  DCAC_DYNAMIC_DISPATCH(SubtractRowsOfTarget)(start, rows, stride, weights, count, n, out);
}

}  // namespace dcac
#endif  // HWY_ONCE
