#include "server/inspect_session.h"

#include <gtest/gtest.h>

#include "dcac/codec.h"
#include "proto/wire/limits.h"
#include "server/session_driver.h"

namespace dcac::server {
namespace {

Outcome<v1::InspectResponse> RunInspect(std::span<const std::byte> frame, std::size_t first_bytes) {
  InspectSession session(Limits{});
  return Drive(session, {ChunkRequest<v1::InspectRequest>(0, frame.first(first_bytes)),
                         ChunkRequest<v1::InspectRequest>(first_bytes, frame.subspan(first_bytes))});
}

TEST(InspectSessionTest, SaysWhatTheLibrarySays) {
  const Bytes data = SmoothBytes(1800);
  const Bytes frame = *Compress(kSpec, data);
  const FrameInfo expected = *Inspect(frame);
  // Outcome::output is for streams of chunks.
  InspectSession session(Limits{});
  std::vector<v1::InspectResponse> replies;
  ASSERT_TRUE(session.Accept(ChunkRequest<v1::InspectRequest>(0, frame)).ok());
  ASSERT_TRUE(WorkOff(session, &replies).ok());
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].consumed_bytes(), frame.size());
  EXPECT_FALSE(session.done());
  ASSERT_TRUE(session.AcceptEnd().ok());
  ASSERT_TRUE(WorkOff(session, &replies).ok());
  EXPECT_TRUE(session.done());

  const v1::FrameInfo& info = replies.back().info();
  EXPECT_EQ(*wire::FromProto(info.spec()), kSpec);
  EXPECT_EQ(info.raw_bytes(), 1800u);
  EXPECT_EQ(info.stored_bytes(), frame.size());
  EXPECT_EQ(info.digest(), wire::ToProto(ComputeDigest(data)));
  EXPECT_EQ(info.num_segments(), expected.segments.size());
  ASSERT_EQ(static_cast<std::size_t>(info.segments_size()), expected.segments.size());
  EXPECT_EQ(info.segments(0).frame_offset(), expected.segments[0].frame_offset);
  EXPECT_EQ(info.segments(0).method(), expected.segments[0].method);
  EXPECT_EQ(info.mode(), expected.mode);
  EXPECT_EQ(session.facts().dtype, DType::kU8);
}

TEST(InspectSessionTest, DamageIsDataLoss) {
  const Bytes frame = *Compress(kSpec, SmoothBytes(1800));
  EXPECT_TRUE(RunInspect(frame, 10).status.ok());
  EXPECT_EQ(RunInspect(std::span(frame).first(frame.size() - 1), 10).status.code(), absl::StatusCode::kDataLoss);
  InspectSession nothing(Limits{});
  EXPECT_EQ(Drive(nothing, {}).status.code(), absl::StatusCode::kDataLoss);
}

TEST(InspectSessionTest, FrameBeyondTheLimitIsRefused) {
  InspectSession session(Limits{});
  const Bytes chunk(wire::kMaxChunkBytes);
  std::vector<v1::InspectResponse> replies;
  absl::Status status;
  std::uint64_t offset = 0;
  while (status.ok() && offset <= wire::kMaxInspectBytes) {
    status = session.Accept(ChunkRequest<v1::InspectRequest>(offset, chunk));
    if (status.ok()) status = WorkOff(session, &replies);
    if (status.ok()) offset += chunk.size();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(offset, wire::kMaxInspectBytes);
}

TEST(InspectSessionTest, RequestWithoutChunkIsInvalid) {
  InspectSession session(Limits{});
  EXPECT_EQ(session.Accept({}).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace dcac::server
