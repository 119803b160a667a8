#include "core/codec/segment_verifier.h"

#include <cstring>
#include <span>

#include "absl/strings/str_cat.h"
#include "core/base/scratch.h"

namespace dcac {

absl::Status VerifySegmentBody(const SegmentShape& shape, ByteSpan body, ByteSpan packed) {
  const ScratchLease<Scratch<std::byte>> scratch;
  const std::span<std::byte> decoded(scratch->Get(shape.bytes()), shape.bytes());
  const absl::Status status = DecodeSegmentBody(shape, body, decoded);
  if (!status.ok()) {
    return absl::InternalError(absl::StrCat("a segment cannot be decoded after it was encoded: ", status.message()));
  }
  // std::ranges::equal compares byte by byte.
  if (decoded.size() == packed.size() && std::memcmp(decoded.data(), packed.data(), packed.size()) == 0) {
    return absl::OkStatus();
  }
  return absl::InternalError("a segment does not give back the samples that it was made of");
}

}  // namespace dcac
