// The innovations of planes that later groups refer to, and what they add to the predictions of a group
// (docs/format-lanes.md).
#ifndef DCAC_CORE_CODEC_LANE_REFERENCES_H_
#define DCAC_CORE_CODEC_LANE_REFERENCES_H_

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/base/scratch.h"
#include "core/codec/lane_raster.h"
#include "core/kernels/lane_store.h"

namespace dcac {

template <typename Lanes>
class LaneReferencePlanes {
 public:
  using Value = typename Lanes::Value;

  LaneReferencePlanes(const SetShape& shape, const LaneModel& model, Scratch<Value>& scratch)
      : model_(model),
        plane_samples_(static_cast<size_t>(shape.height) *
                       static_cast<size_t>(model.interlaced ? (shape.width + 1) / 2 * 2 : shape.width)),
        slot_(model.planes.size(), kNone) {
    size_t slots = 0;
    for (const LanePlane& plane : model.planes) {
      for (const LaneReference& reference : plane.references) {
        size_t& slot = slot_[static_cast<size_t>(reference.plane)];
        if (slot == kNone) slot = slots++;
      }
    }
    innovations_ = scratch.Get(slots * plane_samples_ + 2 * kRansLanes);
  }

  // The reference part of a group's predictions; whether innovations of its own are wanted.
  void Sum(LaneRaster<Lanes>& raster) const {
    const auto first = slot_.begin() + raster.first();
    raster.group().has_innovations =
        std::any_of(first, first + raster.planes(), [](size_t slot) { return slot != kNone; });
    if (!raster.group().has_references) return;
    for (int g = 0; g < raster.planes(); ++g) SumLaneReferences(ReferencesOf(raster, g));
  }

  // Keeps the innovations of a decoded group that are referred to.
  void Keep(LaneRaster<Lanes>& raster) {
    const size_t width = raster.plane_columns(), columns = raster.group().columns;
    for (int g = 0; g < raster.planes(); ++g) {
      const size_t slot = slot_[static_cast<size_t>(raster.first() + g)];
      if (slot == kNone) continue;
      Value* to = innovations_ + slot * plane_samples_;
      const Value* from = raster.group().innovation + static_cast<size_t>(g) * width;
      CopyLaneRows(reinterpret_cast<const std::byte*>(from), columns * sizeof(Value), raster.rows(),
                   width * sizeof(Value), reinterpret_cast<std::byte*>(to));
    }
  }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);

  LaneReferences<Lanes> ReferencesOf(LaneRaster<Lanes>& raster, int g) const {
    const LanePlane& plane = model_.planes[static_cast<size_t>(raster.first() + g)];
    const LaneGroup<Lanes>& group = raster.group();
    LaneReferences<Lanes> result;
    for (const LaneReference& reference : plane.references) {
      result.innovation[result.count] = innovations_ + slot_[static_cast<size_t>(reference.plane)] * plane_samples_;
      result.weight[result.count++] = raster.arithmetic().TermWeight(reference.weight);
    }
    if (result.count > 0) result.share = LaneArithmetic<Lanes>::Share(result.count);
    result.unit = raster.arithmetic().Unit(plane.unit);
    result.rows = raster.rows();
    result.columns = raster.plane_columns();
    result.stride = group.columns;
    const size_t begin = static_cast<size_t>(g) * raster.plane_columns();
    result.sum = raster.reference() + begin;
    result.activity = raster.reference_activity() + begin;
    return result;
  }

  const LaneModel& model_;
  size_t plane_samples_;
  std::vector<size_t> slot_;  // of each plane in innovations_
  Value* innovations_ = nullptr;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_REFERENCES_H_
