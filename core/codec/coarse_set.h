// Plane sets of floats that are modelled as u8, and what the model does not see (docs/format-lanes.md, "Coarse sets").
#ifndef DCAC_CORE_CODEC_COARSE_SET_H_
#define DCAC_CORE_CODEC_COARSE_SET_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "core/codec/lane_encoder.h"
#include "core/codec/lane_streams.h"
#include "core/codec/segment_account.h"

namespace dcac {

// Whether samples are so far from what those around them tell that a model by 8 bits takes no more bits than one of
// whole samples, most likely; `has_references`: whether that would have reference planes.  `planes`: as in
// EncodeLaneSet.
bool IsRough(const PlaneSet& set, const std::vector<const std::byte*>& planes, bool has_references);

// Codes for a set of floats, as fine as 8 bits allow; nothing where too many of the samples would have none.
// `planes`: as in EncodeLaneSet.
std::optional<CoarseMap> ChooseCoarseMap(const PlaneSet& set, const std::vector<const std::byte*>& planes);

EncodedLaneSet EncodeCoarseSet(const PlaneSet& set, const CoarseMap& map, const std::vector<const std::byte*>& planes,
                               const LaneEncoderOptions& options);

// As DecodeLaneSet; `kind` is that of the samples.
absl::Status DecodeCoarseSet(SampleKind kind, const SetShape& shape, const LaneModel& model, const LaneStreams& streams,
                             const std::vector<std::byte*>& planes, SetAccount* account);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_COARSE_SET_H_
