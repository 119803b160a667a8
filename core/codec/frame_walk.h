// A frame that arrives in pieces: where its parts begin and end, found without decoding them.
#ifndef DCAC_CORE_CODEC_FRAME_WALK_H_
#define DCAC_CORE_CODEC_FRAME_WALK_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/format/frame.h"
#include "dcac/options.h"

namespace dcac {

// Sees the parts of a frame as they pass by.  An error ends the walk.
class FrameVisitor {
 public:
  virtual ~FrameVisitor() = default;
  virtual absl::Status OnHeader(const FrameHeader& /*header*/) { return absl::OkStatus(); }
  // `stored_bytes`: with size and checksum.
  virtual void OnSegment(uint64_t /*segment_index*/, uint64_t /*body_bytes*/, uint64_t /*stored_bytes*/) {}
  virtual absl::Status OnSegmentBytes(ByteSpan /*piece*/) { return absl::OkStatus(); }  // of body and checksum
  virtual absl::Status OnTailBytes(ByteSpan /*piece*/) { return absl::OkStatus(); }     // of index and trailer
};

// Of the frame it keeps no more than a header, so its memory does not depend on the input.
class FrameWalk {
 public:
  explicit FrameWalk(const DecodeLimits& limits) : limits_(limits) {}

  // As FrameBoundary::Push; errors of the visitor too.
  absl::StatusOr<size_t> Push(ByteSpan data, FrameVisitor& visitor);

  bool done() const { return in_tail_ && skip_ == 0; }
  uint64_t frame_bytes() const { return frame_bytes_; }
  uint64_t index_bytes() const { return index_bytes_; }

 private:
  absl::StatusOr<size_t> Take(ByteSpan data, FrameVisitor& visitor);
  absl::StatusOr<size_t> TakeHeader(ByteSpan data, FrameVisitor& visitor);
  absl::StatusOr<size_t> TakePart(ByteSpan data, FrameVisitor& visitor);
  absl::Status TakeSizeByte(std::byte byte, FrameVisitor& visitor);
  void BeginPart();

  DecodeLimits limits_;
  std::optional<Geometry> geometry_;
  Bytes start_;           // of a header or a size that is not complete yet
  uint64_t segment_ = 0;  // whose size comes next
  uint64_t skip_ = 0;     // bytes of the current part that are still to come
  uint64_t index_bytes_ = 0;
  bool in_tail_ = false;
  uint64_t frame_bytes_ = 0;
  absl::Status status_;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_FRAME_WALK_H_
