#include "core/codec/segment_verifier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

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

// In rows of planes, so that segments are gathered, and several of them.
const TensorSpec kRows{DType::kU8, {3, 40, 50}};

TEST(SegmentVerifierTest, FramesAreTheSameWithIt) {
  Bytes samples(3 * 40 * 50);
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<std::byte>(i / 50 + i % 7);
  const auto encode = [&](bool verify, size_t piece_bytes) {
    auto encoder = FrameEncoder::Create(kRows, {.segment_bytes = 4096});
    if (verify) encoder->VerifySegments();
    for (size_t at = 0; at < samples.size(); at += piece_bytes) {
      EXPECT_TRUE(encoder->Push(ByteSpan(samples).subspan(at, std::min(piece_bytes, samples.size() - at))).ok());
    }
    EXPECT_EQ(encoder->encoded_bytes(), samples.size());
    EXPECT_TRUE(encoder->Finish().ok());
    EXPECT_TRUE(encoder->Verify().ok());
    return encoder->Pull();
  };
  const Bytes frame = encode(false, samples.size());
  for (const size_t piece_bytes : {size_t{1}, size_t{999}, samples.size()}) {
    EXPECT_EQ(encode(true, piece_bytes), frame) << piece_bytes;
  }
}

TEST(SegmentVerifierTest, WhatWasEncodedLastWaitsForVerify) {
  std::atomic<bool> cancelled = false;
  auto encoder = FrameEncoder::Create(kRows, {.segment_bytes = 4096});
  encoder->VerifySegments();
  encoder->CancelOn(&cancelled);
  ASSERT_TRUE(encoder->Push(Bytes(3 * 40 * 50, std::byte{7})).ok());
  ASSERT_TRUE(encoder->Finish().ok());
  EXPECT_FALSE(encoder->Pull().empty());
  cancelled = true;
  EXPECT_TRUE(absl::IsCancelled(encoder->Verify()));
  EXPECT_TRUE(absl::IsCancelled(encoder->Verify())) << "as every call after an error";
}

}  // namespace
}  // namespace dcac
