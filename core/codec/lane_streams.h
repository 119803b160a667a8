// The coded samples of a plane set in the lanes layout, and which kind its model sees (docs/format-lanes.md).
#ifndef DCAC_CORE_CODEC_LANE_STREAMS_H_
#define DCAC_CORE_CODEC_LANE_STREAMS_H_

#include "core/base/bytes.h"
#include "core/codec/sample_map.h"

namespace dcac {

struct LaneStreams {
  ByteSpan words;    // states and words of the entropy coder
  ByteSpan escapes;  // wide: samples without a code, 2 bytes each, in coded order; coarse: whole, plane after plane
  ByteSpan details;  // coarse: of each sample that has them, plane after plane
  ByteSpan low;      // binary32: lower halves of the samples, 2 bytes each, plane after plane
};

// binary32 is modelled by its upper half.
inline SampleKind LaneKindOf(SampleKind kind) {
  return kind == SampleKind::kF32 ? SampleKind::kBF16 : kind;
}
inline bool LanesKnow(SampleKind kind) {
  return kind != SampleKind::kI32;
}

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_STREAMS_H_
