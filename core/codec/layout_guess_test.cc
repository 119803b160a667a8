#include "dcac/layout_guess.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "core/base/bytes.h"

namespace dcac {
namespace {

// Smooth planes of channels that have nothing to do with each other, in either order of memory.
Bytes Maps(uint64_t channels, uint64_t height, uint64_t width, bool channels_last) {
  std::mt19937 random(5);
  std::vector<float> samples(channels * height * width);
  for (uint64_t c = 0; c < channels; ++c) {
    const double fy = static_cast<double>(random() % 100) / 300, fx = static_cast<double>(random() % 100) / 300;
    const double phase = static_cast<double>(random() % 7);
    for (uint64_t y = 0; y < height; ++y) {
      for (uint64_t x = 0; x < width; ++x) {
        const double value = std::sin(fy * static_cast<double>(y) + phase) * std::cos(fx * static_cast<double>(x));
        samples[channels_last ? (y * width + x) * channels + c : (c * height + y) * width + x] =
            static_cast<float>(value + 1e-3 * static_cast<double>(random() % 100));
      }
    }
  }
  const auto bytes = std::as_bytes(std::span(samples));
  return Bytes(bytes.begin(), bytes.end());
}

// Features of their own levels, which vary a little from token to token.
Bytes Tokens(uint64_t heads, uint64_t tokens, uint64_t features) {
  std::mt19937 random(6);
  std::vector<float> samples(heads * tokens * features), levels(features);
  for (uint64_t head = 0, i = 0; head < heads; ++head) {
    for (float& level : levels) level = static_cast<float>(random() % 1000);
    for (uint64_t token = 0; token < tokens; ++token) {
      for (uint64_t d = 0; d < features; ++d) samples[i++] = levels[d] + static_cast<float>(random() % 300);
    }
  }
  const auto bytes = std::as_bytes(std::span(samples));
  return Bytes(bytes.begin(), bytes.end());
}

Layout Guess(std::vector<uint64_t> shape, const Bytes& data, DType dtype = DType::kF32) {
  return GuessLayout({dtype, std::move(shape)}, data);
}

TEST(GuessLayoutTest, Maps) {
  EXPECT_EQ(Guess({1, 24, 30, 40}, Maps(24, 30, 40, false)), Layout::kNchw);
  EXPECT_EQ(Guess({24, 30, 40}, Maps(24, 30, 40, false)), Layout::kNchw);
  EXPECT_EQ(Guess({30, 40}, Maps(1, 30, 40, false)), Layout::kNchw);
  EXPECT_EQ(Guess({1, 30, 40, 24}, Maps(24, 30, 40, true)), Layout::kNhwc);
  EXPECT_EQ(Guess({30, 40, 3}, Maps(3, 30, 40, true)), Layout::kNhwc);
}

TEST(GuessLayoutTest, TokensAndHeads) {
  EXPECT_EQ(Guess({4, 100, 64}, Tokens(4, 100, 64)), Layout::kHeads);
  EXPECT_EQ(Guess({1, 4, 100, 64}, Tokens(4, 100, 64)), Layout::kHeads);
  EXPECT_EQ(Guess({2, 100, 384}, Tokens(2, 100, 384)), Layout::kTokens);
  EXPECT_EQ(Guess({200, 384}, Tokens(1, 200, 384)), Layout::kTokens);
}

TEST(GuessLayoutTest, OnlyTheFrontIsLookedAt) {
  Bytes data = Tokens(8, 500, 128);
  ASSERT_GT(data.size(), kLayoutGuessBytes);
  const Layout layout = Guess({8, 500, 128}, data);
  std::fill(data.begin() + kLayoutGuessBytes, data.end(), std::byte{0});
  EXPECT_EQ(Guess({8, 500, 128}, data), layout);
  data.resize(kLayoutGuessBytes);
  EXPECT_EQ(Guess({8, 500, 128}, data), layout);
}

TEST(GuessLayoutTest, RankOne) {
  EXPECT_EQ(Guess({}, Bytes(4)), Layout::kNchw);
  EXPECT_EQ(Guess({65536}, {}), Layout::kNchw);
  EXPECT_EQ(Guess({65537}, {}), Layout::kFlat);
}

// Whatever the samples, the layout is one that the shape may have.
TEST(GuessLayoutTest, AlwaysFitsTheShape) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 3000; ++round) {
    TensorSpec spec{AllDTypes()[random() % AllDTypes().size()], {}};
    for (uint64_t rank = random() % 9; rank > 0; --rank) spec.shape.push_back(random() % 40);
    Bytes data(random() % 3000);
    for (std::byte& byte : data) byte = static_cast<std::byte>(random() % (round % 2 == 0 ? 256 : 3));
    spec.layout = GuessLayout(spec, data);
    EXPECT_EQ(TensorBytes(spec).ok(), TensorBytes({spec.dtype, spec.shape}).ok()) << ShapeToString(spec.shape);
  }
  EXPECT_EQ(Guess({~uint64_t{0}, ~uint64_t{0}, 3}, Bytes(100)), Layout::kNchw);
}

}  // namespace
}  // namespace dcac
