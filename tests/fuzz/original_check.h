// What must hold of any file that is taken apart for an archive.
#ifndef DCAC_TESTS_FUZZ_ORIGINAL_CHECK_H_
#define DCAC_TESTS_FUZZ_ORIGINAL_CHECK_H_

#include <cstddef>
#include <span>

#include "core/files/archive.h"

namespace dcac::fuzz {

// Reads `file` as an original file: its pieces are its bytes, and its head survives writing and reading.
void CheckOriginal(std::span<const std::byte> file);

// A head that is written and read again is the same.
void CheckHead(const files::ArchiveHead& head);

}  // namespace dcac::fuzz

#endif  // DCAC_TESTS_FUZZ_ORIGINAL_CHECK_H_
