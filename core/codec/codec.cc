#include "dcac/codec.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/out_of_memory.h"
#include "core/base/status_macros.h"
#include "core/codec/open_frame.h"
#include "core/codec/segment_reader.h"
#include "core/codec/segment_shape.h"
#include "core/codec/segment_summary.h"
#include "core/format/frame.h"

namespace dcac {
std::uint64_t MaxFrameBytes(std::uint64_t raw_bytes) {
  return raw_bytes + raw_bytes / 1000 + 64;
}

std::string DigestToHex(const Digest& digest) {
  std::string hex;
  for (std::byte byte : digest) absl::StrAppend(&hex, absl::Hex(std::to_integer<unsigned>(byte), absl::kZeroPad2));
  return hex;
}

Digest ComputeDigest(std::span<const std::byte> tensor_bytes) {
  DigestStream stream;
  stream.Update(tensor_bytes);
  return stream.Get();
}

absl::StatusOr<std::vector<std::byte>> Compress(const TensorSpec& spec, std::span<const std::byte> data,
                                                const EncodeOptions& options) {
  DCAC_ASSIGN_OR_RETURN(FrameEncoder encoder, FrameEncoder::Create(spec, options));
  DCAC_RETURN_IF_ERROR(encoder.Push(data));
  DCAC_RETURN_IF_ERROR(encoder.Finish());
  return encoder.Pull();
}

absl::StatusOr<Tensor> Decompress(std::span<const std::byte> frame, const DecodeLimits& limits) {
  // Streams although the frame is whole: output grows with what was decoded, not with what a header claims.
  FrameDecoder decoder(limits);
  DCAC_RETURN_IF_ERROR(decoder.Push(frame));
  DCAC_RETURN_IF_ERROR(decoder.Finish());
  return Tensor{*decoder.spec(), decoder.Pull()};
}

absl::StatusOr<TensorSpec> DecompressInto(std::span<const std::byte> frame, std::span<std::byte> tensor,
                                          const DecodeLimits& limits) {
  FrameDecoder decoder(limits);
  decoder.DecodeTo(tensor);
  DCAC_RETURN_IF_ERROR(decoder.Push(frame));
  DCAC_RETURN_IF_ERROR(decoder.Finish());
  return *decoder.spec();
}

absl::StatusOr<FrameInfo> Inspect(const FrameAccess& frame, const DecodeLimits& limits) {
  return CatchOutOfMemory([&]() -> absl::StatusOr<FrameInfo> {
    DCAC_ASSIGN_OR_RETURN(const OpenFrame open, OpenFrame::Open(frame, limits));
    const Geometry& geometry = open.header().geometry;
    if (geometry.num_segments() > limits.max_listed_segments) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "frame of ", geometry.num_segments(), " segments exceeds max_listed_segments ", limits.max_listed_segments));
    }
    FrameInfo info;
    info.spec = open.header().spec;
    info.version = kFrameVersion;
    info.raw_bytes = TensorBytes(info.spec).value_or(0);
    info.frame_bytes = frame.frame_bytes;
    info.digest = open.trailer().digest;
    for (uint64_t i = 0; i < geometry.num_segments(); ++i) {
      const Box box = geometry.SegmentBox(i);
      SegmentInfo segment{box.item_begin, box.item_end, box.plane_begin, box.plane_end, box.row_begin, box.row_end};
      segment.frame_offset = open.segment_offset(i);
      segment.stored_bytes = open.segment_bytes(i);
      segment.raw_bytes = geometry.SegmentBytes(box);
      DCAC_ASSIGN_OR_RETURN(const Bytes front, open.ReadBodyFront(i));
      const SegmentShape shape = ShapeOfBox(info.spec.dtype, geometry, box);
      DCAC_RETURN_IF_ERROR(InSegment(i, SummarizeBody(shape, front, segment)));
      info.segments.push_back(std::move(segment));
    }
    SummarizeSegments(info);
    return info;
  });
}

absl::StatusOr<FrameInfo> Inspect(std::span<const std::byte> frame, const DecodeLimits& limits) {
  return Inspect(AccessMemory(frame), limits);
}

}  // namespace dcac
