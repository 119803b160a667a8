#include "core/codec/tokens.h"

#include <gtest/gtest.h>

#include <random>

namespace dcac {
namespace {

void CheckResidual(int64_t residual, int shift) {
  const TokenAndRaw t = TokenOfResidual(residual, shift);
  ASSERT_GE(t.token, 0);
  ASSERT_EQ(t.raw_bits, shift + ClassRawBits(t.token / 2));
  ASSERT_LT(t.raw, uint64_t{1} << t.raw_bits);
  ASSERT_TRUE(IsValidToken(t.token, shift));
  ASSERT_EQ(ResidualOfToken(t.token, t.raw, shift), residual) << "shift " << shift;
}

TEST(TokensTest, EveryNarrowResidualRoundTripsWithinTheState) {
  for (int residual = -255; residual <= 255; ++residual) {
    CheckResidual(residual, 0);
    EXPECT_LE(TokenOfResidual(residual, 0).raw_bits, 5) << residual;
  }
}

TEST(TokensTest, ResidualsRoundTripUnderEveryShift) {
  std::mt19937_64 random(1);
  const int64_t most = static_cast<int64_t>(kMaxMagnitude);
  for (int shift = 0; shift < 32; ++shift) {
    for (int64_t residual : {int64_t{0}, int64_t{-1}, int64_t{1}, most, -most - 1}) CheckResidual(residual, shift);
    for (int bit = 0; bit < 32; ++bit) {
      for (int64_t delta = -2; delta <= 2; ++delta) {
        const int64_t residual = std::min(most, (int64_t{1} << bit) + delta);
        CheckResidual(residual, shift);
        CheckResidual(-1 - residual, shift);
      }
    }
    for (int i = 0; i < 20000; ++i)
      CheckResidual(static_cast<int64_t>(random() & kMaxMagnitude) >> random() % 32, shift);
    if (HasFatalFailure()) return;
  }
}

TEST(TokensTest, ClassesMeetWithoutGaps) {
  for (int q = 0; q + 1 < 124; ++q) {
    EXPECT_EQ(ClassBase(q) + (uint64_t{1} << ClassRawBits(q)), ClassBase(q + 1)) << q;
  }
}

TEST(TokensTest, TheLargestResidualFitsTheTables) {
  const int specials = 5;
  EXPECT_LT(specials + TokenOfResidual(-static_cast<int64_t>(kMaxMagnitude) - 1, 0).token, kMaxTokens);
}

TEST(TokensTest, TokensBeyondTheLargestMagnitudeAreInvalid) {
  for (int shift = 0; shift < 32; ++shift) {
    const int last = TokenOfResidual(static_cast<int64_t>(kMaxMagnitude), shift).token;
    EXPECT_TRUE(IsValidToken(last, shift));
    EXPECT_FALSE(IsValidToken(last + 2, shift)) << shift;
    EXPECT_FALSE(IsValidToken(255, shift)) << shift;
  }
}

TEST(SpecialTokensTest, NumbersFollowTheDocumentsOrder) {
  SetModel model;
  EXPECT_EQ(SpecialTokens(model).count, 0);
  model.has_mode = model.has_west = model.has_north = model.has_reference = model.has_escape = true;
  const SpecialTokens all(model);
  EXPECT_EQ(all.mode, 0);
  EXPECT_EQ(all.west, 1);
  EXPECT_EQ(all.north, 2);
  EXPECT_EQ(all.reference, 3);
  EXPECT_EQ(all.escape, 4);
  EXPECT_EQ(all.count, model.num_specials());
  model.has_west = model.has_reference = false;
  const SpecialTokens some(model);
  EXPECT_EQ(some.mode, 0);
  EXPECT_EQ(some.west, -1);
  EXPECT_EQ(some.north, 1);
  EXPECT_EQ(some.reference, -1);
  EXPECT_EQ(some.escape, 2);
}

}  // namespace
}  // namespace dcac
