#include "dcac/frame_encoder.h"

#include <gtest/gtest.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <functional>

#include "core/base/bytes.h"
#include "dcac/codec.h"
#include "dcac/frame_decoder.h"

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

// Of a frame that comes in pieces, a batch decoded in place may leave segments of the slab after it.
TEST(FrameDecoderTest, PiecesOfAnySizeDecodeInPlace) {
  Bytes samples(3 * 8 * 160 * 256);
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<std::byte>(i * i >> 7);
  EncodeOptions options;
  options.level = 1;
  options.segment_bytes = 1 << 16;  // several in a slab
  const auto frame = Compress({DType::kU8, {3, 8, 160, 256}}, samples, options);
  ASSERT_TRUE(frame.ok()) << frame.status();
  for (const int threads : {1, 2, 4, 8}) {
    for (size_t piece = 997; piece < frame->size(); piece = piece * 5 / 4) {
      oneapi::tbb::task_arena(threads).execute([&] {
        Bytes decoded(samples.size());
        FrameDecoder decoder{DecodeLimits()};
        decoder.DecodeTo(decoded);
        for (size_t at = 0; at < frame->size(); at += piece) {
          const absl::Status pushed = decoder.Push(ByteSpan(*frame).subspan(at, std::min(piece, frame->size() - at)));
          ASSERT_TRUE(pushed.ok()) << pushed;
        }
        EXPECT_TRUE(decoder.Finish().ok()) << decoder.Finish() << ", " << threads << " threads, pieces of " << piece;
        EXPECT_TRUE(decoded == samples);
      });
    }
  }
}

}  // namespace
}  // namespace dcac
