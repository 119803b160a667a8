#include "core/codec/segment_verifier.h"

#include <cstring>
#include <span>

#include "absl/strings/str_cat.h"
#include "core/base/scratch.h"

namespace dcac {

absl::Status VerifySegmentBody(const SegmentSamples& samples, ByteSpan body) {
  const ScratchLease<Scratch<std::byte>> scratch;
  const std::span<std::byte> decoded(scratch->Get(samples.size()), samples.size());
  const absl::Status status = DecodeSegmentBody(samples.shape(), body, decoded);
  if (!status.ok()) {
    return absl::InternalError(absl::StrCat("a segment cannot be decoded after it was encoded: ", status.message()));
  }
  for (size_t p = 0; p < samples.num_planes(); ++p) {
    const ByteSpan plane = samples.plane(p);
    if (std::memcmp(decoded.data() + p * plane.size(), plane.data(), plane.size()) != 0) {
      return absl::InternalError("a segment does not give back the samples that it was made of");
    }
  }
  return absl::OkStatus();
}

}  // namespace dcac
