// Census of damage to small archives of each kind: every prefix and every flipped bit, as it is and with the checksums
// of the archive made to match again.  Counted: detected, harmless, wrong; the last is zero.
#include <gtest/gtest.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "core/files/archive.h"
#include "core/files/archive_file.h"
#include "core/files/byte_stream.h"
#include "tests/testing/archive_surgery.h"
#include "tests/testing/frame_surgery.h"
#include "tests/testing/small_archives.h"

namespace dcac {
namespace {

using testing::LooseArchive;
using testing::SmallArchive;
using Data = std::vector<std::byte>;

struct Count {
  int detected = 0, harmless = 0, wrong = 0;

  void Print(const char* what, const SmallArchive& small) const {
    std::printf("%-9s %-18s %5zu bytes: detected %6d, harmless %5d, wrong %d\n", what, small.name.c_str(),
                small.archive.size(), detected, harmless, wrong);
  }
};

// Restores a damaged archive as from a pipe; opens it as a file too, which must not fail in another way.
absl::StatusOr<Data> Restore(const Data& damaged) {
  const files::RandomMemory memory(damaged);
  (void)files::ArchiveFile::Open(memory);
  return testing::RestoreOriginal(damaged);
}

void CountRestored(const SmallArchive& small, const Data& damaged, Count& count) {
  const auto original = Restore(damaged);
  if (!original.ok()) {
    const absl::StatusCode code = original.status().code();
    ASSERT_TRUE(code == absl::StatusCode::kDataLoss || code == absl::StatusCode::kUnimplemented ||
                code == absl::StatusCode::kResourceExhausted)
        << original.status();
    ++count.detected;
  } else {
    ++(*original == small.original ? count.harmless : count.wrong);
  }
}

TEST(ArchiveCensusTest, EveryArchiveIsSmallAndComesBack) {
  for (const SmallArchive& small : testing::SmallArchives()) {
    EXPECT_LE(small.archive.size(), 6000u) << small.name;
    const auto original = Restore(small.archive);
    ASSERT_TRUE(original.ok()) << small.name << ": " << original.status();
    EXPECT_TRUE(*original == small.original) << small.name;
    const std::optional<LooseArchive> loose = testing::TakeArchiveApart(small.archive);
    ASSERT_TRUE(loose) << small.name;
    EXPECT_TRUE(Restore(testing::AssembleArchive(*loose)).value_or(Data()) == small.original) << small.name;
  }
}

TEST(ArchiveCensusTest, EveryPrefixIsRefused) {
  for (const SmallArchive& small : testing::SmallArchives()) {
    Count count;
    for (std::size_t size = 0; size < small.archive.size(); ++size) {
      CountRestored(small, Data(small.archive.begin(), small.archive.begin() + static_cast<std::ptrdiff_t>(size)),
                    count);
      if (HasFatalFailure()) FAIL() << small.name << ", prefix of " << size;
    }
    count.Print("prefixes", small);
    EXPECT_EQ(count.harmless, 0) << small.name;
    EXPECT_EQ(count.wrong, 0) << small.name;
  }
}

TEST(ArchiveCensusTest, EveryBitFlipIsRefused) {
  for (const SmallArchive& small : testing::SmallArchives()) {
    Count count;
    Data damaged = small.archive;
    for (std::size_t bit = 0; bit < 8 * damaged.size(); ++bit) {
      damaged[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
      CountRestored(small, damaged, count);
      if (HasFatalFailure()) FAIL() << small.name << ", bit " << bit;
      damaged[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    }
    count.Print("flips", small);
    EXPECT_EQ(count.harmless, 0) << small.name;
    EXPECT_EQ(count.wrong, 0) << small.name;
  }
}

// Flips every bit of one part of an archive and puts it together again.
void FlipPart(const SmallArchive& small, LooseArchive& loose, Data& part, Count& count) {
  for (std::size_t bit = 0; bit < 8 * part.size(); ++bit) {
    part[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    CountRestored(small, testing::AssembleArchive(loose), count);
    if (::testing::Test::HasFatalFailure()) FAIL() << small.name << ", bit " << bit;
    part[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
  }
}

// With the checksums of head and tail right again, the digest of the original file is what is left.  The kind of a file
// with a table, and names, change nothing that is restored.
TEST(ArchiveCensusTest, EveryBitFlipOfTheHeadBehindRepairedChecksumsIsAnErrorOrHarmless) {
  for (const SmallArchive& small : testing::SmallArchives()) {
    LooseArchive loose = *testing::TakeArchiveApart(small.archive);
    if (!loose.digest) continue;  // a single frame has no other digest: see the next test
    Count count;
    FlipPart(small, loose, loose.fixed, count);
    if (loose.table) FlipPart(small, loose, *loose.table, count);
    count.Print("head", small);
    EXPECT_EQ(count.wrong, 0) << small.name;
  }
}

// The samples of a single frame have its digest; what precedes them follows from the kind of file and the frame's
// header.
TEST(ArchiveCensusTest, ASingleFrameBehindARepairedHeadHasItsSamples) {
  for (const SmallArchive& small : testing::SmallArchives()) {
    LooseArchive loose = *testing::TakeArchiveApart(small.archive);
    if (loose.digest) continue;
    for (std::size_t bit = 0; bit < 8 * loose.fixed.size(); ++bit) {
      LooseArchive damaged = loose;
      damaged.fixed[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
      const auto original = Restore(testing::AssembleArchive(damaged));
      if (!original.ok()) continue;
      const std::size_t tail = std::min(original->size(), small.original.size());
      EXPECT_TRUE(std::equal(original->end() - static_cast<std::ptrdiff_t>(tail), original->end(),
                             small.original.end() - static_cast<std::ptrdiff_t>(tail)))
          << small.name << ", bit " << bit;
    }
  }
}

// All checksums of a frame repaired, its digest replaced by that of the wrong samples: the digest of the file remains.
TEST(ArchiveCensusTest, TheDigestOfTheFileCatchesAFrameOfOtherSamples) {
  int caught = 0;
  for (const SmallArchive& small : testing::SmallArchives()) {
    const LooseArchive loose = *testing::TakeArchiveApart(small.archive);
    if (!loose.digest) continue;
    for (std::size_t i = 0; i < loose.frames.size(); ++i) {
      auto tensor = Decompress(loose.frames[i]);
      ASSERT_TRUE(tensor.ok()) << small.name << ", frame " << i << ": " << tensor.status();
      if (tensor->data.empty()) continue;
      tensor->data[tensor->data.size() / 2] ^= std::byte{1};
      LooseArchive damaged = loose;
      damaged.frames[i] = *Compress(tensor->spec, tensor->data);
      EXPECT_EQ(Restore(testing::AssembleArchive(damaged)).status().code(), absl::StatusCode::kDataLoss) << small.name;
      ++caught;
    }
  }
  EXPECT_GE(caught, 10);
}

TEST(ArchiveCensusTest, FramesThatChangePlacesAreDetected) {
  int swapped = 0;
  for (const SmallArchive& small : testing::SmallArchives()) {
    const LooseArchive loose = *testing::TakeArchiveApart(small.archive);
    for (std::size_t i = 1; i < loose.frames.size(); ++i) {
      LooseArchive damaged = loose;
      std::swap(damaged.frames[i - 1], damaged.frames[i]);
      if (damaged.frames[i] == loose.frames[i]) continue;
      EXPECT_EQ(Restore(testing::AssembleArchive(damaged)).status().code(), absl::StatusCode::kDataLoss)
          << small.name << ", frame " << i;
      ++swapped;
    }
  }
  EXPECT_GE(swapped, 5);
}

// Where there is a digest of the file, all checksums of the frame are repaired too.
TEST(ArchiveCensusTest, EveryBitFlipOfAFrameBehindRepairedChecksumsIsAnErrorOrHarmless) {
  for (const SmallArchive& small : testing::SmallArchives()) {
    LooseArchive loose = *testing::TakeArchiveApart(small.archive);
    Count count;
    for (Data& frame : loose.frames) {
      const testing::FrameParts parts(frame);
      const Data whole = frame;
      for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
        frame[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
        if (loose.digest) parts.RepairChecksums(frame);
        if (frame != whole) CountRestored(small, testing::AssembleArchive(loose), count);
        if (HasFatalFailure()) FAIL() << small.name << ", bit " << bit;
        frame = whole;
      }
    }
    count.Print("frames", small);
    EXPECT_EQ(count.wrong, 0) << small.name;
  }
}

}  // namespace
}  // namespace dcac
