#include "core/files/archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>
#include <zstd.h>

#include <string_view>

#include "core/base/bytes.h"
#include "core/files/npy.h"

namespace dcac::files {
namespace {

using ::testing::HasSubstr;
using Form = ArchiveHead::Form;

Bytes ToBytes(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

ArchiveHead Single(ArchiveKind kind) {
  return {.kind = kind, .form = Form::kSingle, .pieces = SinglePieces(kind)};
}

Piece Inline(std::uint64_t bytes) {
  return {.kind = PieceKind::kInline, .bytes = bytes};
}
Piece Opaque(std::uint64_t bytes, std::string name = "") {
  return {.kind = PieceKind::kOpaque, .bytes = bytes, .name = std::move(name)};
}
Piece F16(std::string name, std::vector<std::uint64_t> shape) {
  std::uint64_t bytes = 2;
  for (const std::uint64_t extent : shape) bytes *= extent;
  return {PieceKind::kTensor, bytes, std::move(name), DType::kF16, std::move(shape)};
}

// A table with a piece of every kind.
ArchiveHead Table() {
  return {.kind = ArchiveKind::kNpz,
          .pieces = {Inline(3),
                     {.kind = PieceKind::kNpyHeader},
                     F16("a.npy", {2, 3}),
                     Opaque(1 << 20, "b.npy"),
                     Inline(2),
                     F16("", {}),
                     F16("empty", {0, 5})},
          .inline_bytes = ToBytes("abcde")};
}

std::vector<ArchiveHead> SomeHeads() {
  ArchiveHead large = Table();
  large.pieces.push_back(Inline(5000));
  large.inline_bytes.resize(5005);
  return {Single(ArchiveKind::kRaw),
          Single(ArchiveKind::kNpy),
          Single(ArchiveKind::kBytes),
          {.kind = ArchiveKind::kBytes, .form = Form::kOpen},
          {.kind = ArchiveKind::kBytes},
          Table(),
          large};
}

Bytes WithChecksum(Bytes head) {
  AppendLittleEndian(static_cast<std::uint32_t>(XXH3_64bits(head.data(), head.size())), 4, head);
  return head;
}

// A head of kind npz whose table is `content`.
Bytes HeadOf(ByteSpan content) {
  Bytes head = ToBytes(std::string_view("DCAR\x01\x03\0", 7));
  AppendVarint(content.size(), head);
  AppendBytes(content, head);
  return WithChecksum(std::move(head));
}

absl::Status TableError(std::string_view content) {
  return ParseArchiveHead(HeadOf(ToBytes(content))).status();
}

TEST(ArchiveTest, HeadRoundTrips) {
  for (const ArchiveHead& head : SomeHeads()) {
    Bytes bytes = SerializeArchiveHead(head);
    const std::size_t head_bytes = bytes.size();
    bytes.resize(head_bytes + 10);  // the frame
    const auto parsed = ParseArchiveHead(bytes);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    ASSERT_TRUE(parsed->has_value());
    EXPECT_EQ((*parsed)->head, head);
    EXPECT_EQ((*parsed)->head_bytes, head_bytes);
  }
}

TEST(ArchiveTest, SingleHeadIsElevenBytesAsDocumented) {
  // The example of docs/format-archive.md.
  EXPECT_EQ(SerializeArchiveHead(Single(ArchiveKind::kNpy)), ToBytes("DCAR\x01\x02\x01\x11\xf0\x50\x21"));
}

TEST(ArchiveTest, ArchiveOfNothingHasTheDocumentedBytes) {
  Bytes archive = SerializeArchiveHead({.kind = ArchiveKind::kBytes});
  AppendBytes(SerializeArchiveTail({{}, ComputeDigest({})}), archive);
  EXPECT_EQ(archive, ToBytes(std::string_view("DCAR\x01\x06\0\x01\0\x40\x6e\xc5\x17"
                                              "DCAT\x99\xaa\x06\xd3\x01\x47\x98\xd8\x60\x01\xc3\x24\x46\x8d\x49\x7f"
                                              "\x1c\0\0\0\x6a\xd9\xb0\x91",
                                              41)));
}

TEST(ArchiveTest, FitsSingleWhatSaysNoMore) {
  ArchiveHead npy{.kind = ArchiveKind::kNpy, .pieces = {{.kind = PieceKind::kNpyHeader}, F16("", {2})}};
  EXPECT_TRUE(FitsSingle(npy));
  npy.pieces[1].name = "a";
  EXPECT_FALSE(FitsSingle(npy));
  EXPECT_TRUE(FitsSingle({.kind = ArchiveKind::kBytes, .pieces = {Opaque(7)}}));
  EXPECT_FALSE(FitsSingle({.kind = ArchiveKind::kBytes, .pieces = {Opaque(7), Opaque(8)}}));
  EXPECT_FALSE(FitsSingle({.kind = ArchiveKind::kBytes}));
  EXPECT_FALSE(FitsSingle({.kind = ArchiveKind::kNpz, .pieces = {F16("", {2})}}));
}

TEST(ArchiveTest, CompressibleTableIsPacked) {
  ArchiveHead head{.kind = ArchiveKind::kTorch, .pieces = {Inline(5000)}, .inline_bytes = Bytes(5000)};
  EXPECT_LT(SerializeArchiveHead(head).size(), 64u);
}

TEST(ArchiveTest, EveryProperPrefixIsIncomplete) {
  for (const ArchiveHead& head : SomeHeads()) {
    const Bytes bytes = SerializeArchiveHead(head);
    for (std::size_t n = 0; n < bytes.size(); ++n) {
      const auto parsed = ParseArchiveHead(std::span(bytes).first(n));
      ASSERT_TRUE(parsed.ok()) << n << ": " << parsed.status();
      EXPECT_FALSE(parsed->has_value()) << n;
    }
  }
}

TEST(ArchiveTest, EveryBitFlipIsDamageAndNoLaterVersion) {
  for (const ArchiveHead& head : SomeHeads()) {
    const Bytes bytes = SerializeArchiveHead(head);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      Bytes flipped = bytes;
      flipped[bit / 8] ^= std::byte{1} << (bit % 8);
      flipped.resize(flipped.size() + 64);  // a table that seems longer reaches into the frame
      const auto parsed = ParseArchiveHead(flipped);
      EXPECT_TRUE(parsed.ok() ? !parsed->has_value() : absl::IsDataLoss(parsed.status())) << "bit " << bit;
    }
  }
}

TEST(ArchiveTest, RejectsOtherFiles) {
  EXPECT_EQ(ParseArchiveHead(ToBytes("PK")).status().code(), absl::StatusCode::kDataLoss);
}

TEST(ArchiveTest, RejectsLaterVersionsAndKinds) {
  for (const std::string_view fields : {"\x02\x02", "\x01\x07"}) {
    EXPECT_EQ(ParseArchiveHead(WithChecksum(ToBytes("DCAR" + std::string(fields) + "\x01"))).status().code(),
              absl::StatusCode::kUnimplemented);
  }
  EXPECT_EQ(TableError(std::string_view("\x01\x04", 2)).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(TableError(std::string_view("\x01\x01\0\x63\0", 5)).code(), absl::StatusCode::kUnimplemented);
}

TEST(ArchiveTest, RejectsFlagsThatAreNotAllowed) {
  for (const std::string_view fields : {"\x02\x03", "\x02\x08", "\x02\x04", "\x03\x01", "\x06\x05"}) {
    EXPECT_EQ(ParseArchiveHead(ToBytes("DCAR\x01" + std::string(fields) + "....")).status().code(),
              absl::StatusCode::kDataLoss);
  }
}

TEST(ArchiveTest, RejectsLengthsOverTheirLimits) {
  // 32 MiB + 1, 0, and one whose length has a needless byte.
  for (const std::string_view length :
       {std::string_view("\x81\x80\x80\x10"), std::string_view("\0", 1), std::string_view("\x81\0", 2)}) {
    Bytes bytes = ToBytes(std::string_view("DCAR\x01\x03\0", 7));
    AppendBytes(ToBytes(length), bytes);
    EXPECT_EQ(ParseArchiveHead(bytes).status().code(), absl::StatusCode::kDataLoss) << length.size();
  }
}

TEST(ArchiveTest, RejectsTablesThatContradictThemselves) {
  const std::pair<std::string_view, const char*> tables[] = {
      {std::string_view("\xc1\x84\x3d", 3), "1000001 pieces"},
      {std::string_view("\x03\x03", 2), "3 pieces in 2 bytes"},
      {std::string_view("\x01\0\0", 3), "length is 0"},
      {std::string_view("\x01\0\x02-", 4), "holds 1 bytes of pieces, expected 2"},
      {std::string_view("\x01\0\x01--", 5), "holds 2 bytes of pieces, expected 1"},
      {std::string_view("\x01\x03", 2), "followed by no tensor"},
      {std::string_view("\x02\x03\x02\0\x05", 5), "followed by no tensor"},
      {std::string_view("\x01\x01\0\x01\x09", 5), "rank is 9"},
      {std::string_view("\x01\x02\x81\x20", 4), "4097 bytes"},
      {std::string_view("\x01\x02\x05-", 4), "name"},
      {std::string_view("\x01\x02\0\x81\x80\x80\x80\x80\x80\x80\x80\x40", 12), "expected 1 to 2^62"},
      {std::string_view("\x02\x02\0\x80\x80\x80\x80\x80\x80\x80\x80\x40\x02\0\x01", 15), "exceed 2^62"},
  };
  for (const auto& [content, message] : tables) {
    const absl::Status status = TableError(content);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

TEST(ArchiveTest, RejectsPackedTablesOfSeveralZstdFrames) {
  const Bytes half(1000);
  Bytes frame(ZSTD_compressBound(half.size()));
  frame.resize(ZSTD_compress(frame.data(), frame.size(), half.data(), half.size(), 1));
  Bytes frames = frame;
  AppendBytes(frame, frames);
  Bytes head = ToBytes(std::string_view("DCAR\x01\x03\x02", 7));
  AppendVarint(2 * half.size(), head);
  AppendVarint(frames.size(), head);
  AppendBytes(frames, head);
  AppendLittleEndian(static_cast<std::uint32_t>(XXH3_64bits(head.data(), head.size())), 4, head);
  EXPECT_EQ(ParseArchiveHead(head).status().message(), "the table of the archive is not one whole zstd frame");
}

TEST(ArchiveTest, ReadingLeavesTheSourceAtTheFrame) {
  for (const ArchiveHead& head : SomeHeads()) {
    Bytes bytes = SerializeArchiveHead(head);
    const Bytes frame = ToBytes("frame");
    AppendBytes(frame, bytes);
    MemorySource memory(bytes);
    PushbackSource source(memory);
    const absl::StatusOr<ParsedArchiveHead> read = ReadArchiveHead(source);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->head, head);
    Bytes rest(100);
    rest.resize(*ReadFully(source, rest));
    EXPECT_EQ(rest, frame);
  }
}

TEST(ArchiveTest, ReadingNoticesTheEnd) {
  const Bytes bytes = ToBytes("DCAR\x01");
  MemorySource memory(bytes);
  PushbackSource source(memory);
  EXPECT_EQ(ReadArchiveHead(source).status().code(), absl::StatusCode::kDataLoss);
}

TEST(ArchiveTest, ALaterVersionMayHaveAShorterHead) {
  const Bytes bytes = ToBytes(std::string_view("DCAR\x02\x02\0\x7f", 8));
  MemorySource memory(bytes);
  PushbackSource source(memory);
  EXPECT_EQ(ReadArchiveHead(source).status().code(), absl::StatusCode::kUnimplemented);
}

// ---- Tail

ArchiveTail SomeTail() {
  return {{5, 1000, 1 << 30}, ComputeDigest(ToBytes("file"))};
}

TEST(ArchiveTailTest, RoundTrips) {
  for (const ArchiveTail& tail : {SomeTail(), ArchiveTail{}}) {
    const Bytes bytes = SerializeArchiveTail(tail);
    EXPECT_TRUE(HasArchiveTailMagic(bytes));
    const auto parsed = ParseArchiveTail(bytes);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, tail);
    EXPECT_EQ(*ArchiveTailBytes(ByteSpan(bytes).last(kArchiveTailEndBytes)), bytes.size());
  }
}

TEST(ArchiveTailTest, EveryPrefixAndBitFlipIsNoticed) {
  const Bytes bytes = SerializeArchiveTail(SomeTail());
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(ParseArchiveTail(ByteSpan(bytes).first(n)).status().code(), absl::StatusCode::kDataLoss) << n;
  }
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_EQ(ParseArchiveTail(flipped).status().code(), absl::StatusCode::kDataLoss) << "bit " << bit;
  }
}

TEST(ArchiveTailTest, RejectsSizesOverTheLimit) {
  EXPECT_EQ(ArchiveTailBytes(ToBytes("\xff\xff\xff\x7f....")).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ArchiveTailBytes(ToBytes(std::string_view("\x1b\0\0\0....", 8))).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace dcac::files
