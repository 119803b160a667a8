#include "server/store/s3_block.h"

#include <gtest/gtest.h>

#include <string>

namespace dcac::store {
namespace {

S3Head SomeHead() {
  S3Head head;
  head.record.info.key = "a/b";
  head.record.info.size_bytes = kS3ChunkBytes + 1;
  head.record.info.version = RandomId();
  head.record.info.attributes = "what it is";
  head.parts_id = "id";
  head.checksums = {1, 2};
  return head;
}

TEST(S3Block, HeadsComeBack) {
  S3Head head = SomeHead();
  const Bytes bytes = SerializeHead(head);
  EXPECT_EQ(bytes.size(), head.head_bytes);
  EXPECT_EQ(HeadBytesOf(bytes).value_or(0), bytes.size());
  const auto parsed = ParseHead(bytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->record.info.key, "a/b");
  EXPECT_EQ(parsed->record.info.version, head.record.info.version);
  EXPECT_EQ(parsed->record.info.attributes, "what it is");
  EXPECT_EQ(parsed->parts_id, "id");
  EXPECT_EQ(parsed->checksums, head.checksums);
}

TEST(S3Block, EachFlippedBitOfAHeadIsNoticed) {
  S3Head head = SomeHead();
  Bytes bytes = SerializeHead(head);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    const std::byte mask{static_cast<unsigned char>(1u << bit % 8)};
    bytes[bit / 8] ^= mask;
    EXPECT_EQ(ParseHead(bytes).status().code(), absl::StatusCode::kDataLoss) << bit;
    bytes[bit / 8] ^= mask;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(ParseHead(ByteSpan(bytes).first(size)).status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST(S3Block, ChecksumsKnowTheirPlace) {
  const Bytes bytes(3 * kS3ChunkBytes + 5, std::byte{1});
  std::vector<std::uint64_t> checksums;
  AppendChecksums(bytes, 0, checksums);
  ASSERT_EQ(checksums.size(), 4u);
  EXPECT_NE(checksums[0], checksums[1]);
  EXPECT_TRUE(MatchesChecksums(ByteSpan(bytes).subspan(kS3ChunkBytes), 1, checksums));
  EXPECT_FALSE(MatchesChecksums(bytes, 1, checksums));
}

TEST(S3Block, PartsTellWhatTheyAre) {
  const std::vector<std::uint64_t> checksums(3 * kS3PartBytes / kS3ChunkBytes, 7);
  const S3Part part = PartOf(2, 2 * kS3PartBytes + 70'000, checksums);
  EXPECT_EQ(part.size_bytes, 70'000u);
  EXPECT_EQ(part.checksums.size(), 2u);
  std::size_t number = 0, size = 0;
  ASSERT_TRUE(ParsePartName(PartName(part), number, size));
  EXPECT_EQ(number, 2u);
  EXPECT_EQ(size, 70'000u);
  const Bytes header = SerializePartHeader(part);
  EXPECT_EQ(header.size(), PartHeaderBytes(70'000));
  EXPECT_TRUE(ParsePartHeader(2, 70'000, header).ok());
  EXPECT_FALSE(ParsePartHeader(1, 70'000, header).ok());
  EXPECT_FALSE(ParsePartHeader(2, 60'000, header).ok());
  for (const char* name : {"", "x", "1", "1-", "1-2", "1-0-x", "1-ffffffffff-x", "-1-1-1"}) {
    EXPECT_FALSE(ParsePartName(name, number, size)) << name;
  }
}

}  // namespace
}  // namespace dcac::store
