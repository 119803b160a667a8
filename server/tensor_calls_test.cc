#include "server/tensor_calls.h"

#include <gtest/gtest.h>

#include "dcac/codec.h"
#include "proto/wire/limits.h"
#include "server/session_driver.h"

namespace dcac::server {
namespace {

class TensorCallsTest : public ::testing::Test {
 protected:
  static v1::CompressTensorRequest Request(const TensorSpec& spec, std::span<const std::byte> data) {
    v1::CompressTensorRequest request;
    wire::ToProto(spec, request.mutable_spec());
    request.set_data(data.data(), data.size());
    return request;
  }
  static v1::DecompressTensorRequest Request(std::span<const std::byte> frame) {
    v1::DecompressTensorRequest request;
    request.set_frame(frame.data(), frame.size());
    return request;
  }
  absl::StatusCode Compress(const v1::CompressTensorRequest& request) {
    compressed_.Clear();
    return CompressTensor(request, limits_, WorkControl{.cancelled = cancelled_}, &compressed_, &facts_).code();
  }
  absl::StatusCode Decompress(const v1::DecompressTensorRequest& request) {
    restored_.Clear();
    return DecompressTensor(request, limits_, WorkControl{.cancelled = cancelled_}, &restored_, &facts_).code();
  }

  Limits limits_;
  std::atomic<bool> cancelled_{false};
  CallFacts facts_;
  v1::CompressTensorResponse compressed_;
  v1::DecompressTensorResponse restored_;
  const Bytes data_ = SmoothBytes(1800);
  const Bytes frame_ = *dcac::Compress(kSpec, data_);
};

TEST_F(TensorCallsTest, GivesTheFrameOfTheLibrary) {
  v1::CompressTensorRequest request = Request(kSpec, data_);
  request.set_digest(wire::ToProto(ComputeDigest(data_)));
  ASSERT_EQ(Compress(request), absl::StatusCode::kOk);
  EXPECT_TRUE(std::ranges::equal(wire::AsBytes(compressed_.frame()), frame_));
  EXPECT_EQ(compressed_.digest(), request.digest());
  EXPECT_EQ(facts_.raw_bytes, 1800u);
  EXPECT_EQ(facts_.stored_bytes, frame_.size());
  EXPECT_EQ(facts_.level, EncodeOptions::kDefaultLevel);
}

TEST_F(TensorCallsTest, RestoresTheTensor) {
  ASSERT_EQ(Decompress(Request(frame_)), absl::StatusCode::kOk);
  EXPECT_TRUE(std::ranges::equal(wire::AsBytes(restored_.data()), data_));
  EXPECT_EQ(*wire::FromProto(restored_.spec()), kSpec);
  EXPECT_EQ(restored_.digest(), wire::ToProto(ComputeDigest(data_)));
  EXPECT_EQ(facts_.dtype, DType::kU8);
}

TEST_F(TensorCallsTest, EmptyTensorGoesBothWays) {
  const TensorSpec empty{DType::kF32, {0, 4}, Layout::kNchw};
  ASSERT_EQ(Compress(Request(empty, {})), absl::StatusCode::kOk);
  ASSERT_EQ(Decompress(Request(wire::AsBytes(compressed_.frame()))), absl::StatusCode::kOk);
  EXPECT_EQ(*wire::FromProto(restored_.spec()), empty);
  EXPECT_TRUE(restored_.data().empty());
}

TEST_F(TensorCallsTest, WrongDigestIsDataLoss) {
  v1::CompressTensorRequest request = Request(kSpec, data_);
  request.set_digest(wire::ToProto(ComputeDigest({})));
  EXPECT_EQ(Compress(request), absl::StatusCode::kDataLoss);
  request.set_digest("short");
  EXPECT_EQ(Compress(request), absl::StatusCode::kInvalidArgument);
}

TEST_F(TensorCallsTest, WrongSizesAndSpecsAreInvalid) {
  EXPECT_EQ(Compress(Request(kSpec, std::span(data_).first(1799))), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Compress({}), absl::StatusCode::kInvalidArgument) << "no spec";
  v1::CompressTensorRequest level = Request(kSpec, data_);
  level.mutable_options()->set_level(10);
  EXPECT_EQ(Compress(level), absl::StatusCode::kInvalidArgument);
}

TEST_F(TensorCallsTest, LargerTensorsAreRefused) {
  const TensorSpec large{DType::kU8, {wire::kMaxUnaryBytes + 1}, Layout::kFlat};
  const Bytes data(wire::kMaxUnaryBytes + 1);
  EXPECT_EQ(Compress(Request(large, data)), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Decompress(Request(*dcac::Compress(large, data))), absl::StatusCode::kResourceExhausted)
      << "a few bytes that hold more than a message may";
  limits_.max_tensor_bytes = 1799;
  EXPECT_EQ(Compress(Request(kSpec, data_)), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Decompress(Request(frame_)), absl::StatusCode::kResourceExhausted);
}

TEST_F(TensorCallsTest, LimitOfTheClientHolds) {
  v1::DecompressTensorRequest request = Request(frame_);
  request.set_max_tensor_bytes(1799);
  EXPECT_EQ(Decompress(request), absl::StatusCode::kResourceExhausted);
}

TEST_F(TensorCallsTest, DamagedFramesAreDataLoss) {
  EXPECT_EQ(Decompress(Request(std::span<const std::byte>())), absl::StatusCode::kDataLoss);
  for (std::size_t size = 1; size < frame_.size(); ++size) {
    EXPECT_EQ(Decompress(Request(std::span(frame_).first(size))), absl::StatusCode::kDataLoss) << size;
  }
  Bytes flipped = frame_;
  flipped[frame_.size() / 2] ^= std::byte{1};
  EXPECT_EQ(Decompress(Request(flipped)), absl::StatusCode::kDataLoss);
}

TEST_F(TensorCallsTest, NobodyWorksForACancelledCall) {
  cancelled_ = true;
  EXPECT_EQ(Compress(Request(kSpec, data_)), absl::StatusCode::kCancelled);
  EXPECT_EQ(Decompress(Request(frame_)), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace dcac::server
