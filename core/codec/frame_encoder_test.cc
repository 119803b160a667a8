#include "dcac/frame_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "core/base/bytes.h"

namespace dcac {
namespace {

TEST(FrameEncoderTest, SaysHowMuchItTakesWithoutWork) {
  const TensorSpec spec{DType::kU8, {3, 40, 50}};
  auto encoder = FrameEncoder::Create(spec, {.segment_bytes = 4096});
  EXPECT_EQ(encoder->bytes_without_work(), 0u) << "how large the batch becomes is not known before it is begun";
  const Bytes samples(3 * 40 * 50, std::byte{7});
  ASSERT_TRUE(encoder->Push(ByteSpan(samples).first(10)).ok());
  const std::uint64_t more = encoder->bytes_without_work();
  ASSERT_GT(more, 0u);
  ASSERT_TRUE(encoder->Push(ByteSpan(samples).subspan(10, more)).ok());
  EXPECT_EQ(encoder->encoded_bytes(), 0u);
  EXPECT_TRUE(std::ranges::equal(encoder->unencoded(), ByteSpan(samples).first(10 + more)));
  EXPECT_EQ(encoder->bytes_without_work(), 0u);
  ASSERT_TRUE(encoder->Push(ByteSpan(samples).subspan(10 + more, 1)).ok());
  EXPECT_EQ(encoder->encoded_bytes(), 11 + more);
  EXPECT_TRUE(encoder->unencoded().empty());
}

TEST(FrameEncoderTest, WhatWasCancelledIsNotEncoded) {
  const TensorSpec spec{DType::kU8, {3, 40, 50}};
  const Bytes samples(3 * 40 * 50, std::byte{7});
  auto encoder = FrameEncoder::Create(spec);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const std::atomic<bool> cancelled = true;
  encoder->CancelOn(&cancelled);
  encoder->VerifySegments();  // for others, Push may look at samples where they are
  ASSERT_TRUE(encoder->Push(ByteSpan(samples).first(100)).ok());
  EXPECT_TRUE(absl::IsCancelled(encoder->Push(ByteSpan(samples).subspan(100))));
  EXPECT_EQ(encoder->encoded_bytes(), 0u);
  EXPECT_TRUE(std::ranges::equal(encoder->unencoded(), samples));
}

}  // namespace
}  // namespace dcac
