// The sessions of both streams, without a transport.

#include <gtest/gtest.h>
#include <oneapi/tbb/task_arena.h>

#include <span>
#include <string>
#include <vector>

#include "dcac/codec.h"
#include "proto/wire/convert.h"
#include "server/compress_session.h"
#include "server/decompress_session.h"
#include "server/session_driver.h"

namespace dcac::server {
namespace {

v1::CompressRequest CompressHeader(const TensorSpec& spec, const EncodeOptions& options = {}) {
  v1::CompressRequest request;
  wire::ToProto(spec, request.mutable_header()->mutable_spec());
  wire::ToProto(options, request.mutable_header()->mutable_options());
  return request;
}

v1::DecompressRequest DecompressHeader(std::uint64_t max_tensor_bytes = 0) {
  v1::DecompressRequest request;
  request.mutable_header()->set_max_tensor_bytes(max_tensor_bytes);
  return request;
}

v1::CompressRequest Trailer(const Digest& digest, std::uint64_t raw_bytes) {
  v1::CompressRequest request;
  request.mutable_trailer()->set_digest(wire::ToProto(digest));
  request.mutable_trailer()->set_raw_bytes(raw_bytes);
  return request;
}

Outcome<v1::CompressResponse> RunCompress(std::vector<v1::CompressRequest> requests, const Limits& limits = {}) {
  CompressSession session(limits);
  return Drive(session, std::move(requests));
}

Outcome<v1::DecompressResponse> RunDecompress(std::vector<v1::DecompressRequest> requests, const Limits& limits = {}) {
  DecompressSession session(limits);
  return Drive(session, std::move(requests));
}

TEST(CompressSessionTest, GivesTheFrameOfTheLibrary) {
  const Bytes data = SmoothBytes(1800);
  const std::span<const std::byte> all(data);
  CompressSession session(Limits{});
  const auto outcome =
      Drive(session, {CompressHeader(kSpec), ChunkRequest<v1::CompressRequest>(0, all.first(700)),
                      ChunkRequest<v1::CompressRequest>(700, all.subspan(700)), Trailer(ComputeDigest(data), 1800)});
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_TRUE(session.done());
  EXPECT_EQ(outcome.output(), *Compress(kSpec, data));
  const v1::TransferTrailer& trailer = outcome.replies.back().trailer();
  EXPECT_EQ(trailer.digest(), wire::ToProto(ComputeDigest(data)));
  EXPECT_EQ(trailer.raw_bytes(), 1800u);
  EXPECT_EQ(trailer.stored_bytes(), outcome.output().size());
}

TEST(CompressSessionTest, AnswersAChunkThatGivesNoOutput) {
  const Bytes data = SmoothBytes(10);
  CompressSession session(Limits{});
  const auto outcome =
      Drive(session, {CompressHeader(kSpec), ChunkRequest<v1::CompressRequest>(0, data)}, /*end=*/false);
  ASSERT_TRUE(outcome.status.ok());
  ASSERT_FALSE(outcome.replies.empty());
  EXPECT_EQ(outcome.replies.back().consumed_bytes(), 10u);
  EXPECT_FALSE(session.done());
}

TEST(CompressSessionTest, AnswersNoMoreOftenThanToldTo) {
  const Bytes data = SmoothBytes(30);
  v1::CompressRequest header = CompressHeader(kSpec);
  header.mutable_header()->set_chunks_per_answer(2);
  const auto chunk = [&](std::size_t offset) {
    return ChunkRequest<v1::CompressRequest>(offset, std::span(data).subspan(offset, 10));
  };
  CompressSession session(Limits{});
  EXPECT_TRUE(Drive(session, {header, chunk(0)}, /*end=*/false).replies.empty());
  const auto second = Drive(session, {chunk(10)}, /*end=*/false);
  ASSERT_EQ(second.replies.size(), 1u);
  EXPECT_EQ(second.replies[0].consumed_bytes(), 20u);
  EXPECT_TRUE(Drive(session, {chunk(20)}, /*end=*/false).replies.empty());
}

TEST(SessionTest, MoreChunksPerAnswerThanMayBeUnansweredAreInvalid) {
  v1::CompressRequest compress = CompressHeader(kSpec);
  compress.mutable_header()->set_chunks_per_answer(17);
  EXPECT_EQ(RunCompress({compress}).status.code(), absl::StatusCode::kInvalidArgument);
  v1::DecompressRequest decompress = DecompressHeader();
  decompress.mutable_header()->set_chunks_per_answer(17);
  EXPECT_EQ(RunDecompress({decompress}).status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(CompressSessionTest, EmptyTensorHasAFrame) {
  const TensorSpec empty{DType::kF32, {0, 4}, Layout::kNchw};
  const auto outcome = RunCompress({CompressHeader(empty)});
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.output(), *Compress(empty, {}));
}

TEST(CompressSessionTest, OrderOfRequestsIsChecked) {
  const Bytes data = SmoothBytes(1800);
  const auto chunk = ChunkRequest<v1::CompressRequest>(0, data);
  const auto header = CompressHeader(kSpec);
  const auto trailer = Trailer(ComputeDigest(data), 1800);
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(RunCompress({}).status.code(), kInvalid) << "no header";
  EXPECT_EQ(RunCompress({chunk}).status.code(), kInvalid) << "chunk first";
  EXPECT_EQ(RunCompress({trailer}).status.code(), kInvalid) << "trailer first";
  EXPECT_EQ(RunCompress({header, header}).status.code(), kInvalid);
  EXPECT_EQ(RunCompress({header, chunk, trailer, trailer}).status.code(), kInvalid);
  EXPECT_EQ(RunCompress({header, v1::CompressRequest()}).status.code(), kInvalid) << "empty request";
  EXPECT_EQ(RunCompress({header, chunk, chunk}).status.code(), kInvalid) << "offset";
  EXPECT_EQ(RunCompress({header}).status.code(), kInvalid) << "no data";
  EXPECT_EQ(RunCompress({header, ChunkRequest<v1::CompressRequest>(0, SmoothBytes(1801))}).status.code(), kInvalid);
}

TEST(CompressSessionTest, TrailerThatDoesNotMatchIsDataLoss) {
  const Bytes data = SmoothBytes(1800);
  const auto chunk = ChunkRequest<v1::CompressRequest>(0, data);
  EXPECT_EQ(RunCompress({CompressHeader(kSpec), chunk, Trailer(ComputeDigest({}), 1800)}).status.code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(RunCompress({CompressHeader(kSpec), chunk, Trailer(ComputeDigest(data), 1799)}).status.code(),
            absl::StatusCode::kDataLoss);
}

TEST(CompressSessionTest, LimitsHold) {
  constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;
  EXPECT_EQ(RunCompress({CompressHeader(kSpec)}, {.max_tensor_bytes = 1799}).status.code(), kExhausted);
  EXPECT_EQ(RunCompress({CompressHeader(kSpec)}, {.max_slab_bytes = 1}).status.code(), kExhausted);
  const TensorSpec huge{DType::kU8, {1ull << 40}, Layout::kNchw};
  EXPECT_EQ(RunCompress({CompressHeader(huge)}).status.code(), kExhausted);
  const TensorSpec overflow{DType::kU8, {1ull << 40, 1ull << 40}, Layout::kNchw};
  EXPECT_EQ(RunCompress({CompressHeader(overflow)}).status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(CompressSessionTest, OptionsOutOfRangeAreInvalid) {
  EncodeOptions options;
  options.level = 10;
  EXPECT_EQ(RunCompress({CompressHeader(kSpec, options)}).status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(CompressSessionTest, CancelEndsTheWork) {
  CompressSession session(Limits{});
  session.Cancel();
  const auto outcome = Drive(session, {CompressHeader(kSpec), ChunkRequest<v1::CompressRequest>(0, SmoothBytes(1800))});
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kCancelled);
}

TEST(DecompressSessionTest, GivesSpecSamplesAndTrailer) {
  const Bytes data = SmoothBytes(1800);
  const Bytes frame = *Compress(kSpec, data);
  const std::span<const std::byte> all(frame);
  DecompressSession session(Limits{});
  const auto outcome = Drive(session, {DecompressHeader(), ChunkRequest<v1::DecompressRequest>(0, all.first(3)),
                                       ChunkRequest<v1::DecompressRequest>(3, all.subspan(3))});
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_TRUE(session.done());
  EXPECT_EQ(outcome.output(), data);
  const v1::TransferTrailer& trailer = outcome.replies.back().trailer();
  EXPECT_EQ(trailer.digest(), wire::ToProto(ComputeDigest(data)));
  EXPECT_EQ(trailer.raw_bytes(), 1800u);
  EXPECT_EQ(trailer.stored_bytes(), frame.size());
  std::size_t specs = 0;
  for (const auto& reply : outcome.replies) {
    EXPECT_FALSE(reply.has_chunk() && specs == 0) << "samples before the spec";
    if (!reply.has_spec()) continue;
    ++specs;
    EXPECT_EQ(*wire::FromProto(reply.spec()), kSpec);
  }
  EXPECT_EQ(specs, 1u);
}

TEST(DecompressSessionTest, RunsOfEqualSamplesComeOutPieceByPiece) {
  // 64 MiB that take a few bytes in the frame: no piece of work may give all of it.
  const TensorSpec spec{DType::kU8, {64, 1024, 1024}, Layout::kNchw};
  EncodeOptions options;
  options.segment_bytes = 1u << 20;
  const Bytes frame = *Compress(spec, Bytes(64u << 20), options);
  std::uint64_t total = 0;
  std::uint64_t largest = 0;
  // What a piece is depends on the number of threads.
  oneapi::tbb::task_arena(1).execute([&] {
    DecompressSession session(Limits{});
    ASSERT_TRUE(session.Accept(DecompressHeader()).ok());
    ASSERT_TRUE(session.Accept(ChunkRequest<v1::DecompressRequest>(0, frame)).ok());
    while (!session.idle()) {
      ASSERT_TRUE(session.Work().ok());
      std::uint64_t given = 0;
      v1::DecompressResponse reply;
      while (session.NextReply(&reply)) given += session.TakeChunkData().bytes.size();
      total += given;
      largest = std::max(largest, given);
    }
    ASSERT_TRUE(session.AcceptEnd().ok());
  });
  EXPECT_EQ(total, 64u << 20);
  EXPECT_LE(largest, 8u << 20) << "a slab";
}

TEST(DecompressSessionTest, CancelEndsTheWork) {
  const Bytes frame = *Compress(kSpec, SmoothBytes(1800));
  DecompressSession session(Limits{});
  session.Cancel();
  const auto outcome = Drive(session, {DecompressHeader(), ChunkRequest<v1::DecompressRequest>(0, frame)});
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(outcome.output().empty());
}

TEST(DecompressSessionTest, OrderOfRequestsIsChecked) {
  const Bytes frame = *Compress(kSpec, SmoothBytes(1800));
  const auto chunk = ChunkRequest<v1::DecompressRequest>(0, frame);
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(RunDecompress({}).status.code(), kInvalid);
  EXPECT_EQ(RunDecompress({chunk}).status.code(), kInvalid);
  EXPECT_EQ(RunDecompress({DecompressHeader(), DecompressHeader()}).status.code(), kInvalid);
  EXPECT_EQ(RunDecompress({DecompressHeader(), v1::DecompressRequest()}).status.code(), kInvalid);
  EXPECT_EQ(RunDecompress({DecompressHeader(), ChunkRequest<v1::DecompressRequest>(7, frame)}).status.code(), kInvalid);
}

TEST(DecompressSessionTest, DamagedFramesAreDataLoss) {
  const Bytes frame = *Compress(kSpec, SmoothBytes(1800));
  constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
  EXPECT_EQ(RunDecompress({DecompressHeader()}).status.code(), kDataLoss) << "nothing";
  const auto cut = std::span(frame).first(frame.size() - 1);
  EXPECT_EQ(RunDecompress({DecompressHeader(), ChunkRequest<v1::DecompressRequest>(0, cut)}).status.code(), kDataLoss);
  Bytes longer = frame;
  longer.push_back(std::byte{0});
  EXPECT_EQ(RunDecompress({DecompressHeader(), ChunkRequest<v1::DecompressRequest>(0, longer)}).status.code(),
            kDataLoss);
  Bytes flipped = frame;
  flipped[frame.size() / 2] ^= std::byte{1};
  EXPECT_EQ(RunDecompress({DecompressHeader(), ChunkRequest<v1::DecompressRequest>(0, flipped)}).status.code(),
            kDataLoss);
}

TEST(DecompressSessionTest, MemoryIsKnownBeforeSamplesAreDecoded) {
  const TensorSpec spec{DType::kU8, {16, 1024, 1024}, Layout::kNchw};
  const Bytes frame = *Compress(spec, Bytes(16u << 20));
  DecompressSession session(Limits{});
  EXPECT_EQ(session.memory_bytes(), 0u);
  ASSERT_TRUE(session.Accept(DecompressHeader()).ok());
  const std::uint64_t of_the_transport = session.memory_bytes();
  EXPECT_GT(of_the_transport, 0u);
  ASSERT_TRUE(session.Accept(ChunkRequest<v1::DecompressRequest>(0, frame)).ok());
  ASSERT_TRUE(session.Work().ok());
  EXPECT_GE(session.memory_bytes(), of_the_transport + (4u << 20)) << "a slab";
  EXPECT_EQ(session.facts().raw_bytes, 0u) << "nothing is decoded yet";
}

TEST(DecompressSessionTest, MoreThanWasAnnouncedIsInvalid) {
  const Bytes frame = *Compress(kSpec, SmoothBytes(1800));
  v1::DecompressRequest header = DecompressHeader();
  header.mutable_header()->set_stored_bytes(frame.size());
  EXPECT_TRUE(RunDecompress({header, ChunkRequest<v1::DecompressRequest>(0, frame)}).status.ok());
  header.mutable_header()->set_stored_bytes(frame.size() - 1);
  EXPECT_EQ(RunDecompress({header, ChunkRequest<v1::DecompressRequest>(0, frame)}).status.code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(DecompressSessionTest, TheSmallerLimitHolds) {
  const auto chunk = ChunkRequest<v1::DecompressRequest>(0, *Compress(kSpec, SmoothBytes(1800)));
  constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;
  EXPECT_EQ(RunDecompress({DecompressHeader(1799), chunk}).status.code(), kExhausted) << "the client's";
  EXPECT_EQ(RunDecompress({DecompressHeader(1800), chunk}, {.max_tensor_bytes = 1799}).status.code(), kExhausted);
  EXPECT_TRUE(RunDecompress({DecompressHeader(1800), chunk}).status.ok());
}

}  // namespace
}  // namespace dcac::server
