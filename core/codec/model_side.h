// The side information of a model body: how its planes are coded, and the models of its plane sets
// (docs/format.md, "Model segments").
#ifndef DCAC_CORE_CODEC_MODEL_SIDE_H_
#define DCAC_CORE_CODEC_MODEL_SIDE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/codec/plane_kinds.h"
#include "core/codec/set_model.h"

namespace dcac {

// Layout id of model bodies that have this side information.
inline constexpr uint8_t kWaveLayout = 1;  // planes
inline constexpr uint8_t kRowLayout = 2;   // rows of tokens (row_model.h)

// Where the planes of one set are in their segment, and what the set's coder must know of them.
struct PlaneSet {
  PlaneKind plane_kind = PlaneKind::kNormal;
  SampleKind kind = SampleKind::kU8;
  SetShape shape;
  std::vector<int> planes;        // of the segment
  std::vector<int> same_channel;  // see SetInput
  std::vector<int> item_begin;
};

PlaneSet CollectSet(const SegmentShape& shape, const std::vector<PlaneCoding>& codings, PlaneKind kind);

struct ModelledSet {
  PlaneSet set;
  SetModel model;
};

struct ModelSide {
  std::vector<PlaneCoding> codings;  // of every plane of the segment
  std::vector<ModelledSet> sets;     // those that are not empty, in the order in which they are coded
};

// Errors: DataLoss.
absl::StatusOr<ModelSide> ParseModelSide(const SegmentShape& shape, ByteSpan side_bytes);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_MODEL_SIDE_H_
