// An archive with random access: each frame by itself.
#ifndef DCAC_CORE_FILES_ARCHIVE_FILE_H_
#define DCAC_CORE_FILES_ARCHIVE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "core/files/archive.h"
#include "core/files/byte_stream.h"
#include "dcac/frame_info.h"
#include "dcac/slice.h"

namespace dcac::files {

class ArchiveFile {
 public:
  struct Frame {
    std::size_t piece = 0;  // its number in head().pieces
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };

  // Reads head and tail of the archive that is all of `file`, which must outlive the result; of archives without a
  // table of pieces also the headers of the frames. Errors: as ParseArchiveHead and ParseArchiveTail; DataLoss (frames
  // and file differ in size); those of reading.
  static absl::StatusOr<ArchiveFile> Open(const RandomSource& file);

  // Its pieces have types, shapes and sizes, whatever the form of the archive.
  const ArchiveHead& head() const { return head_; }
  const std::vector<Frame>& frames() const { return frames_; }
  std::uint64_t archive_bytes() const { return file_->size(); }

  // Of the original file; nothing for form kSingle, where the digest of the frame is all there is.
  const std::optional<Digest>& digest() const { return digest_; }

  FrameAccess Access(const Frame& frame) const;
  RangeSource Source(const Frame& frame) const { return {*file_, frame.offset, frame.bytes}; }

 private:
  explicit ArchiveFile(const RandomSource& file) : file_(&file) {}
  absl::Status ReadTail(std::uint64_t head_bytes);
  absl::Status CompletePieces();

  const RandomSource* file_;
  ArchiveHead head_;
  std::vector<Frame> frames_;
  std::optional<Digest> digest_;
};

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_ARCHIVE_FILE_H_
