// Lists what a file consists of, for its archive.
#ifndef DCAC_CORE_FILES_PIECE_BUILDER_H_
#define DCAC_CORE_FILES_PIECE_BUILDER_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/files/archive.h"
#include "core/files/byte_stream.h"
#include "dcac/tensor.h"

namespace dcac::files {

// Takes the parts of a file that have a meaning, in the order of their offsets, and fills what is between them: with
// inline bytes where that is little, with opaque pieces where it is much or where `file` is null (a pipe).
class PieceBuilder {
 public:
  explicit PieceBuilder(const RandomSource* file) : file_(file) {}

  // What `bytes`, the next of the file, are is known already: a header that has been read.
  absl::Status AddBytes(std::span<const std::byte> bytes);

  // A .npy file from `offset` on: `header`, then the samples.
  absl::Status AddNpy(std::uint64_t offset, std::string name, std::span<const std::byte> header,
                      const TensorSpec& spec);
  absl::Status AddTensor(std::uint64_t offset, std::string name, const TensorSpec& spec);
  absl::Status AddOpaque(std::uint64_t offset, std::string name, std::uint64_t bytes);

  // Errors of all of these: InvalidArgument (a part begins before the end of the one before, or there are more pieces
  // than an archive may have); those of reading.

  std::uint64_t position() const { return position_; }  // the end of what was added

  // The head of an archive of a file of `file_bytes`.
  absl::StatusOr<ArchiveHead> Finish(ArchiveKind kind, std::uint64_t file_bytes);

 private:
  absl::Status FillTo(std::uint64_t offset);
  absl::Status Add(Piece piece, std::uint64_t bytes);
  void AppendInline(std::span<const std::byte> bytes);

  const RandomSource* file_;
  ArchiveHead head_;
  std::size_t table_bytes_ = 0;  // no less than the table will have
  std::uint64_t position_ = 0;
};

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_PIECE_BUILDER_H_
