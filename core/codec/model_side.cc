#include "core/codec/model_side.h"

#include <algorithm>

namespace dcac {

PlaneSet CollectSet(const SegmentShape& shape, const std::vector<PlaneCoding>& codings, PlaneKind kind) {
  PlaneSet set;
  set.plane_kind = kind;
  set.kind = kind == PlaneKind::kDifference ? DifferenceKindOf(shape.dtype) : KindOf(shape.dtype);
  const int scale = ScaleOf(kind);
  const auto planes = static_cast<size_t>(
      std::count_if(codings.begin(), codings.end(), [kind](const PlaneCoding& coding) { return coding.kind == kind; }));
  if (planes == 0) return set;
  set.planes.reserve(planes);
  set.same_channel.reserve(planes);
  set.item_begin.reserve(planes);
  std::vector<int> place(codings.size(), -1);
  int item_begin = 0, item = -1;
  for (size_t p = 0; p < codings.size(); ++p) {
    if (codings[p].kind != kind) continue;
    const int at = static_cast<int>(set.planes.size());
    const int plane = static_cast<int>(p);
    if (plane / shape.planes != item) {
      item = plane / shape.planes;
      item_begin = at;
    }
    place[p] = at;
    set.planes.push_back(plane);
    set.same_channel.push_back(plane >= shape.planes ? place[p - static_cast<size_t>(shape.planes)] : -1);
    set.item_begin.push_back(item_begin);
  }
  set.shape = {static_cast<int>(set.planes.size()), (shape.height + scale - 1) / scale,
               (shape.width + scale - 1) / scale};
  return set;
}

absl::StatusOr<ModelSide> ParseModelSide(const SegmentShape& shape, ByteSpan side_bytes) {
  return ParseSide<SetModel>(shape, side_bytes, [](RangeDecoder& side, const PlaneSet& set) {
    return DecodeSetModel(side, set.kind, set.shape, set.same_channel);
  });
}

}  // namespace dcac
