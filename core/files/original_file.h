// The file that is to be compressed: where its tensors are and what surrounds them.
#ifndef DCAC_CORE_FILES_ORIGINAL_FILE_H_
#define DCAC_CORE_FILES_ORIGINAL_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/files/archive.h"
#include "core/files/byte_stream.h"
#include "dcac/tensor.h"

namespace dcac::files {

// What the user says of a file.  A shape means that it is raw samples; otherwise its content tells what it is.
struct InputFormat {
  std::optional<DType> dtype;  // needed for raw samples; kBF16 says what the uint16 samples of .npy files are
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<Layout> layout;  // nothing: GuessLayout
};

struct OriginalFile {
  // Its pieces have type, shape and size even where the serialised head has none (Form::kSingle).  Form::kOpen: bytes
  // of unknown number.
  ArchiveHead head;
  std::string note;  // why the file, or a part of it, is kept as mere bytes where it looked like tensors; or empty
};

// Bytes of a frame of an archive of form kOpen, but of its last one.
inline constexpr std::size_t kOpenFrameBytes = std::size_t{16} << 20;

// Finds out what `file`, which `source` reads, consists of, and leaves `source` at its start.  Of a regular file only
// headers and directories are read, of a pipe its start.  Memory is bounded whatever the file holds.
// Errors: InvalidArgument (what `format` says does not fit the file); those of reading.
absl::StatusOr<OriginalFile> ReadOriginal(const FileSource& file, PushbackSource& source, const InputFormat& format);

// The same for the files of which no layout, type or shape is given, in other memory than a file.
absl::StatusOr<OriginalFile> ReadOriginal(const RandomSource& file);

// Whether the tensor `piece` is an array in Fortran order, as its .npy header says, which is kept as it was then.
bool IsFortranOrder(const ArchiveHead& head, std::size_t piece);
// The same where the piece's place among InlineOffsets is known: archives may have a million pieces.
bool IsFortranOrder(const ArchiveHead& head, std::size_t piece, std::uint64_t inline_offset);

// Of each piece, how many inline bytes are before its own.
std::vector<std::uint64_t> InlineOffsets(const ArchiveHead& head);

// Where each piece begins in the original file.
std::vector<std::uint64_t> PieceOffsets(const ArchiveHead& head);

// The spec of a tensor piece whose samples come next from `source`: with the layout of `format` where it fits, else the
// one that GuessLayout finds.
// Errors: InvalidArgument (the layout of `format` does not fit the only tensor of the file); those of reading.
absl::StatusOr<TensorSpec> SpecOfNextPiece(const ArchiveHead& head, const Piece& piece, const InputFormat& format,
                                           PushbackSource& source);

// How the bytes of an opaque piece are coded.
TensorSpec OpaqueSpec(std::uint64_t bytes);

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_ORIGINAL_FILE_H_
