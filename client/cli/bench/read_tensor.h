// The samples of a file, for benchmarks.
#ifndef DCAC_CLIENT_CLI_BENCH_READ_TENSOR_H_
#define DCAC_CLIENT_CLI_BENCH_READ_TENSOR_H_

#include <string>

#include "absl/status/statusor.h"
#include "core/files/original_file.h"
#include "dcac/tensor.h"

namespace dcac::cli {

// The one tensor of `file`.  Errors: InvalidArgument (no regular file, or not one tensor), those of reading.
absl::StatusOr<Tensor> ReadTensor(const std::string& file, const files::InputFormat& format);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_BENCH_READ_TENSOR_H_
