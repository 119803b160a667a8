#include "server/get_session.h"

#include <gtest/gtest.h>

#include "dcac/codec.h"
#include "server/store_session_driver.h"

namespace dcac::server {
namespace {

using absl::StatusCode;

class GetSessionTest : public StoreSessionTest {
 protected:
  void SetUp() override {
    StoreSessionTest::SetUp();
    object_ = PutTensor("k", kSpec, data_);
  }

  static v1::GetRequest Request(const std::string& key) {
    v1::GetRequest request;
    request.set_key(key);
    return request;
  }

  static v1::GetRequest RangeRequest(std::uint64_t offset, std::uint64_t size) {
    v1::GetRequest request = Request("k");
    request.mutable_range()->set_offset(offset);
    request.mutable_range()->set_size(size);
    return request;
  }

  Outcome<v1::GetResponse> Get(const v1::GetRequest& request, const std::string& tenant = "vision") {
    GetSession session(Context(tenant));
    return Drive(session, std::vector<v1::GetRequest>{request});
  }

  StatusCode Code(const v1::GetRequest& request) { return Get(request).status.code(); }

  static void ExpectBytes(const Outcome<v1::GetResponse>& outcome, std::span<const std::byte> expected) {
    ASSERT_TRUE(outcome.status.ok()) << outcome.status;
    const Bytes output = outcome.output();
    EXPECT_TRUE(std::ranges::equal(output, expected));
    EXPECT_EQ(outcome.replies.front().start().returned_bytes(), expected.size());
    const v1::GetTrailer& trailer = outcome.replies.back().trailer();
    EXPECT_EQ(trailer.returned_bytes(), expected.size());
    EXPECT_EQ(trailer.digest(), wire::ToProto(ComputeDigest(output)));
  }

  // A tensor's block whose bytes are `frame`, whatever they are.
  void PutTensorBlock(const std::string& key, std::span<const std::byte> frame, const Digest& digest) {
    store::PutOptions options;
    ASSERT_TRUE(DescribeTensor(kSpec, digest, &options).ok());
    PutBlock("vision/" + key, frame, options);
  }

  const Bytes data_ = SmoothBytes(1800);
  const Bytes frame_ = *Compress(kSpec, data_);
  v1::StoredObject object_;
};

TEST_F(GetSessionTest, GivesTheWholeTensor) {
  const auto outcome = Get(Request("k"));
  ExpectBytes(outcome, data_);
  const v1::GetStart& start = outcome.replies.front().start();
  EXPECT_EQ(start.object().SerializeAsString(), object_.SerializeAsString());
  EXPECT_EQ(*wire::FromProto(start.spec()), kSpec);
  EXPECT_EQ(outcome.replies.back().trailer().read_bytes(), frame_.size());
  EXPECT_EQ(outcome.replies.back().trailer().decoded_segments(), Inspect(frame_)->segments.size());
}

TEST_F(GetSessionTest, GivesWhatIsStored) {
  v1::GetRequest request = Request("k");
  request.set_form(v1::OBJECT_FORM_STORED);
  const auto outcome = Get(request);
  ExpectBytes(outcome, frame_);
  EXPECT_FALSE(outcome.replies.front().start().has_spec());
  EXPECT_EQ(outcome.replies.back().trailer().decoded_segments(), 0u);
  request.mutable_range()->set_offset(10);
  request.mutable_range()->set_size(20);
  ExpectBytes(Get(request), std::span(frame_).subspan(10, 20));
}

TEST_F(GetSessionTest, GivesRangesOfTheSamples) {
  const std::span<const std::byte> all(data_);
  for (std::size_t begin = 0; begin < 1800; begin += 173) {
    for (std::size_t size = 1; size <= 1800 - begin; size += 97) {
      ExpectBytes(Get(RangeRequest(begin, size)), all.subspan(begin, size));
    }
    ExpectBytes(Get(RangeRequest(begin, 0)), all.subspan(begin));
  }
  ExpectBytes(Get(RangeRequest(1800, 0)), {});
}

TEST_F(GetSessionTest, GivesSlicesWithTheirSpec) {
  v1::GetRequest request = Request("k");
  request.mutable_slice()->set_plane_begin(1);
  request.mutable_slice()->set_plane_end(2);
  const auto outcome = Get(request);
  ExpectBytes(outcome, std::span(data_).subspan(600, 600));
  const absl::StatusOr<TensorSpec> spec = wire::FromProto(outcome.replies.front().start().spec());
  EXPECT_EQ(spec->shape, (std::vector<std::uint64_t>{1, 1, 20, 30}));
}

TEST_F(GetSessionTest, ReadsAndDecodesTheTouchedSegmentsAlone) {
  const Bytes data = NoisyBytes(kLargeBytes);
  const auto put = Put(InChunks(LargeHeader("large"), data));
  ASSERT_TRUE(put.status.ok()) << put.status;
  ASSERT_EQ(Inspect(Stored("vision/large"))->segments.size(), 8u);
  v1::GetRequest request = Request("large");
  request.mutable_range()->set_offset(kLargeBytes / 2);
  request.mutable_range()->set_size(1000);
  const auto outcome = Get(request);
  ExpectBytes(outcome, std::span(data).subspan(kLargeBytes / 2, 1000));
  const v1::GetTrailer& trailer = outcome.replies.back().trailer();
  EXPECT_EQ(trailer.decoded_segments(), 1u);
  EXPECT_LT(trailer.read_bytes(), put.replies.back().object().stored_bytes() / 4);
}

TEST_F(GetSessionTest, PartsOutsideAreInvalid) {
  EXPECT_EQ(Code(RangeRequest(1801, 0)), StatusCode::kInvalidArgument);
  EXPECT_EQ(Code(RangeRequest(1, 1800)), StatusCode::kInvalidArgument);
  EXPECT_EQ(Code(RangeRequest(1, ~std::uint64_t{0})), StatusCode::kInvalidArgument);
  v1::GetRequest slice = Request("k");
  slice.mutable_slice()->set_plane_begin(3);
  EXPECT_EQ(Code(slice), StatusCode::kInvalidArgument);
  slice.mutable_slice()->set_plane_begin(0);
  slice.set_form(v1::OBJECT_FORM_STORED);
  EXPECT_EQ(Code(slice), StatusCode::kInvalidArgument) << "of the frame";
  store::PutOptions archive;
  DescribeArchive(5, {}, &archive);
  PutBlock("vision/archive", data_, archive);
  slice = Request("archive");
  slice.mutable_slice()->set_plane_end(1);
  EXPECT_EQ(Code(slice), StatusCode::kInvalidArgument) << "of an archive";
}

TEST_F(GetSessionTest, KeysBelongToTheirTenant) {
  EXPECT_EQ(Code(Request("other")), StatusCode::kNotFound);
  EXPECT_EQ(Code(Request("../vision/k")), StatusCode::kInvalidArgument);
  const absl::Status status = Get(Request("k"), "audio").status;
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_EQ(status.message().find("audio"), absl::string_view::npos) << status;
}

TEST_F(GetSessionTest, OneVersionAlone) {
  v1::GetRequest request = Request("k");
  request.set_if_version(object_.version());
  EXPECT_EQ(Code(request), StatusCode::kOk);
  PutTensor("k", kSpec, data_);
  EXPECT_EQ(Code(request), StatusCode::kAborted);
}

TEST_F(GetSessionTest, TheSmallerLimitHolds) {
  v1::GetRequest request = Request("k");
  request.set_max_bytes(1799);
  EXPECT_EQ(Code(request), StatusCode::kResourceExhausted);
  request.set_max_bytes(1800);
  EXPECT_EQ(Code(request), StatusCode::kOk);
  limits_.max_tensor_bytes = 1799;
  EXPECT_EQ(Code(request), StatusCode::kResourceExhausted);
}

// The store compares its own checksums; these are blocks that were wrong when they came.
TEST_F(GetSessionTest, DamageIsNeverGivenAsAWhole) {
  for (std::size_t i = 0; i < frame_.size(); ++i) {
    Bytes flipped = frame_;
    flipped[i] ^= std::byte{1};
    PutTensorBlock("bad", flipped, ComputeDigest(data_));
    const auto outcome = Get(Request("bad"));
    EXPECT_FALSE(outcome.status.ok()) << "byte " << i;
    EXPECT_TRUE(outcome.replies.empty() || !outcome.replies.back().has_trailer()) << "byte " << i;
  }
  PutTensorBlock("bad", frame_, ComputeDigest(frame_));
  EXPECT_EQ(Code(Request("bad")), StatusCode::kDataLoss) << "the digest of another tensor";
  PutTensorBlock("bad", *Compress(kSpec, Bytes(1800)), ComputeDigest(data_));
  EXPECT_EQ(Code(Request("bad")), StatusCode::kDataLoss) << "another tensor";
  PutBlock("vision/bad", frame_, {.attributes = "none of ours"});
  EXPECT_EQ(Code(Request("bad")), StatusCode::kDataLoss) << "attributes";
}

TEST_F(GetSessionTest, WhatTheStoreHoldsOfAnObjectCounts) {
  GetSession session(Context());
  v1::GetRequest request = Request("k");
  request.set_form(v1::OBJECT_FORM_STORED);
  ASSERT_TRUE(session.Accept(std::move(request)).ok());
  EXPECT_EQ(session.memory_bytes(), 2 * kStoreReadBytes + frame_.size() + frame_.size()) << "held, and to be sent";
}

TEST_F(GetSessionTest, CancelEndsTheWork) {
  v1::GetRequest slice = Request("k");
  slice.mutable_slice()->set_plane_end(1);
  for (const v1::GetRequest& request : {Request("k"), slice}) {
    GetSession session(Context());
    session.Cancel();
    EXPECT_EQ(Drive(session, std::vector<v1::GetRequest>{request}).status.code(), StatusCode::kCancelled);
  }
}

}  // namespace
}  // namespace dcac::server
