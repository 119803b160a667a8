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

absl::Status CheckItemBytes(std::uint64_t item_bytes) {
  if (item_bytes <= wire::kMaxBatchItemBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("data: ", item_bytes, " bytes exceed those of an item, ", wire::kMaxBatchItemBytes));
}

DecodeLimits ToDecodeLimits(const Limits& limits) {
  return {.max_tensor_bytes = limits.max_tensor_bytes, .max_slab_bytes = limits.max_slab_bytes};
}

}  // namespace dcac::server
