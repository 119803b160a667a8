#include "core/codec/coarse_set.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
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

  bool IsRough(bool has_references) const { return dcac::IsRough(set, pointers, has_references); }

  PlaneSet set;
  std::vector<float> samples;
  std::vector<const std::byte*> pointers;
};

float Smooth(size_t p, size_t i) {
  const float y = static_cast<float>(i / kWidth), x = static_cast<float>(i % kWidth);
  return 3.0f + std::sin(0.2f * y + static_cast<float>(p)) + std::sin(0.15f * x);
}

struct Noise {
  float operator()(size_t, size_t) { return std::exp(normal(random)); }
  std::mt19937 random{1};
  std::normal_distribution<float> normal;
};

TEST(IsRough, SaysSoOfNoise) {
  const Planes planes(8, Noise());
  EXPECT_TRUE(planes.IsRough(true));
  EXPECT_TRUE(planes.IsRough(false));
}

TEST(IsRough, DoesNotOfWhatTheRowAboveTells) {
  const Planes planes(8, Smooth);
  EXPECT_FALSE(planes.IsRough(true));
  EXPECT_FALSE(planes.IsRough(false));
}

TEST(IsRough, LeavesSignedSamplesToReferences) {
  Noise noise;
  const Planes planes(8, [&](size_t p, size_t i) { return noise(p, i) * (noise.random() % 2 == 0 ? 1.0f : -1.0f); });
  EXPECT_FALSE(planes.IsRough(true));
  EXPECT_TRUE(planes.IsRough(false));
}

TEST(IsRough, LooksAtTheItemBeforeWhereThereAreReferences) {
  Planes planes(8, Noise());
  for (size_t p = 4; p < 8; ++p) {
    planes.set.same_channel[p] = static_cast<int>(p) - 4;
    std::memcpy(&planes.samples[p * kPlaneSamples], &planes.samples[(p - 4) * kPlaneSamples],
                kPlaneSamples * sizeof(float));
  }
  EXPECT_FALSE(planes.IsRough(true));
  EXPECT_TRUE(planes.IsRough(false));
}

TEST(IsRough, KnowsHalvesOf16Bits) {
  for (const SampleKind kind : {SampleKind::kF16, SampleKind::kBF16}) {
    for (const bool is_rough : {false, true}) {
      Planes planes(4, [](size_t, size_t) { return 0.0f; });
      std::mt19937 random(2);
      std::vector<uint16_t> halves(planes.samples.size());
      // Any numbers, or those of an eighth of an octave.
      for (uint16_t& half : halves) half = static_cast<uint16_t>(is_rough ? random() % 0x7800 : 0x3f80 + random() % 8);
      planes.set.kind = kind;
      for (size_t p = 0; p < 4; ++p) {
        planes.pointers[p] = reinterpret_cast<const std::byte*>(halves.data() + p * kPlaneSamples);
      }
      EXPECT_EQ(planes.IsRough(true), is_rough);
    }
  }
}

#if defined(__SSE2__)
TEST(IsRough, DoesNotDependOnTheCallersModes) {
  Noise noise;
  const Planes planes(4, [&](size_t p, size_t i) { return noise(p, i) * 1e-40f; });
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040u);  // flush to zero, denormals are zero
  const bool is_rough = planes.IsRough(true);
  _mm_setcsr(before);
  EXPECT_TRUE(is_rough);
}
#endif

TEST(IsRough, DoesNotOfWhereNothingCanBeSaid) {
  EXPECT_FALSE(Planes(3, [](size_t, size_t) { return 0.0f; }).IsRough(false));
  EXPECT_FALSE(Planes(0, Noise()).IsRough(false));
  Planes narrow(2, Noise());
  narrow.set.shape = {2, static_cast<int>(kPlaneSamples) / 2, 2};
  EXPECT_FALSE(narrow.IsRough(false));
  narrow.set.shape = {2, 1, static_cast<int>(kPlaneSamples)};
  EXPECT_FALSE(narrow.IsRough(false));
}

}  // namespace
}  // namespace dcac
