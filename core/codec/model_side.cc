#include "core/codec/model_side.h"

#include <algorithm>
#include <utility>

namespace dcac {

absl::Status CheckModelledPlanes(const SegmentShape& shape) {
  if (const size_t samples = shape.plane_samples(); samples < kMinModelledSamples) {
    return absl::DataLossError(
        absl::StrCat("model segment of planes of ", samples, " samples, expected at least ", kMinModelledSamples));
  }
  if (shape.width > static_cast<int>(kMaxWidth)) {
    return absl::DataLossError(
        absl::StrCat("model segment of rows of ", shape.width, " samples, expected at most ", kMaxWidth));
  }
  return absl::OkStatus();
}

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
    of_planes->resize(static_cast<size_t>(count));
  int found = 0;
  std::vector<int> place(static_cast<size_t>(shape.planes), -1);  // in the set, of the last item's channels
  for (size_t p = 0; p < codings.size();) {
    const int item_begin = found;
    for (int& of_channel : place) {
      if (codings[p].kind == kind) {
        const size_t at = static_cast<size_t>(found);
        set.planes[at] = static_cast<int>(p);
        set.same_channel[at] = std::exchange(of_channel, found++);
        set.item_begin[at] = item_begin;
      } else {
        of_channel = -1;
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
