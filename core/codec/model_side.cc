#include "core/codec/model_side.h"

namespace dcac {

PlaneSet CollectSet(const SegmentShape& shape, const std::vector<PlaneCoding>& codings, PlaneKind kind) {
  PlaneSet set;
  set.plane_kind = kind;
  set.kind = kind == PlaneKind::kDifference ? DifferenceKindOf(shape.dtype) : KindOf(shape.dtype);
  const int scale = ScaleOf(kind);
  std::vector<int> place;
  int item_begin = 0, item = -1;
  for (size_t p = 0; p < codings.size(); ++p) {
    if (codings[p].kind != kind) continue;
    if (place.empty()) {  // most kinds have no planes
      place.assign(codings.size(), -1);
      for (std::vector<int>* of_planes : {&set.planes, &set.same_channel, &set.item_begin})
        of_planes->reserve(codings.size() - p);
    }
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
