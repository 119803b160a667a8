#include "core/codec/segment_verifier.h"
#include "core/codec/segment_samples.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "dcac/frame_encoder.h"

namespace dcac {
namespace {

const SegmentShape kVerifierShape{.dtype = DType::kU8, .items = 1, .planes = 4, .height = 32, .width = 32};

Bytes SlopedSquares() {
  Bytes samples(kVerifierShape.bytes());
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<std::byte>(i / 32 + i % 32 + i * i % 3);
  return samples;
}

TEST(SegmentVerifierTest, NoticesOtherSamples) {
  Bytes samples = SlopedSquares();
  const Bytes body = EncodeSegmentBody({kVerifierShape, samples}, {});
  EXPECT_TRUE(VerifySegmentBody({kVerifierShape, samples}, body).ok());
  samples.back() ^= std::byte{1};
  EXPECT_TRUE(absl::IsInternal(VerifySegmentBody({kVerifierShape, samples}, body)));
}

TEST(SegmentVerifierTest, NoticesABodyThatCannotBeDecoded) {
  const Bytes samples = SlopedSquares();
  const Bytes body = EncodeSegmentBody({kVerifierShape, samples}, {});
  EXPECT_TRUE(absl::IsInternal(VerifySegmentBody({kVerifierShape, samples}, ByteSpan(body).first(body.size() / 2))));
}

// Others that work, begun in turn.
class Threads {
 public:
  ~Threads() {
    for (std::thread& thread : threads_) thread.join();
  }
  FrameEncoder::StartWork Start() {
    return [this](std::function<void()> work) { threads_.emplace_back(std::move(work)); };
  }

 private:
  std::vector<std::thread> threads_;
};

// In rows of planes, so that segments are gathered, and several of them.
const TensorSpec kRows{DType::kU8, {3, 40, 50}};

TEST(SegmentVerifierTest, FramesAreTheSameWithIt) {
  Bytes samples(3 * 40 * 50);
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<std::byte>(i / 50 + i % 7);
  Threads threads;
  const auto encode = [&](bool verify, size_t piece_bytes) {
    auto encoder = FrameEncoder::Create(kRows, {.segment_bytes = 4096});
    if (verify) encoder->VerifySegments(threads.Start(), 2);
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

TEST(SegmentVerifierTest, WhatWasEncodedLastIsVerifiedAfterFinish) {
  std::vector<std::function<void()>> waiting;
  std::atomic<bool> cancelled = false;
  bool waits = false;
  auto encoder = FrameEncoder::Create(kRows, {.segment_bytes = 4096});
  encoder->VerifySegments([&](std::function<void()> work) { waits ? waiting.push_back(std::move(work)) : work(); }, 1);
  encoder->CancelOn(&cancelled);
  ASSERT_TRUE(encoder->Push(Bytes(3 * 40 * 50, std::byte{7})).ok());
  waits = true;
  ASSERT_TRUE(encoder->Finish().ok());
  EXPECT_FALSE(encoder->Pull().empty());
  ASSERT_FALSE(waiting.empty());
  cancelled = true;
  for (const std::function<void()>& work : waiting) work();
  EXPECT_TRUE(absl::IsCancelled(encoder->Verify()));
  EXPECT_TRUE(absl::IsCancelled(encoder->Verify())) << "as every call after an error";
}

TEST(SegmentVerifierTest, WhatGoesOnEndsBeforeTheEncoder) {
  Threads threads;
  for (int i = 0; i < 20; ++i) {
    auto encoder = FrameEncoder::Create(kRows, {.segment_bytes = 4096});
    encoder->VerifySegments(threads.Start(), 2);
    ASSERT_TRUE(encoder->Push(Bytes(3 * 40 * 50, std::byte{7})).ok());
    if (i % 2 == 0) {
      ASSERT_TRUE(encoder->Finish().ok());
    }
  }
}

TEST(SegmentVerifierTest, WorkThatCannotBeStartedIsAnError) {
  auto encoder = FrameEncoder::Create(kRows, {.segment_bytes = 4096});
  int starts = 0;
  encoder->VerifySegments(
      [&](const std::function<void()>& work) {
        if (++starts == 2) throw std::bad_alloc();
        work();
      },
      2);
  EXPECT_TRUE(absl::IsResourceExhausted(encoder->Push(Bytes(3 * 40 * 50, std::byte{7}))));
}

}  // namespace
}  // namespace dcac
