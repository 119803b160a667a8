#include "core/files/zip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/bytes.h"
#include "core/files/test_files.h"

namespace dcac::files {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::vector<ZipMember>> Read(const Bytes& zip) {
  return ReadZipMembers(RandomMemory(zip));
}

std::string ErrorOf(const Bytes& zip) {
  const absl::Status status = Read(zip).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ZipTest, FindsMembersInTheOrderOfTheirData) {
  const ZipFile file = MakeZip({{"a", "first"}, {"folder/b", "second"}, {"empty", ""}});
  const auto members = Read(file.bytes);
  ASSERT_TRUE(members.ok()) << members.status();
  ASSERT_EQ(members->size(), 3u);
  EXPECT_EQ((*members)[1].name, "folder/b");
  EXPECT_TRUE((*members)[1].stored);
  EXPECT_EQ(TextAt(file.bytes, (*members)[1].data_offset, (*members)[1].data_bytes), "second");
  EXPECT_TRUE(HasZipMagic(file.bytes));
}

TEST(ZipTest, CommentsAndEmptyFilesAreRead) {
  ZipFile file = MakeZip({});
  const auto members = Read(file.bytes);
  ASSERT_TRUE(members.ok()) << members.status();
  EXPECT_TRUE(members->empty());
  file = MakeZip({{"a", "x"}});
  file.bytes[file.bytes.size() - 2] = std::byte{5};
  AppendBytes(ToBytes("PK\5\6!"), file.bytes);
  EXPECT_EQ(Read(file.bytes)->size(), 1u);
}

TEST(ZipTest, CompressedAndEncryptedMembersAreNotStored) {
  ZipFile file = MakeZip({{"a", "xyz"}, {"b", "xyz"}});
  file.bytes[file.central_offsets[0] + 10] = std::byte{8};
  file.bytes[file.central_offsets[1] + 8] = std::byte{1};
  const auto members = Read(file.bytes);
  ASSERT_TRUE(members.ok()) << members.status();
  EXPECT_FALSE((*members)[0].stored);
  EXPECT_FALSE((*members)[1].stored);
}

TEST(ZipTest, EveryPrefixIsRefused) {
  const Bytes zip = MakeZip({{"a", "first"}, {"b", "second"}}).bytes;
  for (std::size_t n = 0; n < zip.size(); ++n)
    ErrorOf(Bytes(zip.begin(), zip.begin() + static_cast<std::ptrdiff_t>(n)));
}

TEST(ZipTest, EveryBitFlipIsRefusedOrStaysWithinTheFile) {
  const Bytes zip = MakeZip({{"a", "first"}, {"b", "second"}}).bytes;
  for (std::size_t bit = 0; bit < zip.size() * 8; ++bit) {
    Bytes flipped = zip;
    flipped[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto members = Read(flipped);
    if (!members.ok()) continue;
    std::uint64_t end = 0;
    for (const ZipMember& member : *members) {
      EXPECT_GE(member.data_offset, end);
      end = member.data_offset + member.data_bytes;
      EXPECT_LE(end, flipped.size());
    }
  }
}

TEST(ZipTest, LyingDirectoriesAreRefused) {
  const ZipFile file = MakeZip({{"a", "first"}, {"b", "second"}});
  const auto changed = [&](std::size_t offset, std::uint64_t value, int bytes) {
    Bytes zip = file.bytes;
    for (int i = 0; i < bytes; ++i)
      zip[offset + static_cast<std::size_t>(i)] = static_cast<std::byte>(value >> (8 * i));
    return ErrorOf(zip);
  };
  EXPECT_THAT(changed(file.central_offsets[1] + 42, 0, 4), HasSubstr("overlap"));
  EXPECT_THAT(changed(file.central_offsets[1] + 42, 1, 4), HasSubstr("not where its directory says"));
  EXPECT_THAT(changed(file.central_offsets[0] + 20, 1000, 4), HasSubstr("reaches into its directory"));
  EXPECT_THAT(changed(file.central_offsets[0] + 20, 40, 4), HasSubstr("overlap"));
  EXPECT_THAT(changed(file.end_offset + 10, 3, 2), HasSubstr("directory"));
  EXPECT_THAT(changed(file.end_offset + 10, 65535, 2), HasSubstr("too short"));
  EXPECT_THAT(changed(file.end_offset + 12, 0xfffffff0, 4), HasSubstr("expected at most"));
  EXPECT_THAT(changed(file.end_offset + 16, 0xfffffff0, 4), HasSubstr("beyond its end"));
}

TEST(ZipTest, Zip64IsRead) {
  // What a member of more than 4 GiB looks like, with small numbers.
  ZipFile file = MakeZip({{"a", "first"}}, /*zip64=*/true);
  const auto members = Read(file.bytes);
  ASSERT_TRUE(members.ok()) << members.status();
  ASSERT_EQ(members->size(), 1u);
  EXPECT_EQ(TextAt(file.bytes, (*members)[0].data_offset, (*members)[0].data_bytes), "first");
  for (std::size_t n = 0; n < file.bytes.size(); ++n) {
    ErrorOf(Bytes(file.bytes.begin(), file.bytes.begin() + static_cast<std::ptrdiff_t>(n)));
  }
}

TEST(ZipTest, HugeZip64NumbersAreRefused) {
  const ZipFile file = MakeZip({{"a", "first"}}, /*zip64=*/true);
  for (std::size_t i = 0; i < file.bytes.size(); ++i) {
    Bytes zip = file.bytes;
    for (std::size_t k = i; k < std::min(zip.size(), i + 8); ++k) zip[k] = std::byte{0xff};
    Read(zip).IgnoreError();  // whatever the outcome, it is bounded
  }
}

}  // namespace
}  // namespace dcac::files
