// Single tensors, and parts of them, out of archives.
#ifndef DCAC_CLIENT_CLI_TENSOR_EXTRACT_H_
#define DCAC_CLIENT_CLI_TENSOR_EXTRACT_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/frame_coder.h"
#include "core/files/archive_file.h"
#include "core/files/byte_stream.h"
#include "dcac/slice.h"

namespace dcac::cli {

struct ExtractOptions {
  std::vector<std::string> tensors;  // names or patterns; none: the only tensor
  std::optional<Slice> slice;

  // Whether less than the original file is wanted.
  bool wanted() const { return !tensors.empty() || slice; }
};

// Adds --tensor, --items, --planes and --rows.
void AddExtractOptions(CLI::App& command, ExtractOptions& options);

// The tensors of `archive` that the options name, in the order of the archive.
// Errors: NotFound (a name or pattern that fits none; the message has the names that there are), InvalidArgument (no
// name is given for an archive of many tensors, or a name is that of several).
absl::StatusOr<std::vector<files::ArchiveFile::Frame>> FindTensors(const files::ArchiveFile& archive,
                                                                   const ExtractOptions& options);

struct Extracted {
  TensorSpec spec;
  std::uint64_t raw_bytes = 0;
  std::optional<std::uint64_t> decoded_segments;  // of a slice
  std::uint64_t read_bytes = 0;                   // of the frame
};

// Writes the tensor of `frame`, or the slice of it, as a .npy file.  An array that was in Fortran order is so again:
// it has the axes of the tensor in reverse order.  Of a slice only the segments that it touches are
// read and decoded, in this process; a whole tensor is decoded by `coder`.
absl::StatusOr<Extracted> ExtractTensor(const files::ArchiveFile& archive, const files::ArchiveFile::Frame& frame,
                                        const std::optional<Slice>& slice, FrameCoder& coder, files::ByteSink& sink);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_TENSOR_EXTRACT_H_
