// Plane sets of floats that are modelled as u8, and what the model does not see (docs/format-lanes.md, "Coarse sets").
#ifndef DCAC_CORE_CODEC_COARSE_SET_H_
#define DCAC_CORE_CODEC_COARSE_SET_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "core/codec/lane_encoder.h"
#include "core/codec/lane_streams.h"
#include "core/codec/segment_account.h"

namespace dcac {

// How samples of floats become codes of 8 bits, and what that loses.
struct CoarsePlan {
  CoarseMap map;
  bool has_signs = false;  // samples below 0 are more than a few
  // The share of the samples other than 0 of which the row above tells the code, or the one next to it, but not the
  // details: of so many a model of whole samples would know more.
  double known = 0;
};

// The plan that takes the fewest bits, about; nothing where too many of the samples would have no code.  `planes`: as
// in EncodeLaneSet.
std::optional<CoarsePlan> PlanCoarse(const PlaneSet& set, const std::vector<const std::byte*>& planes);

// encode(set, planes): what encodes codes, a set of u8.
using EncodeCodes = absl::FunctionRef<EncodedLaneSet(const PlaneSet&, const std::vector<const std::byte*>&)>;
EncodedLaneSet EncodeCoarseSet(const PlaneSet& set, const CoarseMap& map, const std::vector<const std::byte*>& planes,
                               EncodeCodes encode);

// As DecodeLaneSet; `kind` is that of the samples.
absl::Status DecodeCoarseSet(SampleKind kind, const SetShape& shape, const LaneModel& model, const LaneStreams& streams,
                             const std::vector<std::byte*>& planes, SetAccount* account);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_COARSE_SET_H_
