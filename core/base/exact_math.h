// Arithmetic with one result on every machine: a base-2 logarithm that is no libm's, and a guard that pins the
// floating-point environment.  Files that include this are compiled without contraction (see core/CMakeLists.txt).
#ifndef DCAC_CORE_BASE_EXACT_MATH_H_
#define DCAC_CORE_BASE_EXACT_MATH_H_

#include <cfenv>
#include <cstdint>

#if defined(__FAST_MATH__)
#error "the model's arithmetic is exactly specified: build without -ffast-math"
#endif
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace dcac {

// log2(x) for finite x > 0, within 2e-8; 0 for x <= 0.
double Log2(double x);

// x * log2(x) for counts; 0 for 0.
double CountLog2Count(uint64_t x);

// 2^x for -1000 <= x <= 1000, within 1e-14 of the true value.
double Exp2(double x);

// Sine and cosine of an angle in whole turns, |turns| <= 2^40, each within 1e-14.
struct SineCosine {
  double sine, cosine;
};
SineCosine SineCosineOfTurns(double turns);

// Sets rounding to nearest even, no flush to zero, no trapping while it lives; restores the caller's settings after.
class FloatEnvironment {
 public:
#if defined(__SSE2__)
  FloatEnvironment() : saved_(_mm_getcsr()) {
    _mm_setcsr(0x1f80);
  }
  ~FloatEnvironment() {
    _mm_setcsr(saved_);
  }
#else
  FloatEnvironment() {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~FloatEnvironment() {
    std::fesetenv(&saved_);
  }
#endif
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
#if defined(__SSE2__)
  unsigned saved_;
#else
  std::fenv_t saved_;
#endif
};

}  // namespace dcac

#endif  // DCAC_CORE_BASE_EXACT_MATH_H_
