#include "dcac/frame_boundary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/bytes.h"
#include "core/codec/sloped_samples.h"
#include "dcac/codec.h"

namespace dcac {
namespace {

// Frames of none, one and many segments.
std::vector<Bytes> SomeFrames() {
  std::vector<Bytes> frames;
  frames.push_back(*Compress({DType::kU8, {0}}, {}));
  frames.push_back(*Compress({DType::kU8, {}}, SlopedSamples(1)));
  frames.push_back(*Compress({DType::kU8, {2, 3, 40, 50}}, SlopedSamples(12000)));
  frames.push_back(*Compress({DType::kU16, {4, 2, 40, 50}}, SlopedSamples(32000), {.level = 1, .segment_bytes = 4096}));
  return frames;
}

TEST(FrameBoundaryTest, FindsTheEndWhateverThePieces) {
  for (const Bytes& frame : SomeFrames()) {
    Bytes stream = frame;
    AppendBytes(frame, stream);  // what follows looks like a frame
    for (const size_t piece : {size_t{1}, size_t{2}, size_t{13}, size_t{1000}, stream.size()}) {
      FrameBoundary boundary;
      size_t position = 0;
      while (!boundary.done()) {
        const auto taken = boundary.Push(ByteSpan(stream).subspan(position, std::min(piece, stream.size() - position)));
        ASSERT_TRUE(taken.ok()) << taken.status();
        ASSERT_GT(*taken, 0u);
        position += *taken;
      }
      EXPECT_EQ(position, frame.size());
      EXPECT_EQ(boundary.frame_bytes(), frame.size());
      EXPECT_EQ(*boundary.Push(frame), 0u);
    }
  }
}

TEST(FrameBoundaryTest, PrefixesAreNotDone) {
  for (const Bytes& frame : SomeFrames()) {
    for (size_t n = 0; n < frame.size(); n += 1 + n / 50) {
      FrameBoundary boundary;
      const auto taken = boundary.Push(ByteSpan(frame).first(n));
      ASSERT_TRUE(taken.ok()) << taken.status();
      EXPECT_EQ(*taken, n);
      EXPECT_FALSE(boundary.done());
    }
  }
}

TEST(FrameBoundaryTest, RefusesWhatIsNoFrame) {
  FrameBoundary boundary;
  EXPECT_EQ(boundary.Push(Bytes(200)).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(boundary.Push(SomeFrames()[1]).status().code(), absl::StatusCode::kDataLoss);
}

TEST(FrameBoundaryTest, RefusesSegmentsThatAreTooLong) {
  Bytes frame = SomeFrames()[1];  // header, then a segment of 2 bytes
  const size_t size_at = 8 + 4;
  ASSERT_EQ(frame[size_at + 3], std::byte{2});
  frame[size_at + 3] = std::byte{100};
  FrameBoundary boundary;
  const auto taken = boundary.Push(frame);
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(taken.status().message()), ::testing::HasSubstr("segment 0: size is 100"));
}

TEST(FrameBoundaryTest, HasTheLimitsOfADecoder) {
  FrameBoundary boundary({.max_tensor_bytes = 10});
  EXPECT_EQ(boundary.Push(SomeFrames()[2]).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace dcac
