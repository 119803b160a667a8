#include "core/files/archive_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/bytes.h"
#include "core/files/frame_source.h"
#include "core/files/test_files.h"
#include "dcac/codec.h"

namespace dcac::files {
namespace {

using Form = ArchiveHead::Form;

struct Made {
  Bytes archive;
  std::vector<Bytes> frames;
};

Made MakeArchive(const ArchiveHead& head, std::vector<Bytes> frames) {
  Made made{SerializeArchiveHead(head), std::move(frames)};
  ArchiveTail tail;
  for (const Bytes& frame : made.frames) {
    AppendBytes(frame, made.archive);
    tail.frame_bytes.push_back(frame.size());
  }
  if (head.form != Form::kSingle) AppendBytes(SerializeArchiveTail(tail), made.archive);
  return made;
}

Bytes FrameOf(DType dtype, std::vector<std::uint64_t> shape, std::size_t bytes) {
  return *Compress({dtype, std::move(shape)}, Bytes(bytes, std::byte{7}));
}

Made SomeTable() {
  const ArchiveHead head{.kind = ArchiveKind::kTorch,
                         .pieces = {{.kind = PieceKind::kInline, .bytes = 2},
                                    {PieceKind::kTensor, 24, "a", DType::kF32, {2, 3}},
                                    {.kind = PieceKind::kOpaque, .bytes = 50, .name = "b"}},
                         .inline_bytes = ToBytes("xy")};
  return MakeArchive(head, {FrameOf(DType::kF32, {2, 3}, 24), FrameOf(DType::kU8, {50}, 50)});
}

TEST(ArchiveFileTest, FindsTheFramesOfATable) {
  const Made made = SomeTable();
  const RandomMemory memory(made.archive);
  const auto archive = ArchiveFile::Open(memory);
  ASSERT_TRUE(archive.ok()) << archive.status();
  ASSERT_EQ(archive->frames().size(), 2u);
  EXPECT_EQ(archive->frames()[0].piece, 1u);
  EXPECT_EQ(archive->frames()[1].piece, 2u);
  EXPECT_TRUE(archive->digest().has_value());
  for (std::size_t i = 0; i < 2; ++i) {
    RangeSource source = archive->Source(archive->frames()[i]);
    Bytes bytes(made.archive.size());
    bytes.resize(*ReadFully(source, bytes));
    EXPECT_EQ(bytes, made.frames[i]);
  }
  EXPECT_EQ(ReadFrameSpec(archive->Access(archive->frames()[0]))->shape, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(*ReadFrameDigest(archive->Access(archive->frames()[0])),
            Inspect(archive->Access(archive->frames()[0]))->digest);
}

TEST(ArchiveFileTest, PiecesOfOtherFormsAreCompleted) {
  const Made single =
      MakeArchive({.kind = ArchiveKind::kNpy, .form = Form::kSingle}, {FrameOf(DType::kI16, {4, 5}, 40)});
  const RandomMemory single_memory(single.archive);
  const auto npy = ArchiveFile::Open(single_memory);
  ASSERT_TRUE(npy.ok()) << npy.status();
  EXPECT_EQ(npy->head().pieces[1], (Piece{PieceKind::kTensor, 40, "", DType::kI16, {4, 5}}));

  const Made open = MakeArchive({.kind = ArchiveKind::kBytes, .form = Form::kOpen},
                                {FrameOf(DType::kU8, {9}, 9), FrameOf(DType::kU8, {3}, 3)});
  const RandomMemory open_memory(open.archive);
  const auto bytes = ArchiveFile::Open(open_memory);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  ASSERT_EQ(bytes->head().pieces.size(), 2u);
  EXPECT_EQ(bytes->head().pieces[1].bytes, 3u);
}

TEST(ArchiveFileTest, EveryPrefixAndWhatFollowsIsRefused) {
  Bytes archive = SomeTable().archive;
  for (std::size_t n = 0; n < archive.size(); ++n) {
    const RandomMemory memory(ByteSpan(archive).first(n));
    EXPECT_EQ(ArchiveFile::Open(memory).status().code(), absl::StatusCode::kDataLoss) << n;
  }
  archive.push_back(std::byte{0});
  const RandomMemory memory(archive);
  EXPECT_EQ(ArchiveFile::Open(memory).status().code(), absl::StatusCode::kDataLoss);
}

TEST(FrameSourceTest, GivesOneFrameAndLeavesTheNext) {
  const Made made = SomeTable();
  Bytes stream = made.frames[0];
  AppendBytes(made.frames[1], stream);
  AppendBytes(ToBytes("rest"), stream);
  MemorySource memory(stream);
  PushbackSource input(memory);
  for (const Bytes& frame : made.frames) {
    FrameSource source(input);
    Bytes bytes(stream.size());
    bytes.resize(*ReadFully(source, bytes));
    EXPECT_EQ(bytes, frame);
    EXPECT_EQ(source.frame_bytes(), frame.size());
  }
  EXPECT_EQ(input.Peek()->size(), 4u);
  FrameSource none(input);
  Bytes bytes(100);
  EXPECT_FALSE(none.Read(bytes).ok());
}

}  // namespace
}  // namespace dcac::files
