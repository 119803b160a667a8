#include "client/cli/directory_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace dcac::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DirectoryWalkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/dcac_walk_test_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }

  void WriteFile(const std::string& path) {
    fs::create_directories(fs::path(root_ + "/" + path).parent_path());
    std::ofstream(root_ + "/" + path) << path;
  }

  std::vector<std::string> Paths(const WalkOptions& options = {}) {
    const absl::StatusOr<Tree> tree = WalkTree(root_, options);
    EXPECT_TRUE(tree.ok()) << tree.status();
    std::vector<std::string> paths;
    for (const TreeEntry& entry : tree->entries) paths.push_back(entry.path);
    return paths;
  }

  std::string root_;
};

TEST_F(DirectoryWalkTest, SortedWithFoldersFirst) {
  for (const char* path : {"b/z", "b/a", "a", "c", "b.c", "b/d/e"}) WriteFile(path);
  EXPECT_THAT(Paths(), ElementsAre("a", "b", "b/a", "b/d", "b/d/e", "b/z", "b.c", "c"));
}

TEST_F(DirectoryWalkTest, LinksAreNotFollowed) {
  WriteFile("a/b");
  fs::create_symlink("..", root_ + "/a/up");
  fs::create_symlink("nowhere", root_ + "/dangling");
  EXPECT_THAT(Paths(), ElementsAre("a", "a/b", "a/up", "dangling"));
  EXPECT_EQ(WalkTree(root_)->entries[2].type, TreeEntry::Type::kLink);
}

TEST_F(DirectoryWalkTest, ExcludesMatchPathsAndNames) {
  for (const char* path : {"a/b.log", "a/b", "c/log/d", "e.log", "f/c/log/g"}) WriteFile(path);
  EXPECT_THAT(Paths({.excludes = {"*.log"}}),
              ElementsAre("a", "a/b", "c", "c/log", "c/log/d", "f", "f/c", "f/c/log", "f/c/log/g"));
  EXPECT_THAT(Paths({.excludes = {"c/log", "[a-e]"}}), ElementsAre("e.log", "f"));
  EXPECT_THAT(Paths({.excludes = {"*"}}), IsEmpty());
}

TEST_F(DirectoryWalkTest, OwnFilesAreNoEntries) {
  for (const char* path : {"a", "b/.dcac-journal", "b/.a.dcac-tmp.Xy1234", ".a.dcac-tmp."}) WriteFile(path);
  EXPECT_THAT(Paths(), ElementsAre(".a.dcac-tmp.", "a", "b"));
  EXPECT_THAT(WalkTree(root_)->leftovers, ElementsAre("b/.a.dcac-tmp.Xy1234"));
}

TEST_F(DirectoryWalkTest, TheSkippedFolderIsLeftOut) {
  WriteFile("a/b");
  WriteFile("out/c");
  EXPECT_THAT(Paths({.excludes = {}, .skipped_folder = root_ + "/a/../out"}), ElementsAre("a", "a/b"));
}

TEST_F(DirectoryWalkTest, NamesAreBytes) {
  for (const char* path : {"with space", "line\nbreak", "\xc3\xa4", "\xff\xfe", "%41", "*"}) WriteFile(path);
  EXPECT_THAT(Paths(), ElementsAre("%41", "*", "line\nbreak", "with space", "\xc3\xa4", "\xff\xfe"));
}

TEST_F(DirectoryWalkTest, WhatIsNoFileFails) {
  ASSERT_EQ(::mkfifo((root_ + "/pipe").c_str(), 0600), 0);
  const absl::StatusOr<Tree> tree = WalkTree(root_);
  ASSERT_EQ(tree->entries.size(), 1u);
  EXPECT_EQ(tree->entries[0].type, TreeEntry::Type::kFailed);
  EXPECT_THAT(std::string(tree->entries[0].status.message()), HasSubstr("is a named pipe"));
}

TEST_F(DirectoryWalkTest, DeepTrees) {
  std::string path = root_;
  for (int depth = 0; depth < 400; ++depth) {
    path += "/d";
    ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
  }
  EXPECT_EQ(Paths().size(), 400u);
}

TEST_F(DirectoryWalkTest, RootMustBeAFolder) {
  WriteFile("a");
  EXPECT_FALSE(WalkTree(root_ + "/a").ok());
  EXPECT_FALSE(WalkTree(root_ + "/missing").ok());
}

}  // namespace
}  // namespace dcac::cli
