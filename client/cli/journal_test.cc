#include "client/cli/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace dcac::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const JournalSettings kSettings = {{"verb", "compress"}, {"level", "5"}};

class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/dcac_journal_test_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  auto Open(bool resume, const JournalSettings& settings = kSettings, bool ignore = false) {
    return Journal::Open(folder_, settings, {.resume = resume, .ignore_settings = ignore});
  }
  static JournalRecord Record(const std::string& path, std::uint64_t size = 10) {
    return {.path = path,
            .source = {.size = size, .mtime_ns = -5, .ctime_ns = 1'700'000'000'123'456'789, .inode = ~0ull},
            .output = {.size = 4, .mtime_ns = 2, .ctime_ns = 3, .inode = 1}};
  }
  void WriteRecords(int count) {
    auto journal = Open(false);
    ASSERT_TRUE(journal.ok()) << journal.status();
    for (int i = 0; i < count; ++i) ASSERT_TRUE((*journal)->Append(Record(std::to_string(i))).ok());
  }
  std::string Path() const { return folder_ + "/" + kJournalName; }
  std::string Content() const {
    std::stringstream text;
    text << std::ifstream(Path()).rdbuf();
    return text.str();
  }
  void SetContent(const std::string& content) { std::ofstream(Path(), std::ios::trunc) << content; }

  std::string folder_;
};

TEST_F(JournalTest, RecordsAreFoundByTheNextRun) {
  const std::string odd = "a b/\xff\xc3\xa4\n%41\"\\";
  {
    auto journal = Open(false);
    ASSERT_TRUE(journal.ok()) << journal.status();
    ASSERT_TRUE((*journal)->Append(Record(odd)).ok());
    ASSERT_TRUE((*journal)->Append(Record("twice", 1)).ok());
    ASSERT_TRUE((*journal)->Append(Record("twice", 2)).ok());
    EXPECT_EQ((*journal)->Find(odd), nullptr);
  }
  auto journal = Open(true);
  ASSERT_TRUE(journal.ok()) << journal.status();
  ASSERT_NE((*journal)->Find(odd), nullptr);
  EXPECT_EQ(*(*journal)->Find(odd), Record(odd));
  EXPECT_EQ((*journal)->Find("twice")->source.size, 2u);
  EXPECT_EQ((*journal)->Find("other"), nullptr);
}

TEST_F(JournalTest, WithoutResumeItBeginsAnew) {
  WriteRecords(2);
  { ASSERT_TRUE(Open(false).ok()); }
  auto journal = Open(true);
  ASSERT_TRUE(journal.ok()) << journal.status();
  EXPECT_EQ((*journal)->Find("0"), nullptr);
}

TEST_F(JournalTest, ResumeWithoutAJournal) {
  EXPECT_TRUE(Open(true).ok());
}

TEST_F(JournalTest, EveryTornEndIsIgnoredAndOverwritten) {
  WriteRecords(2);
  const std::string whole = Content();
  const std::size_t last_line = whole.rfind('\n', whole.size() - 2) + 1;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SetContent(whole.substr(0, size));
    {
      auto journal = Open(true);
      ASSERT_TRUE(journal.ok()) << size << ": " << journal.status();
      EXPECT_EQ((*journal)->Find("0") != nullptr, size >= last_line) << size;
      EXPECT_EQ((*journal)->Find("1"), nullptr);
      ASSERT_TRUE((*journal)->Append(Record("new")).ok());
    }
    auto journal = Open(true);
    ASSERT_TRUE(journal.ok()) << size << ": " << journal.status();
    EXPECT_NE((*journal)->Find("new"), nullptr);
  }
}

TEST_F(JournalTest, EveryFlippedBitIsNoticed) {
  WriteRecords(3);
  const std::string whole = Content();
  const std::size_t last_line = whole.rfind('\n', whole.size() - 2) + 1;
  // Without the end of the last line but one, both are one torn line.
  for (std::size_t bit = 0; bit < 8 * (last_line - 1); ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    SetContent(damaged);
    const auto journal = Open(true);
    ASSERT_FALSE(journal.ok()) << bit;
    EXPECT_THAT(std::string(journal.status().message()), HasSubstr("remove the file"));
  }
}

TEST_F(JournalTest, OtherSettingsAreNamed) {
  WriteRecords(1);
  const JournalSettings other = {{"verb", "compress"}, {"level", "7"}};
  const auto journal = Open(true, other);
  ASSERT_FALSE(journal.ok());
  EXPECT_THAT(std::string(journal.status().message()), HasSubstr("is of a run with level=5, expected level=7"));
  auto forced = Open(true, other, true);
  ASSERT_TRUE(forced.ok()) << forced.status();
  EXPECT_NE((*forced)->Find("0"), nullptr);
}

TEST_F(JournalTest, OneRunAtATime) {
  auto journal = Open(false);
  ASSERT_TRUE(journal.ok());
  EXPECT_EQ(Open(true).status().code(), absl::StatusCode::kAborted);
  journal->reset();
  EXPECT_TRUE(Open(true).ok());
}

TEST_F(JournalTest, CanBeRemoved) {
  auto journal = Open(false);
  ASSERT_TRUE(journal.ok());
  EXPECT_TRUE((*journal)->Remove().ok());
  EXPECT_FALSE(fs::exists(Path()));
}

}  // namespace
}  // namespace dcac::cli
