#include "client/cli/bench/read_tensor.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/archive_transfer.h"
#include "core/base/status_macros.h"

namespace dcac::cli {

absl::StatusOr<Tensor> ReadTensor(const std::string& file, const files::InputFormat& format) {
  DCAC_ASSIGN_OR_RETURN(files::FileSource input, OpenInput(file));
  if (!input.size()) return absl::InvalidArgumentError("is no regular file, expected one");
  files::PushbackSource source(input);
  DCAC_ASSIGN_OR_RETURN(const files::OriginalFile original, files::ReadOriginal(input, source, format));
  const std::vector<files::Piece>& pieces = original.head.pieces;
  const auto is_tensor = [](const files::Piece& piece) { return piece.kind == files::PieceKind::kTensor; };
  if (const auto tensors = std::count_if(pieces.begin(), pieces.end(), is_tensor); tensors != 1) {
    return absl::InvalidArgumentError(absl::StrCat("holds ", tensors, " tensors, expected one"));
  }
  const auto piece = std::find_if(pieces.begin(), pieces.end(), is_tensor);
  const auto offset = files::PieceOffsets(original.head)[static_cast<std::size_t>(piece - pieces.begin())];
  Tensor tensor{{}, std::vector<std::byte>(static_cast<std::size_t>(piece->bytes))};
  DCAC_RETURN_IF_ERROR(input.ReadAt(offset, tensor.data));
  files::MemorySource samples(tensor.data);
  files::PushbackSource first_samples(samples);
  DCAC_ASSIGN_OR_RETURN(tensor.spec, files::SpecOfNextPiece(original.head, *piece, format, first_samples));
  return tensor;
}

}  // namespace dcac::cli
