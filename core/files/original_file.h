// The file that is to be compressed: where its samples are and what surrounds them.
#ifndef DCAC_CORE_FILES_ORIGINAL_FILE_H_
#define DCAC_CORE_FILES_ORIGINAL_FILE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/files/archive.h"
#include "core/files/byte_stream.h"
#include "dcac/tensor.h"

namespace dcac::files {

// What the user says of a file.  A shape means that it is raw samples; otherwise it must be a .npy file.
struct InputFormat {
  std::optional<DType> dtype;  // needed for raw samples; kBF16 says what the uint16 samples of a .npy file are
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<Layout> layout;  // nothing: GuessLayout
};

struct OriginalFile {
  TensorSpec spec;
  std::uint64_t tensor_bytes = 0;
  ArchiveHead head;
};

// Reads what precedes the samples from `source`, which reads from `file`, and leaves it at the first sample.  What
// follows the samples is read too when `file` is a regular file. Errors: InvalidArgument (no supported file, or its
// size does not match its shape); those of reading.
absl::StatusOr<OriginalFile> ReadOriginalHead(const FileSource& file, PushbackSource& source,
                                              const InputFormat& format);

// To be called after the samples and the suffix have been read: nothing may follow.  What follows the samples in a pipe
// would have to be known before they arrive.  Errors: InvalidArgument.
absl::Status CheckOriginalEnd(ByteSource& source);

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_ORIGINAL_FILE_H_
