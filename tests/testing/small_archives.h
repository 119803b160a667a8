// Archives small enough that a test can damage every bit of them.
#ifndef DCAC_TESTS_TESTING_SMALL_ARCHIVES_H_
#define DCAC_TESTS_TESTING_SMALL_ARCHIVES_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace dcac::testing {

struct SmallArchive {
  std::string name;
  std::vector<std::byte> original, archive;
};

std::vector<std::byte> ReadWholeFile(const std::string& path);

// One of each kind and form, 200 to 4000 bytes each, of the data in tests/data.
const std::vector<SmallArchive>& SmallArchives();

// The original file, as the command line restores it from a pipe.
absl::StatusOr<std::vector<std::byte>> RestoreOriginal(std::span<const std::byte> archive);

}  // namespace dcac::testing

#endif  // DCAC_TESTS_TESTING_SMALL_ARCHIVES_H_
