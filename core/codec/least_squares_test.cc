#include "core/codec/least_squares.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "core/codec/arithmetic.h"
#include "core/codec/spatial_fit.h"

namespace dcac {
namespace {

double Uniform(std::mt19937_64& random) {
  return static_cast<double>(random() >> 11) / 9007199254740992.0 * 2 - 1;
}

TEST(RoundWeightTest, IsDefinedForEveryNumber) {
  EXPECT_EQ(RoundWeight(0.5, 8), 128);
  EXPECT_EQ(RoundWeight(HUGE_VAL, 8), kMaxWeight);
  EXPECT_EQ(RoundWeight(-HUGE_VAL, 8), -kMaxWeight);
  EXPECT_EQ(RoundWeight(std::numeric_limits<double>::quiet_NaN(), 8), 0);
}

TEST(NarrowArithmeticTest, FloatsOutOfRangeAreCut) {
  EXPECT_EQ(NarrowArithmetic::FromFloat(-3.75f), -3);
  EXPECT_EQ(NarrowArithmetic::FromFloat(HUGE_VALF), 1000000000);
  EXPECT_EQ(NarrowArithmetic::FromFloat(-HUGE_VALF), -1000000000);
  EXPECT_EQ(NarrowArithmetic::FromFloat(std::numeric_limits<float>::quiet_NaN()), -1000000000);
}

TEST(SolveSymmetricTest, SolvesAKnownSystem) {
  double matrix[] = {4, 2, 2, 3};
  double rhs[] = {10, 9};  // of x = (1.5, 2)
  SolveSymmetric(2, 0.0, matrix, rhs);
  EXPECT_NEAR(rhs[0], 1.5, 1e-12);
  EXPECT_NEAR(rhs[1], 2, 1e-12);
}

TEST(SolveSymmetricTest, SolvesRandomSystems) {
  std::mt19937_64 random(1);
  for (size_t k = 1; k <= 30; ++k) {
    std::vector<double> rows(2 * k * k), x(k), matrix(k * k, 0), rhs(k, 0);
    for (double& v : rows) v = Uniform(random);
    for (double& v : x) v = Uniform(random);
    for (size_t i = 0; i < k; ++i) {
      for (size_t j = 0; j < k; ++j) {
        for (size_t r = 0; r < 2 * k; ++r) matrix[i * k + j] += rows[r * k + i] * rows[r * k + j];
        rhs[i] += matrix[i * k + j] * x[j];
      }
    }
    SolveSymmetric(k, 0.0, matrix.data(), rhs.data());
    for (size_t i = 0; i < k; ++i) EXPECT_NEAR(rhs[i], x[i], 1e-6) << k;
  }
}

TEST(SolveSymmetricTest, DirectionsWithoutWeightGetNothing) {
  double matrix[] = {0, 0, 0, 2};
  double rhs[] = {0, 6};
  SolveSymmetric(2, 1e-5, matrix, rhs);
  EXPECT_NEAR(rhs[0], 0, 1e-9);
  EXPECT_NEAR(rhs[1], 3, 1e-3);
}

TEST(SolveSymmetricTest, EqualFeaturesShareWithoutInfinities) {
  double matrix[] = {1, 1, 1, 1};
  double rhs[] = {2, 2};
  SolveSymmetric(2, 0.0, matrix, rhs);
  EXPECT_NEAR(rhs[0] + rhs[1], 2, 1e-6);
}

TEST(SolveSymmetricTest, EachDirectionHasItsRidge) {
  double matrix[] = {2, 0, 0, 2};
  double rhs[] = {2, 2};
  const double ridge[] = {0, 1};
  SolveSymmetric(2, ridge, matrix, rhs);
  EXPECT_NEAR(rhs[0], 1, 1e-12);
  EXPECT_NEAR(rhs[1], 0.5, 1e-12);
}

TEST(NormalEquationsTest, FindsTheWeightsOfALinearTarget) {
  std::mt19937_64 random(2);
  const double truth[] = {0.5, -1.25, 2, 0};
  NormalEquations equations(4);
  EXPECT_TRUE(equations.empty());
  for (int i = 0; i < 1000; ++i) {
    NormalEquations::Features f{};
    double target = 0;
    for (size_t k = 0; k < 4; ++k) {
      f[k] = static_cast<float>(Uniform(random));
      target += truth[k] * f[k];
    }
    equations.Add(f, static_cast<float>(target), static_cast<float>(1 + i % 3));
  }
  EXPECT_FALSE(equations.empty());
  const auto solution = equations.Solve(NormalEquations::Ridge{});
  for (size_t k = 0; k < 4; ++k) EXPECT_NEAR(solution[k], truth[k], 1e-5);
}

TEST(NormalEquationsTest, WeightsDecideBetweenContradictions) {
  NormalEquations equations(1);
  NormalEquations::Features f{};
  f[0] = 1;
  equations.Add(f, 0, 1);
  equations.Add(f, 4, 3);
  EXPECT_NEAR(equations.Solve(NormalEquations::Ridge{})[0], 3, 1e-12);
}

}  // namespace
}  // namespace dcac
