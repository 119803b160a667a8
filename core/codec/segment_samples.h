// Encoder: the samples of a segment where they lie.
#ifndef DCAC_CORE_CODEC_SEGMENT_SAMPLES_H_
#define DCAC_CORE_CODEC_SEGMENT_SAMPLES_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "core/base/bytes.h"
#include "core/codec/segment_codec.h"

namespace dcac {

// Planes of a segment, each in one piece: rows of a tensor's planes need not be copied together for who reads planes.
class SegmentSamples {
 public:
  // shape.bytes() long, plane after plane.  The memory must outlive this.
  SegmentSamples(const SegmentShape& shape, ByteSpan packed)
      : SegmentSamples(shape, packed.data(), shape.plane_bytes()) {}
  // With its own memory.
  SegmentSamples(const SegmentShape& shape, std::unique_ptr<const std::byte[]> packed)
      : SegmentSamples(shape, packed.get(), shape.plane_bytes()) {
    gathered_ = std::move(packed);
  }
  // `stride`: bytes from plane to plane.
  SegmentSamples(const SegmentShape& shape, const std::byte* planes, size_t stride)
      : shape_(shape), planes_(planes), stride_(stride) {}

  const SegmentShape& shape() const { return shape_; }
  size_t size() const { return shape_.bytes(); }
  size_t num_planes() const { return static_cast<size_t>(shape_.all_planes()); }
  ByteSpan plane(size_t p) const { return {planes_ + p * stride_, shape_.plane_bytes()}; }

  // All of them, plane after plane; copied for the first who asks.  Not for several threads.
  ByteSpan packed() const;

  // `count` bytes from `begin` on of what is packed, which may be copied to `room`.
  ByteSpan Piece(size_t begin, size_t count, Bytes& room) const;

 private:
  bool is_packed() const { return stride_ == shape_.plane_bytes(); }

  SegmentShape shape_;
  mutable const std::byte* planes_;
  mutable size_t stride_;
  mutable std::unique_ptr<const std::byte[]> gathered_;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SEGMENT_SAMPLES_H_
