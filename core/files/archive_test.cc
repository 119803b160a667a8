#include "core/files/archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

namespace dcac::files {
namespace {

using Bytes = std::vector<std::byte>;

Bytes ToBytes(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

ArchiveHead CanonicalNpy() {
  ArchiveHead head;
  head.kind = ArchiveKind::kNpy;
  head.canonical_npy_header = true;
  return head;
}

// Heads with every combination of blocks, some of which zstd makes smaller.
std::vector<ArchiveHead> SomeHeads() {
  std::vector<ArchiveHead> heads = {{}, CanonicalNpy()};
  for (const Bytes& block : {ToBytes("abc"), Bytes(5000, std::byte{' '})}) {
    for (const ArchiveKind kind : {ArchiveKind::kRaw, ArchiveKind::kNpy}) {
      heads.push_back({.kind = kind, .prefix = block});
      heads.push_back({.kind = kind, .suffix = block});
      heads.push_back({.kind = kind, .prefix = block, .suffix = ToBytes("tail")});
    }
  }
  return heads;
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

TEST(ArchiveTest, CanonicalHeadIsElevenBytes) {
  EXPECT_EQ(SerializeArchiveHead(CanonicalNpy()).size(), 11u);
}

TEST(ArchiveTest, CanonicalHeadHasTheDocumentedBytes) {
  // The example of docs/format-archive.md.
  EXPECT_EQ(SerializeArchiveHead(CanonicalNpy()), ToBytes("DCAR\x01\x02\x01\x11\xf0\x50\x21"));
}

TEST(ArchiveTest, CompressibleBlockIsPacked) {
  EXPECT_LT(SerializeArchiveHead({.prefix = Bytes(5000, std::byte{' '})}).size(), 64u);
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

TEST(ArchiveTest, EveryBitFlipIsNoticed) {
  for (const ArchiveHead& head : SomeHeads()) {
    const Bytes bytes = SerializeArchiveHead(head);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      Bytes flipped = bytes;
      flipped[bit / 8] ^= std::byte{1} << (bit % 8);
      flipped.resize(flipped.size() + 64);  // a block that seems longer reaches into the frame
      const auto parsed = ParseArchiveHead(flipped);
      EXPECT_FALSE(parsed.ok() && parsed->has_value()) << "bit " << bit;
    }
  }
}

TEST(ArchiveTest, RejectsOtherFiles) {
  EXPECT_EQ(ParseArchiveHead(ToBytes("PK")).status().code(), absl::StatusCode::kDataLoss);
}

TEST(ArchiveTest, RejectsLaterVersionsAndKinds) {
  EXPECT_EQ(ParseArchiveHead(ToBytes(std::string_view("DCAR\x02\x02\x01\0\0\0\0", 11))).status().code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(ParseArchiveHead(ToBytes(std::string_view("DCAR\x01\x03\x01\0\0\0\0", 11))).status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST(ArchiveTest, RejectsContradictingFlags) {
  for (const char flags : {'\x20', '\x03', '\x04', '\x10'}) {
    Bytes bytes = ToBytes(std::string_view("DCAR\x01\x02\0\0\0\0\0", 11));
    bytes[6] = static_cast<std::byte>(flags);
    EXPECT_EQ(ParseArchiveHead(bytes).status().code(), absl::StatusCode::kDataLoss) << static_cast<int>(flags);
  }
}

TEST(ArchiveTest, RejectsLengthsOverTheirLimits) {
  // A prefix of 64 KiB + 1, one of 2^28 and more, one of 0, and one whose length has a needless byte.
  for (const std::string_view length : {std::string_view("\x81\x80\x04"), std::string_view("\x80\x80\x80\x80\x01"),
                                        std::string_view("\0", 1), std::string_view("\x81\0", 2)}) {
    Bytes bytes = ToBytes("DCAR\x01\x01\x02");
    const Bytes tail = ToBytes(length);
    bytes.insert(bytes.end(), tail.begin(), tail.end());
    EXPECT_EQ(ParseArchiveHead(bytes).status().code(), absl::StatusCode::kDataLoss) << length.size();
  }
}

TEST(ArchiveTest, ReadingLeavesTheSourceAtTheFrame) {
  const ArchiveHead head{.prefix = Bytes(3000, std::byte{'x'}), .suffix = ToBytes("tail")};
  Bytes bytes = SerializeArchiveHead(head);
  const Bytes frame = ToBytes("frame");
  bytes.insert(bytes.end(), frame.begin(), frame.end());
  MemorySource memory(bytes);
  PushbackSource source(memory);
  const absl::StatusOr<ArchiveHead> read = ReadArchiveHead(source);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, head);
  Bytes rest(100);
  const auto n = ReadFully(source, rest);
  ASSERT_TRUE(n.ok());
  rest.resize(*n);
  EXPECT_EQ(rest, frame);
}

TEST(ArchiveTest, ReadingNoticesTheEnd) {
  const Bytes bytes = ToBytes("DCAR\x01");
  MemorySource memory(bytes);
  PushbackSource source(memory);
  EXPECT_EQ(ReadArchiveHead(source).status().code(), absl::StatusCode::kDataLoss);
}

TEST(ArchiveTest, OriginalPrefixIsStoredOrCanonical) {
  const TensorSpec spec{DType::kU8, {2, 3}};
  EXPECT_EQ(OriginalPrefix(CanonicalNpy(), spec).size(), 128u);
  EXPECT_EQ(OriginalPrefix({.prefix = ToBytes("abc")}, spec), ToBytes("abc"));
}

}  // namespace
}  // namespace dcac::files
