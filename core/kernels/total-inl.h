// The total of sixteen partial sums, the same on all targets.  Compiled for each SIMD target, like lane_rans-inl.h.
#if defined(DCAC_CORE_KERNELS_TOTAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DCAC_CORE_KERNELS_TOTAL_INL_H_
#undef DCAC_CORE_KERNELS_TOTAL_INL_H_
#else
#define DCAC_CORE_KERNELS_TOTAL_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac::HWY_NAMESPACE {

constexpr size_t kPartialSums = 16;

// The upper half is added to the lower one, and so on.  Overwrites `sums`.
HWY_INLINE float TotalOf(float* sums) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_SCALAR
  for (size_t width = kPartialSums / 2; width > 0; width /= 2) {
    for (size_t lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  }
  return sums[0];
#else
  const hn::FixedTag<float, 4> d;
  const auto low = hn::Add(hn::LoadU(d, sums), hn::LoadU(d, sums + 8));
  const auto high = hn::Add(hn::LoadU(d, sums + 4), hn::LoadU(d, sums + 12));
  const auto of_four = hn::Add(low, high);
  const auto of_two = hn::Add(of_four, hn::Shuffle1032(of_four));
  return hn::GetLane(hn::Add(of_two, hn::Shuffle2301(of_two)));
#endif
}

}  // namespace dcac::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // DCAC_CORE_KERNELS_TOTAL_INL_H_
