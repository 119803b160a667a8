#include "core/codec/coarse_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <vector>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace dcac {
namespace {

constexpr int kHeight = 24, kWidth = 20;
constexpr size_t kPlaneSamples = size_t{kHeight} * kWidth;

// A set of binary32 planes, of which sample (p, i) is make(p, i).
struct Planes {
  template <typename Make>
  Planes(int count, Make make) : samples(static_cast<size_t>(count) * kPlaneSamples) {
    set.kind = SampleKind::kF32;
    set.shape = {count, kHeight, kWidth};
    set.same_channel.assign(static_cast<size_t>(count), -1);
    for (size_t p = 0; p < static_cast<size_t>(count); ++p) {
      set.planes.push_back(static_cast<int>(p));
      for (size_t i = 0; i < kPlaneSamples; ++i) samples[p * kPlaneSamples + i] = make(p, i);
      pointers.push_back(reinterpret_cast<const std::byte*>(samples.data() + p * kPlaneSamples));
    }
  }

  std::optional<CoarsePlan> Plan() const { return PlanCoarse(set, pointers); }

  PlaneSet set;
  std::vector<float> samples;
  std::vector<const std::byte*> pointers;
};

float Smooth(size_t p, size_t i) {
  const float y = static_cast<float>(i / kWidth), x = static_cast<float>(i % kWidth);
  return 3.0f + std::sin(0.02f * y + static_cast<float>(p)) + std::sin(0.015f * x);
}

struct Noise {
  float operator()(size_t, size_t) { return std::exp(normal(random)); }
  std::mt19937 random{1};
  std::normal_distribution<float> normal;
};

TEST(PlanCoarse, KnowsLittleOfNoise) {
  const auto plan = Planes(8, Noise()).Plan();
  ASSERT_TRUE(plan);
  EXPECT_LT(plan->known, 0.1);
  EXPECT_FALSE(plan->has_signs);
}

TEST(PlanCoarse, KnowsWhatTheRowAboveTells) {
  const auto plan = Planes(8, Smooth).Plan();
  ASSERT_TRUE(plan);
  EXPECT_GT(plan->known, 0.5);
}

TEST(PlanCoarse, SeesSigns) {
  Noise noise;
  const auto of_share = [&](uint32_t one_in) {
    return Planes(8, [&](size_t p, size_t i) { return noise(p, i) * (noise.random() % one_in == 0 ? -1.0f : 1.0f); })
        .Plan();
  };
  EXPECT_TRUE(of_share(2)->has_signs);
  EXPECT_FALSE(of_share(200)->has_signs);
}

// Steps grow with samples, or not, as their errors do.
TEST(PlanCoarse, FollowsErrors) {
  Noise noise;
  const auto steps_of_greatest_octave = [](const Planes& planes) {
    const CoarseMap map = planes.Plan()->map;
    float greatest = 0;
    for (const float sample : planes.samples) greatest = std::max(greatest, sample);
    const auto octave = static_cast<size_t>(std::bit_cast<uint32_t>(greatest) >> 23);
    return 1 << (map.mantissa_bits - map.detail_bits[octave]);
  };
  const Planes proportional(8, [&](size_t p, size_t i) { return std::pow(noise(p, i), 3.0f); });
  const Planes of_one_size(8, [&](size_t p, size_t i) {
    return std::max(0.0f,
                    6 + 4 * std::sin(0.3f * static_cast<float>(i % kWidth + p)) + 0.2f * noise.normal(noise.random));
  });
  EXPECT_LT(steps_of_greatest_octave(proportional), steps_of_greatest_octave(of_one_size));
}

TEST(PlanCoarse, KnowsHalvesOf16Bits) {
  for (const SampleKind kind : {SampleKind::kF16, SampleKind::kBF16}) {
    for (const bool is_noise : {false, true}) {
      Planes planes(4, [](size_t, size_t) { return 0.0f; });
      std::mt19937 random(2);
      std::vector<uint16_t> halves(planes.samples.size());
      // Any numbers, or those of a part of an octave.
      for (uint16_t& half : halves) half = static_cast<uint16_t>(is_noise ? random() % 0x7800 : 0x3f80 + random() % 4);
      planes.set.kind = kind;
      for (size_t p = 0; p < 4; ++p) {
        planes.pointers[p] = reinterpret_cast<const std::byte*>(halves.data() + p * kPlaneSamples);
      }
      const auto plan = planes.Plan();
      ASSERT_TRUE(plan);
      for (const uint16_t half : halves) {
        if (half == 0) continue;
        const int code = plan->map.CodeOf(half);
        ASSERT_TRUE(is_noise || code != plan->map.escape());
        if (code == plan->map.escape()) continue;
        const CoarseMap::Step step = plan->map.StepOf(code);
        ASSERT_EQ(half >> step.detail_bits, step.upper >> step.detail_bits);
      }
    }
  }
}

#if defined(__SSE2__)
TEST(PlanCoarse, DoesNotDependOnTheCallersModes) {
  Noise noise;
  const Planes planes(4, [&](size_t p, size_t i) { return noise(p, i) * 1e-40f; });
  const auto plan = planes.Plan();
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040u);  // flush to zero, denormals are zero
  const auto other = planes.Plan();
  _mm_setcsr(before);
  ASSERT_TRUE(plan && other);
  EXPECT_EQ(plan->map.detail_bits, other->map.detail_bits);
  EXPECT_EQ(plan->map.zero, other->map.zero);
  EXPECT_EQ(plan->known, other->known);
}
#endif

TEST(PlanCoarse, DoesWithoutNeighbours) {
  EXPECT_FALSE(Planes(3, [](size_t, size_t) { return 0.0f; }).Plan());
  EXPECT_FALSE(Planes(0, Noise()).Plan());
  Planes narrow(2, Noise());
  narrow.set.shape = {2, static_cast<int>(kPlaneSamples) / 2, 2};
  EXPECT_TRUE(narrow.Plan());
  narrow.set.shape = {2, 1, static_cast<int>(kPlaneSamples)};
  EXPECT_TRUE(narrow.Plan());
  // No number: there is nothing to make a map of.
  EXPECT_FALSE(Planes(3, [](size_t, size_t) { return std::numeric_limits<float>::quiet_NaN(); }).Plan());
}

}  // namespace
}  // namespace dcac
