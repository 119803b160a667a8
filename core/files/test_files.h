// Files of other formats, as the tests of their readers need them.
#ifndef DCAC_CORE_FILES_TEST_FILES_H_
#define DCAC_CORE_FILES_TEST_FILES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"

namespace dcac::files {

Bytes ToBytes(std::string_view text);
std::string TextAt(ByteSpan bytes, std::uint64_t offset, std::uint64_t size);

// A zip file of stored members, and where its records are.
struct ZipFile {
  Bytes bytes;
  std::vector<std::size_t> central_offsets;  // of the members' records in the directory
  std::size_t end_offset = 0;
};

// Names and contents.  `zip64`: with the records of large files.
ZipFile MakeZip(const std::vector<std::pair<std::string, std::string>>& members, bool zip64 = false);

// A file of tests/data.
Bytes ReadTestFile(const std::string& name);

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_TEST_FILES_H_
