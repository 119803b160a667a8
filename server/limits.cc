#include "server/limits.h"

#include "absl/strings/str_cat.h"

namespace dcac::server {

absl::Status CheckTensorBytes(std::uint64_t tensor_bytes, const Limits& limits) {
  if (tensor_bytes <= limits.max_tensor_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("tensor of ", tensor_bytes, " bytes exceeds max_tensor_bytes ", limits.max_tensor_bytes));
}

}  // namespace dcac::server
