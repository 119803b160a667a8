// Whether an archive that arrives in pieces is whole and unharmed, without decoding its samples.
#ifndef DCAC_CORE_FILES_ARCHIVE_CHECKER_H_
#define DCAC_CORE_FILES_ARCHIVE_CHECKER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "core/files/archive.h"
#include "dcac/frame_checker.h"

namespace dcac::files {

// Compares the checksums of the head, of every frame (FrameChecker) and of the tail, and the tail's sizes with the
// frames.  Holds the head, which is bounded (kMaxTableBytes), and a number for each frame.
class ArchiveChecker {
 public:
  explicit ArchiveChecker(const DecodeLimits& limits = {}) : limits_(limits) {}

  // The next bytes.  Errors: DataLoss (no archive, damaged, bytes after its end), Unimplemented, ResourceExhausted.
  absl::Status Push(std::span<const std::byte> data);

  // Says that no more bytes come.  Errors: DataLoss (the archive is truncated).
  absl::Status Finish();

  // That it holds.
  std::uint64_t memory_bytes() const;

 private:
  absl::Status TakeHead();
  absl::Status TakeFrames();
  // Of what is pending; `rest` becomes what is left.
  absl::Status TakeFramesOf(std::span<const std::byte>& rest);
  bool ExpectsFrame(std::span<const std::byte> rest) const;

  const DecodeLimits limits_;
  std::size_t next_parse_ = 1;      // the head is parsed once so much of it is there
  std::vector<std::byte> pending_;  // of a part that is not complete yet, not of frames
  std::optional<ArchiveHead> head_;
  std::optional<FrameChecker> frame_;       // that has begun
  std::vector<std::uint64_t> frame_bytes_;  // of those that ended
};

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_ARCHIVE_CHECKER_H_
