// Logarithms of vectors, the same on all targets.  Compiled for each SIMD target, like lane_rans-inl.h.
#if defined(DCAC_CORE_KERNELS_LOG2_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DCAC_CORE_KERNELS_LOG2_INL_H_
#undef DCAC_CORE_KERNELS_LOG2_INL_H_
#else
#define DCAC_CORE_KERNELS_LOG2_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac::HWY_NAMESPACE {

// Of the logarithm of what is between 1 and 2: exact to a millionth, to a thousandth.
constexpr float kFineLog2[] = {0.584962785f,    0.480897993f,   -0.0801580846f,  0.0178157967f,
                               -0.00441185478f, 0.00117071683f, -0.00039255005f, 0.000115458759f};
constexpr float kCoarseLog2[] = {0.585575581f, 0.480481625f, -0.0849379525f, 0.0194307324f};

// log2(x) of positive x: the exponent, and a polynomial of the mantissa.
template <class D, size_t kTerms>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> Log2Of(D d, hwy::HWY_NAMESPACE::Vec<D> x, const float (&terms)[kTerms]) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(di, x);
  const auto exponent = hn::ConvertTo(d, hn::Sub(hn::ShiftRight<23>(bits), hn::Set(di, 127)));
  const auto mantissa = hn::BitCast(d, hn::Or(hn::And(bits, hn::Set(di, 0x7fffff)), hn::Set(di, 0x3f800000)));
  const auto t = hn::Sub(hn::Add(mantissa, mantissa), hn::Set(d, 3.0f));  // -1 .. 1
  auto sum = hn::Set(d, terms[kTerms - 1]);
  for (size_t i = kTerms - 1; i-- > 0;) sum = hn::Add(hn::Mul(sum, t), hn::Set(d, terms[i]));
  return hn::Add(exponent, sum);
}

}  // namespace dcac::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // DCAC_CORE_KERNELS_LOG2_INL_H_
