#include "core/codec/segment_reader.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/codec/segment_codec.h"
#include "core/codec/segment_shape.h"

namespace dcac {

absl::Status InSegment(uint64_t segment_index, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("segment ", segment_index, ": ", status.message()));
}

absl::Status CheckLimits(const FrameHeader& header, const DecodeLimits& limits) {
  const uint64_t bytes = TensorBytes(header.spec).value_or(~uint64_t{0});
  if (bytes > limits.max_tensor_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the tensor has ", bytes, " bytes, the limit is ", limits.max_tensor_bytes));
  }
  const uint64_t slab = header.geometry.max_slab_bytes();
  if (slab > limits.max_slab_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a slab of the frame has ", slab, " bytes, the limit is ", limits.max_slab_bytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<SegmentBody>> ReadSegment(const Geometry& geometry, uint64_t segment_index,
                                                       ByteSpan data) {
  ByteReader reader(data);
  SegmentBody segment;
  uint64_t size = 0;
  const auto read = [&]() -> absl::Status {
    DCAC_RETURN_IF_ERROR(reader.ReadVarint("segment size", size));
    const uint64_t most = MaxBodyBytes(geometry.SegmentBytes(segment_index));
    if (size == 0 || size > most) return absl::DataLossError(absl::StrCat("size is ", size, ", expected 1 .. ", most));
    DCAC_RETURN_IF_ERROR(reader.ReadSpan("segment body", size, segment.body));
    DCAC_RETURN_IF_ERROR(reader.ReadLittleEndian("segment checksum", kSegmentChecksumBytes, segment.checksum));
    return absl::OkStatus();
  };
  const absl::Status status = read();
  if (!status.ok()) {
    if (reader.short_input()) return std::optional<SegmentBody>();
    return InSegment(segment_index, status);
  }
  segment.stored_bytes = reader.position();
  return std::optional<SegmentBody>(segment);
}

absl::Status CheckSegment(uint64_t segment_index, ByteSpan body, uint64_t checksum) {
  if (checksum == SegmentChecksum(segment_index, body)) return absl::OkStatus();
  return InSegment(segment_index, absl::DataLossError("checksum does not match"));
}

absl::Status DecodeSegmentInto(const FrameHeader& header, uint64_t segment_index, ByteSpan body, const Box& slab,
                               std::byte* slab_data, SegmentAccount* account) {
  const Geometry& geometry = header.geometry;
  const Box box = geometry.SegmentBox(segment_index);
  const SegmentShape shape = ShapeOfBox(header.spec.dtype, geometry, box);
  if (const auto places = PlacesOfPlanes(geometry.extents(), slab, box)) {
    return InSegment(segment_index,
                     DecodeSegmentPlanes(shape, body, {slab_data + places->begin, places->stride}, account));
  }
  const auto decode_to = [&](std::byte* packed) {
    return InSegment(segment_index, DecodeSegmentBody(shape, body, std::span(packed, shape.bytes()), account));
  };
  if (const auto place = PackedPlace(geometry.extents(), slab, box)) return decode_to(slab_data + *place);
  const auto packed = std::make_unique_for_overwrite<std::byte[]>(shape.bytes());
  DCAC_RETURN_IF_ERROR(decode_to(packed.get()));
  ScatterBox(geometry.extents(), slab, box, packed.get(), slab_data);
  return absl::OkStatus();
}

}  // namespace dcac
