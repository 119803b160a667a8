// The side information of a model body: how its planes are coded, and the models of its plane sets
// (docs/format.md, "Model segments").
#ifndef DCAC_CORE_CODEC_MODEL_SIDE_H_
#define DCAC_CORE_CODEC_MODEL_SIDE_H_

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/status_macros.h"
#include "core/codec/plane_kinds.h"
#include "core/codec/range_coder.h"
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

// Of a plane.  Smaller planes are left to zstd: a model costs more than it gains, and much memory for each sample.
inline constexpr size_t kMinModelledSamples = 16;

// Whether planes are neither too small nor too wide to be modelled.  Errors: DataLoss.
absl::Status CheckModelledPlanes(const SegmentShape& shape);

PlaneSet CollectSet(const SegmentShape& shape, const std::vector<PlaneCoding>& codings, PlaneKind kind);

// A plane set and its model, of either layout.
template <typename Model>
struct SetWithModel {
  PlaneSet set;
  Model model;
};

template <typename Model>
struct SideWithModels {
  std::vector<PlaneCoding> codings;       // of every plane of the segment
  std::vector<SetWithModel<Model>> sets;  // those that are not empty, in the order in which they are coded
};

// `decode(coder, set)` decodes the model of a set, coder.failed() being set where it is malformed.  Errors: DataLoss.
template <typename Model, typename Decode>
absl::StatusOr<SideWithModels<Model>> ParseSide(const SegmentShape& shape, ByteSpan side_bytes, Decode decode) {
  DCAC_RETURN_IF_ERROR(CheckModelledPlanes(shape));
  SideWithModels<Model> result;
  RangeDecoder side(side_bytes);
  result.codings = DecodePlaneCodings(side, shape.dtype, shape.all_planes());
  if (side.failed()) return absl::DataLossError("plane kinds are malformed");
  std::array<bool, kNumPlaneKinds> has_kind{};
  for (const PlaneCoding& coding : result.codings) has_kind[static_cast<size_t>(coding.kind)] = true;
  for (PlaneKind kind : kSetKinds) {
    if (!has_kind[static_cast<size_t>(kind)]) continue;
    PlaneSet set = CollectSet(shape, result.codings, kind);
    Model model = decode(side, set);
    if (side.failed())
      return absl::DataLossError(absl::StrCat("model of plane set ", static_cast<int>(kind), " is malformed"));
    result.sets.push_back({std::move(set), std::move(model)});
  }
  return result;
}

using ModelledSet = SetWithModel<SetModel>;
using ModelSide = SideWithModels<SetModel>;

// Errors: DataLoss.
absl::StatusOr<ModelSide> ParseModelSide(const SegmentShape& shape, ByteSpan side_bytes);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_MODEL_SIDE_H_
