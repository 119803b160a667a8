#include "server/chunk_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>

#include "proto/wire/convert.h"
#include "proto/wire/limits.h"

namespace dcac::server {
namespace {

v1::Chunk MakeChunk(std::uint64_t offset, std::string data) {
  v1::Chunk chunk;
  chunk.set_offset(offset);
  chunk.set_data(std::move(data));
  return chunk;
}

std::string Text(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

TEST(InputChunksTest, GivesConsecutiveSlices) {
  InputChunks input;
  EXPECT_TRUE(input.empty());
  ASSERT_TRUE(input.Accept(MakeChunk(0, "abcde")).ok());
  EXPECT_EQ(Text(input.Take(2)), "ab");
  EXPECT_EQ(input.consumed_bytes(), 2u);
  EXPECT_EQ(Text(input.Take(100)), "cde");
  EXPECT_TRUE(input.empty());
  ASSERT_TRUE(input.Accept(MakeChunk(5, "f")).ok());
  EXPECT_EQ(Text(input.Take(1)), "f");
  EXPECT_EQ(input.consumed_bytes(), 6u);
}

TEST(InputChunksTest, TakesChunksWhileOthersWait) {
  InputChunks input;
  ASSERT_TRUE(input.Accept(MakeChunk(0, "ab")).ok());
  ASSERT_TRUE(input.Accept(MakeChunk(2, "cd")).ok());
  EXPECT_EQ(input.Accept(MakeChunk(2, "cd")).code(), absl::StatusCode::kInvalidArgument) << "repeated";
  EXPECT_EQ(Text(input.Take(3)), "ab") << "as far as bytes lie together";
  EXPECT_EQ(Text(input.Take(3)), "cd");
  EXPECT_TRUE(input.empty());
  EXPECT_EQ(input.consumed_bytes(), 4u);
  EXPECT_TRUE(input.Take(3).empty());
}

TEST(InputChunksTest, AnswerIsDueAfterSoManyChunks) {
  InputChunks input;
  std::uint64_t offset = 0;
  const auto take_chunks = [&](int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(input.Accept(MakeChunk(offset, "ab")).ok());
      offset += 2;
    }
    while (!input.empty()) input.Take(1);
  };
  EXPECT_FALSE(input.answer_is_due()) << "nothing came";
  take_chunks(1);
  EXPECT_TRUE(input.answer_is_due());
  EXPECT_EQ(input.Answer(), 2u);
  EXPECT_FALSE(input.answer_is_due());
  ASSERT_TRUE(input.SetChunksPerAnswer(3).ok());
  take_chunks(2);
  EXPECT_FALSE(input.answer_is_due());
  take_chunks(1);
  EXPECT_TRUE(input.answer_is_due());
  ASSERT_TRUE(input.Accept(MakeChunk(8, "ab")).ok());
  EXPECT_FALSE(input.answer_is_due()) << "some is left";
  input.Take(1);
  EXPECT_EQ(input.Answer(), 9u);
  input.Take(1);
  EXPECT_TRUE(input.answer_is_due()) << "the client does not know that its chunk is worked off";
}

TEST(InputChunksTest, ChunksPerAnswerAreAtMostThoseThatMayBeUnanswered) {
  InputChunks input;
  EXPECT_TRUE(input.SetChunksPerAnswer(wire::kMaxUnansweredChunks).ok());
  EXPECT_EQ(input.SetChunksPerAnswer(wire::kMaxUnansweredChunks + 1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(input.SetChunksPerAnswer(0).ok());
  EXPECT_FALSE(input.answer_is_due()) << "nothing came";
}

TEST(InputChunksTest, DataMayComeInPieces) {
  const auto owner = std::make_shared<const std::string>("abcdef");
  const std::span<const std::byte> all = wire::AsBytes(*owner);
  InputChunks input;
  ASSERT_TRUE(input.Accept(MakeChunk(0, ""), {owner, {all.first(2), {}, all.subspan(2, 3)}}).ok());
  EXPECT_EQ(input.Take(9).data(), all.data()) << "not copied";
  EXPECT_EQ(Text(input.Take(9)), "cde");
  EXPECT_TRUE(input.empty());
  EXPECT_EQ(input.Accept(MakeChunk(5, ""), {owner, {{}}}).code(), absl::StatusCode::kInvalidArgument) << "no bytes";
}

TEST(InputChunksTest, TellsWhatIsLeft) {
  const auto owner = std::make_shared<const std::string>("abcdef");
  const std::span<const std::byte> bytes = std::as_bytes(std::span(*owner));
  InputChunks chunks(7, {owner, {bytes.first(2), bytes.subspan(2)}});
  EXPECT_EQ(chunks.consumed_bytes(), 7u);
  chunks.Take(1);
  const auto rest = chunks.Rest();
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0].size(), 1u);
  EXPECT_EQ(rest[0].data(), bytes.data() + 1);
  EXPECT_EQ(rest[1].size(), 4u);
  chunks.Take(1);
  chunks.Take(4);
  EXPECT_TRUE(chunks.Rest().empty());
  EXPECT_EQ(chunks.consumed_bytes(), 13u);
}

TEST(InputChunksTest, RefusesAnOffsetThatDoesNotContinue) {
  InputChunks input;
  EXPECT_EQ(input.Accept(MakeChunk(1, "a")).code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(input.Accept(MakeChunk(0, "ab")).ok());
  input.Take(2);
  EXPECT_EQ(input.Accept(MakeChunk(0, "ab")).code(), absl::StatusCode::kInvalidArgument) << "repeated";
  EXPECT_EQ(input.Accept(MakeChunk(3, "d")).code(), absl::StatusCode::kInvalidArgument) << "gap";
}

TEST(InputChunksTest, RefusesEmptyAndOversizedChunks) {
  InputChunks input;
  EXPECT_EQ(input.Accept(MakeChunk(0, "")).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(input.Accept(MakeChunk(0, std::string(wire::kMaxChunkBytes + 1, 'x'))).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(input.Accept(MakeChunk(0, std::string(wire::kMaxChunkBytes, 'x'))).ok());
}

TEST(OutputChunksTest, CutsIntoChunksWithRunningOffsets) {
  OutputChunks output;
  EXPECT_TRUE(output.empty());
  output.Set(std::vector<std::byte>(wire::kMaxChunkBytes + 3));
  v1::Chunk chunk;
  EXPECT_EQ(output.Next(&chunk).bytes.size(), wire::kMaxChunkBytes);
  EXPECT_EQ(chunk.offset(), 0u);
  EXPECT_EQ(output.Next(&chunk).bytes.size(), 3u);
  EXPECT_EQ(chunk.offset(), wire::kMaxChunkBytes);
  EXPECT_TRUE(output.empty());
  output.Set(std::vector<std::byte>(1));
  output.Next(&chunk);
  EXPECT_EQ(chunk.offset(), wire::kMaxChunkBytes + 3);
}

TEST(OutputChunksTest, SharedDataIsNotCopied) {
  OutputChunks output;
  std::vector<std::byte> bytes(wire::kMaxChunkBytes + 3);
  const std::byte* const begin = bytes.data();
  output.Set(std::move(bytes));
  v1::Chunk chunk;
  const wire::SharedBytes first = output.Next(&chunk);
  EXPECT_EQ(first.bytes.data(), begin);
  EXPECT_EQ(first.bytes.size(), wire::kMaxChunkBytes);
  EXPECT_TRUE(chunk.data().empty());
  const wire::SharedBytes last = output.Next(&chunk);
  EXPECT_EQ(chunk.offset(), wire::kMaxChunkBytes);
  EXPECT_EQ(last.bytes.size(), 3u);
  EXPECT_EQ(last.owner.use_count(), 2) << "the queue keeps nothing of what it gave away";
}

}  // namespace
}  // namespace dcac::server
