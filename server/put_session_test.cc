#include "server/put_session.h"

#include <gtest/gtest.h>

#include "dcac/codec.h"
#include "server/store_session_driver.h"

namespace dcac::server {
namespace {

using absl::StatusCode;

// More than a store keeps in its index: only files outlive a call that broke off.
constexpr std::size_t kNoiseBytes = 300'000;
const TensorSpec kNoiseSpec{DType::kU8, {kNoiseBytes}, Layout::kFlat};

v1::PutRequest PutTrailer(const Digest& digest, std::uint64_t raw_bytes) {
  v1::PutRequest request;
  request.mutable_trailer()->set_digest(wire::ToProto(digest));
  request.mutable_trailer()->set_raw_bytes(raw_bytes);
  return request;
}

class PutSessionTest : public StoreSessionTest {
 protected:
  StatusCode Code(std::vector<v1::PutRequest> requests) { return Put(std::move(requests)).status.code(); }

  // Sends the beginning of an upload that breaks off; its id.
  std::string BreakOff(const v1::PutRequest& header, std::span<const std::byte> beginning) {
    PutSession session(Context());
    const auto outcome = Drive(session, {header, Chunk(0, beginning)}, /*end=*/false);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    return outcome.replies.front().upload_id();
  }

  absl::StatusOr<v1::QueryUploadResponse> Query(const std::string& upload_id, const std::string& tenant = "vision") {
    v1::QueryUploadRequest request;
    request.set_upload_id(upload_id);
    const std::atomic<bool> cancelled{false};
    v1::QueryUploadResponse response;
    const absl::Status status = QueryUpload(request, Context(tenant), WorkControl{.cancelled = cancelled}, &response);
    if (!status.ok()) return status;
    return response;
  }

  const Bytes data_ = SmoothBytes(1800);
  const Bytes frame_ = *Compress(kSpec, data_);
};

TEST_F(PutSessionTest, StoresTheFrameOfTheLibrary) {
  const std::span<const std::byte> all(data_);
  const auto outcome = Put({TensorHeader("layer/7"), Chunk(0, all.first(700)), Chunk(700, all.subspan(700)),
                            PutTrailer(ComputeDigest(data_), 1800)});
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_FALSE(outcome.replies.front().upload_id().empty());
  const v1::PutResponse& last = outcome.replies.back();
  EXPECT_EQ(last.consumed_bytes(), 1800u);
  EXPECT_EQ(last.object().key(), "layer/7");
  EXPECT_EQ(last.object().raw_bytes(), 1800u);
  EXPECT_EQ(last.object().stored_bytes(), frame_.size());
  EXPECT_EQ(last.object().digest(), wire::ToProto(ComputeDigest(data_)));
  EXPECT_EQ(*wire::FromProto(last.object().spec()), kSpec);
  EXPECT_EQ(Stored("vision/layer/7"), frame_);
}

TEST_F(PutSessionTest, StoresFramesAsTheyCome) {
  const auto outcome =
      Put({FrameHeader("k", frame_.size()), Chunk(0, frame_), PutTrailer(ComputeDigest(frame_), frame_.size())});
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.replies.back().object().raw_bytes(), 1800u);
  EXPECT_EQ(outcome.replies.back().object().digest(), wire::ToProto(ComputeDigest(data_))) << "of the tensor";
  EXPECT_EQ(Stored("vision/k"), frame_);
}

TEST_F(PutSessionTest, OrderOfRequestsIsChecked) {
  constexpr auto kInvalid = StatusCode::kInvalidArgument;
  const v1::PutRequest header = TensorHeader("k"), chunk = Chunk(0, data_);
  EXPECT_EQ(Code({}), kInvalid) << "no header";
  EXPECT_EQ(Code({chunk}), kInvalid);
  EXPECT_EQ(Code({header, header}), kInvalid);
  EXPECT_EQ(Code({header, v1::PutRequest()}), kInvalid);
  EXPECT_EQ(Code({header, Chunk(7, data_)}), kInvalid) << "a gap";
  EXPECT_EQ(Code({header, Chunk(~std::uint64_t{0}, data_)}), kInvalid) << "an offset that wraps around";
  EXPECT_EQ(Code({header, chunk, Chunk(1800, Bytes(1))}), kInvalid) << "more than was announced";
  EXPECT_EQ(Code({header, Chunk(0, std::span(data_).first(1799))}), kInvalid) << "less";
  EXPECT_EQ(Code({header, chunk, PutTrailer(ComputeDigest(data_), 1800), chunk}), kInvalid) << "after the trailer";
  EXPECT_EQ(store_->Status().usage.blocks, 0u);
}

TEST_F(PutSessionTest, HeadersAreCheckedBeforeAnythingIsBegun) {
  v1::PutRequest no_content;
  no_content.mutable_header()->set_key("k");
  EXPECT_EQ(Code({no_content}), StatusCode::kInvalidArgument);
  EXPECT_EQ(Code({FrameHeader("k", 0)}), StatusCode::kInvalidArgument);
  for (const char* key : {"", "/", "a//b", "a/../b", "."}) {
    EXPECT_EQ(Code({TensorHeader(key)}), StatusCode::kInvalidArgument) << key;
  }
  v1::PutRequest no_time = TensorHeader("k");
  no_time.mutable_header()->mutable_ttl();
  EXPECT_EQ(Code({no_time}), StatusCode::kInvalidArgument) << "a time to live of 0";
  no_time.mutable_header()->mutable_ttl()->set_seconds(18'446'744'073'709'552);
  EXPECT_EQ(Code({no_time}), StatusCode::kInvalidArgument) << "a time to live that is 384 ms modulo 2^64";
  limits_.max_tensor_bytes = 1799;
  EXPECT_EQ(Code({TensorHeader("k")}), StatusCode::kResourceExhausted);
  ExpectEmptyStore();
}

TEST_F(PutSessionTest, UploadBeginsWithTheWork) {
  PutSession session(Context());
  EXPECT_EQ(session.memory_bytes(), 0u);
  ASSERT_TRUE(session.Accept(TensorHeader("k")).ok());
  EXPECT_GT(session.memory_bytes(), 1800u);
  EXPECT_FALSE(session.idle());
  ExpectEmptyStore();
  ASSERT_TRUE(session.Work().ok());
  EXPECT_EQ(store_->Status().open_uploads, 1u);
}

TEST_F(PutSessionTest, NothingStaysOfWhatDoesNotMatchItsTrailer) {
  const v1::PutRequest header = TensorHeader("k"), chunk = Chunk(0, data_);
  EXPECT_EQ(Code({header, chunk, PutTrailer(ComputeDigest(frame_), 1800)}), StatusCode::kDataLoss);
  ExpectEmptyStore();
  EXPECT_EQ(Code({header, chunk, PutTrailer(ComputeDigest(data_), 1799)}), StatusCode::kDataLoss);
  EXPECT_EQ(store_->Status().usage.blocks, 0u);
}

TEST_F(PutSessionTest, NothingStaysOfDamagedFrames) {
  for (std::size_t i = 0; i < frame_.size(); ++i) {
    Bytes flipped = frame_;
    flipped[i] ^= std::byte{16};
    const absl::Status status = Put({FrameHeader("k", frame_.size()), Chunk(0, flipped)}).status;
    EXPECT_FALSE(status.ok()) << "byte " << i;
  }
  Bytes longer = frame_;
  longer.push_back(std::byte{0});
  EXPECT_EQ(Code({FrameHeader("k", longer.size()), Chunk(0, longer)}), StatusCode::kDataLoss);
  const auto cut = std::span(frame_).first(frame_.size() - 1);
  EXPECT_EQ(Code({FrameHeader("k", cut.size()), Chunk(0, cut)}), StatusCode::kDataLoss);
  EXPECT_EQ(store_->Status().usage.blocks, 0u);
}

TEST_F(PutSessionTest, DamagedArchivesAreDataLoss) {
  v1::PutRequest header;
  header.mutable_header()->set_key("k");
  header.mutable_header()->mutable_archive()->set_stored_bytes(data_.size());
  EXPECT_EQ(Code({header, Chunk(0, data_)}), StatusCode::kDataLoss);
  header.mutable_header()->mutable_archive()->set_raw_bytes(~std::uint64_t{0});
  EXPECT_EQ(Code({header}), StatusCode::kResourceExhausted) << "sums of it would wrap";
  ExpectEmptyStore();
}

TEST_F(PutSessionTest, ConditionsHoldWhenItIsPublished) {
  v1::PutRequest absent = TensorHeader("k"), digest = TensorHeader("k");
  absent.mutable_header()->mutable_condition()->set_if_absent(true);
  digest.mutable_header()->mutable_condition()->set_if_digest(wire::ToProto(ComputeDigest(data_)));
  const Bytes other(1800);
  EXPECT_EQ(Code({digest, Chunk(0, other)}), StatusCode::kNotFound);
  EXPECT_EQ(Code({absent, Chunk(0, data_)}), StatusCode::kOk);
  EXPECT_EQ(Code({absent, Chunk(0, other)}), StatusCode::kAlreadyExists);
  EXPECT_EQ(Stored("vision/k"), frame_);
  EXPECT_EQ(Code({digest, Chunk(0, other)}), StatusCode::kOk);
  EXPECT_EQ(Code({digest, Chunk(0, data_)}), StatusCode::kAborted);
  EXPECT_EQ(Stored("vision/k"), *Compress(kSpec, other));
}

TEST_F(PutSessionTest, QuotaIsTheTenantsOwn) {
  const std::size_t quota = std::max<std::size_t>(512, frame_.size());
  OpenStore({.owner_quota_bytes = quota});
  EXPECT_EQ(Code({FrameHeader("k", quota + 1), Chunk(0, Bytes(1))}), StatusCode::kResourceExhausted);
  ExpectEmptyStore();
  EXPECT_EQ(Code({FrameHeader("k", frame_.size()), Chunk(0, frame_)}), StatusCode::kOk);
  EXPECT_EQ(Code({FrameHeader("l", frame_.size()), Chunk(0, frame_)}), StatusCode::kResourceExhausted);
  PutSession session(Context("audio"));
  EXPECT_TRUE(Drive(session, {FrameHeader("k", frame_.size()), Chunk(0, frame_)}).status.ok());
}

TEST_F(PutSessionTest, UploadGoesOnWhereItBrokeOff) {
  const Bytes frame = *Compress(kNoiseSpec, NoisyBytes(kNoiseBytes));
  v1::PutRequest header = FrameHeader("k", frame.size());
  const std::string id = BreakOff(header, std::span(frame).first(150'000));
  const auto progress = Query(id);
  ASSERT_TRUE(progress.ok()) << progress.status();
  EXPECT_EQ(progress->key(), "k");
  const auto begin = static_cast<std::size_t>(progress->committed_bytes());
  EXPECT_GT(begin, 0u);
  EXPECT_LE(begin, 150'000u);

  header.mutable_header()->set_upload_id(id);
  header.mutable_header()->set_chunks_per_answer(4);  // of the call, not of the upload
  const auto outcome = Put(InChunks(header, frame, begin));
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.replies.front().consumed_bytes(), begin);
  EXPECT_EQ(Stored("vision/k"), frame);
  EXPECT_EQ(Query(id).status().code(), StatusCode::kNotFound) << "it is over";
}

TEST_F(PutSessionTest, UploadGoesOnHoweverEarlyItBrokeOff) {
  const Bytes frame = *Compress(kNoiseSpec, NoisyBytes(kNoiseBytes));
  v1::PutRequest header = FrameHeader("k", frame.size());
  const std::string id = BreakOff(header, std::span(frame).first(1000));
  const auto progress = Query(id);
  ASSERT_TRUE(progress.ok()) << progress.status();
  EXPECT_EQ(progress->committed_bytes(), 1000u);
  header.mutable_header()->set_upload_id(id);
  const auto outcome = Put(InChunks(header, frame, 1000));
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(Stored("vision/k"), frame);
}

TEST_F(PutSessionTest, UploadKeepsWhatWasNotWorkedOff) {
  const Bytes frame = *Compress(kNoiseSpec, NoisyBytes(kNoiseBytes));
  std::string id;
  {
    PutSession broken(Context());
    id = Drive(broken, {FrameHeader("k", frame.size())}, /*end=*/false).replies.front().upload_id();
    ASSERT_TRUE(broken.Accept(Chunk(0, std::span(frame).first(1000))).ok());
    ASSERT_TRUE(broken.Accept(Chunk(1000, std::span(frame).subspan(1000, 500))).ok());
    broken.Cancel();
    EXPECT_EQ(broken.Work().code(), StatusCode::kCancelled);
  }
  const auto progress = Query(id);
  ASSERT_TRUE(progress.ok()) << progress.status();
  EXPECT_EQ(progress->committed_bytes(), 1500u);
}

TEST_F(PutSessionTest, UploadOfATensorGoesOnFromASegment) {
  const Bytes data = NoisyBytes(kLargeBytes);
  constexpr std::size_t kSent = kLargeBytes / 8 * 7;
  v1::PutRequest header = LargeHeader("k");
  std::string id;
  {
    PutSession broken(Context());
    const auto outcome = Drive(broken, InChunks(header, std::span(data).first(kSent)), /*end=*/false);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status;
    id = outcome.replies.front().upload_id();
    EXPECT_EQ(Query(id).status().code(), StatusCode::kUnavailable) << "it is under way";
  }
  const auto progress = Query(id);
  ASSERT_TRUE(progress.ok()) << progress.status();
  const auto begin = static_cast<std::size_t>(progress->committed_bytes());
  EXPECT_GT(begin, 0u);
  EXPECT_LE(begin, kSent);
  header.mutable_header()->set_upload_id(id);
  const auto outcome = Put(InChunks(header, data, begin));
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(Stored("vision/k"), *Compress(kLargeSpec, data, kLargeOptions));
}

TEST_F(PutSessionTest, UploadThatWasInterruptedAtItsEndGoesOn) {
  const Bytes data = NoisyBytes(kLargeBytes);
  v1::PutRequest header = LargeHeader("k");
  std::string id;
  {
    PutSession broken(Context());
    id = Drive(broken, InChunks(header, data), /*end=*/false).replies.front().upload_id();
    ASSERT_TRUE(broken.AcceptEnd().ok());
    broken.Cancel();
    EXPECT_EQ(broken.Work().code(), StatusCode::kCancelled);
  }
  EXPECT_TRUE(Stored("vision/k").empty());
  const auto progress = Query(id);
  ASSERT_TRUE(progress.ok()) << progress.status();
  EXPECT_GE(progress->committed_bytes(), kLargeBytes / 2);
  header.mutable_header()->set_upload_id(id);
  const auto outcome = Put(InChunks(header, data, static_cast<std::size_t>(progress->committed_bytes())));
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(Stored("vision/k"), *Compress(kLargeSpec, data, kLargeOptions));
}

TEST_F(PutSessionTest, WhatTheSamplesDoNotBecomeIsNoUpload) {
  // As if another version of the encoder had made it.
  const Bytes frame = *Compress(kLargeSpec, NoisyBytes(kLargeBytes), {.segment_bytes = kLargeBytes / 4});
  v1::PutRequest header = LargeHeader("k");
  std::string id;
  {
    const auto upload = *store_->Begin(
        {.key = "vision/k", .expected_bytes = 0, .state = header.header().SerializeAsString()}, store::CallControl());
    ASSERT_TRUE(upload->Append(std::span(frame).first(kLargeBytes / 4 * 3), store::CallControl()).ok());
    id = upload->id();
  }
  header.mutable_header()->set_upload_id(id);
  EXPECT_EQ(Code({header}), StatusCode::kNotFound);
  ExpectEmptyStore();
}

TEST_F(PutSessionTest, UploadsBelongToTheirTenantAndContent) {
  const Bytes frame = *Compress(kNoiseSpec, NoisyBytes(kNoiseBytes));
  const std::string id = BreakOff(FrameHeader("k", frame.size()), std::span(frame).first(150'000));
  EXPECT_EQ(Query(id, "audio").status().code(), StatusCode::kNotFound);
  PutSession open(Context());
  const v1::PutRequest header = FrameHeader("open", frame.size());
  const std::string open_id = Drive(open, {header}, /*end=*/false).replies.front().upload_id();
  EXPECT_EQ(Query(open_id, "audio").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Query(open_id).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(Query("nobody's").status().code(), StatusCode::kNotFound);
  v1::PutRequest other_key = FrameHeader("l", frame.size()), other_content = FrameHeader("k", frame.size() + 1);
  other_key.mutable_header()->set_upload_id(id);
  other_content.mutable_header()->set_upload_id(id);
  EXPECT_EQ(Code({other_key}), StatusCode::kInvalidArgument);
  EXPECT_EQ(Code({other_content}), StatusCode::kInvalidArgument);
  EXPECT_TRUE(Query(id).ok()) << "it can still go on";
}

TEST_F(PutSessionTest, OtherContentLeavesAnUploadAsItWas) {
  const Bytes data = NoisyBytes(kLargeBytes);
  const std::string id = BreakOff(LargeHeader("k"), std::span(data).first(1000));
  {
    PutSession other(Context());
    v1::PutRequest header = FrameHeader("k", frame_.size());
    header.mutable_header()->set_upload_id(id);
    ASSERT_TRUE(other.Accept(std::move(header)).ok());
    ASSERT_TRUE(other.Accept(Chunk(0, frame_)).ok());
    EXPECT_EQ(other.Work().code(), StatusCode::kInvalidArgument);
  }
  const auto progress = Query(id);
  ASSERT_TRUE(progress.ok()) << progress.status();
  EXPECT_EQ(progress->committed_bytes(), 1000u);
}

TEST_F(PutSessionTest, CancelEndsTheWork) {
  PutSession session(Context());
  session.Cancel();
  EXPECT_EQ(Drive(session, {TensorHeader("k"), Chunk(0, data_)}).status.code(), StatusCode::kCancelled);
  EXPECT_EQ(store_->Status().usage.blocks, 0u);
}

}  // namespace
}  // namespace dcac::server
