// From the geometry of a frame to the shape of a segment.
#ifndef DCAC_CORE_CODEC_SEGMENT_SHAPE_H_
#define DCAC_CORE_CODEC_SEGMENT_SHAPE_H_

#include "core/codec/segment_codec.h"
#include "core/format/geometry.h"

namespace dcac {

// All extents fit an int: Geometry bounds the samples of a segment.
inline SegmentShape ShapeOfBox(DType dtype, const Geometry& geometry, const Box& box) {
  return {dtype, static_cast<int>(box.items()), static_cast<int>(box.planes()), static_cast<int>(box.rows()),
          static_cast<int>(geometry.extents().width)};
}

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SEGMENT_SHAPE_H_
