#include "core/files/atomic_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace dcac::files {
namespace {

namespace fs = std::filesystem;
using Existing = AtomicFile::Existing;

class AtomicFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/dcac_atomic_file_test_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::size_t CountFiles() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  static std::string Content(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  static absl::Status Write(AtomicFile& file, std::string_view text) {
    return file.Write(std::as_bytes(std::span(text.data(), text.size())));
  }

  fs::path folder_;
};

TEST_F(AtomicFileTest, AppearsOnlyWithCommit) {
  auto file = AtomicFile::Create(Path("a"), Existing::kRefuse, 0640);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(Write(*file, "text").ok());
  EXPECT_FALSE(fs::exists(Path("a")));
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_EQ(Content(Path("a")), "text");
  EXPECT_EQ(CountFiles(), 1u);
  struct stat info;
  ASSERT_EQ(::stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST_F(AtomicFileTest, TimeOfModificationIsKept) {
  auto file = AtomicFile::Create(Path("a"), Existing::kRefuse, 0644);
  ASSERT_TRUE(file.ok()) << file.status();
  file->SetModified({.tv_sec = 1000000000, .tv_nsec = 123456789});
  ASSERT_TRUE(file->Commit().ok());
  struct stat info;
  ASSERT_EQ(::stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mtim.tv_sec, 1000000000);
  EXPECT_EQ(info.st_mtim.tv_nsec, 123456789);
}

TEST_F(AtomicFileTest, KnowsItsTemporaries) {
  auto file = AtomicFile::Create(Path("a.npy"), Existing::kRefuse, 0644);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(IsTemporaryName(fs::directory_iterator(folder_)->path().filename().string()));
  for (const char* name : {"", "a.npy", ".a.dcac-tmp.", ".a.dcac-tmp.12345", ".a.dcac-tmp.1234567", "a.dcac-tmp.123456",
                           ".a.dcac-tmp.12345/", ".dcac-tmp.123456"}) {
    EXPECT_FALSE(IsTemporaryName(name)) << name;
  }
}

TEST_F(AtomicFileTest, LeavesNothingWithoutCommit) {
  {
    auto file = AtomicFile::Create(Path("a"), Existing::kRefuse, 0644);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(Write(*file, "text").ok());
    EXPECT_EQ(CountFiles(), 1u);
  }
  EXPECT_EQ(CountFiles(), 0u);
}

TEST_F(AtomicFileTest, KeepsAnExistingFileUntilCommit) {
  std::ofstream(Path("a")) << "old";
  {
    auto file = AtomicFile::Create(Path("a"), Existing::kReplace, 0644);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(Write(*file, "new").ok());
  }
  EXPECT_EQ(Content(Path("a")), "old");
  auto file = AtomicFile::Create(Path("a"), Existing::kReplace, 0644);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(Write(*file, "new").ok());
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_EQ(Content(Path("a")), "new");
}

TEST_F(AtomicFileTest, RefusesAnExistingFile) {
  std::ofstream(Path("a")) << "old";
  EXPECT_EQ(AtomicFile::Create(Path("a"), Existing::kRefuse, 0644).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(AtomicFileTest, RefusesAFileThatCameMeanwhile) {
  auto file = AtomicFile::Create(Path("a"), Existing::kRefuse, 0644);
  ASSERT_TRUE(file.ok());
  std::ofstream(Path("a")) << "other";
  EXPECT_EQ(file->Commit().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Content(Path("a")), "other");
}

TEST_F(AtomicFileTest, RefusesFoldersAndMissingFolders) {
  EXPECT_FALSE(AtomicFile::Create(folder_.string(), Existing::kReplace, 0644).ok());
  EXPECT_EQ(AtomicFile::Create(Path("missing/a"), Existing::kReplace, 0644).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(AtomicFileTest, WritesDevicesDirectly) {
  auto file = AtomicFile::Create("/dev/null", Existing::kRefuse, 0644);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(Write(*file, "text").ok());
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(AtomicFileTest, TemporaryIsRemovedOnASignal) {
  const pid_t child = ::fork();
  if (child == 0) {
    RemoveTemporariesOnSignals();
    auto file = AtomicFile::Create(Path("a"), Existing::kRefuse, 0644);
    ::raise(SIGTERM);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
  EXPECT_EQ(CountFiles(), 0u);
}

}  // namespace
}  // namespace dcac::files
