#include "dcac/segment_observer.h"

#include <gtest/gtest.h>

#include <mutex>
#include <vector>

#include "core/base/bytes.h"
#include "dcac/codec.h"

namespace dcac {
namespace {

class Sums final : public SegmentObserver {
 public:
  void OnSegment(const SegmentWork& work) override {
    const std::lock_guard lock(mutex_);
    ++segments;
    raw_bytes += work.raw_bytes;
    stored_bytes += work.stored_bytes;
    EXPECT_GT(work.duration.count(), 0);
  }

  std::uint64_t segments = 0, raw_bytes = 0, stored_bytes = 0;

 private:
  std::mutex mutex_;
};

const TensorSpec kSpec{DType::kU16, {4, 2, 40, 50}};

Bytes Samples() {
  Bytes samples(32000);
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<std::byte>(i * i / 7 + i % 5);
  return samples;
}

Bytes Encode(SegmentObserver* observer) {
  auto encoder = FrameEncoder::Create(kSpec, {.segment_bytes = 4096});
  encoder->ObserveSegments(observer);
  EXPECT_TRUE(encoder->Push(Samples()).ok());
  EXPECT_TRUE(encoder->Finish().ok());
  return encoder->Pull();
}

TEST(SegmentObserverTest, EncoderTellsOfAllSegmentsAndWritesTheSameFrame) {
  Sums sums;
  const Bytes frame = Encode(&sums);
  EXPECT_EQ(frame, Encode(nullptr));
  const auto info = Inspect(frame);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_GT(sums.segments, 1u);
  EXPECT_EQ(sums.segments, info->segments.size());
  EXPECT_EQ(sums.raw_bytes, Samples().size());
  EXPECT_GT(sums.stored_bytes, 0u);
  EXPECT_LT(sums.stored_bytes, frame.size());
}

TEST(SegmentObserverTest, MoreSegmentsThanMayBeListedAreRefused) {
  const Bytes frame = Encode(nullptr);
  const std::size_t segments = Inspect(frame)->segments.size();
  EXPECT_TRUE(Inspect(frame, {.max_listed_segments = segments}).ok());
  EXPECT_EQ(Inspect(frame, {.max_listed_segments = segments - 1}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(SegmentObserverTest, DecoderTellsOfTheSameSegments) {
  Sums encoded, decoded;
  const Bytes frame = Encode(&encoded);
  FrameDecoder decoder;
  decoder.ObserveSegments(&decoded);
  ASSERT_TRUE(decoder.Push(frame).ok());
  ASSERT_TRUE(decoder.Finish().ok());
  EXPECT_EQ(decoder.Pull(), Samples());
  EXPECT_EQ(decoded.segments, encoded.segments);
  EXPECT_EQ(decoded.raw_bytes, encoded.raw_bytes);
  EXPECT_EQ(decoded.stored_bytes, encoded.stored_bytes);
}

TEST(SegmentObserverTest, DamagedSegmentsAreNotTold) {
  Bytes frame = Encode(nullptr);
  frame[frame.size() / 2] ^= std::byte{1};
  Sums sums;
  FrameDecoder decoder;
  decoder.ObserveSegments(&sums);
  EXPECT_EQ(decoder.Push(frame).code(), absl::StatusCode::kDataLoss);
  EXPECT_LT(sums.raw_bytes, Samples().size());
}

}  // namespace
}  // namespace dcac
