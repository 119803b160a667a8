// Both directions at the same time, and calls that end early.
#include <gtest/gtest.h>

#include <chrono>

#include "dcac/client.h"
#include "dcac/codec.h"
#include "tests/integration/fixture.h"

namespace dcac::testing {
namespace {

constexpr std::size_t kChunkBytes = 8192;

class StreamingTest : public ::testing::Test {
 protected:
  static EncodeOptions SmallSegments() {
    EncodeOptions options;
    options.mode = Mode::kIntra;
    options.segment_bytes = 32768;
    return options;
  }

  std::uint64_t Calls(absl::StatusCode code) const { return server_->metrics().calls(code); }

  std::unique_ptr<server::Server> server_ = StartServer();
  client::Client client_ = ConnectTo(server_->addresses()[0], {.chunk_bytes = kChunkBytes});
  const Tensor tensor_ = MakeTensor(64);
};

TEST_F(StreamingTest, FrameComesBackWhileTheTensorStillArrives) {
  std::size_t raw_bytes_at_first_output = 0;
  std::size_t given_bytes = 0;
  Bytes frame;
  const client::ChunkSink sink = [&](std::span<const std::byte> bytes) {
    if (frame.size() < 1000 && frame.size() + bytes.size() >= 1000) raw_bytes_at_first_output = given_bytes;
    return AppendTo(&frame)(bytes);
  };
  const auto source = PiecewiseSource(tensor_.data, kChunkBytes, [&](std::size_t given) { given_bytes = given; });
  const auto stats = client_.CompressStream(tensor_.spec, SmallSegments(), source, sink);
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_GT(raw_bytes_at_first_output, 0u);
  EXPECT_LT(raw_bytes_at_first_output, tensor_.data.size() / 2);
  EXPECT_EQ(stats->raw_bytes, tensor_.data.size());
  EXPECT_EQ(stats->frame_bytes, frame.size());
  EXPECT_EQ(stats->digest, ComputeDigest(tensor_.data));
  EXPECT_TRUE(frame == *Compress(tensor_.spec, tensor_.data, SmallSegments()));
}

TEST_F(StreamingTest, SamplesComeBackWhileTheFrameStillArrives) {
  const Bytes frame = *Compress(tensor_.spec, tensor_.data, SmallSegments());
  std::size_t frame_bytes_at_first_output = 0;
  std::size_t given_bytes = 0;
  TensorSpec spec;
  Bytes samples;
  const client::SpecSink spec_sink = [&](const TensorSpec& value) {
    EXPECT_TRUE(samples.empty());
    spec = value;
    return absl::OkStatus();
  };
  const client::ChunkSink sink = [&](std::span<const std::byte> bytes) {
    if (samples.empty()) frame_bytes_at_first_output = given_bytes;
    return AppendTo(&samples)(bytes);
  };
  const auto source = PiecewiseSource(frame, kChunkBytes, [&](std::size_t given) { given_bytes = given; });
  const auto stats = client_.DecompressStream(source, spec_sink, sink);
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_LT(frame_bytes_at_first_output, frame.size() / 2);
  EXPECT_EQ(spec, tensor_.spec);
  EXPECT_TRUE(samples == tensor_.data);
}

TEST_F(StreamingTest, AbandonedStreamEndsAtTheServer) {
  const client::ChunkSink sink = [](std::span<const std::byte>) { return absl::AbortedError("enough"); };
  const auto stats =
      client_.CompressStream(tensor_.spec, SmallSegments(), PiecewiseSource(tensor_.data, kChunkBytes), sink);
  EXPECT_EQ(stats.status().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(Eventually([&] { return Calls(absl::StatusCode::kCancelled) == 1; }));
  EXPECT_TRUE(client_.Compress(tensor_.spec, tensor_.data, SmallSegments()).ok()) << "the server goes on";
}

TEST_F(StreamingTest, DeadlineEndsTheStreamAtBothEnds) {
  const client::Client client =
      ConnectTo(server_->addresses()[0], {.deadline = std::chrono::milliseconds(100), .chunk_bytes = kChunkBytes});
  // Input that stops until the server has given the call up.
  const auto source = PiecewiseSource(tensor_.data, kChunkBytes, [&](std::size_t given) {
    EXPECT_TRUE(given != 4 * kChunkBytes || Eventually([&] { return Calls(absl::StatusCode::kCancelled) == 1; }));
  });
  Bytes ignored;
  const auto stats = client.CompressStream(tensor_.spec, SmallSegments(), source, AppendTo(&ignored));
  EXPECT_EQ(stats.status().code(), absl::StatusCode::kDeadlineExceeded) << stats.status();
}

TEST_F(StreamingTest, DamagedFrameIsDataLoss) {
  const Bytes frame = *Compress(tensor_.spec, tensor_.data, SmallSegments());
  Bytes damaged = frame;
  damaged[frame.size() / 2] ^= std::byte{0x10};
  EXPECT_EQ(client_.Decompress(damaged).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(client_.Decompress(std::span(frame).first(frame.size() - 1)).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(client_.Decompress({}).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(Eventually([&] { return Calls(absl::StatusCode::kDataLoss) == 3; }));
}

TEST_F(StreamingTest, WrongNumberOfBytesIsInvalid) {
  const auto all = std::span(tensor_.data);
  const auto missing = client_.Compress(tensor_.spec, all.first(all.size() - 1), SmallSegments());
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kInvalidArgument);
  const TensorSpec smaller{DType::kU8, {63, 8, 64, 64}, Layout::kNchw};
  EXPECT_EQ(client_.Compress(smaller, all, SmallSegments()).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace dcac::testing
