// The head of a `.dcac` archive: what is needed, beside the frame that follows it, to restore the original file byte
// for byte.  docs/format-archive.md describes it.
#ifndef DCAC_CORE_FILES_ARCHIVE_H_
#define DCAC_CORE_FILES_ARCHIVE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/files/byte_stream.h"
#include "dcac/tensor.h"

namespace dcac::files {

// What the original file was.  The numbers are written into archives and are frozen.
enum class ArchiveKind : std::uint8_t {
  kRaw = 1,  // samples without a header
  kNpy = 2,
};

std::string_view ArchiveKindName(ArchiveKind kind);  // "raw", "npy"

inline constexpr std::size_t kMaxPrefixBytes = std::size_t{64} << 10;
inline constexpr std::size_t kMaxSuffixBytes = std::size_t{1} << 20;

struct ArchiveHead {
  ArchiveKind kind = ArchiveKind::kRaw;
  bool canonical_npy_header = false;  // the prefix is CanonicalNpyHeader(spec of the frame); `prefix` is empty
  std::vector<std::byte> prefix;      // bytes of the original file before the samples, at most kMaxPrefixBytes
  std::vector<std::byte> suffix;      // and after them, at most kMaxSuffixBytes

  friend bool operator==(const ArchiveHead&, const ArchiveHead&) = default;
};

// The bytes of the original file before the samples of a tensor of `spec`.
std::vector<std::byte> OriginalPrefix(const ArchiveHead& head, const TensorSpec& spec);

std::vector<std::byte> SerializeArchiveHead(const ArchiveHead& head);

struct ParsedArchiveHead {
  ArchiveHead head{};
  std::size_t head_bytes = 0;  // the frame begins here
};

// Reads the head at the start of `data`; nothing when `data` ends before the head does.  Allocates no more than the
// limits above allow. Errors: DataLoss (no archive, checksum, a length over its limit), Unimplemented (a later version
// or kind).
absl::StatusOr<std::optional<ParsedArchiveHead>> ParseArchiveHead(std::span<const std::byte> data);

// Reads the head of an archive and leaves `source` at the frame.
// Errors: as ParseArchiveHead; DataLoss (the archive ends within its head); those of `source`.
absl::StatusOr<ArchiveHead> ReadArchiveHead(PushbackSource& source);

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_ARCHIVE_H_
