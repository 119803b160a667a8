// Decodes a plane set of the lanes layout (docs/format-lanes.md).
#ifndef DCAC_CORE_CODEC_LANE_DECODER_H_
#define DCAC_CORE_CODEC_LANE_DECODER_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "core/codec/lane_model.h"
#include "core/codec/lane_streams.h"
#include "core/codec/segment_account.h"

namespace dcac {

// `planes`: where the samples of each plane go, shape.plane_samples() of the kind of the planes of `kind`, packed.
// Unless `account` is null, it is told where the bits went.
// Errors: DataLoss.  The model is one that DecodeLaneModel did not refuse.
absl::Status DecodeLaneSet(SampleKind kind, const SetShape& shape, const LaneModel& model, const LaneStreams& streams,
                           const std::vector<std::byte*>& planes, SetAccount* account);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_DECODER_H_
