// Explains every tensor of a file: of an archive, or of an original file as compress would encode it.
#ifndef DCAC_CLIENT_CLI_EXPLAIN_FILE_EXPLAINER_H_
#define DCAC_CLIENT_CLI_EXPLAIN_FILE_EXPLAINER_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/explain/explained_tensor.h"
#include "client/cli/progress_bar.h"
#include "core/files/original_file.h"
#include "dcac/explain.h"
#include "dcac/options.h"

namespace dcac::cli {

struct ExplainRequest {
  EncodeOptions encode;       // of original files
  files::InputFormat format;  // of original files
  ExplainOptions explain;
};

// Takes the tensors of a file in their order; `file` is not set.
using TensorSink = std::function<void(ExplainedTensor)>;

struct ExplainedFile {
  std::string kind;  // of the original file
  std::string note;  // see files::OriginalFile
};

// Memory is that of compressing, not of the file; an archive from a pipe is read whole.
// Errors: those of reading, encoding and decoding; InvalidArgument (bytes of unknown number from a pipe).
absl::StatusOr<ExplainedFile> ExplainFile(const std::string& path, const ExplainRequest& request, ProgressBar& progress,
                                          const TensorSink& sink);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_EXPLAIN_FILE_EXPLAINER_H_
