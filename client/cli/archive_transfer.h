// Original files into archives and back.
#ifndef DCAC_CLIENT_CLI_ARCHIVE_TRANSFER_H_
#define DCAC_CLIENT_CLI_ARCHIVE_TRANSFER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/frame_coder.h"
#include "client/cli/report.h"
#include "core/files/archive.h"
#include "core/files/byte_stream.h"
#include "core/files/original_file.h"
#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac::cli {

inline constexpr char kArchiveExtension[] = ".dcac";

// Opens `path`, or stdin for kStandardStream.
absl::StatusOr<files::FileSource> OpenInput(const std::string& path);

// What an archive holds.
struct ArchiveContent {
  files::ArchiveKind kind = files::ArchiveKind::kRaw;
  std::uint64_t tensors = 0;
  std::optional<TensorSpec> only_tensor;  // if there is exactly one
  std::uint64_t raw_bytes = 0;            // what is coded in frames: tensors, and bytes of no known meaning
  std::string note;                       // see files::OriginalFile; only where the original file was read
};

// Adds a frame of an archive, or of one that is written.
void CountFrame(const files::Piece& piece, const TensorSpec& spec, ArchiveContent& content);

// The same for --json: kind, tensors, the dtype, layout and shape of the only tensor, the note.
void AppendContent(const ArchiveContent& content, Json& json);

// "npy, f16 [1, 24, 56, 56] nchw", "safetensors, 12 tensors", "bytes".
std::string ContentText(const ArchiveContent& content);

// Writes the archive of the original file that `source` reads to `sink`.  `file` is what `source` reads from.
// Errors: Aborted (`file` changed meanwhile); those of reading, encoding and writing.
absl::StatusOr<ArchiveContent> WriteArchive(const files::FileSource& file, files::ByteSource& source,
                                            const files::InputFormat& format, const EncodeOptions& options,
                                            FrameCoder& coder, files::ByteSink& sink);

// Writes the original file of the archive that `source` reads to `sink`.
absl::StatusOr<ArchiveContent> RestoreArchive(files::ByteSource& source, FrameCoder& coder, files::ByteSink& sink);

// Decodes the archive `archive_path` and compares it with the file `original_path`.
// Errors: DataLoss (they differ); those of reading and decoding.
absl::Status CompareWithArchive(const std::string& archive_path, const std::string& original_path, FrameCoder& coder);

// Removes `victim`, which is one of these two, after CompareWithArchive found them equal.
absl::Status RemoveCompared(const std::string& victim, const std::string& archive_path,
                            const std::string& original_path, FrameCoder& coder);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_ARCHIVE_TRANSFER_H_
