// Headers of .safetensors files.  They are untrusted: sizes are bounded, offsets are checked against the file.
#ifndef DCAC_CORE_FILES_SAFETENSORS_H_
#define DCAC_CORE_FILES_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dcac/tensor.h"

namespace dcac::files {

inline constexpr std::size_t kSafetensorsPreambleBytes = 9;             // length of the text, and its first character
inline constexpr std::size_t kMaxSafetensorsHeaderBytes = 100'000'000;  // as the format has it
inline constexpr std::size_t kMaxSafetensors = 400'000;

struct SafetensorsEntry {
  std::string name;
  std::optional<DType> dtype;  // nothing: a type that is no DType
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;  // of its bytes, from the end of the header
};

// Bytes of the whole header, if `start`, the first kSafetensorsPreambleBytes of a file, may begin one.
std::optional<std::uint64_t> SafetensorsHeaderBytes(std::span<const std::byte> start);

// The tensors that `header`, a whole header, describes, in the order of their bytes, which do not overlap.
// Errors: InvalidArgument (malformed, a name that appears twice, offsets that overlap, or that do not match the type
// and the shape).
absl::StatusOr<std::vector<SafetensorsEntry>> ParseSafetensorsHeader(std::span<const std::byte> header);

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_SAFETENSORS_H_
