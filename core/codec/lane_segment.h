// Model bodies of the lanes layout (docs/format-lanes.md).
#ifndef DCAC_CORE_CODEC_LANE_SEGMENT_H_
#define DCAC_CORE_CODEC_LANE_SEGMENT_H_

#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/codec/lane_model.h"
#include "core/codec/model_side.h"
#include "core/codec/segment_codec.h"

namespace dcac {

inline constexpr uint8_t kLaneLayout = 3;

// Levels that lanes serve; above, other layouts do.
inline constexpr int kMaxLaneLevel = 7;

// `head` and what follows the layout id; empty if the segment is none for lanes.  Samples are not in token order.
Bytes EncodeLaneBody(const SegmentSamples& samples, const EncodeOptions& options, ByteSpan head = {});

using LaneSet = SetWithModel<LaneModel>;
using LaneSide = SideWithModels<LaneModel>;

// Errors: DataLoss.
absl::StatusOr<LaneSide> ParseLaneSide(const SegmentShape& shape, ByteSpan side_bytes);

// Unless `account` is null, it is told where the bits went.  Errors: DataLoss.
absl::Status DecodeLaneBody(const SegmentShape& shape, ByteReader& reader, const PlaneMemory& memory,
                            SegmentAccount* account);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_SEGMENT_H_
