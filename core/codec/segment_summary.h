// What the front of a segment's body tells of it, without decoding samples.
#ifndef DCAC_CORE_CODEC_SEGMENT_SUMMARY_H_
#define DCAC_CORE_CODEC_SEGMENT_SUMMARY_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/codec/plane_kinds.h"
#include "core/codec/segment_codec.h"
#include "dcac/frame_info.h"

namespace dcac {

// With this many bytes of a body, or all of a shorter one, SummaryBytes can say how many SummarizeBody needs.
inline constexpr size_t kSummaryHeadBytes = 192;

// Errors: DataLoss, Unimplemented (method or layout unknown).
absl::StatusOr<size_t> SummaryBytes(const SegmentShape& shape, ByteSpan body_front, uint64_t body_bytes);

// Fills method, mode, side_bytes, planes, references and terms of `info` from the first SummaryBytes of a body.
// Errors: as SummaryBytes.
absl::Status SummarizeBody(const SegmentShape& shape, ByteSpan body_front, SegmentInfo& info);

// Fills mode and references_per_plane from the segments.
void SummarizeSegments(FrameInfo& info);

// Adds `count` planes of a kind.
void CountPlanes(PlaneKind kind, uint64_t count, PlaneCounts& counts);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SEGMENT_SUMMARY_H_
