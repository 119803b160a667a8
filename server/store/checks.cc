#include "server/store/checks.h"

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/key.h"

namespace dcac::store {
namespace {

absl::Status CheckAtMost(const char* what, std::uint64_t found, std::uint64_t most) {
  if (found <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, " has ", found, " bytes, expected at most ", most));
}

}  // namespace

absl::Status CheckControl(const CallControl& control) {
  if (control.cancelled != nullptr && control.cancelled->load(std::memory_order_relaxed)) {
    return absl::CancelledError("cancelled");
  }
  if (control.deadline != std::chrono::steady_clock::time_point::max() &&
      std::chrono::steady_clock::now() >= control.deadline) {
    return absl::DeadlineExceededError("the deadline has passed");
  }
  return absl::OkStatus();
}

absl::Status CheckStart(const UploadStart& start) {
  DCAC_RETURN_IF_ERROR(CheckKey(start.key));
  return CheckAtMost("state of the upload", start.state.size(), kMaxUploadStateBytes);
}

absl::Status CheckOptions(const PutOptions& options) {
  if (options.condition.if_absent && options.condition.if_digest) {
    return absl::InvalidArgumentError("if_absent and if_digest exclude each other");
  }
  return CheckAtMost("attributes", options.attributes.size(), kMaxAttributesBytes);
}

absl::Status CheckSmallBlock(const SmallBlock& block) {
  DCAC_RETURN_IF_ERROR(CheckKey(block.key));
  DCAC_RETURN_IF_ERROR(CheckOptions(block.options));
  return CheckAtMost("small block", block.bytes.size(), kMaxSmallBlockBytes);
}

absl::Status CheckList(const ListRequest& request) {
  if (request.limit >= 1 && request.limit <= kMaxListLimit) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("limit is ", request.limit, ", expected 1 .. ", kMaxListLimit));
}

absl::Status NotThere() {
  return absl::NotFoundError("nothing is stored under the key");
}

absl::Status CheckRange(const BlockInfo& info, std::uint64_t offset, std::uint64_t size) {
  if (offset <= info.size_bytes && size <= info.size_bytes - offset) return absl::OkStatus();
  return absl::OutOfRangeError(
      absl::StrCat(info.key, ": block of ", info.size_bytes, " bytes has no bytes ", offset, " .. ", offset + size));
}

}  // namespace dcac::store
