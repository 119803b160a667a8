// Headers of NumPy's .npy files, versions 1.0, 2.0 and 3.0.  Headers are untrusted: sizes are bounded before they are
// used.
#ifndef DCAC_CORE_FILES_NPY_H_
#define DCAC_CORE_FILES_NPY_H_

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dcac/tensor.h"

namespace dcac::files {

inline constexpr std::string_view kNpyMagic = "\x93NUMPY";
inline constexpr std::size_t kNpyPreambleBytes = 12;           // magic, version and the longer form of the length
inline constexpr std::size_t kMaxNpyHeaderBytes = 64u * 1024;  // whole header; NumPy writes 128 for all usual arrays

// Whether `start` begins with the magic of .npy files.
bool HasNpyMagic(std::span<const std::byte> start);

// Length of the whole header, from the magic to the byte before the first sample.  `start`: at least the first
// kNpyPreambleBytes of the file.
// Errors: InvalidArgument (no magic, unknown version, or longer than kMaxNpyHeaderBytes).
absl::StatusOr<std::size_t> NpyHeaderBytes(std::span<const std::byte> start);

// What a whole header says.  uint16 is kU16, uint8 is kU8: the format has no types for bfloat16 and 8-bit floats.  An
// array in Fortran order has the extents in the order of its bytes, which is the reverse one.
// Errors: InvalidArgument (malformed, a type that is no DType, big-endian, too many axes or bytes).
absl::StatusOr<TensorSpec> ParseNpyHeader(std::span<const std::byte> header);

// Whether the array of a whole header is in Fortran order.  Errors: as those of ParseNpyHeader.
absl::StatusOr<bool> IsNpyFortranOrder(std::span<const std::byte> header);

// The header that NumPy (1.23 and later) writes for `spec`; docs/format-archive.md section 5.  kBF16 becomes uint16,
// 8-bit floats become uint8.
std::vector<std::byte> CanonicalNpyHeader(const TensorSpec& spec);

// The same for an array in Fortran order whose bytes are those of `spec`: it has the extents in reverse order.
std::vector<std::byte> FortranNpyHeader(const TensorSpec& spec);

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_NPY_H_
