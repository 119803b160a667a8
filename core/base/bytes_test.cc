#include "core/base/bytes.h"

#include <gtest/gtest.h>

#include <limits>

#include "absl/status/statusor.h"

namespace dcac {
namespace {

Bytes BytesOf(std::initializer_list<int> values) {
  Bytes bytes;
  for (int value : values) AppendByte(static_cast<uint8_t>(value), bytes);
  return bytes;
}

absl::StatusOr<uint64_t> ReadWholeVarint(const Bytes& bytes) {
  ByteReader reader(bytes);
  uint64_t value = 0;
  if (absl::Status status = reader.ReadVarint("value", value); !status.ok()) return status;
  EXPECT_EQ(reader.remaining(), 0u);
  return value;
}

TEST(BytesTest, LittleEndianPutsTheLeastByteFirst) {
  Bytes bytes;
  AppendLittleEndian(0x0102030405060708u, 8, bytes);
  EXPECT_EQ(bytes, BytesOf({8, 7, 6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(LoadLittleEndian(bytes.data(), 8), 0x0102030405060708u);
  EXPECT_EQ(LoadLittleEndian(bytes.data(), 3), 0x060708u);
}

TEST(BytesTest, LittleEndianOfAllOnesIsNotSignExtended) {
  const Bytes bytes(8, std::byte{0xff});
  EXPECT_EQ(LoadLittleEndian(bytes.data(), 4), 0xffffffffu);
  EXPECT_EQ(LoadLittleEndian(bytes.data(), 8), ~uint64_t{0});
}

TEST(BytesTest, RoomIsAFractionOfAllThatMayCome) {
  constexpr size_t kMost = 1000;
  Bytes out;
  std::vector<size_t> rooms;
  for (size_t size = 70; size <= kMost; size += 10) {
    ReserveByHalves(size, kMost, out);
    out.resize(size);
    if (rooms.empty() || rooms.back() != out.capacity()) rooms.push_back(out.capacity());
  }
  EXPECT_EQ(rooms, (std::vector<size_t>{125, 250, 500, 1000}));
}

TEST(BytesTest, RoomForMoreThanMayComeGrowsAsVectorsDo) {
  Bytes out(10);
  const size_t before = out.capacity();
  ReserveByHalves(before + 1, before, out);
  EXPECT_EQ(out.capacity(), before);
}

TEST(BytesTest, RoomDoesNotFollowWhatIsClaimed) {
  Bytes out;
  ReserveByHalves(100, std::numeric_limits<uint64_t>::max(), out);
  EXPECT_GE(out.capacity(), 100u);
  EXPECT_LT(out.capacity(), 201u);
}

TEST(VarintTest, KnownForms) {
  Bytes bytes;
  AppendVarint(0, bytes);
  AppendVarint(127, bytes);
  AppendVarint(128, bytes);
  AppendVarint(300, bytes);
  EXPECT_EQ(bytes, BytesOf({0, 127, 0x80, 1, 0xac, 2}));
}

TEST(VarintTest, RoundTripsAroundEveryPowerOfTwo) {
  for (int bit = 0; bit < 64; ++bit) {
    for (uint64_t value : {(uint64_t{1} << bit) - 1, uint64_t{1} << bit, ~uint64_t{0} >> bit}) {
      Bytes bytes;
      AppendVarint(value, bytes);
      EXPECT_LE(bytes.size(), 10u);
      EXPECT_EQ(bytes.size(), VarintBytes(value));
      const auto read = ReadWholeVarint(bytes);
      ASSERT_TRUE(read.ok()) << value << ": " << read.status();
      EXPECT_EQ(*read, value);
    }
  }
}

TEST(VarintTest, RefusesALongForm) {
  EXPECT_EQ(ReadWholeVarint(BytesOf({0x80, 0})).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadWholeVarint(BytesOf({0xff, 0x80, 0})).status().code(), absl::StatusCode::kDataLoss);
}

TEST(VarintTest, RefusesMoreThan64Bits) {
  Bytes bytes(9, std::byte{0xff});
  AppendByte(2, bytes);
  EXPECT_EQ(ReadWholeVarint(bytes).status().code(), absl::StatusCode::kDataLoss);
  bytes.back() = std::byte{0x81};  // an eleventh byte would follow
  AppendByte(0, bytes);
  EXPECT_EQ(ReadWholeVarint(bytes).status().code(), absl::StatusCode::kDataLoss);
}

TEST(VarintTest, AMalformedOneIsNoShortInput) {
  const Bytes bytes = BytesOf({0x80, 0});
  ByteReader reader(bytes);
  uint64_t value = 0;
  EXPECT_FALSE(reader.ReadVarint("value", value).ok());
  EXPECT_FALSE(reader.short_input());
}

TEST(ByteReaderTest, EveryReadNamesItsFieldAndTellsShortInput) {
  const Bytes bytes = BytesOf({0x80, 0x80, 0x80});
  uint8_t byte = 0;
  uint64_t value = 0;
  ByteSpan span;
  const auto expect_short = [](const absl::Status& status, const ByteReader& reader) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_TRUE(status.message().find("field") != absl::string_view::npos) << status;
    EXPECT_TRUE(reader.short_input());
  };
  ByteReader empty{ByteSpan()};
  expect_short(empty.ReadByte("field", byte), empty);
  ByteReader little(bytes);
  expect_short(little.ReadLittleEndian("field", 4, value), little);
  ByteReader varint(bytes);
  expect_short(varint.ReadVarint("field", value), varint);
  ByteReader spanned(bytes);
  expect_short(spanned.ReadSpan("field", 4, span), spanned);
  ByteReader huge(bytes);
  expect_short(huge.ReadSpan("field", ~uint64_t{0}, span), huge);
}

TEST(ByteReaderTest, ReadsInOrderUpToTheEnd) {
  const Bytes bytes = BytesOf({1, 2, 0, 0xac, 2, 9, 9});
  ByteReader reader(bytes);
  uint8_t byte = 0;
  uint64_t value = 0;
  ByteSpan span;
  ASSERT_TRUE(reader.ReadByte("a", byte).ok());
  EXPECT_EQ(byte, 1);
  ASSERT_TRUE(reader.ReadLittleEndian("b", 2, value).ok());
  EXPECT_EQ(value, 2u);
  ASSERT_TRUE(reader.ReadVarint("c", value).ok());
  EXPECT_EQ(value, 300u);
  EXPECT_EQ(reader.position(), 5u);
  ASSERT_TRUE(reader.ReadSpan("d", 2, span).ok());
  EXPECT_EQ(span.data(), bytes.data() + 5);
  EXPECT_EQ(reader.remaining(), 0u);
  ASSERT_TRUE(reader.ReadSpan("e", 0, span).ok());
  EXPECT_FALSE(reader.short_input());
}

}  // namespace
}  // namespace dcac
