#include "proto/wire/digest_accumulator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace dcac::wire {
namespace {

TEST(DigestAccumulatorTest, PiecesGiveTheDigestOfTheWhole) {
  std::vector<std::byte> bytes(10007);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 31 + i / 256);
  const std::span<const std::byte> all(bytes);
  for (const std::size_t piece : {1u, 255u, 4096u, 20000u}) {
    DigestAccumulator accumulator;
    for (std::size_t i = 0; i < all.size(); i += piece) {
      accumulator.Update(all.subspan(i, std::min(piece, all.size() - i)));
    }
    EXPECT_EQ(accumulator.Get(), ComputeDigest(all)) << piece;
  }
}

TEST(DigestAccumulatorTest, NothingHasTheDigestOfNothing) {
  EXPECT_EQ(DigestAccumulator().Get(), ComputeDigest({}));
}

}  // namespace
}  // namespace dcac::wire
