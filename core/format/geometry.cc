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
// Several are an even number, which threads share evenly.
uint64_t EvenBands(uint64_t height, uint64_t rows) {
  const uint64_t least = std::min(kMinBandRows, height);
  rows = std::clamp<uint64_t>(rows, least, height);
  uint64_t bands = CeilDiv(height, rows);
  if (bands > 1 && bands % 2 != 0 && CeilDiv(height, bands + 1) >= least) ++bands;
  return CeilDiv(height, bands);
}

// Transposes rows x columns samples.  Tiles keep the lines that are written, which are far apart, in the cache.
template <typename Sample>
void Transpose(const std::byte* from, uint64_t rows, uint64_t columns, std::byte* to) {
  constexpr uint64_t kTile = 32;
  for (uint64_t r0 = 0; r0 < rows; r0 += kTile) {
    const uint64_t r1 = std::min(rows, r0 + kTile);
    for (uint64_t c0 = 0; c0 < columns; c0 += kTile) {
      const uint64_t c1 = std::min(columns, c0 + kTile);
      for (uint64_t c = c0; c < c1; ++c) {
        for (uint64_t r = r0; r < r1; ++r)
          std::memcpy(to + (c * rows + r) * sizeof(Sample), from + (r * columns + c) * sizeof(Sample), sizeof(Sample));
      }
    }
  }
}

void Transpose(const std::byte* from, uint64_t rows, uint64_t columns, uint64_t sample_bytes, std::byte* to) {
  switch (sample_bytes) {
    case 1:
      return Transpose<uint8_t>(from, rows, columns, to);
    case 2:
      return Transpose<uint16_t>(from, rows, columns, to);
    case 4:
      return Transpose<uint32_t>(from, rows, columns, to);
    default:
      return Transpose<uint64_t>(from, rows, columns, to);
  }
}

// Where the rows of a unit of the box begin in the slab, in bytes.
uint64_t UnitPlace(const Extents& extents, const Box& slab, const Box& box, uint64_t item, uint64_t unit) {
  const uint64_t first_unit = (box.plane_begin - slab.plane_begin) / extents.unit;
  const uint64_t slab_units = slab.planes() / extents.unit;
  const uint64_t slab_unit = (item + box.item_begin - slab.item_begin) * slab_units + first_unit + unit;
  return (slab_unit * slab.rows() + box.row_begin - slab.row_begin) * extents.unit_row_samples() * extents.sample_bytes;
}

// Calls block(place in the slab, place in the packed samples) for the rows of every unit of planes of the box: in the
// slab, these are contiguous.  Places are bytes.
template <typename Block>
void ForEachUnit(const Extents& extents, const Box& slab, const Box& box, Block block) {
  const uint64_t row_bytes = extents.unit_row_samples() * extents.sample_bytes;
  const uint64_t box_units = box.planes() / extents.unit;
  const uint64_t block_bytes = box.rows() * row_bytes;
  for (uint64_t item = 0; item < box.items(); ++item) {
    for (uint64_t unit = 0; unit < box_units; ++unit) {
      const uint64_t packed = extents.in_token_order() ? item * box_units * block_bytes + unit * row_bytes
                                                       : (item * box_units + unit) * block_bytes;
      block(UnitPlace(extents, slab, box, item, unit), packed);
    }
  }
}

bool IsTransposed(const Extents& extents) {
  return extents.unit > 1 && !extents.in_token_order();
}

// How far apart the samples of a unit at neighbouring positions are in packed samples that are not transposed.
uint64_t PackedStep(const Extents& extents, const Box& box) {
  return (extents.in_token_order() ? box.planes() : extents.unit) * extents.sample_bytes;
}

// Copies `rows` runs of `run_bytes` each between memories in which they are `from_step` and `to_step` bytes apart.
void CopyRuns(const std::byte* from, uint64_t from_step, std::byte* to, uint64_t to_step, uint64_t run_bytes,
              uint64_t rows) {
  if (from_step == run_bytes && to_step == run_bytes) {
    std::memcpy(to, from, static_cast<size_t>(rows * run_bytes));
    return;
  }
  for (uint64_t row = 0; row < rows; ++row)
    std::memcpy(to + row * to_step, from + row * from_step, static_cast<size_t>(run_bytes));
}

// The extents of a tensor that is cut as a sequence of samples.
Extents FlatExtents(const TensorSpec& spec, Extents e) {
  e.layout = Layout::kFlat;
  e.items = 1;
  for (uint64_t extent : spec.shape) e.items *= extent;
  e.height = e.width = 1;
  e.planes = e.unit = e.components;
  return e;
}

// Models of rows learn from row to row: half the segment costs keys and values over a percent.
uint64_t SegmentBytesOf(const Extents& extents, const EncodeOptions& options) {
  const bool is_default = options.segment_bytes == EncodeOptions::kDefaultSegmentBytes;
  return is_default && extents.in_token_order() ? EncodeOptions::kDefaultTokenSegmentBytes : options.segment_bytes;
}

}  // namespace

DType ComponentOf(DType dtype) {
  return dtype == DType::kC64 ? DType::kF32 : dtype == DType::kC128 ? DType::kF64 : dtype;
}

Extents ExtentsOf(const TensorSpec& spec) {
  Extents e;
  const DType component = ComponentOf(spec.dtype);
  e.sample_bytes = SampleBytes(component);
  e.components = component == spec.dtype ? 1 : 2;
  e.layout = spec.layout;
  const size_t rank = spec.shape.size();
  const auto axis = [&](size_t from_last) { return from_last <= rank ? spec.shape[rank - from_last] : 1; };
  size_t axes = 3;
  switch (spec.layout) {
    case Layout::kNchw:
      e.width = axis(1), e.height = axis(2), e.planes = axis(3);
      break;
    case Layout::kNhwc:
      e.unit = e.planes = axis(1), e.width = axis(2), e.height = axis(3);
      break;
    case Layout::kTokens:
      e.unit = e.planes = axis(1), e.height = axis(2);
      axes = 2;
      break;
    case Layout::kHeads:
      e.unit = axis(1), e.height = axis(2), e.planes = axis(1) * axis(3);
      break;
    case Layout::kFlat:
      return FlatExtents(spec, e);
  }
  for (size_t a = 0; a + axes < rank; ++a) e.items *= spec.shape[a];
  e.planes *= e.components;
  e.unit *= e.components;
  if (e.empty()) {
    e.unit = 1;  // no planes, no units
    return e;
  }
  return e.width > kMaxWidth || e.unit_row_samples() > kMaxSegmentSamples ? FlatExtents(spec, e) : e;
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
  if (plane_step % extents.unit != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("plane step is ", plane_step, ", expected a multiple of ", extents.unit));
  }
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
  uint64_t item_step = 1, unit_step = 1, row_step = 1;
  if (!extents.empty()) {
    const uint64_t units = extents.units(), row = extents.unit_row_samples();
    const uint64_t target = SegmentBytesOf(extents, options) / extents.sample_bytes;  // in samples
    const uint64_t item = units * extents.height * row;
    const uint64_t slab_target = std::min(target * kSlabSegments, kMaxSlabBytes / extents.sample_bytes);
    const uint64_t most = std::min(2 * target, kMaxSegmentSamples);
    const uint64_t least_band = units * row * std::min(kMinBandRows, extents.height);
    if (item <= target) {
      unit_step = units;
      // Small items fill a segment; items that would fill half of one or more still share it with some neighbours.
      const uint64_t together = std::max(target / item, std::min(kItemsPerSlab, slab_target / item));
      item_step = std::clamp<uint64_t>(together, 1, extents.items);
      row_step = EvenBands(extents.height, target / (item_step * units * row));
      const uint64_t samples = item_step * unit_step * row_step * row;
      if (samples > most) item_step = std::max<uint64_t>(1, item_step * most / samples);
    } else if (item <= slab_target && least_band <= kMaxSegmentSamples) {
      unit_step = units;
      row_step = EvenBands(extents.height, target / (units * row));
    } else {
      unit_step = std::clamp<uint64_t>(slab_target / (extents.height * row), 1, units);
      row_step = EvenBands(extents.height, target / (unit_step * row));
      // Very wide rows of many planes: fewer planes, so that the least band is no more than a segment.
      while (unit_step > 1 && unit_step * row_step * row > most) unit_step = CeilDiv(unit_step, 2);
      if (row_step * row > most) row_step = std::max<uint64_t>(1, target / row);
    }
  }
  return *Create(extents, item_step, unit_step * extents.unit, row_step);
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

std::optional<uint64_t> PackedPlace(const Extents& extents, const Box& slab, const Box& box) {
  const uint64_t unit_bytes = extents.unit * extents.sample_bytes;
  const bool whole_units =
      box.rows() * extents.width == 1 || (!IsTransposed(extents) && PackedStep(extents, box) == unit_bytes);
  const bool one_unit = box.items() == 1 && box.planes() == extents.unit;
  const bool neighbours = box.rows() == slab.rows() && (box.items() == 1 || box.planes() == slab.planes());
  if (!whole_units || !(one_unit || neighbours)) return std::nullopt;
  return UnitPlace(extents, slab, box, 0, 0);
}

std::optional<PlanePlaces> PlacesOfPlanes(const Extents& extents, const Box& slab, const Box& box) {
  const bool even = box.items() == 1 || box.planes() == slab.planes();
  if (extents.unit != 1 || extents.in_token_order() || !even) return std::nullopt;
  return PlanePlaces{UnitPlace(extents, slab, box, 0, 0), slab.rows() * extents.width * extents.sample_bytes};
}

void GatherBox(const Extents& extents, const Box& slab, const Box& box, const std::byte* slab_data, std::byte* packed) {
  const uint64_t unit_bytes = extents.unit * extents.sample_bytes, positions = box.rows() * extents.width;
  ForEachUnit(extents, slab, box, [&](uint64_t at, uint64_t to) {
    if (IsTransposed(extents))
      return Transpose(slab_data + at, positions, extents.unit, extents.sample_bytes, packed + to);
    CopyRuns(slab_data + at, unit_bytes, packed + to, PackedStep(extents, box), unit_bytes, positions);
  });
}

void ScatterBox(const Extents& extents, const Box& slab, const Box& box, const std::byte* packed,
                std::byte* slab_data) {
  const uint64_t unit_bytes = extents.unit * extents.sample_bytes, positions = box.rows() * extents.width;
  ForEachUnit(extents, slab, box, [&](uint64_t at, uint64_t from) {
    if (IsTransposed(extents))
      return Transpose(packed + from, extents.unit, positions, extents.sample_bytes, slab_data + at);
    CopyRuns(packed + from, PackedStep(extents, box), slab_data + at, unit_bytes, unit_bytes, positions);
  });
}

}  // namespace dcac
