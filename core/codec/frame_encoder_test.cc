#include "dcac/frame_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>

#include "core/base/bytes.h"

namespace dcac {
namespace {

// Has the calling thread do it.
void RunHere(const std::function<void()>& work) {
  work();
}

TEST(FrameEncoderTest, HoldsWhatDoesNotFillABatch) {
  const TensorSpec spec{DType::kU8, {3, 40, 50}};
  auto encoder = FrameEncoder::Create(spec, {.segment_bytes = 4096});
  encoder->VerifySegments(RunHere, 1);
  const Bytes samples(3 * 40 * 50, std::byte{7});
  ASSERT_TRUE(encoder->Push(ByteSpan(samples).first(10)).ok());
  EXPECT_EQ(encoder->encoded_bytes(), 0u);
  EXPECT_TRUE(std::ranges::equal(encoder->unencoded(), ByteSpan(samples).first(10)));
  ASSERT_TRUE(encoder->Push(ByteSpan(samples).subspan(10)).ok());
  EXPECT_EQ(encoder->encoded_bytes(), samples.size());
  EXPECT_TRUE(encoder->unencoded().empty());
}

TEST(FrameEncoderTest, WhatWasCancelledIsNotEncoded) {
  const TensorSpec spec{DType::kU8, {3, 40, 50}};
  const Bytes samples(3 * 40 * 50, std::byte{7});
  auto encoder = FrameEncoder::Create(spec);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const std::atomic<bool> cancelled = true;
  encoder->CancelOn(&cancelled);
  encoder->VerifySegments(RunHere, 1);  // for others, Push may look at samples where they are
  ASSERT_TRUE(encoder->Push(ByteSpan(samples).first(100)).ok());
  EXPECT_TRUE(absl::IsCancelled(encoder->Push(ByteSpan(samples).subspan(100))));
  EXPECT_EQ(encoder->encoded_bytes(), 0u);
  EXPECT_TRUE(std::ranges::equal(encoder->unencoded(), samples));
}

}  // namespace
}  // namespace dcac
