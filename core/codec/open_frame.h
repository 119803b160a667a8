// A whole frame with random access: header, index and trailer are in memory, segments are read one by one.
#ifndef DCAC_CORE_CODEC_OPEN_FRAME_H_
#define DCAC_CORE_CODEC_OPEN_FRAME_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/format/frame.h"
#include "dcac/options.h"
#include "dcac/slice.h"

namespace dcac {

class OpenFrame {
 public:
  // Reads and checks all but the segments.  Errors: DataLoss, Unimplemented, ResourceExhausted as Decompress; those of
  // `access.read`.
  static absl::StatusOr<OpenFrame> Open(FrameAccess access, const DecodeLimits& limits);

  const FrameHeader& header() const { return header_; }
  const FrameTrailer& trailer() const { return trailer_; }
  uint64_t frame_bytes() const { return access_.frame_bytes; }
  uint64_t segment_offset(uint64_t segment) const { return offsets_[static_cast<size_t>(segment)]; }
  uint64_t segment_bytes(uint64_t segment) const { return trailer_.stored_bytes[static_cast<size_t>(segment)]; }

  // The body of a segment, its checksum compared.
  absl::StatusOr<Bytes> ReadBody(uint64_t segment) const;

  // The same of several segments, in the order of their numbers; those that follow each other are read in one go.
  absl::StatusOr<std::vector<Bytes>> ReadBodies(std::span<const uint64_t> segments) const;

  // As much of a body as SummarizeBody needs; no checksum is compared.
  absl::StatusOr<Bytes> ReadBodyFront(uint64_t segment) const;

 private:
  absl::Status LocateSegments(uint64_t begin, uint64_t end);
  absl::Status CheckStoredBytes(uint64_t segment) const;
  absl::StatusOr<Bytes> BodyOf(uint64_t segment, ByteSpan stored) const;
  static absl::Status DiffersFromIndex(uint64_t segment);

  FrameAccess access_;
  FrameHeader header_;
  FrameTrailer trailer_;
  std::vector<uint64_t> offsets_;  // of the segments
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_OPEN_FRAME_H_
