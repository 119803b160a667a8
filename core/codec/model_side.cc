#include "core/codec/model_side.h"

#include <algorithm>
#include <utility>

namespace dcac {

PlaneSet CollectSet(const SegmentShape& shape, const std::vector<PlaneCoding>& codings, PlaneKind kind) {
  PlaneSet set;
  set.plane_kind = kind;
  set.kind = kind == PlaneKind::kDifference ? DifferenceKindOf(shape.dtype) : KindOf(shape.dtype);
  const int scale = ScaleOf(kind);
  const auto count =
      std::count_if(codings.begin(), codings.end(), [kind](const PlaneCoding& coding) { return coding.kind == kind; });
  set.shape = {static_cast<int>(count), (shape.height + scale - 1) / scale, (shape.width + scale - 1) / scale};
  if (count == 0) return set;
  for (std::vector<int>* of_planes : {&set.planes, &set.same_channel, &set.item_begin})
    of_planes->reserve(static_cast<size_t>(count));
  std::vector<int> place(static_cast<size_t>(shape.planes), -1);  // in the set, of the last item's channels
  for (size_t p = 0; p < codings.size();) {
    const int item_begin = static_cast<int>(set.planes.size());
    for (int& of_channel : place) {
      const int before = std::exchange(of_channel, -1);
      if (codings[p].kind == kind) {
        of_channel = static_cast<int>(set.planes.size());
        set.planes.push_back(static_cast<int>(p));
        set.same_channel.push_back(before);
        set.item_begin.push_back(item_begin);
      }
      ++p;
    }
  }
  return set;
}

absl::StatusOr<ModelSide> ParseModelSide(const SegmentShape& shape, ByteSpan side_bytes) {
  return ParseSide<SetModel>(shape, side_bytes, [](RangeDecoder& side, const PlaneSet& set) {
    return DecodeSetModel(side, set.kind, set.shape, set.same_channel);
  });
}

}  // namespace dcac
