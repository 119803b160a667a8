// Model bodies of the lanes layout (docs/format-lanes.md).
#ifndef DCAC_CORE_CODEC_LANE_SEGMENT_H_
#define DCAC_CORE_CODEC_LANE_SEGMENT_H_

#include <span>

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "core/codec/segment_codec.h"

namespace dcac {

inline constexpr uint8_t kLaneLayout = 3;

// Levels that lanes serve; above, other layouts do.
inline constexpr int kMaxLaneLevel = 7;

// What follows the layout id; empty if the segment is none for lanes.  `shape` is not in token order.
Bytes EncodeLaneBody(const SegmentShape& shape, ByteSpan packed, const EncodeOptions& options);

// Errors: DataLoss.
absl::Status DecodeLaneBody(const SegmentShape& shape, ByteReader& reader, std::span<std::byte> packed);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_SEGMENT_H_
