// What the checker of archives that arrive in pieces accepts: all that are whole, however they are cut, and nothing
// that was damaged.
#include "core/files/archive_checker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "tests/testing/archive_surgery.h"
#include "tests/testing/small_archives.h"

namespace dcac {
namespace {

using testing::LooseArchive;
using testing::SmallArchive;
using Data = std::vector<std::byte>;

absl::Status Check(std::span<const std::byte> archive, std::size_t piece_bytes) {
  files::ArchiveChecker checker;
  while (!archive.empty()) {
    const std::size_t size = std::min(piece_bytes, archive.size());
    if (const absl::Status status = checker.Push(archive.first(size)); !status.ok()) return status;
    archive = archive.subspan(size);
  }
  return checker.Finish();
}

bool IsRefusal(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsUnimplemented(status) || absl::IsResourceExhausted(status);
}

TEST(ArchiveCheckerTest, AcceptsWholeArchivesInPiecesOfAnySize) {
  for (const SmallArchive& small : testing::SmallArchives()) {
    for (const std::size_t piece_bytes : {1u, 7u, 64u, 1000u, 1'000'000u}) {
      const absl::Status status = Check(small.archive, piece_bytes);
      EXPECT_TRUE(status.ok()) << small.name << " in pieces of " << piece_bytes << ": " << status;
    }
  }
}

TEST(ArchiveCheckerTest, RefusesEveryPrefixAndWhatFollowsTheEnd) {
  for (const SmallArchive& small : testing::SmallArchives()) {
    const std::span<const std::byte> archive(small.archive);
    for (std::size_t size = 0; size < archive.size(); ++size) {
      ASSERT_TRUE(IsRefusal(Check(archive.first(size), 100))) << small.name << ", prefix of " << size;
    }
    Data longer = small.archive;
    longer.push_back(std::byte{0});
    EXPECT_TRUE(IsRefusal(Check(longer, 100))) << small.name;
    longer.insert(longer.end(), small.archive.begin(), small.archive.end());
    EXPECT_TRUE(IsRefusal(Check(longer, 100))) << small.name;
  }
}

TEST(ArchiveCheckerTest, RefusesEveryFlippedBit) {
  for (const SmallArchive& small : testing::SmallArchives()) {
    Data damaged = small.archive;
    for (std::size_t bit = 0; bit < 8 * damaged.size(); ++bit) {
      damaged[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
      ASSERT_TRUE(IsRefusal(Check(damaged, damaged.size()))) << small.name << ", bit " << bit;
      damaged[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    }
  }
}

// Each part has right checksums, but the table tells how many there are.
TEST(ArchiveCheckerTest, RefusesAFrameTooManyOrTooFew) {
  int refused = 0;
  for (const SmallArchive& small : testing::SmallArchives()) {
    const LooseArchive loose = *testing::TakeArchiveApart(small.archive);
    if (!loose.table || loose.frames.size() < 2) continue;
    LooseArchive fewer = loose, more = loose;
    fewer.frames.pop_back();
    more.frames.push_back(loose.frames.front());
    for (const LooseArchive& other : {fewer, more}) {
      EXPECT_TRUE(IsRefusal(Check(testing::AssembleArchive(other), 100))) << small.name;
      ++refused;
    }
  }
  EXPECT_GE(refused, 4);
}

// What is left of a push is moved once, not after every frame: this took minutes.
TEST(ArchiveCheckerTest, ManyFramesInOnePushTakeNoLongerThanInMany) {
  const std::vector<SmallArchive>& all = testing::SmallArchives();
  const auto open =
      std::find_if(all.begin(), all.end(), [](const SmallArchive& small) { return small.name == "open"; });
  ASSERT_NE(open, all.end());
  LooseArchive loose = *testing::TakeArchiveApart(open->archive);
  loose.frames.assign(400'000, loose.frames.back());
  const Data archive = testing::AssembleArchive(loose);
  EXPECT_TRUE(Check(archive, archive.size()).ok());
}

}  // namespace
}  // namespace dcac
