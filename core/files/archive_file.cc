#include "core/files/archive_file.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/status_macros.h"

namespace dcac::files {
absl::StatusOr<ArchiveFile> ArchiveFile::Open(const RandomSource& file) {
  ArchiveFile archive(file);
  RangeSource range(file, 0, file.size());
  PushbackSource source(range);
  DCAC_ASSIGN_OR_RETURN(ParsedArchiveHead parsed, ReadArchiveHead(source));
  archive.head_ = std::move(parsed.head);
  if (archive.head_.form == ArchiveHead::Form::kSingle) {
    archive.frames_.push_back({archive.head_.pieces.size() - 1, parsed.head_bytes, file.size() - parsed.head_bytes});
  } else {
    DCAC_RETURN_IF_ERROR(archive.ReadTail(parsed.head_bytes));
  }
  DCAC_RETURN_IF_ERROR(archive.CompletePieces());
  return archive;
}

absl::Status ArchiveFile::ReadTail(std::uint64_t head_bytes) {
  const std::uint64_t rest = file_->size() - head_bytes;
  Bytes end(static_cast<std::size_t>(std::min<std::uint64_t>(rest, kArchiveTailEndBytes)));
  DCAC_RETURN_IF_ERROR(file_->ReadAt(file_->size() - end.size(), end));
  DCAC_ASSIGN_OR_RETURN(const std::size_t tail_bytes, ArchiveTailBytes(end));
  if (tail_bytes > rest) return absl::DataLossError("the tail of the archive is longer than the archive");
  Bytes content(tail_bytes);
  DCAC_RETURN_IF_ERROR(file_->ReadAt(file_->size() - tail_bytes, content));
  DCAC_ASSIGN_OR_RETURN(const ArchiveTail tail, ParseArchiveTail(content));
  digest_ = tail.digest;
  if (head_.form == ArchiveHead::Form::kOpen) {
    head_.pieces.assign(tail.frame_bytes.size(), {.kind = PieceKind::kOpaque});
  }
  if (tail.frame_bytes.size() != head_.num_frames()) {
    return absl::DataLossError(absl::StrCat("the tail of the archive lists ", tail.frame_bytes.size(),
                                            " frames, its head ", head_.num_frames()));
  }
  const std::uint64_t frames_end = file_->size() - tail_bytes;
  std::uint64_t offset = head_bytes;
  std::size_t piece = 0;
  for (const std::uint64_t bytes : tail.frame_bytes) {
    while (!head_.pieces[piece].has_frame()) ++piece;
    if (bytes > frames_end - offset) return absl::DataLossError("a frame of the archive reaches into its tail");
    frames_.push_back({piece++, offset, bytes});
    offset += bytes;
  }
  if (offset != frames_end) {
    return absl::DataLossError(
        absl::StrCat("the frames of the archive end at byte ", offset, ", expected ", frames_end));
  }
  return absl::OkStatus();
}

absl::Status ArchiveFile::CompletePieces() {
  if (head_.form == ArchiveHead::Form::kTable) return absl::OkStatus();
  for (const Frame& frame : frames_) {
    DCAC_ASSIGN_OR_RETURN(const TensorSpec spec, ReadFrameSpec(Access(frame)));
    Piece& piece = head_.pieces[frame.piece];
    piece.dtype = spec.dtype;
    piece.shape = spec.shape;
    DCAC_ASSIGN_OR_RETURN(piece.bytes, TensorBytes(spec));
  }
  return absl::OkStatus();
}

FrameAccess ArchiveFile::Access(const Frame& frame) const {
  return {frame.bytes, [file = file_, begin = frame.offset](std::uint64_t offset, std::span<std::byte> out) {
            return file->ReadAt(begin + offset, out);
          }};
}

}  // namespace dcac::files
