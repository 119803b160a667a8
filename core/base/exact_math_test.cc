#include "core/base/exact_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace dcac {
namespace {

TEST(Log2Test, ExactAtPowersOfTwo) {
  for (int exponent = -1022; exponent <= 1023; ++exponent) EXPECT_EQ(Log2(std::ldexp(1.0, exponent)), exponent);
}

TEST(Log2Test, CloseToTheTrueLogarithm) {
  std::mt19937_64 random(1);
  double worst = 0;
  for (int i = 0; i < 200000; ++i) {
    const double x =
        std::ldexp(1.0 + std::ldexp(static_cast<double>(random() >> 12), -52), static_cast<int>(random() % 80) - 40);
    worst = std::max(worst, std::abs(Log2(x) - static_cast<double>(std::log2(static_cast<long double>(x)))));
  }
  EXPECT_LT(worst, 1e-7);
}

TEST(Exp2Test, CloseToTheTruePower) {
  for (double x = -100; x <= 100; x += 0.01) ASSERT_NEAR(Exp2(x) / std::exp2(x), 1, 1e-14) << x;
  EXPECT_EQ(Exp2(0), 1);
  EXPECT_EQ(Exp2(-3), 0.125);
}

TEST(SineCosineTest, CloseToTheTrueValues) {
  constexpr double kTwoPi = 6.283185307179586476925286766559;
  for (double turns = -20; turns <= 20; turns += 0.001953125) {
    const SineCosine angle = SineCosineOfTurns(turns);
    ASSERT_NEAR(angle.sine, std::sin(turns * kTwoPi), 1e-13) << turns;
    ASSERT_NEAR(angle.cosine, std::cos(turns * kTwoPi), 1e-13) << turns;
  }
  EXPECT_EQ(SineCosineOfTurns(1e9 + 0.25).sine, 1);
}

TEST(Log2Test, NeverDecreases) {
  double previous = Log2(1.0);
  for (int i = 1; i <= 1 << 16; ++i) {
    const double here = Log2(1.0 + i / 65536.0);
    ASSERT_GE(here, previous) << i;
    previous = here;
  }
}

TEST(Log2Test, ZeroWhereThereIsNoLogarithm) {
  EXPECT_EQ(Log2(0), 0);
  EXPECT_EQ(Log2(-1), 0);
  EXPECT_EQ(Log2(-std::numeric_limits<double>::infinity()), 0);
  EXPECT_EQ(Log2(std::numeric_limits<double>::quiet_NaN()), 0);
}

TEST(CountLog2CountTest, TableAndFormulaMeet) {
  EXPECT_EQ(CountLog2Count(0), 0);
  EXPECT_EQ(CountLog2Count(1), 0);
  EXPECT_EQ(CountLog2Count(8), 24);
  for (uint64_t x = 4000; x < 4200; ++x) {
    EXPECT_NEAR(CountLog2Count(x), static_cast<double>(x) * std::log2(static_cast<double>(x)),
                1e-7 * static_cast<double>(x));
  }
}

TEST(FloatEnvironmentTest, PinsRoundingAndRestoresIt) {
  for (int mode : {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    ASSERT_EQ(std::fesetround(mode), 0);
    volatile float one = 1.0f, tiny = 1e-10f;
    float sum = 0, difference = 0;
    {
      const FloatEnvironment environment;
      sum = one + tiny;
      difference = one - tiny;
    }
    EXPECT_EQ(std::fegetround(), mode);
    std::fesetround(FE_TONEAREST);
    EXPECT_EQ(sum, 1.0f) << mode;
    EXPECT_EQ(difference, 1.0f) << mode;
  }
}

#if defined(__SSE2__)
TEST(FloatEnvironmentTest, KeepsSubnormalsAndRestoresFlushToZero) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040u);  // flush to zero, denormals are zero
  volatile float least_normal = std::numeric_limits<float>::min(), half = 0.5f;
  const volatile float flushed = least_normal * half;
  float kept = 0;
  {
    const FloatEnvironment environment;
    kept = least_normal * half;
  }
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  EXPECT_EQ(after & 0xffc0u, (before | 0x8040u) & 0xffc0u);
  EXPECT_EQ(flushed, 0.0f);
  EXPECT_EQ(kept, std::numeric_limits<float>::min() / 2);
}

TEST(FloatEnvironmentTest, MasksExceptionsAndRestoresThem) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr((before & ~0x3fu) & ~0x200u);  // division by zero would trap
  float infinite = 0;
  {
    const FloatEnvironment environment;
    volatile float one = 1.0f, zero = 0.0f;
    infinite = one / zero;
  }
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  EXPECT_EQ(after & 0x1f80u, before & 0x1f80u & ~0x200u);
  EXPECT_EQ(infinite, std::numeric_limits<float>::infinity());
}
#endif

}  // namespace
}  // namespace dcac
