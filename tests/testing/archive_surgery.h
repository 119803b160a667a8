// Where the parts of an archive are, and how a test changes them and makes the checksums match again.
#ifndef DCAC_TESTS_TESTING_ARCHIVE_SURGERY_H_
#define DCAC_TESTS_TESTING_ARCHIVE_SURGERY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dcac/codec.h"

namespace dcac::testing {

// The parts of an archive that AssembleArchive joins.
struct LooseArchive {
  std::vector<std::byte> fixed;  // magic, version, kind, flags
  std::optional<std::vector<std::byte>> table;
  bool packed = false;  // the table is stored as one zstd frame
  std::vector<std::vector<std::byte>> frames;
  std::optional<Digest> digest;  // nothing: there is no tail
};

// Takes an archive apart that may be damaged: goes by the sizes it finds and believes no checksum; where the tail is
// not to be trusted, all that is left is one frame.  Nothing where not even a head is there.  Tables of more than 1 MiB
// are taken for damage.
std::optional<LooseArchive> TakeArchiveApart(std::span<const std::byte> archive);

std::vector<std::byte> AssembleArchive(const LooseArchive& loose);

}  // namespace dcac::testing

#endif  // DCAC_TESTS_TESTING_ARCHIVE_SURGERY_H_
