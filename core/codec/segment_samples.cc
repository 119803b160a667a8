#include "core/codec/segment_samples.h"

#include <algorithm>
#include <cstring>

namespace dcac {

ByteSpan SegmentSamples::packed() const {
  if (!is_packed()) {
    auto all = std::make_unique_for_overwrite<std::byte[]>(size());
    for (size_t p = 0; p < num_planes(); ++p) {
      std::memcpy(all.get() + p * shape_.plane_bytes(), plane(p).data(), shape_.plane_bytes());
    }
    planes_ = all.get();
    stride_ = shape_.plane_bytes();
    gathered_ = std::move(all);
  }
  return {planes_, size()};
}

ByteSpan SegmentSamples::Piece(size_t begin, size_t count, Bytes& room) const {
  if (is_packed()) return packed().subspan(begin, count);
  const size_t plane_bytes = shape_.plane_bytes();
  if (begin % plane_bytes + count <= plane_bytes) return plane(begin / plane_bytes).subspan(begin % plane_bytes, count);
  room.clear();
  for (size_t at = begin; at < begin + count;) {
    const ByteSpan rest = plane(at / plane_bytes).subspan(at % plane_bytes);
    const ByteSpan part = rest.first(std::min(rest.size(), begin + count - at));
    AppendBytes(part, room);
    at += part.size();
  }
  return room;
}

}  // namespace dcac
