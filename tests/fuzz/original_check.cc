#include "tests/fuzz/original_check.h"

#include <algorithm>
#include <string>

#include "core/files/byte_stream.h"
#include "core/files/npy.h"
#include "core/files/original_file.h"
#include "tests/fuzz/fuzz.h"

namespace dcac::fuzz {
namespace {

using files::Piece;
using files::PieceKind;

// Takes the bytes of the pieces off the front of `file`.
void CheckPieces(const files::ArchiveHead& head, std::span<const std::byte> file) {
  std::span<const std::byte> inline_bytes = head.inline_bytes;
  for (std::size_t i = 0; i < head.pieces.size(); ++i) {
    const Piece& piece = head.pieces[i];
    std::size_t bytes = static_cast<std::size_t>(piece.bytes);
    if (piece.kind == PieceKind::kNpyHeader) {
      DCAC_FUZZ_REQUIRE(i + 1 < head.pieces.size() && head.pieces[i + 1].kind == PieceKind::kTensor);
      const auto header = files::CanonicalNpyHeader({head.pieces[i + 1].dtype, head.pieces[i + 1].shape});
      bytes = header.size();
      DCAC_FUZZ_REQUIRE(bytes <= file.size() && std::ranges::equal(header, file.first(bytes)));
    }
    DCAC_FUZZ_REQUIRE(bytes <= file.size());
    if (piece.kind == PieceKind::kInline) {
      DCAC_FUZZ_REQUIRE(bytes <= inline_bytes.size());
      DCAC_FUZZ_REQUIRE(std::ranges::equal(inline_bytes.first(bytes), file.first(bytes)));
      inline_bytes = inline_bytes.subspan(bytes);
    }
    if (piece.kind == PieceKind::kTensor) {
      DCAC_FUZZ_REQUIRE(TensorBytes({piece.dtype, piece.shape, Layout::kFlat}).value() == bytes);
    }
    file = file.subspan(bytes);
  }
  DCAC_FUZZ_REQUIRE(file.empty() && inline_bytes.empty());
}

}  // namespace

void CheckHead(const files::ArchiveHead& head) {
  const auto parsed = files::ParseArchiveHead(files::SerializeArchiveHead(head));
  DCAC_FUZZ_REQUIRE(parsed.ok() && parsed->has_value());
  if (head.form == files::ArchiveHead::Form::kTable) {
    DCAC_FUZZ_REQUIRE((*parsed)->head == head);
  }
}

void CheckOriginal(std::span<const std::byte> file) {
  const auto original = files::ReadOriginal(files::RandomMemory(file));
  DCAC_FUZZ_REQUIRE(original.ok());  // whatever is no tensor is bytes
  CountOutcome(original->note.empty() ? absl::OkStatus() : absl::InvalidArgumentError(original->note));
  CheckPieces(original->head, file);
  CheckHead(original->head);
}

}  // namespace dcac::fuzz
