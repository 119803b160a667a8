#include "core/codec/frequent_samples.h"

#include <gtest/gtest.h>

#include <random>

#include "core/base/bytes.h"

namespace dcac {
namespace {

// Four planes of which a share is one of two samples, and another share differs from the first in its low bits.
TEST(FrequentSamplesTest, FindsThemAndTheirNeighbours) {
  constexpr uint32_t kFirst = 0x40c00000, kSecond = 0xbee3bb5a;
  constexpr size_t kPlanes = 4, kPlaneSamples = 5000;
  std::mt19937 random(1);
  Bytes data;
  for (size_t i = 0; i < kPlanes * kPlaneSamples; ++i) {
    const uint32_t choice = random() % 100;
    const uint32_t other = random();
    AppendLittleEndian(choice < 30   ? kFirst
                       : choice < 40 ? kFirst | (1 + other % 0xffff)
                       : choice < 60 ? kSecond
                                     : other,
                       4, data);
  }
  std::vector<const std::byte*> planes;
  for (size_t p = 0; p < kPlanes; ++p) planes.push_back(data.data() + p * kPlaneSamples * 4);
  const FrequentSamples found = FindFrequentSamples(planes, kPlaneSamples, 4, [](uint32_t) { return 16; });
  ASSERT_EQ(found.samples.size(), 2u);
  EXPECT_EQ(found.samples[0].sample, kFirst);
  EXPECT_EQ(found.samples[1].sample, kSecond);
  const auto share = [&](size_t count) { return static_cast<double>(count) / static_cast<double>(found.total); };
  EXPECT_NEAR(share(found.samples[0].count), 0.3, 0.03);
  EXPECT_NEAR(share(found.samples[0].neighbours), 0.1, 0.02);
  EXPECT_NEAR(share(found.samples[1].count), 0.2, 0.03);
  EXPECT_EQ(found.samples[1].neighbours, 0u);
}

TEST(FrequentSamplesTest, FindsNoneAmongDifferentOnes) {
  Bytes data;
  for (uint32_t i = 0; i < 3000; ++i) AppendLittleEndian(i, 2, data);
  EXPECT_TRUE(FindFrequentSamples({data.data()}, 3000, 2, [](uint32_t) { return 4; }).samples.empty());
}

}  // namespace
}  // namespace dcac
