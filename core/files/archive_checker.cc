#include "core/files/archive_checker.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace dcac::files {
namespace {

// More than a tail of as many frames as there may be needs.
constexpr std::size_t kMaxTailBytes = kMaxPieces * 10 + 64;

}  // namespace

absl::Status ArchiveChecker::Push(std::span<const std::byte> data) {
  // In the midst of a frame nothing is copied.
  while (!data.empty()) {
    if (frame_) {
      DCAC_ASSIGN_OR_RETURN(const std::size_t taken, frame_->Push(data));
      data = data.subspan(taken);
      if (frame_->done()) {
        frame_bytes_.push_back(frame_->frame_bytes());
        frame_.reset();
      }
      continue;
    }
    pending_.insert(pending_.end(), data.begin(), data.end());
    data = {};
    // A head is parsed from its first byte on, so not again for every piece: when twice as much of it is there.
    if (!head_ && pending_.size() >= next_parse_) {
      next_parse_ = 2 * pending_.size();
      DCAC_RETURN_IF_ERROR(TakeHead());
    }
    if (head_) DCAC_RETURN_IF_ERROR(TakeFrames());
  }
  return absl::OkStatus();
}

absl::Status ArchiveChecker::TakeHead() {
  DCAC_ASSIGN_OR_RETURN(std::optional<ParsedArchiveHead> parsed, ParseArchiveHead(pending_));
  if (!parsed) return absl::OkStatus();
  head_ = std::move(parsed->head);
  if (head_->form == ArchiveHead::Form::kSingle) head_->pieces = SinglePieces(head_->kind);
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(parsed->head_bytes));
  return absl::OkStatus();
}

// Whether what comes next is one more frame, and not the tail; only where enough of it is there to tell.
bool ArchiveChecker::ExpectsFrame(std::span<const std::byte> rest) const {
  if (head_->form == ArchiveHead::Form::kOpen) return !HasArchiveTailMagic(rest);
  return frame_bytes_.size() < head_->num_frames();
}

absl::Status ArchiveChecker::TakeFrames() {
  std::span<const std::byte> rest = pending_;
  const absl::Status status = TakeFramesOf(rest);
  pending_.erase(pending_.begin(), pending_.end() - static_cast<std::ptrdiff_t>(rest.size()));
  return status;
}

absl::Status ArchiveChecker::TakeFramesOf(std::span<const std::byte>& rest) {
  while (!rest.empty()) {
    if (head_->form == ArchiveHead::Form::kOpen && rest.size() < kArchiveTailMagicBytes) return absl::OkStatus();
    if (!ExpectsFrame(rest)) {
      if (head_->form != ArchiveHead::Form::kSingle && rest.size() <= kMaxTailBytes) return absl::OkStatus();
      return absl::DataLossError("archive: bytes after its end");
    }
    if (frame_bytes_.size() == kMaxPieces) {
      return absl::DataLossError(absl::StrCat("archive: more than ", kMaxPieces, " frames"));
    }
    frame_.emplace(limits_);
    DCAC_ASSIGN_OR_RETURN(const std::size_t taken, frame_->Push(rest));
    rest = rest.subspan(taken);
    if (!frame_->done()) return absl::OkStatus();
    frame_bytes_.push_back(frame_->frame_bytes());
    frame_.reset();
  }
  return absl::OkStatus();
}

absl::Status ArchiveChecker::Finish() {
  if (!head_) {
    DCAC_RETURN_IF_ERROR(TakeHead());
    if (head_) DCAC_RETURN_IF_ERROR(TakeFrames());
  }
  if (!head_) return ArchiveHeadCutShort(pending_);
  if (frame_) return absl::DataLossError("archive: truncated");
  if (head_->form == ArchiveHead::Form::kSingle) {
    return frame_bytes_.size() == 1 ? absl::OkStatus() : absl::DataLossError("archive: truncated");
  }
  if (head_->form == ArchiveHead::Form::kTable && frame_bytes_.size() < head_->num_frames()) {
    return absl::DataLossError("archive: truncated");
  }
  DCAC_ASSIGN_OR_RETURN(const ArchiveTail tail, ParseArchiveTail(pending_));
  if (tail.frame_bytes == frame_bytes_) return absl::OkStatus();
  return absl::DataLossError("archive: the tail's sizes of frames differ from the frames");
}

std::uint64_t ArchiveChecker::memory_bytes() const {
  std::uint64_t bytes = pending_.capacity() + frame_bytes_.capacity() * sizeof(std::uint64_t);
  if (head_) bytes += head_->inline_bytes.capacity() + head_->pieces.capacity() * sizeof(Piece);
  return bytes;
}

}  // namespace dcac::files
