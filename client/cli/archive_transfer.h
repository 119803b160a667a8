// Original files into archives and back.
#ifndef DCAC_CLIENT_CLI_ARCHIVE_TRANSFER_H_
#define DCAC_CLIENT_CLI_ARCHIVE_TRANSFER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/frame_coder.h"
#include "core/files/archive.h"
#include "core/files/byte_stream.h"
#include "core/files/original_file.h"
#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac::cli {

inline constexpr char kArchiveExtension[] = ".dcac";

// Opens `path`, or stdin for kStandardStream.
absl::StatusOr<files::FileSource> OpenInput(const std::string& path);

// Writes the archive of the original file that `source` reads to `sink`.  `file` is what `source` reads from.
absl::StatusOr<files::OriginalFile> WriteArchive(const files::FileSource& file, files::ByteSource& source,
                                                 const files::InputFormat& format, const EncodeOptions& options,
                                                 FrameCoder& coder, files::ByteSink& sink);

struct RestoredFile {
  files::ArchiveKind kind = files::ArchiveKind::kRaw;
  TensorSpec spec;
  std::uint64_t tensor_bytes = 0;
};

// Writes the original file of the archive that `source` reads to `sink`.
absl::StatusOr<RestoredFile> RestoreArchive(files::ByteSource& source, FrameCoder& coder, files::ByteSink& sink);

// Decodes the archive `archive_path` and compares it with the file `original_path`.
// Errors: DataLoss (they differ); those of reading and decoding.
absl::Status CompareWithArchive(const std::string& archive_path, const std::string& original_path, FrameCoder& coder);

// Removes `victim`, which is one of these two, after CompareWithArchive found them equal.
absl::Status RemoveCompared(const std::string& victim, const std::string& archive_path,
                            const std::string& original_path, FrameCoder& coder);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_ARCHIVE_TRANSFER_H_
