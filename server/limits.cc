#include "server/limits.h"

#include "absl/strings/str_cat.h"

namespace dcac::server {

absl::Status CheckTensorBytes(std::uint64_t tensor_bytes, const Limits& limits) {
  if (tensor_bytes <= limits.max_tensor_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("tensor of ", tensor_bytes, " bytes exceeds max_tensor_bytes ", limits.max_tensor_bytes));
}

absl::Status CheckSlabBytes(std::uint64_t slab_bytes, const Limits& limits) {
  if (slab_bytes <= limits.max_slab_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("slabs of ", slab_bytes, " bytes exceed max_slab_bytes ", limits.max_slab_bytes));
}

}  // namespace dcac::server
