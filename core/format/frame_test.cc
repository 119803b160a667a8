#include "core/format/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

namespace dcac {
namespace {

using ::testing::HasSubstr;

FrameHeader HeaderOf(DType dtype, std::vector<uint64_t> shape, uint64_t item_step = 1, uint64_t plane_step = 1,
                     uint64_t row_step = 1) {
  FrameHeader header;
  header.spec = {dtype, std::move(shape)};
  header.geometry = *Geometry::Create(ExtentsOf(header.spec), item_step, plane_step, row_step);
  return header;
}

// [2, 3, 4, 5] of i16: 8 fixed bytes, four extents from 8 on, three steps from 12 on, a checksum from 15 on.
Bytes SampleHeader() {
  return SerializeHeader(HeaderOf(DType::kI16, {2, 3, 4, 5}, 1, 2, 3));
}

void RepairChecksum(Bytes& header) {
  header.resize(header.size() - 4);
  AppendLittleEndian(static_cast<uint32_t>(XXH3_64bits(header.data(), header.size())), 4, header);
}

absl::Status ParseStatus(const Bytes& bytes) {
  size_t size = 0;
  bool incomplete = false;
  const auto header = ParseHeader(bytes, size, incomplete);
  EXPECT_FALSE(incomplete);
  return header.status();
}

// The error of the sample header with byte `at` changed and the checksum repaired.
absl::Status StatusWith(size_t at, int value) {
  Bytes bytes = SampleHeader();
  bytes[at] = static_cast<std::byte>(value);
  RepairChecksum(bytes);
  return ParseStatus(bytes);
}

#define EXPECT_STATUS(status, expected_code, text)                                 \
  do {                                                                             \
    const absl::Status dcac_status = (status);                                     \
    EXPECT_EQ(dcac_status.code(), absl::StatusCode::expected_code) << dcac_status; \
    EXPECT_THAT(std::string(dcac_status.message()), HasSubstr(text));              \
  } while (false)

TEST(HeaderTest, IsTheDocumentedBytes) {
  const Bytes header = SampleHeader();
  ASSERT_EQ(header.size(), 19u);
  const int expected[] = {0xdc, 0xac, 0x46, 1, 4, 1, 0, 4, 2, 3, 4, 5, 1, 2, 3};
  for (size_t i = 0; i < 15; ++i) EXPECT_EQ(std::to_integer<int>(header[i]), expected[i]) << i;
}

TEST(HeaderTest, RoundTripsEveryRankTypeAndLayout) {
  for (size_t i = 0; i < AllDTypes().size() * AllLayouts().size(); ++i) {
    FrameHeader header;
    header.spec.dtype = AllDTypes()[i / AllLayouts().size()];
    header.spec.layout = AllLayouts()[i % AllLayouts().size()];
    for (size_t rank = 0; rank <= TensorSpec::kMaxRank; ++rank) {
      header.spec.shape.clear();
      for (size_t axis = 0; axis < rank; ++axis) header.spec.shape.push_back(axis + 2);
      if (!TensorBytes(header.spec).ok()) continue;
      header.geometry = Geometry::Choose(ExtentsOf(header.spec), EncodeOptions());
      Bytes bytes = SerializeHeader(header);
      const size_t size = bytes.size();
      ASSERT_LE(size, kMaxHeaderBytes);
      AppendBytes(Bytes(3, std::byte{7}), bytes);  // what follows is not looked at
      size_t parsed_size = 0;
      bool incomplete = false;
      const auto parsed = ParseHeader(bytes, parsed_size, incomplete);
      ASSERT_TRUE(parsed.ok()) << parsed.status();
      EXPECT_EQ(parsed_size, size);
      EXPECT_EQ(parsed->spec, header.spec);
      EXPECT_EQ(parsed->geometry.num_segments(), header.geometry.num_segments());
    }
  }
}

TEST(HeaderTest, KeepsTheSteps) {
  size_t size = 0;
  bool incomplete = false;
  const auto parsed = ParseHeader(SampleHeader(), size, incomplete);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->geometry.item_step(), 1u);
  EXPECT_EQ(parsed->geometry.plane_step(), 2u);
  EXPECT_EQ(parsed->geometry.row_step(), 3u);
}

TEST(HeaderTest, AnEmptyTensorHasNoSteps) {
  FrameHeader header;
  header.spec = {DType::kF32, {3, 0}};
  header.geometry = *Geometry::Create(ExtentsOf(header.spec), 1, 1, 1);
  const Bytes bytes = SerializeHeader(header);
  EXPECT_EQ(bytes.size(), 8u + 2 + 4);
  size_t size = 0;
  bool incomplete = false;
  const auto parsed = ParseHeader(bytes, size, incomplete);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->geometry.num_segments(), 0u);
}

TEST(HeaderTest, TheLongestOnesFitTheLimit) {
  // 62 bits of extents over eight axes in all shares; steps are no larger than extents.
  for (int bits = 1; bits <= 62; ++bits) {
    FrameHeader header;
    header.spec.dtype = DType::kU8;
    int left = 62;
    for (int axis = 0; axis < 8; ++axis) {
      const int taken = std::min(left, bits);
      header.spec.shape.push_back(uint64_t{1} << taken);
      left -= taken;
    }
    header.geometry = Geometry::Choose(ExtentsOf(header.spec), EncodeOptions());
    EXPECT_LE(SerializeHeader(header).size(), kMaxHeaderBytes);
  }
}

TEST(HeaderTest, EveryPrefixIsIncomplete) {
  const Bytes header = SampleHeader();
  for (size_t length = 0; length < header.size(); ++length) {
    size_t size = 0;
    bool incomplete = false;
    const auto parsed = ParseHeader(ByteSpan(header).first(length), size, incomplete);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kDataLoss) << length;
    EXPECT_TRUE(incomplete) << length;
  }
}

TEST(HeaderTest, RefusesWrongMagicBeforeTheRestArrives) {
  for (size_t at = 0; at < 3; ++at) {
    Bytes bytes = SampleHeader();
    bytes[at] ^= std::byte{1};
    bytes.resize(at + 1);
    EXPECT_STATUS(ParseStatus(bytes), kDataLoss, "magic");
  }
}

TEST(HeaderTest, RefusesOtherVersions) {
  EXPECT_STATUS(StatusWith(3, 0), kUnimplemented, "version is 0");
  EXPECT_STATUS(StatusWith(3, 2), kUnimplemented, "version is 2");
  EXPECT_STATUS(StatusWith(3, 255), kUnimplemented, "version is 255");
}

TEST(HeaderTest, OfALaterVersionMayHaveAnotherForm) {
  Bytes bytes = SampleHeader();
  bytes[3] = std::byte{2};
  bytes[7] = std::byte{9};
  EXPECT_STATUS(ParseStatus(bytes), kUnimplemented, "version is 2");
}

TEST(HeaderTest, RefusesUnknownTypes) {
  EXPECT_STATUS(StatusWith(4, 0), kUnimplemented, "dtype 0");
  EXPECT_STATUS(StatusWith(4, 18), kUnimplemented, "dtype 18");
}

TEST(HeaderTest, RefusesUnknownLayouts) {
  EXPECT_STATUS(StatusWith(5, 0), kUnimplemented, "layout 0");
  EXPECT_STATUS(StatusWith(5, 6), kUnimplemented, "layout 6");
}

TEST(HeaderTest, RefusesEveryFlag) {
  EXPECT_STATUS(StatusWith(6, 1), kUnimplemented, "profile");
  EXPECT_STATUS(StatusWith(6, 2), kUnimplemented, "base frames");
  for (int bit = 2; bit < 8; ++bit) EXPECT_STATUS(StatusWith(6, 1 << bit), kUnimplemented, "flags");
}

TEST(HeaderTest, RefusesNineAxes) {
  EXPECT_STATUS(StatusWith(7, 9), kDataLoss, "rank is 9");
}

TEST(HeaderTest, RefusesExtentsBeyondTheLimit) {
  Bytes bytes;
  for (int value : {0xdc, 0xac, 0x46, 1, 1, 1, 0, 2}) AppendByte(static_cast<uint8_t>(value), bytes);
  AppendVarint(uint64_t{1} << 40, bytes);
  AppendVarint(uint64_t{1} << 40, bytes);
  for (int i = 0; i < 3; ++i) AppendVarint(1, bytes);
  AppendLittleEndian(0, 4, bytes);
  RepairChecksum(bytes);
  EXPECT_STATUS(ParseStatus(bytes), kDataLoss, "2^62");
}

TEST(HeaderTest, RefusesAnExtentInALongForm) {
  Bytes bytes = SampleHeader();
  bytes[8] = std::byte{0x82};
  bytes.insert(bytes.begin() + 9, std::byte{0});
  RepairChecksum(bytes);
  EXPECT_STATUS(ParseStatus(bytes), kDataLoss, "extent: varint is not in its shortest form");
}

TEST(HeaderTest, RefusesStepsOutOfRange) {
  EXPECT_STATUS(StatusWith(12, 0), kDataLoss, "item step is 0");
  EXPECT_STATUS(StatusWith(12, 3), kDataLoss, "item step is 3");
  EXPECT_STATUS(StatusWith(13, 0), kDataLoss, "plane step is 0");
  EXPECT_STATUS(StatusWith(13, 4), kDataLoss, "plane step is 4");
  EXPECT_STATUS(StatusWith(14, 0), kDataLoss, "row step is 0");
  EXPECT_STATUS(StatusWith(14, 5), kDataLoss, "row step is 5");
}

TEST(HeaderTest, RefusesItemsTogetherWithAPartOfThePlanes) {
  EXPECT_STATUS(StatusWith(12, 2), kDataLoss, "item step 2 with plane step 2 of 3");
}

TEST(HeaderTest, RefusesSegmentsThatAreTooLarge) {
  Bytes bytes;
  for (int value : {0xdc, 0xac, 0x46, 1, 1, 1, 0, 2}) AppendByte(static_cast<uint8_t>(value), bytes);
  AppendVarint(1025, bytes);
  AppendVarint(65536, bytes);
  AppendVarint(1, bytes);
  AppendVarint(1, bytes);
  AppendVarint(1025, bytes);
  AppendLittleEndian(0, 4, bytes);
  RepairChecksum(bytes);
  EXPECT_STATUS(ParseStatus(bytes), kDataLoss, "segments of 67174400 samples");
}

TEST(HeaderTest, EveryBitFlipIsDamageAndNoLaterVersion) {
  const Bytes header = SampleHeader();
  for (size_t bit = 0; bit < 8 * header.size(); ++bit) {
    Bytes bytes = header;
    bytes[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    size_t size = 0;
    bool incomplete = false;
    EXPECT_EQ(ParseHeader(bytes, size, incomplete).status().code(), absl::StatusCode::kDataLoss) << bit;
  }
}

TEST(SegmentTest, HasSizeBodyAndSeededChecksum) {
  const Bytes body(200, std::byte{5});
  Bytes out;
  AppendSegment(body, SegmentChecksum(7, body), out);
  ASSERT_EQ(out.size(), 2u + 200 + 8);
  EXPECT_EQ(std::to_integer<int>(out[0]), 0xc8);
  EXPECT_EQ(std::to_integer<int>(out[1]), 1);
  EXPECT_EQ(LoadLittleEndian(out.data() + 202, 8), XXH3_64bits_withSeed(body.data(), body.size(), 7));
  EXPECT_NE(SegmentChecksum(7, body), SegmentChecksum(8, body));
}

Bytes SampleTail() {
  Digest digest;
  for (size_t i = 0; i < digest.size(); ++i) digest[i] = static_cast<std::byte>(i);
  return SerializeIndexAndTrailer({10, 300, 11}, digest);
}

void RepairTail(Bytes& tail) {
  const uint32_t checksum = static_cast<uint32_t>(XXH3_64bits(tail.data(), tail.size() - 4));
  tail.resize(tail.size() - 4);
  AppendLittleEndian(checksum, 4, tail);
}

TEST(TrailerTest, RoundTrips) {
  const Bytes tail = SampleTail();
  ASSERT_EQ(tail.size(), 4u + kTrailerBytes);
  EXPECT_EQ(LoadLittleEndian(tail.data() + 4 + 16, 4), 4u);
  const auto parsed = ParseIndexAndTrailer(tail, 3);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->stored_bytes, (std::vector<uint64_t>{10, 300, 11}));
  EXPECT_EQ(std::to_integer<int>(parsed->digest[15]), 15);
  EXPECT_EQ(*IndexAndTrailerBytes(tail), tail.size());
}

TEST(TrailerTest, RoundTripsWithoutSegments) {
  const Bytes tail = SerializeIndexAndTrailer({}, Digest{});
  EXPECT_EQ(tail.size(), kTrailerBytes);
  EXPECT_TRUE(ParseIndexAndTrailer(tail, 0).ok());
}

TEST(TrailerTest, RefusesAnotherNumberOfSegments) {
  EXPECT_STATUS(ParseIndexAndTrailer(SampleTail(), 2).status(), kDataLoss, "bytes too many");
  EXPECT_STATUS(ParseIndexAndTrailer(SampleTail(), 4).status(), kDataLoss, "index entry");
  EXPECT_STATUS(ParseIndexAndTrailer(SampleTail(), 5).status(), kDataLoss, "for 5 segments");
  EXPECT_STATUS(ParseIndexAndTrailer(SampleTail(), ~uint64_t{0}).status(), kDataLoss, "segments");
}

TEST(TrailerTest, RefusesAWrongIndexSize) {
  Bytes tail = SampleTail();
  tail[4 + 16] = std::byte{3};
  RepairTail(tail);
  EXPECT_STATUS(ParseIndexAndTrailer(tail, 3).status(), kDataLoss, "the trailer says 3");
}

TEST(TrailerTest, RefusesALongFormInTheIndex) {
  Bytes tail = SampleTail();
  tail[0] = std::byte{0x8a};  // takes the next byte, 0xac, as its own
  tail[1] = std::byte{0};
  RepairTail(tail);
  EXPECT_STATUS(ParseIndexAndTrailer(tail, 3).status(), kDataLoss, "shortest");
}

TEST(TrailerTest, RefusesTooFewBytes) {
  EXPECT_STATUS(ParseIndexAndTrailer(Bytes(23), 0).status(), kDataLoss, "23 bytes");
  EXPECT_STATUS(IndexAndTrailerBytes(Bytes(23)).status(), kDataLoss, "23 bytes");
}

TEST(TrailerTest, RefusesAnIndexLongerThanTheFrame) {
  Bytes tail = SampleTail();
  tail.erase(tail.begin());
  EXPECT_STATUS(IndexAndTrailerBytes(tail).status(), kDataLoss, "index of 4 bytes");
}

TEST(TrailerTest, EveryBitFlipIsRefused) {
  const Bytes tail = SampleTail();
  for (size_t bit = 0; bit < 8 * tail.size(); ++bit) {
    Bytes bytes = tail;
    bytes[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_EQ(ParseIndexAndTrailer(bytes, 3).status().code(), absl::StatusCode::kDataLoss) << bit;
  }
}

}  // namespace
}  // namespace dcac
