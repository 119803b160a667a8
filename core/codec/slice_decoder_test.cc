#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "core/base/bytes.h"
#include "dcac/codec.h"

namespace dcac {
namespace {

constexpr uint64_t kPlanes = 512, kHeight = 64, kWidth = 64;  // 2 MiB of planes of 4 KiB

Bytes NoiseSamples() {
  Bytes samples(kPlanes * kHeight * kWidth);
  uint64_t state = 1;
  for (std::byte& sample : samples) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    sample = static_cast<std::byte>(state >> 56);
  }
  return samples;
}

// A frame that counts what is read of it.
struct CountedFrame {
  Bytes frame;
  std::atomic<uint64_t> bytes_read{0};

  FrameAccess Access() {
    return {frame.size(), [this](std::uint64_t offset, std::span<std::byte> out) {
              bytes_read += out.size();
              return AccessMemory(frame).read(offset, out);
            }};
  }
};

class SliceDecoderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    counted_.frame =
        *Compress({DType::kU8, {1, kPlanes, kHeight, kWidth}}, samples_, {.level = 1, .segment_bytes = 4096});
  }

  const Bytes samples_ = NoiseSamples();
  CountedFrame counted_;
};

TEST_F(SliceDecoderTest, ReadsAndDecodesOnlyTheSegmentsOfTheSlice) {
  auto decoder = SliceDecoder::Create(counted_.Access(), {.plane_begin = 200, .plane_end = 208});
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  EXPECT_EQ(decoder->spec(), (TensorSpec{DType::kU8, {1, 8, kHeight, kWidth}}));
  Bytes slice;
  while (true) {
    const auto next = decoder->Next();
    ASSERT_TRUE(next.ok()) << next.status();
    if (next->empty()) break;
    AppendBytes(*next, slice);
  }
  const size_t plane = kHeight * kWidth;
  EXPECT_TRUE(slice == Bytes(samples_.begin() + 200 * plane, samples_.begin() + 208 * plane));
  EXPECT_LT(decoder->decoded_segments(), Inspect(counted_.frame)->segments.size() / 50);
  EXPECT_LT(counted_.bytes_read, counted_.frame.size() / 50);
}

TEST_F(SliceDecoderTest, GivesBoundedPieces) {
  auto decoder = SliceDecoder::Create(counted_.Access(), {});
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  Bytes all = *decoder->Next();
  EXPECT_LT(all.size(), samples_.size());
  while (true) {
    const Bytes next = *decoder->Next();
    if (next.empty()) break;
    AppendBytes(next, all);
  }
  EXPECT_TRUE(all == samples_);
}

TEST_F(SliceDecoderTest, WhatWasFetchedIsNotReadAgain) {
  const Slice slice{.plane_begin = 100, .plane_end = 400};
  auto fetching = SliceDecoder::Create(counted_.Access(), slice);
  auto plain = SliceDecoder::Create(AccessMemory(counted_.frame), slice);
  ASSERT_TRUE(fetching.ok() && plain.ok());
  while (true) {
    const uint64_t before = counted_.bytes_read;
    ASSERT_TRUE(fetching->Fetch().ok());
    const uint64_t after = counted_.bytes_read;
    const auto next = fetching->Next(), expected = plain->Next();
    ASSERT_TRUE(next.ok() && expected.ok()) << next.status();
    EXPECT_TRUE(*next == *expected);
    EXPECT_EQ(counted_.bytes_read, after);
    if (next->empty()) break;
    EXPECT_GT(after, before);
  }
  EXPECT_EQ(fetching->decoded_segments(), plain->decoded_segments());
}

TEST_F(SliceDecoderTest, FetchingNoticesDamage) {
  auto decoder = SliceDecoder::Create(counted_.Access(), {.plane_begin = 100, .plane_end = 101});
  ASSERT_TRUE(decoder.ok());
  for (size_t i = counted_.frame.size() / 8; i < counted_.frame.size() / 2; ++i) counted_.frame[i] ^= std::byte{1};
  EXPECT_TRUE(absl::IsDataLoss(decoder->Fetch()));
}

TEST_F(SliceDecoderTest, ErrorsOfReadingAreReturned) {
  FrameAccess access = counted_.Access();
  const auto fail = [](std::uint64_t, std::span<std::byte>) { return absl::UnavailableError("gone"); };
  EXPECT_EQ(SliceDecoder::Create({access.frame_bytes, fail}, {}).status().code(), absl::StatusCode::kUnavailable);
  bool failing = false;
  access.read = [&](std::uint64_t offset, std::span<std::byte> out) {
    return failing ? fail(offset, out) : AccessMemory(counted_.frame).read(offset, out);
  };
  auto decoder = SliceDecoder::Create(access, {});
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  failing = true;
  EXPECT_EQ(decoder->Next().status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(SliceDecoderTest, SlicesBeyondTheTensorAreRefused) {
  for (const Slice& slice : {Slice{.item_begin = 1}, Slice{.plane_begin = 5, .plane_end = 5}, Slice{.row_begin = 64}}) {
    EXPECT_EQ(SliceDecoder::Create(counted_.Access(), slice).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace dcac
