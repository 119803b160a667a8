// The innovations of groups that later ones refer to, and what they add to the predictions of a group
// (docs/format-lanes.md).
#ifndef DCAC_CORE_CODEC_LANE_REFERENCES_H_
#define DCAC_CORE_CODEC_LANE_REFERENCES_H_

#include <cstddef>
#include <type_traits>
#include <vector>

#include "core/base/scratch.h"
#include "core/codec/lane_raster.h"
#include "core/kernels/lane_group.h"

namespace dcac {

template <typename Lanes>
class LaneReferencePlanes {
 public:
  using Value = typename Lanes::Value;

  LaneReferencePlanes(const SetShape& shape, const LaneModel& model, Scratch<Value>& scratch)
      : model_(model),
        group_planes_(static_cast<size_t>(model.group_planes)),
        width_(static_cast<size_t>(model.interlaced ? (shape.width + 1) / 2 : shape.width)),
        slot_((model.planes.size() + group_planes_ - 1) / group_planes_, kNone) {
    for (const LanePlane& plane : model.planes) {
      for (const LaneReference& reference : plane.references) {
        slot_[static_cast<size_t>(reference.plane) / group_planes_] = 0;
      }
    }
    // In the order of the groups, for the last step of one writes beyond its slot: where the next one comes later.
    size_t slots = 0;
    for (size_t& slot : slot_) {
      if (slot != kNone) slot = slots++;
    }
    const size_t rows = static_cast<size_t>(shape.height) * (model.interlaced ? 2 : 1);
    constexpr size_t kAligned = kScratchAlignment / sizeof(Value);
    slot_samples_ = (rows * group_planes_ * width_ + kAligned - 1) / kAligned * kAligned;
    innovations_ = scratch.Get(slots * slot_samples_ + 2 * kRansLanes);
  }

  // The reference part of a group's predictions; where its own innovations go, if they are wanted.
  void Sum(LaneRaster<Lanes>& raster) const {
    LaneGroup<Lanes>& group = raster.group();
    const size_t slot = slot_[static_cast<size_t>(raster.first()) / group_planes_];
    group.has_innovations = slot != kNone;
    group.innovation = group.has_innovations ? innovations_ + slot * slot_samples_ : nullptr;
    if (!group.has_references) return;
    for (int g = 0; g < raster.planes(); ++g) SumLaneReferences(ReferencesOf(raster, g));
  }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);

  LaneReferences<Lanes> ReferencesOf(LaneRaster<Lanes>& raster, int g) const {
    const LanePlane& plane = model_.planes[static_cast<size_t>(raster.first() + g)];
    const LaneGroup<Lanes>& group = raster.group();
    LaneReferences<Lanes> result;
    for (const LaneReference& reference : plane.references) {
      const size_t of = static_cast<size_t>(reference.plane), slot = slot_[of / group_planes_];
      result.innovation[result.count] = innovations_ + slot * slot_samples_ + of % group_planes_ * width_;
      result.weight[result.count++] = raster.arithmetic().TermWeight(reference.weight);
    }
    if constexpr (!std::is_same_v<Lanes, ByteLanes>) {
      if (result.count > 0) result.share = LaneArithmetic<Lanes>::Share(result.count);
      result.unit = raster.arithmetic().Unit(plane.unit);
    } else {
      result.shift = model_.innovation_bits - (plane.has_coarse_weights ? 1 : 0);
    }
    result.rows = raster.rows();
    result.columns = raster.plane_columns();
    result.innovation_stride = group_planes_ * width_;  // only whole groups are referred to
    result.stride = group.columns;
    const size_t begin = static_cast<size_t>(g) * raster.plane_columns();
    if constexpr (std::is_same_v<Lanes, ByteLanes>) result.room = result.stride - begin;  // planes after it come later
    result.sum = raster.reference() + begin;
    result.activity = raster.reference_activity() + begin;
    return result;
  }

  const LaneModel& model_;
  size_t group_planes_, width_;
  std::vector<size_t> slot_;  // of each group in innovations_
  size_t slot_samples_ = 0;
  Value* innovations_ = nullptr;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_REFERENCES_H_
