#include "client/cli/upload_notes.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace dcac::cli {
namespace {

namespace fs = std::filesystem;

class UploadNotesTest : public ::testing::Test {
 protected:
  UploadNotesTest() {
    std::string folder = ::testing::TempDir() + "/notes-XXXXXX";
    folder_ = ::mkdtemp(folder.data());
    path_ = (folder_ / "notes").string();
  }
  ~UploadNotesTest() override { fs::remove_all(folder_); }

  void Write(const std::string& text) const { std::ofstream(path_) << text; }

  fs::path folder_;
  std::string path_;
  const Digest digest_{std::byte{1}}, other_{std::byte{2}};
};

TEST_F(UploadNotesTest, AnotherRunFindsWhatDidNotEnd) {
  UploadNotes first(path_);
  first.Add("a", digest_, "1");
  first.Add("b", digest_, "2");
  first.Add("a", digest_, "3");
  first.Remove("b");
  first.Remove("c");
  const UploadNotes second(path_);
  EXPECT_EQ(second.Find("a", digest_), "3");
  EXPECT_EQ(second.Find("a", other_), "") << "the archive is another one";
  EXPECT_EQ(second.Find("b", digest_), "");
}

TEST_F(UploadNotesTest, NothingIsLeftWhenAllHasEnded) {
  UploadNotes notes(path_);
  notes.Add("a", digest_, "1");
  EXPECT_FALSE(fs::is_empty(folder_));
  notes.Remove("a");
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(UploadNotesTest, WhatIsDamagedCountsAsNothing) {
  for (const char* text : {"", "{", "[]", R"({"a": 1})", R"({"a": {"upload_id": 1, "archive": "x"}})", "\xff"}) {
    Write(text);
    EXPECT_EQ(UploadNotes(path_).Find("a", digest_), "") << text;
  }
}

TEST_F(UploadNotesTest, AFolderThatCannotBeWrittenDoesNoHarm) {
  UploadNotes notes((folder_ / "none" / "notes").string());
  notes.Add("a", digest_, "1");
  EXPECT_EQ(notes.Find("a", digest_), "1");
}

}  // namespace
}  // namespace dcac::cli
