// Where the members of a zip file lie.  Nothing is ever decompressed.  The file is untrusted: everything that is read
// or kept is bounded, and what the central directory says is checked against the file.
#ifndef DCAC_CORE_FILES_ZIP_H_
#define DCAC_CORE_FILES_ZIP_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/files/byte_stream.h"

namespace dcac::files {

inline constexpr std::size_t kMaxZipDirectoryBytes = std::size_t{64} << 20;
inline constexpr std::size_t kMaxZipMembers = 400'000;

struct ZipMember {
  std::string name;
  bool stored = false;  // the data is the content: neither compressed nor encrypted
  std::uint64_t data_offset = 0;
  std::uint64_t data_bytes = 0;
};

// Whether `start` begins with a member of a zip file.
bool HasZipMagic(std::span<const std::byte> start);

// The members in the order of their data, which do not overlap.
// Errors: InvalidArgument (no zip file, or one that contradicts itself or exceeds the limits above); those of reading.
absl::StatusOr<std::vector<ZipMember>> ReadZipMembers(const RandomSource& file);

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_ZIP_H_
