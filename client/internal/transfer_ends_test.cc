#include "client/internal/transfer_ends.h"

#include <gtest/gtest.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace dcac::client::internal {
namespace {

using Bytes = std::vector<std::byte>;

// All that is left of `input`.
Bytes Rest(TransferInput& input) {
  Bytes all;
  while (true) {
    const auto bytes = input.Next();
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    if (!bytes.ok() || bytes->empty()) return all;
    all.insert(all.end(), bytes->begin(), bytes->end());
  }
}

Bytes Numbered(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 256);
  return bytes;
}

// Gives `bytes` in pieces; an error when it is asked again after their end.
ChunkSource OnceInPieces(const Bytes& bytes, std::size_t piece) {
  return
      [&bytes, piece, given = std::size_t{0}, ended = false]() mutable -> absl::StatusOr<std::span<const std::byte>> {
        if (ended) return absl::InternalError("asked after the end");
        const auto next = std::span(bytes).subspan(given, std::min(piece, bytes.size() - given));
        given += next.size();
        ended = next.empty();
        return next;
      };
}

TEST(TransferInputTest, MemoryBeginsAgain) {
  const Bytes bytes = Numbered(1000);
  MemoryInput input(bytes);
  EXPECT_EQ(Rest(input), bytes);
  EXPECT_TRUE(input.Rewind());
  EXPECT_EQ(Rest(input), bytes);
}

TEST(TransferInputTest, SourceBeginsAgainAndGoesOnWhereItWas) {
  const Bytes bytes = Numbered(1000);
  const ChunkSource source = OnceInPieces(bytes, 300);
  SourceInput input(source, /*keeps=*/true);
  EXPECT_TRUE(input.Rewind()) << "before anything was read";
  EXPECT_EQ(input.Next()->size(), 300u);
  EXPECT_EQ(input.Next()->size(), 300u);
  EXPECT_TRUE(input.Rewind());
  EXPECT_EQ(Rest(input), bytes);
  EXPECT_TRUE(input.Rewind());
  EXPECT_EQ(Rest(input), bytes) << "the source has ended and is not asked again";
}

TEST(TransferInputTest, LongOrBrokenSourceCannotBeginAgain) {
  const Bytes bytes = Numbered(SourceInput::kMaxKeptBytes + 1);
  const ChunkSource source = OnceInPieces(bytes, SourceInput::kMaxKeptBytes);
  SourceInput input(source, /*keeps=*/true);
  EXPECT_TRUE(input.Next().ok());
  EXPECT_TRUE(input.Rewind());
  EXPECT_EQ(Rest(input), bytes);
  EXPECT_FALSE(input.Rewind());
  const ChunkSource broken = []() -> absl::StatusOr<std::span<const std::byte>> { return absl::AbortedError("pipe"); };
  SourceInput failed(broken, /*keeps=*/true);
  EXPECT_FALSE(failed.Next().ok());
  EXPECT_FALSE(failed.Rewind()) << "it is not asked again";
  const ChunkSource other = OnceInPieces(bytes, 1);
  EXPECT_FALSE(SourceInput(other, /*keeps=*/false).Rewind());
}

TEST(TransferInputTest, RegularFileBeginsAgainAtItsPosition) {
  FILE* const file = tmpfile();
  const Bytes bytes = Numbered(3'000'000);
  ASSERT_TRUE(WriteAll(fileno(file), bytes).ok());
  lseek(fileno(file), 10, SEEK_SET);
  const Bytes expected(bytes.begin() + 10, bytes.end());
  FdInput input(fileno(file));
  EXPECT_EQ(input.size(), expected.size());
  EXPECT_TRUE(Rest(input) == expected);
  EXPECT_TRUE(input.Rewind());
  EXPECT_TRUE(Rest(input) == expected);
  fclose(file);
}

TEST(TransferInputTest, PipeDoesNotBeginAgain) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Bytes bytes = Numbered(1000);
  ASSERT_TRUE(WriteAll(ends[1], bytes).ok());
  close(ends[1]);
  FdInput input(ends[0]);
  EXPECT_EQ(input.size(), std::nullopt);
  EXPECT_EQ(Rest(input), bytes);
  EXPECT_FALSE(input.Rewind());
  close(ends[0]);
  EXPECT_FALSE(FdInput(ends[0]).Next().ok()) << "closed";
  EXPECT_FALSE(WriteAll(ends[1], bytes).ok()) << "closed";
}

TEST(TransferOutputTest, MemoryTakesATensorOfItsSize) {
  const TensorSpec spec{DType::kU8, {10}, Layout::kFlat};
  Bytes memory(10);
  MemoryOutput output(memory);
  EXPECT_EQ(output.Begin({DType::kU8, {11}, Layout::kFlat}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(output.Begin(spec).ok());
  EXPECT_TRUE(output.Take(Numbered(10)).ok());
  EXPECT_EQ(output.Take(Numbered(1)).code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(output.Rewind());
  EXPECT_TRUE(output.Take(Numbered(10)).ok());
  EXPECT_EQ(memory, Numbered(10));
}

TEST(TransferOutputTest, WhatAVectorHasDoesNotMove) {
  Tensor tensor;
  VectorOutput output(tensor);
  ASSERT_TRUE(output.Begin({DType::kU8, {10}, Layout::kFlat}).ok());
  ASSERT_TRUE(output.Take(Numbered(1)).ok());
  const std::byte* const data = tensor.data.data();
  ASSERT_TRUE(output.Take(Numbered(9)).ok());
  EXPECT_EQ(tensor.data.data(), data);
}

TEST(TransferOutputTest, VectorTakesNoMemoryForAHugeTensorThatNobodySent) {
  Tensor tensor;
  VectorOutput output(tensor);
  ASSERT_TRUE(output.Begin({DType::kU8, {std::uint64_t{1} << 40}, Layout::kFlat}).ok());
  EXPECT_LE(tensor.data.capacity(), std::size_t{256} << 20);
}

TEST(TransferOutputTest, WhatASinkGotIsOutOfReach) {
  const ChunkSink sink = [](std::span<const std::byte>) { return absl::OkStatus(); };
  SinkOutput output(nullptr, sink);
  EXPECT_TRUE(output.Rewind());
  EXPECT_TRUE(output.Take(Numbered(1)).ok());
  EXPECT_FALSE(output.Rewind());
}

}  // namespace
}  // namespace dcac::client::internal
