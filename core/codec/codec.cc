#include "dcac/codec.h"

#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/out_of_memory.h"
#include "core/base/status_macros.h"
#include "core/codec/digest.h"
#include "core/codec/segment_codec.h"
#include "core/codec/segment_reader.h"
#include "core/format/frame.h"

namespace dcac {
namespace {

// A whole frame in memory, its header, index and trailer parsed.
struct OpenFrame {
  FrameHeader header;
  FrameTrailer trailer;
  std::vector<size_t> offsets;  // of the segments

  static absl::StatusOr<OpenFrame> Open(ByteSpan frame, const DecodeLimits& limits) {
    OpenFrame result;
    size_t header_bytes = 0;
    bool incomplete = false;
    DCAC_ASSIGN_OR_RETURN(result.header, ParseHeader(frame, header_bytes, incomplete));
    DCAC_RETURN_IF_ERROR(CheckLimits(result.header, limits));
    DCAC_ASSIGN_OR_RETURN(const size_t tail_bytes, IndexAndTrailerBytes(frame));
    const uint64_t num_segments = result.header.geometry.num_segments();
    DCAC_ASSIGN_OR_RETURN(result.trailer, ParseIndexAndTrailer(frame.last(tail_bytes), num_segments));
    uint64_t offset = header_bytes;
    const uint64_t end = frame.size() - tail_bytes;
    for (uint64_t bytes : result.trailer.stored_bytes) {
      result.offsets.push_back(static_cast<size_t>(offset));
      if (offset > end || bytes > end - offset) return absl::DataLossError("the index points beyond the frame");
      offset += bytes;
    }
    if (offset != end)
      return absl::DataLossError(absl::StrCat("the segments end at byte ", offset, ", expected ", end));
    return result;
  }

  absl::StatusOr<ByteSpan> Body(ByteSpan frame, uint64_t segment) const {
    const size_t at = static_cast<size_t>(segment);
    const size_t bytes = static_cast<size_t>(trailer.stored_bytes[at]);
    DCAC_ASSIGN_OR_RETURN(const auto body, ReadSegment(header.geometry, segment, frame.subspan(offsets[at], bytes)));
    if (!body || body->stored_bytes != bytes)
      return absl::DataLossError(absl::StrCat("segment ", segment, ": size differs from the index"));
    return body->body;
  }
};

std::string MethodName(SegmentMethod method) {
  switch (method) {
    case SegmentMethod::kStored:
      return "stored";
    case SegmentMethod::kZstd:
      return "zstd";
    case SegmentMethod::kModel:
      return "model";
  }
  return "unknown";
}

absl::Status CutRange(const char* axis, uint64_t extent, uint64_t begin, uint64_t& end) {
  if (begin >= end || begin >= extent) {
    return absl::InvalidArgumentError(
        absl::StrCat(axis, " ", begin, ":", end == Slice::kAll ? extent : end, " of ", extent, " ", axis));
  }
  end = std::min(end, extent);
  return absl::OkStatus();
}

bool Overlaps(const Box& a, const Box& b) {
  return a.item_begin < b.item_end && b.item_begin < a.item_end && a.plane_begin < b.plane_end &&
         b.plane_begin < a.plane_end && a.row_begin < b.row_end && b.row_begin < a.row_end;
}

// Copies what two boxes have in common, row by row, between memory laid out by each.
void CopyOverlap(const Extents& extents, const Box& from, const std::byte* from_data, const Box& to,
                 std::byte* to_data) {
  const uint64_t row_bytes = extents.width * extents.sample_bytes;
  const uint64_t row_begin = std::max(from.row_begin, to.row_begin), row_end = std::min(from.row_end, to.row_end);
  const auto row_at = [](const Box& box, uint64_t item, uint64_t plane, uint64_t row) {
    return ((item - box.item_begin) * box.planes() + plane - box.plane_begin) * box.rows() + row - box.row_begin;
  };
  for (uint64_t item = std::max(from.item_begin, to.item_begin); item < std::min(from.item_end, to.item_end); ++item) {
    for (uint64_t plane = std::max(from.plane_begin, to.plane_begin); plane < std::min(from.plane_end, to.plane_end);
         ++plane) {
      std::copy_n(from_data + row_at(from, item, plane, row_begin) * row_bytes, (row_end - row_begin) * row_bytes,
                  to_data + row_at(to, item, plane, row_begin) * row_bytes);
    }
  }
}

absl::StatusOr<SliceResult> DecodeSlice(ByteSpan frame, const Slice& slice, const DecodeLimits& limits) {
  DCAC_ASSIGN_OR_RETURN(const OpenFrame open, OpenFrame::Open(frame, limits));
  const Geometry& geometry = open.header.geometry;
  const Extents& extents = geometry.extents();
  Box wanted{slice.item_begin, slice.item_end, slice.plane_begin, slice.plane_end, slice.row_begin, slice.row_end};
  DCAC_RETURN_IF_ERROR(CutRange("items", extents.items, wanted.item_begin, wanted.item_end));
  DCAC_RETURN_IF_ERROR(CutRange("planes", extents.planes, wanted.plane_begin, wanted.plane_end));
  DCAC_RETURN_IF_ERROR(CutRange("rows", extents.height, wanted.row_begin, wanted.row_end));
  std::vector<uint64_t> touched;
  for (uint64_t segment = 0; segment < geometry.num_segments(); ++segment) {
    if (Overlaps(geometry.SegmentBox(segment), wanted)) touched.push_back(segment);
  }
  SliceResult result;
  result.decoded_segments = touched.size();
  result.tensor.spec = open.header.spec;
  result.tensor.spec.shape = {wanted.items(), wanted.planes(), wanted.rows(), extents.width};
  result.tensor.data.resize(static_cast<size_t>(geometry.SegmentBytes(wanted)));
  std::vector<absl::Status> statuses(touched.size());
  tbb::parallel_for(size_t{0}, touched.size(), [&](size_t i) {
    const Box box = geometry.SegmentBox(touched[i]);
    const auto body = open.Body(frame, touched[i]);
    statuses[i] = body.status();
    if (!body.ok()) return;
    Bytes packed(static_cast<size_t>(geometry.SegmentBytes(box)));
    statuses[i] = DecodeSegmentInto(open.header, touched[i], *body, box, packed.data());
    if (statuses[i].ok()) CopyOverlap(extents, box, packed.data(), wanted, result.tensor.data.data());
  });
  for (const absl::Status& status : statuses) DCAC_RETURN_IF_ERROR(status);
  return result;
}

}  // namespace

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

absl::StatusOr<SliceResult> DecompressSlice(std::span<const std::byte> frame, const Slice& slice,
                                            const DecodeLimits& limits) {
  return CatchOutOfMemory([&] { return DecodeSlice(frame, slice, limits); });
}

absl::StatusOr<FrameInfo> Inspect(std::span<const std::byte> frame, const DecodeLimits& limits) {
  DCAC_ASSIGN_OR_RETURN(const OpenFrame open, OpenFrame::Open(frame, limits));
  FrameInfo info;
  info.spec = open.header.spec;
  info.version = kFrameVersion;
  info.raw_bytes = TensorBytes(info.spec).value_or(0);
  info.frame_bytes = frame.size();
  info.digest = open.trailer.digest;
  for (size_t i = 0; i < open.offsets.size(); ++i) {
    const Box box = open.header.geometry.SegmentBox(i);
    DCAC_ASSIGN_OR_RETURN(const ByteSpan body, open.Body(frame, i));
    DCAC_ASSIGN_OR_RETURN(const SegmentMethod method, MethodOfBody(body));
    info.segments.push_back({box.item_begin, box.item_end, box.plane_begin, box.plane_end, box.row_begin, box.row_end,
                             open.offsets[i], open.trailer.stored_bytes[i], open.header.geometry.SegmentBytes(box),
                             MethodName(method)});
  }
  return info;
}

}  // namespace dcac
