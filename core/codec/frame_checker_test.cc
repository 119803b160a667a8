#include "dcac/frame_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/codec/sloped_samples.h"
#include "dcac/codec.h"

namespace dcac {
namespace {

struct Example {
  TensorSpec spec;
  Bytes samples;
  EncodeOptions options;
};

Example MakeExample(DType dtype, std::vector<uint64_t> shape, size_t bytes, const EncodeOptions& options = {}) {
  Example example;
  example.spec.dtype = dtype;
  example.spec.shape = std::move(shape);
  example.samples = SlopedSamples(bytes);
  example.options = options;
  return example;
}

// Of none, one and many segments.
std::vector<Example> Examples() {
  std::vector<Example> examples;
  examples.push_back(MakeExample(DType::kU8, {0}, 0));
  examples.push_back(MakeExample(DType::kU8, {}, 1));
  examples.push_back(MakeExample(DType::kU8, {2, 3, 40, 50}, 12000));
  examples.push_back(MakeExample(DType::kU16, {4, 2, 40, 50}, 32000, {.level = 1, .segment_bytes = 4096}));
  return examples;
}

// OK once all of `frame` was taken and nothing more is expected.
absl::Status Check(const Bytes& frame, size_t piece, FrameChecker& checker) {
  size_t position = 0;
  while (position < frame.size() && !checker.done()) {
    const auto taken = checker.Push(ByteSpan(frame).subspan(position, std::min(piece, frame.size() - position)));
    if (!taken.ok()) return taken.status();
    position += *taken;
  }
  if (!checker.done()) return absl::OutOfRangeError("more is expected");
  return position == frame.size() ? absl::OkStatus() : absl::OutOfRangeError("bytes are left");
}

TEST(FrameCheckerTest, TakesWholeFramesWhateverThePieces) {
  for (const Example& example : Examples()) {
    const Bytes frame = *Compress(example.spec, example.samples, example.options);
    for (const size_t piece : {size_t{1}, size_t{13}, size_t{1000}, frame.size()}) {
      FrameChecker checker;
      EXPECT_FALSE(checker.has_spec());
      EXPECT_TRUE(Check(frame, piece, checker).ok());
      EXPECT_EQ(checker.frame_bytes(), frame.size());
      ASSERT_TRUE(checker.has_spec());
      EXPECT_EQ(checker.spec().shape, example.spec.shape);
      EXPECT_EQ(checker.spec().dtype, example.spec.dtype);
      EXPECT_EQ(checker.digest(), ComputeDigest(example.samples));
    }
  }
}

TEST(FrameCheckerTest, FindsEveryFlippedBit) {
  for (const Example& example : Examples()) {
    Bytes frame = *Compress(example.spec, example.samples, example.options);
    // All bits of small frames, some of each byte of larger ones.
    const size_t step = frame.size() < 1000 ? 1 : 3;
    for (size_t bit = 0; bit < frame.size() * 8; bit += step) {
      const std::byte mask{static_cast<unsigned char>(1u << bit % 8)};
      frame[bit / 8] ^= mask;
      FrameChecker checker;
      EXPECT_FALSE(Check(frame, frame.size(), checker).ok()) << "bit " << bit;
      frame[bit / 8] ^= mask;
    }
  }
}

TEST(FrameCheckerTest, PrefixesAreNotDone) {
  const Example example = Examples().back();
  const Bytes frame = *Compress(example.spec, example.samples, example.options);
  for (size_t n = 0; n < frame.size(); n += 1 + n / 50) {
    FrameChecker checker;
    EXPECT_EQ(Check(Bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(n)), frame.size(), checker).code(),
              absl::StatusCode::kOutOfRange);
  }
}

TEST(FrameCheckerTest, HasTheLimitsOfADecoder) {
  const Example example = Examples().back();
  FrameChecker checker({.max_tensor_bytes = 10});
  EXPECT_EQ(checker.Push(*Compress(example.spec, example.samples)).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace dcac
