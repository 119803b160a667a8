#include "client/cli/store_files.h"

#include <gtest/gtest.h>

#include <array>

namespace dcac::cli {
namespace {

TEST(StoreFilesTest, KeysBelowAPrefixAreThePathsBelowAFolder) {
  EXPECT_EQ(FolderPrefix("run/7"), "run/7/");
  EXPECT_EQ(FolderPrefix("run/7/"), "run/7/");
  EXPECT_EQ(FolderPrefix(""), "");
  EXPECT_EQ(PathOfKey("run/7/a/b.npy", "run/7/").value_or("?"), "a/b.npy");
  EXPECT_EQ(PathOfKey("a", "").value_or("?"), "a");
}

// A server that lies must not write outside the folder.
TEST(StoreFilesTest, NoKeyLeadsOutOfTheFolder) {
  for (const std::string key :
       {"p/../a", "p/a/../../b", "p//etc/passwd", "p/", "p/.", "p/a/..", "p/a//b", "/etc/passwd", "q/a", "p"}) {
    EXPECT_EQ(PathOfKey(key, "p/").status().code(), absl::StatusCode::kInvalidArgument) << key;
  }
  EXPECT_FALSE(PathOfKey("/etc/passwd", "").ok());
  EXPECT_FALSE(PathOfKey(std::string("a\0b", 3), "").ok());
}

TEST(StoreFilesTest, ATemporaryFileIsReadAnywhere) {
  absl::StatusOr<TemporaryFile> file = TemporaryFile::Create();
  ASSERT_TRUE(file.ok()) << file.status();
  const std::array<std::byte, 4> bytes{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  ASSERT_TRUE(file->Write(bytes).ok());
  EXPECT_EQ(file->size(), 4u);
  std::array<std::byte, 2> middle{};
  ASSERT_TRUE(file->Access().read(1, middle).ok());
  EXPECT_EQ(middle[0], std::byte{2});
  EXPECT_EQ(file->ReadAt(3, middle).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace dcac::cli
