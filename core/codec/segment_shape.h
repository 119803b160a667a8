// From the geometry of a frame to the shape of a segment, and to that of its rows.
#ifndef DCAC_CORE_CODEC_SEGMENT_SHAPE_H_
#define DCAC_CORE_CODEC_SEGMENT_SHAPE_H_

#include "core/codec/row_model.h"
#include "core/codec/segment_codec.h"
#include "core/format/geometry.h"

namespace dcac {

// All extents fit an int: Geometry bounds the samples of a segment.
inline SegmentShape ShapeOfBox(DType dtype, const Geometry& geometry, const Box& box) {
  const Extents& extents = geometry.extents();
  SegmentShape shape{ComponentOf(dtype), static_cast<int>(box.items()), static_cast<int>(box.planes()),
                     static_cast<int>(box.rows()), static_cast<int>(extents.width)};
  if (extents.in_token_order()) shape.head_features = static_cast<int>(extents.unit);
  return shape;
}

// In token order.
inline RowShape RowShapeOf(const SegmentShape& shape) {
  return {KindOf(shape.dtype), static_cast<size_t>(shape.items), static_cast<size_t>(shape.height),
          static_cast<size_t>(shape.planes), static_cast<size_t>(shape.head_features)};
}

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SEGMENT_SHAPE_H_
