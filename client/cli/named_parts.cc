#include "client/cli/named_parts.h"

#include <algorithm>
#include <array>
#include <functional>
#include <span>
#include <utility>

#include "core/base/status_macros.h"
#include "dcac/slice.h"

namespace dcac::cli {
namespace {

// The samples of a frame.
class DecodedFrame final : public files::ByteSource {
 public:
  explicit DecodedFrame(SliceDecoder decoder) : decoder_(std::move(decoder)) {}

  absl::StatusOr<std::size_t> Read(std::span<std::byte> out) override {
    if (position_ == ready_.size()) {
      DCAC_ASSIGN_OR_RETURN(ready_, decoder_.Next());
      position_ = 0;
    }
    const std::size_t n = std::min(out.size(), ready_.size() - position_);
    std::copy_n(ready_.begin() + static_cast<std::ptrdiff_t>(position_), n, out.begin());
    position_ += n;
    return n;
  }

 private:
  SliceDecoder decoder_;
  std::vector<std::byte> ready_;
  std::size_t position_ = 0;
};

// Sources one after the other; each is opened when its turn comes.
class ChainedSource final : public files::ByteSource {
 public:
  using Opener = std::function<absl::StatusOr<std::unique_ptr<files::ByteSource>>(std::size_t piece)>;
  ChainedSource(std::vector<std::size_t> pieces, Opener open) : pieces_(std::move(pieces)), open_(std::move(open)) {}

  absl::StatusOr<std::size_t> Read(std::span<std::byte> out) override {
    while (true) {
      if (current_ != nullptr) {
        DCAC_ASSIGN_OR_RETURN(const std::size_t n, current_->Read(out));
        if (n != 0) return n;
      }
      if (next_ == pieces_.size()) return 0;
      DCAC_ASSIGN_OR_RETURN(current_, open_(pieces_[next_++]));
    }
  }

 private:
  const std::vector<std::size_t> pieces_;
  const Opener open_;
  std::unique_ptr<files::ByteSource> current_;
  std::size_t next_ = 0;
};

absl::StatusOr<bool> IsArchive(const files::RandomSource& file) {
  std::array<std::byte, files::kArchiveMagicBytes> magic;
  if (file.size() < magic.size()) return false;
  DCAC_RETURN_IF_ERROR(file.ReadAt(0, magic));
  return files::HasArchiveMagic(magic);
}

}  // namespace

absl::StatusOr<std::unique_ptr<NamedParts>> NamedParts::Open(const std::string& path,
                                                             const files::InputFormat& format) {
  DCAC_ASSIGN_OR_RETURN(files::FileSource file, files::FileSource::Open(path));
  if (!file.size()) return absl::InvalidArgumentError("is no regular file, expected one");
  std::unique_ptr<NamedParts> parts(new NamedParts(std::move(file)));
  DCAC_RETURN_IF_ERROR(parts->Load(format));
  return parts;
}

absl::Status NamedParts::Load(const files::InputFormat& format) {
  DCAC_ASSIGN_OR_RETURN(const bool is_archive, IsArchive(random_));
  if (is_archive) {
    DCAC_ASSIGN_OR_RETURN(archive_, files::ArchiveFile::Open(random_));
    head_ = archive_->head();
    offsets_ = files::InlineOffsets(head_);
  } else {
    files::PushbackSource source(file_);
    DCAC_ASSIGN_OR_RETURN(files::OriginalFile original, files::ReadOriginal(file_, source, format));
    head_ = std::move(original.head);
    offsets_ = files::PieceOffsets(head_);
  }
  ListParts(archive_ ? offsets_ : files::InlineOffsets(head_));
  return absl::OkStatus();
}

void NamedParts::ListParts(std::span<const std::uint64_t> inline_offsets) {
  NamedPart whole{.is_tensor = false};
  for (std::size_t i = 0; i < head_.pieces.size(); ++i) {
    const files::Piece& piece = head_.pieces[i];
    whole.bytes += piece.bytes;
    whole.pieces.push_back(i);
    const bool is_tensor = piece.kind == files::PieceKind::kTensor;
    if (!is_tensor && (piece.kind != files::PieceKind::kOpaque || piece.name.empty())) continue;
    parts_.push_back({.name = piece.name,
                      .is_tensor = is_tensor,
                      .dtype = piece.dtype,
                      .shape = is_tensor ? piece.shape : std::vector<std::uint64_t>{piece.bytes},
                      .bytes = piece.bytes,
                      .pieces = {i}});
    parts_.back().fortran_order = is_tensor && files::IsFortranOrder(head_, i, inline_offsets[i]);
    if (parts_.back().fortran_order) std::reverse(parts_.back().shape.begin(), parts_.back().shape.end());
  }
  if (!parts_.empty()) return;
  whole.shape = {whole.bytes};
  parts_.push_back(std::move(whole));
}

const files::ArchiveFile::Frame* NamedParts::FindFrame(std::size_t piece) const {
  const std::vector<files::ArchiveFile::Frame>& frames = archive_->frames();
  const auto found = std::lower_bound(frames.begin(), frames.end(), piece,
                                      [](const auto& frame, std::size_t wanted) { return frame.piece < wanted; });
  return found != frames.end() && found->piece == piece ? &*found : nullptr;
}

absl::StatusOr<std::unique_ptr<files::ByteSource>> NamedParts::PieceSource(std::size_t piece) const {
  const std::uint64_t bytes = head_.pieces[piece].bytes;
  if (!archive_) return std::make_unique<files::RangeSource>(random_, offsets_[piece], bytes);
  if (const files::ArchiveFile::Frame* frame = FindFrame(piece)) {
    DCAC_ASSIGN_OR_RETURN(SliceDecoder decoder, SliceDecoder::Create(archive_->Access(*frame), Slice{}));
    return std::make_unique<DecodedFrame>(std::move(decoder));
  }
  return std::make_unique<files::MemorySource>(std::span(head_.inline_bytes).subspan(offsets_[piece], bytes));
}

absl::StatusOr<std::unique_ptr<files::ByteSource>> NamedParts::Source(const NamedPart& part) const {
  return std::make_unique<ChainedSource>(part.pieces, [this](std::size_t piece) { return PieceSource(piece); });
}

}  // namespace dcac::cli
