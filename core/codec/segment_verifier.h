// Makes sure that a segment gives back what it was made of.
#ifndef DCAC_CORE_CODEC_SEGMENT_VERIFIER_H_
#define DCAC_CORE_CODEC_SEGMENT_VERIFIER_H_

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "core/codec/segment_samples.h"

namespace dcac {

// Decodes `body` and compares with the samples that it was made of.  Errors: Internal (they are others, or none).
absl::Status VerifySegmentBody(const SegmentSamples& samples, ByteSpan body);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SEGMENT_VERIFIER_H_
