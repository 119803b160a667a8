#include "core/codec/segment_verifier.h"

#include <gtest/gtest.h>

#include "dcac/frame_encoder.h"

namespace dcac {
namespace {

const SegmentShape kShape{.dtype = DType::kU8, .items = 1, .planes = 4, .height = 32, .width = 32};

Bytes Samples() {
  Bytes samples(kShape.bytes());
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<std::byte>(i / 32 + i % 32 + i * i % 3);
  return samples;
}

TEST(SegmentVerifierTest, NoticesOtherSamples) {
  Bytes samples = Samples();
  const Bytes body = EncodeSegmentBody(kShape, samples, {});
  EXPECT_TRUE(VerifySegmentBody(kShape, body, samples).ok());
  samples.back() ^= std::byte{1};
  EXPECT_TRUE(absl::IsInternal(VerifySegmentBody(kShape, body, samples)));
}

TEST(SegmentVerifierTest, NoticesABodyThatCannotBeDecoded) {
  const Bytes samples = Samples();
  const Bytes body = EncodeSegmentBody(kShape, samples, {});
  EXPECT_TRUE(absl::IsInternal(VerifySegmentBody(kShape, ByteSpan(body).first(body.size() / 2), samples)));
}

TEST(SegmentVerifierTest, FramesAreTheSameWithIt) {
  // In rows of planes, so that segments are gathered, and several of them.
  const TensorSpec spec{DType::kU8, {3, 40, 50}};
  const Bytes samples(3 * 40 * 50, std::byte{7});
  const auto encode = [&](bool verify) {
    auto encoder = FrameEncoder::Create(spec, {.segment_bytes = 4096});
    if (verify) encoder->VerifySegments();
    EXPECT_TRUE(encoder->Push(samples).ok());
    EXPECT_EQ(encoder->encoded_bytes(), samples.size());
    EXPECT_TRUE(encoder->Finish().ok());
    return encoder->Pull();
  };
  EXPECT_EQ(encode(true), encode(false));
}

}  // namespace
}  // namespace dcac
