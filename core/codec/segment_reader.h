// Decoder: segments out of the bytes of a frame, with all checks that precede their decoding.
#ifndef DCAC_CORE_CODEC_SEGMENT_READER_H_
#define DCAC_CORE_CODEC_SEGMENT_READER_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/format/frame.h"
#include "dcac/options.h"

namespace dcac {

struct SegmentAccount;

// ResourceExhausted where the tensor or a slab of it exceeds the limits.
absl::Status CheckLimits(const FrameHeader& header, const DecodeLimits& limits);

// An error in a segment says in which; OK stays OK.
absl::Status InSegment(uint64_t segment_index, const absl::Status& status);

struct SegmentBody {
  ByteSpan body;
  uint64_t checksum = 0;    // as it stands there
  size_t stored_bytes = 0;  // with size and checksum
};

// The segment at the front of `data`; nothing if it is not complete yet.
// Errors: DataLoss (size beyond what the segment may need).
absl::StatusOr<std::optional<SegmentBody>> ReadSegment(const Geometry& geometry, uint64_t segment_index, ByteSpan data);

// DataLoss unless the checksum is that of the body.
absl::Status CheckSegment(uint64_t segment_index, ByteSpan body, uint64_t checksum);

// Decodes a segment's body into the memory of its slab.  `account`: see DecodeSegmentBody.
absl::Status DecodeSegmentInto(const FrameHeader& header, uint64_t segment_index, ByteSpan body, const Box& slab,
                               std::byte* slab_data, SegmentAccount* account = nullptr);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SEGMENT_READER_H_
