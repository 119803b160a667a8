#include "core/codec/open_frame.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/codec/segment_reader.h"
#include "core/codec/segment_shape.h"
#include "core/codec/segment_summary.h"

namespace dcac {
namespace {

// The `size` bytes at `offset`.
absl::StatusOr<Bytes> ReadPart(const FrameAccess& access, uint64_t offset, uint64_t size) {
  Bytes part(static_cast<size_t>(size));
  DCAC_RETURN_IF_ERROR(access.read(offset, part));
  return part;
}

// Index and trailer of a frame of `num_segments`.
absl::StatusOr<Bytes> ReadTail(const FrameAccess& access, uint64_t num_segments) {
  const uint64_t trailer_bytes = std::min<uint64_t>(access.frame_bytes, kTrailerBytes);
  DCAC_ASSIGN_OR_RETURN(const Bytes trailer, ReadPart(access, access.frame_bytes - trailer_bytes, trailer_bytes));
  DCAC_ASSIGN_OR_RETURN(const uint64_t tail_bytes, IndexAndTrailerBytes(access.frame_bytes, trailer));
  // No varint is longer than 10 bytes; checked before anything is allocated.
  if (tail_bytes - kTrailerBytes > 10 * num_segments) {
    return absl::DataLossError(
        absl::StrCat("index of ", tail_bytes - kTrailerBytes, " bytes for ", num_segments, " segments"));
  }
  return ReadPart(access, access.frame_bytes - tail_bytes, tail_bytes);
}

struct StartOfFrame {
  FrameHeader header;
  size_t header_bytes = 0;
};

absl::StatusOr<StartOfFrame> ReadStart(const FrameAccess& access) {
  DCAC_ASSIGN_OR_RETURN(const Bytes data, ReadPart(access, 0, std::min<uint64_t>(access.frame_bytes, kMaxHeaderBytes)));
  StartOfFrame start;
  bool incomplete = false;
  DCAC_ASSIGN_OR_RETURN(start.header, ParseHeader(data, start.header_bytes, incomplete));
  return start;
}

}  // namespace

FrameAccess AccessMemory(std::span<const std::byte> frame) {
  return {frame.size(), [frame](std::uint64_t offset, std::span<std::byte> out) {
            std::copy_n(frame.data() + offset, out.size(), out.data());
            return absl::OkStatus();
          }};
}

absl::StatusOr<OpenFrame> OpenFrame::Open(FrameAccess access, const DecodeLimits& limits) {
  OpenFrame frame;
  DCAC_ASSIGN_OR_RETURN(StartOfFrame start, ReadStart(access));
  frame.header_ = std::move(start.header);
  DCAC_RETURN_IF_ERROR(CheckLimits(frame.header_, limits));
  const uint64_t num_segments = frame.header_.geometry.num_segments();
  DCAC_ASSIGN_OR_RETURN(const Bytes tail, ReadTail(access, num_segments));
  DCAC_ASSIGN_OR_RETURN(frame.trailer_, ParseIndexAndTrailer(tail, num_segments));
  frame.access_ = std::move(access);
  DCAC_RETURN_IF_ERROR(frame.LocateSegments(start.header_bytes, frame.frame_bytes() - tail.size()));
  return frame;
}

absl::StatusOr<Digest> ReadFrameDigest(const FrameAccess& frame) {
  DCAC_ASSIGN_OR_RETURN(const OpenFrame open, OpenFrame::Open(frame, {}));
  return open.trailer().digest;
}

absl::StatusOr<TensorSpec> ReadFrameSpec(const FrameAccess& frame) {
  DCAC_ASSIGN_OR_RETURN(StartOfFrame start, ReadStart(frame));
  return std::move(start.header.spec);
}

absl::Status OpenFrame::LocateSegments(uint64_t begin, uint64_t end) {
  uint64_t offset = begin;
  offsets_.reserve(trailer_.stored_bytes.size());
  for (const uint64_t bytes : trailer_.stored_bytes) {
    if (offset > end || bytes > end - offset) return absl::DataLossError("the index points beyond the frame");
    offsets_.push_back(offset);
    offset += bytes;
  }
  if (offset != end) return absl::DataLossError(absl::StrCat("the segments end at byte ", offset, ", expected ", end));
  return absl::OkStatus();
}

// Size and checksum beside the body, so that an index cannot make a reader allocate more than a segment may need.
absl::Status OpenFrame::CheckStoredBytes(uint64_t segment) const {
  const uint64_t most = MaxBodyBytes(header_.geometry.SegmentBytes(segment)) + 10 + kSegmentChecksumBytes;
  return segment_bytes(segment) <= most ? absl::OkStatus() : DiffersFromIndex(segment);
}

absl::StatusOr<Bytes> OpenFrame::BodyOf(uint64_t segment, ByteSpan stored) const {
  DCAC_ASSIGN_OR_RETURN(const auto read, ReadSegment(header_.geometry, segment, stored));
  if (!read || read->stored_bytes != stored.size()) return DiffersFromIndex(segment);
  DCAC_RETURN_IF_ERROR(CheckSegment(segment, read->body, read->checksum));
  return Bytes(read->body.begin(), read->body.end());
}

absl::StatusOr<Bytes> OpenFrame::ReadBody(uint64_t segment) const {
  DCAC_RETURN_IF_ERROR(CheckStoredBytes(segment));
  DCAC_ASSIGN_OR_RETURN(const Bytes stored, ReadPart(access_, segment_offset(segment), segment_bytes(segment)));
  return BodyOf(segment, stored);
}

absl::StatusOr<std::vector<Bytes>> OpenFrame::ReadBodies(std::span<const uint64_t> segments) const {
  constexpr uint64_t kMaxReadBytes = 16 << 20;
  std::vector<Bytes> bodies;
  while (!segments.empty()) {
    size_t count = 0;
    uint64_t bytes = 0;
    for (const uint64_t segment : segments) {
      if (count > 0 && (segment != segments[count - 1] + 1 || bytes + segment_bytes(segment) > kMaxReadBytes)) break;
      DCAC_RETURN_IF_ERROR(CheckStoredBytes(segment));
      bytes += segment_bytes(segment);
      ++count;
    }
    DCAC_ASSIGN_OR_RETURN(const Bytes stored, ReadPart(access_, segment_offset(segments.front()), bytes));
    ByteSpan rest = stored;
    for (const uint64_t segment : segments.first(count)) {
      const auto size = static_cast<size_t>(segment_bytes(segment));
      DCAC_ASSIGN_OR_RETURN(bodies.emplace_back(), BodyOf(segment, rest.first(size)));
      rest = rest.subspan(size);
    }
    segments = segments.subspan(count);
  }
  return bodies;
}

absl::StatusOr<Bytes> OpenFrame::ReadBodyFront(uint64_t segment) const {
  constexpr uint64_t kFirstRead = 4096;  // one read for most segments
  static_assert(kFirstRead >= 10 + kSummaryHeadBytes);
  const uint64_t stored_bytes = segment_bytes(segment);
  DCAC_ASSIGN_OR_RETURN(const Bytes first,
                        ReadPart(access_, segment_offset(segment), std::min(stored_bytes, kFirstRead)));
  ByteReader reader(first);
  uint64_t body_bytes = 0;
  DCAC_RETURN_IF_ERROR(InSegment(segment, reader.ReadVarint("segment size", body_bytes)));
  const size_t size_bytes = reader.position();
  if (body_bytes > stored_bytes || size_bytes + body_bytes + kSegmentChecksumBytes != stored_bytes ||
      body_bytes > MaxBodyBytes(header_.geometry.SegmentBytes(segment))) {
    return DiffersFromIndex(segment);
  }
  const ByteSpan known = ByteSpan(first).subspan(size_bytes);
  const Geometry& geometry = header_.geometry;
  const SegmentShape shape = ShapeOfBox(header_.spec.dtype, geometry, geometry.SegmentBox(segment));
  const auto needed = SummaryBytes(shape, known.first(std::min<size_t>(known.size(), body_bytes)), body_bytes);
  if (!needed.ok()) return InSegment(segment, needed.status());
  if (*needed <= known.size()) return Bytes(known.begin(), known.begin() + static_cast<ptrdiff_t>(*needed));
  return ReadPart(access_, segment_offset(segment) + size_bytes, *needed);
}

absl::Status OpenFrame::DiffersFromIndex(uint64_t segment) {
  return absl::DataLossError(absl::StrCat("segment ", segment, ": size differs from the index"));
}

}  // namespace dcac
