#include "core/format/geometry.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace dcac {
namespace {

// Raw bytes of a slab that the encoder aims at: several segments, so that they can be coded in parallel.
constexpr uint64_t kSlabSegments = 8;
// No slab exceeds what decoders accept by default (DecodeLimits).
constexpr uint64_t kMaxSlabBytes = uint64_t{256} << 20;
// Items that share a slab where they are large: the later ones may refer to the earlier ones.
constexpr uint64_t kItemsPerSlab = 8;
// Bands lower than this lose more by their borders than parallel work gains.
constexpr uint64_t kMinBandRows = 8;

uint64_t CeilDiv(uint64_t a, uint64_t b) {
  return a / b + (a % b != 0);
}

// The least row count that cuts `height` into the number of bands that bands of at most `rows` rows need: equal bands.
uint64_t EvenBands(uint64_t height, uint64_t rows) {
  rows = std::clamp<uint64_t>(rows, std::min(kMinBandRows, height), height);
  return CeilDiv(height, CeilDiv(height, rows));
}

template <typename Copy>
void ForEachRowRun(const Extents& extents, const Box& slab, const Box& box, Copy copy) {
  const uint64_t row_bytes = extents.width * extents.sample_bytes;
  const uint64_t plane_bytes = slab.rows() * row_bytes;
  const uint64_t run_bytes = box.rows() * row_bytes;
  uint64_t packed = 0;
  for (uint64_t item = box.item_begin; item < box.item_end; ++item) {
    for (uint64_t plane = box.plane_begin; plane < box.plane_end; ++plane) {
      const uint64_t plane_index = (item - slab.item_begin) * slab.planes() + (plane - slab.plane_begin);
      copy(plane_index * plane_bytes + (box.row_begin - slab.row_begin) * row_bytes, packed, run_bytes);
      packed += run_bytes;
    }
  }
}

}  // namespace

Extents ExtentsOf(const TensorSpec& spec) {
  Extents e;
  e.sample_bytes = SampleBytes(spec.dtype);
  const auto& shape = spec.shape;
  const size_t rank = shape.size();
  if (rank >= 1) e.width = shape[rank - 1];
  if (rank >= 2) e.height = shape[rank - 2];
  if (rank >= 3) e.planes = shape[rank - 3];
  for (size_t axis = 0; axis + 3 < rank; ++axis) e.items *= shape[axis];
  if (e.width > kMaxWidth || spec.layout != Layout::kNchw) {
    e.items *= e.planes * e.height * e.width;
    e.planes = e.height = e.width = 1;
  }
  return e;
}

absl::StatusOr<Geometry> Geometry::Create(const Extents& extents, uint64_t item_step, uint64_t plane_step,
                                          uint64_t row_step) {
  Geometry g;
  g.extents_ = extents;
  if (extents.empty()) return g;
  const auto check = [](const char* what, uint64_t step, uint64_t extent) {
    if (step >= 1 && step <= extent) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(what, " is ", step, ", expected 1 .. ", extent));
  };
  if (auto s = check("item step", item_step, extents.items); !s.ok()) return s;
  if (auto s = check("plane step", plane_step, extents.planes); !s.ok()) return s;
  if (auto s = check("row step", row_step, extents.height); !s.ok()) return s;
  if (item_step != 1 && plane_step != extents.planes) {
    return absl::InvalidArgumentError(
        absl::StrCat("item step ", item_step, " with plane step ", plane_step, " of ", extents.planes, " planes"));
  }
  // No product overflows: TensorBytes bounds the whole tensor.
  const uint64_t samples = item_step * plane_step * row_step * extents.width;
  if (samples > kMaxSegmentSamples) {
    return absl::InvalidArgumentError(
        absl::StrCat("segments of ", samples, " samples, at most ", kMaxSegmentSamples, " are allowed"));
  }
  g.item_step_ = item_step;
  g.plane_step_ = plane_step;
  g.row_step_ = row_step;
  g.item_groups_ = CeilDiv(extents.items, item_step);
  g.plane_groups_ = CeilDiv(extents.planes, plane_step);
  g.row_bands_ = CeilDiv(extents.height, row_step);
  return g;
}

Geometry Geometry::Choose(const Extents& extents, const EncodeOptions& options) {
  uint64_t item_step = 1, plane_step = 1, row_step = 1;
  if (!extents.empty()) {
    const uint64_t target = options.segment_bytes / extents.sample_bytes;  // in samples
    const uint64_t item = extents.planes * extents.plane_samples();
    const uint64_t slab_target = std::min(target * kSlabSegments, kMaxSlabBytes / extents.sample_bytes);
    const uint64_t most = std::min(2 * target, kMaxSegmentSamples);
    const uint64_t least_band = extents.planes * extents.width * std::min(kMinBandRows, extents.height);
    if (item <= target) {
      plane_step = extents.planes;
      // Small items fill a segment; items that would fill half of one or more still share it with some neighbours.
      const uint64_t together = std::max(target / item, std::min(kItemsPerSlab, slab_target / item));
      item_step = std::clamp<uint64_t>(together, 1, extents.items);
      row_step = EvenBands(extents.height, target / (item_step * extents.planes * extents.width));
      const uint64_t samples = item_step * plane_step * row_step * extents.width;
      if (samples > most) item_step = std::max<uint64_t>(1, item_step * most / samples);
    } else if (item <= slab_target && least_band <= kMaxSegmentSamples) {
      plane_step = extents.planes;
      row_step = EvenBands(extents.height, target / (extents.planes * extents.width));
    } else {
      plane_step = std::clamp<uint64_t>(slab_target / extents.plane_samples(), 1, extents.planes);
      row_step = EvenBands(extents.height, target / (plane_step * extents.width));
      // Very wide rows of many planes: fewer planes, so that the least band is no more than a segment.
      while (plane_step > 1 && plane_step * row_step * extents.width > most) plane_step = CeilDiv(plane_step, 2);
      if (row_step * extents.width > most) row_step = std::max<uint64_t>(1, target / extents.width);
    }
  }
  return *Create(extents, item_step, plane_step, row_step);
}

Box Geometry::SegmentBox(uint64_t segment_index) const {
  const uint64_t band = segment_index % row_bands_;
  const uint64_t group = segment_index / row_bands_;
  const uint64_t plane_group = group % plane_groups_;
  const uint64_t item_group = group / plane_groups_;
  Box box;
  box.item_begin = item_group * item_step_;
  box.item_end = std::min(extents_.items, box.item_begin + item_step_);
  box.plane_begin = plane_group * plane_step_;
  box.plane_end = std::min(extents_.planes, box.plane_begin + plane_step_);
  box.row_begin = band * row_step_;
  box.row_end = std::min(extents_.height, box.row_begin + row_step_);
  return box;
}

Box Geometry::SlabBox(uint64_t slab_index) const {
  Box box = SegmentBox(slab_index * segments_per_slab());
  if (!band_is_slab()) {
    box.row_begin = 0;
    box.row_end = extents_.height;
  }
  return box;
}

uint64_t Geometry::max_slab_bytes() const {
  return num_slabs() == 0 ? 0 : SegmentBytes(SlabBox(0));
}

void GatherBox(const Extents& extents, const Box& slab, const Box& box, const std::byte* slab_data, std::byte* packed) {
  ForEachRowRun(extents, slab, box, [&](uint64_t at, uint64_t to, uint64_t n) {
    std::memcpy(packed + to, slab_data + at, static_cast<size_t>(n));
  });
}

void ScatterBox(const Extents& extents, const Box& slab, const Box& box, const std::byte* packed,
                std::byte* slab_data) {
  ForEachRowRun(extents, slab, box, [&](uint64_t at, uint64_t from, uint64_t n) {
    std::memcpy(slab_data + at, packed + from, static_cast<size_t>(n));
  });
}

}  // namespace dcac
