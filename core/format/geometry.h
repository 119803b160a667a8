// How a tensor is cut into slabs and segments (docs/format.md, "Geometry").
#ifndef DCAC_CORE_FORMAT_GEOMETRY_H_
#define DCAC_CORE_FORMAT_GEOMETRY_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac {

// Tensors of wider rows are cut as flat ones.
inline constexpr uint64_t kMaxWidth = 1 << 16;
// Most samples of a segment; bounds what a decoder allocates for one.
inline constexpr uint64_t kMaxSegmentSamples = uint64_t{1} << 24;

// The axes of a tensor.  Its memory is samples [items][planes / unit][height][width][unit]: units of planes alternate
// sample by sample.  Samples are components where the sample type is complex: two planes for each channel.
struct Extents {
  uint64_t items = 1, planes = 1, height = 1, width = 1;
  uint64_t sample_bytes = 1;  // of a component
  uint64_t unit = 1;
  Layout layout = Layout::kNchw;  // kFlat too where the tensor is cut as a flat one
  uint64_t components = 1;        // of a sample of the tensor: 1 or 2

  uint64_t units() const { return planes / unit; }
  uint64_t unit_row_samples() const { return width * unit; }
  // Whether the samples of a segment are packed token after token, all planes of each, instead of plane after plane.
  bool in_token_order() const { return layout == Layout::kTokens || layout == Layout::kHeads; }
  bool empty() const { return items == 0 || planes == 0 || height == 0 || width == 0; }
};

// The type of the samples that segments hold: that of the components of a complex type.
DType ComponentOf(DType dtype);

Extents ExtentsOf(const TensorSpec& spec);

// A box of samples: ranges of items, planes and rows, whole rows.
struct Box {
  uint64_t item_begin = 0, item_end = 0;
  uint64_t plane_begin = 0, plane_end = 0;
  uint64_t row_begin = 0, row_end = 0;

  uint64_t items() const { return item_end - item_begin; }
  uint64_t planes() const { return plane_end - plane_begin; }
  uint64_t rows() const { return row_end - row_begin; }
};

// The grid of segments: item groups, in them plane groups, in them row bands, in the order in which they are stored.
class Geometry {
 public:
  // Steps are at least 1 and at most the extents; plane_step is a multiple of the unit; item_step is 1 or plane_step is
  // the number of planes, so that a slab is contiguous in the tensor.  InvalidArgument otherwise, or where a segment
  // would exceed kMaxSegmentSamples.
  static absl::StatusOr<Geometry> Create(const Extents& extents, uint64_t item_step, uint64_t plane_step,
                                         uint64_t row_step);

  // The grid an encoder chooses: segments of about options.segment_bytes, several items in one where they are small.
  static Geometry Choose(const Extents& extents, const EncodeOptions& options);

  const Extents& extents() const { return extents_; }
  uint64_t item_step() const { return item_step_; }
  uint64_t plane_step() const { return plane_step_; }
  uint64_t row_step() const { return row_step_; }

  uint64_t num_segments() const { return extents_.empty() ? 0 : item_groups_ * plane_groups_ * row_bands_; }
  Box SegmentBox(uint64_t segment_index) const;
  uint64_t SegmentBytes(const Box& box) const {
    return box.items() * box.planes() * box.rows() * extents_.width * extents_.sample_bytes;
  }
  uint64_t SegmentBytes(uint64_t segment_index) const { return SegmentBytes(SegmentBox(segment_index)); }

  // A slab is the smallest run of whole segments that is contiguous in the tensor.  Never 0: callers divide by it.
  uint64_t segments_per_slab() const { return extents_.empty() || band_is_slab() ? 1 : row_bands_; }
  uint64_t num_slabs() const { return num_segments() / segments_per_slab(); }
  Box SlabBox(uint64_t slab_index) const;
  uint64_t max_slab_bytes() const;

 private:
  bool band_is_slab() const { return item_step_ == 1 && plane_step_ == extents_.unit; }

  Extents extents_;
  uint64_t item_step_ = 1, plane_step_ = 1, row_step_ = 1;
  uint64_t item_groups_ = 0, plane_groups_ = 0, row_bands_ = 0;
};

// Copies the samples of `box` between a slab's memory (as in the tensor, starting at slab's origin) and the packed
// memory of a segment: for each item its planes, row after row, or, in token order, its tokens, plane after plane.
// The planes of both boxes are whole units.
void GatherBox(const Extents& extents, const Box& slab, const Box& box, const std::byte* slab_data, std::byte* packed);
void ScatterBox(const Extents& extents, const Box& slab, const Box& box, const std::byte* packed, std::byte* slab_data);

// Where the packed samples of `box` begin in the slab's memory, in bytes, if they lie there as they are packed.
std::optional<uint64_t> PackedPlace(const Extents& extents, const Box& slab, const Box& box);

// Where the first plane of `box` begins in the slab's memory, and the distance of its planes, in bytes, if each of them
// lies there as it is packed.
struct PlanePlaces {
  uint64_t begin = 0, stride = 0;
};
std::optional<PlanePlaces> PlacesOfPlanes(const Extents& extents, const Box& slab, const Box& box);

}  // namespace dcac

#endif  // DCAC_CORE_FORMAT_GEOMETRY_H_
