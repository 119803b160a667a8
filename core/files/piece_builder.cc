#include "core/files/piece_builder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/status_macros.h"
#include "core/files/npy.h"

namespace dcac::files {
namespace {

// Inline bytes are in memory at both ends and have no index, so they are for headers, names and padding.
constexpr std::uint64_t kMostInlineBytes = std::uint64_t{64} << 10;
constexpr std::uint64_t kMostInlineBytesTogether = std::uint64_t{8} << 20;
// Kind, lengths, type, rank and extents of a piece.
constexpr std::size_t kMostEntryBytes = 1 + 2 * 10 + 2 + 8 * 10;

}  // namespace

absl::Status PieceBuilder::AddBytes(std::span<const std::byte> bytes) {
  if (bytes.empty()) return absl::OkStatus();
  if (bytes.size() <= kMostInlineBytes && head_.inline_bytes.size() + bytes.size() <= kMostInlineBytesTogether) {
    // What follows inline bytes directly continues their piece.
    const bool continues = !head_.pieces.empty() && head_.pieces.back().kind == PieceKind::kInline;
    AppendBytes(bytes, head_.inline_bytes);
    if (!continues) return Add({.kind = PieceKind::kInline, .bytes = bytes.size()}, bytes.size());
    head_.pieces.back().bytes += bytes.size();
    position_ += bytes.size();
    return absl::OkStatus();
  }
  return Add({.kind = PieceKind::kOpaque, .bytes = bytes.size()}, bytes.size());
}

absl::Status PieceBuilder::FillTo(std::uint64_t offset) {
  if (offset < position_) {
    return absl::InvalidArgumentError(
        absl::StrCat("a part begins at byte ", offset, ", before the end of the one before at ", position_));
  }
  const std::uint64_t gap = offset - position_;
  if (gap == 0) return absl::OkStatus();
  if (file_ == nullptr || gap > kMostInlineBytes) return Add({.kind = PieceKind::kOpaque, .bytes = gap}, gap);
  Bytes bytes(static_cast<std::size_t>(gap));
  DCAC_RETURN_IF_ERROR(file_->ReadAt(position_, bytes));
  return AddBytes(bytes);
}

absl::Status PieceBuilder::Add(Piece piece, std::uint64_t bytes) {
  table_bytes_ += kMostEntryBytes + piece.name.size();
  if (head_.pieces.size() == kMaxPieces || table_bytes_ + kMostInlineBytesTogether > kMaxTableBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("has more than ", head_.pieces.size(), " parts, which an archive cannot list"));
  }
  head_.pieces.push_back(std::move(piece));
  position_ += bytes;
  return absl::OkStatus();
}

absl::Status PieceBuilder::AddNpy(std::uint64_t offset, std::string name, std::span<const std::byte> header,
                                  const TensorSpec& spec) {
  DCAC_RETURN_IF_ERROR(FillTo(offset));
  const Bytes canonical = CanonicalNpyHeader(spec);
  if (std::equal(header.begin(), header.end(), canonical.begin(), canonical.end())) {
    DCAC_RETURN_IF_ERROR(Add({.kind = PieceKind::kNpyHeader}, header.size()));
  } else {
    DCAC_RETURN_IF_ERROR(AddBytes(header));
  }
  return AddTensor(position_, std::move(name), spec);
}

absl::Status PieceBuilder::AddTensor(std::uint64_t offset, std::string name, const TensorSpec& spec) {
  DCAC_RETURN_IF_ERROR(FillTo(offset));
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t bytes, TensorBytes({spec.dtype, spec.shape, Layout::kFlat}));
  return Add({PieceKind::kTensor, bytes, std::move(name), spec.dtype, spec.shape}, bytes);
}

absl::Status PieceBuilder::AddOpaque(std::uint64_t offset, std::string name, std::uint64_t bytes) {
  DCAC_RETURN_IF_ERROR(FillTo(offset));
  if (bytes == 0) return absl::OkStatus();
  return Add({.kind = PieceKind::kOpaque, .bytes = bytes, .name = std::move(name)}, bytes);
}

absl::StatusOr<ArchiveHead> PieceBuilder::Finish(ArchiveKind kind, std::uint64_t file_bytes) {
  DCAC_RETURN_IF_ERROR(FillTo(file_bytes));
  head_.kind = kind;
  if (FitsSingle(head_)) {
    head_.form = ArchiveHead::Form::kSingle;
  }
  return std::move(head_);
}

}  // namespace dcac::files
