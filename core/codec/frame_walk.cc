#include "core/codec/frame_walk.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/out_of_memory.h"
#include "core/base/status_macros.h"
#include "core/codec/segment_reader.h"

namespace dcac {

absl::StatusOr<size_t> FrameWalk::Push(ByteSpan data, FrameVisitor& visitor) {
  DCAC_RETURN_IF_ERROR(status_);
  auto taken = CatchOutOfMemory([&] { return Take(data, visitor); });
  status_ = taken.status();
  return taken;
}

absl::StatusOr<size_t> FrameWalk::Take(ByteSpan data, FrameVisitor& visitor) {
  size_t taken = 0;
  while (taken < data.size() && !done()) {
    const ByteSpan rest = data.subspan(taken);
    if (!geometry_) {
      DCAC_ASSIGN_OR_RETURN(const size_t n, TakeHeader(rest, visitor));
      taken += n;
    } else if (skip_ > 0) {
      DCAC_ASSIGN_OR_RETURN(const size_t n, TakePart(rest, visitor));
      taken += n;
    } else {
      DCAC_RETURN_IF_ERROR(TakeSizeByte(rest.front(), visitor));
      ++taken;
    }
  }
  frame_bytes_ += taken;
  return taken;
}

// Takes bytes of the header: all of `data` that may belong to it, of which the rest is given back.
absl::StatusOr<size_t> FrameWalk::TakeHeader(ByteSpan data, FrameVisitor& visitor) {
  const size_t before = start_.size();
  AppendBytes(data.first(std::min(data.size(), kMaxHeaderBytes - before)), start_);
  size_t header_bytes = 0;
  bool incomplete = false;
  auto parsed = ParseHeader(start_, header_bytes, incomplete);
  if (!parsed.ok()) {
    if (incomplete && start_.size() < kMaxHeaderBytes) return start_.size() - before;
    return parsed.status();
  }
  DCAC_RETURN_IF_ERROR(CheckLimits(*parsed, limits_));
  DCAC_RETURN_IF_ERROR(visitor.OnHeader(*parsed));
  geometry_ = parsed->geometry;
  start_.clear();
  BeginPart();
  return header_bytes - before;
}

// Takes what is left of a part whose size is known.
absl::StatusOr<size_t> FrameWalk::TakePart(ByteSpan data, FrameVisitor& visitor) {
  const size_t n = static_cast<size_t>(std::min<uint64_t>(skip_, data.size()));
  skip_ -= n;
  DCAC_RETURN_IF_ERROR(in_tail_ ? visitor.OnTailBytes(data.first(n)) : visitor.OnSegmentBytes(data.first(n)));
  if (skip_ == 0) BeginPart();
  return n;
}

// Takes a byte of the varint of a segment's size; a whole one is followed by the body and its checksum.
absl::Status FrameWalk::TakeSizeByte(std::byte byte, FrameVisitor& visitor) {
  start_.push_back(byte);
  ByteReader reader(start_);
  uint64_t size = 0;
  const absl::Status read = reader.ReadVarint("segment size", size);
  if (!read.ok()) return reader.short_input() ? absl::OkStatus() : InSegment(segment_, read);
  const uint64_t most = MaxBodyBytes(geometry_->SegmentBytes(segment_));
  if (size == 0 || size > most) {
    return InSegment(segment_, absl::DataLossError(absl::StrCat("size is ", size, ", expected 1 .. ", most)));
  }
  skip_ = size + kSegmentChecksumBytes;
  const uint64_t stored_bytes = start_.size() + skip_;
  index_bytes_ += VarintBytes(stored_bytes);
  visitor.OnSegment(segment_, size, stored_bytes);
  start_.clear();
  ++segment_;
  return absl::OkStatus();
}

// After the last segment: the index, whose size follows from the sizes of the segments, and the trailer.
void FrameWalk::BeginPart() {
  if (in_tail_ || segment_ < geometry_->num_segments()) return;
  in_tail_ = true;
  skip_ = index_bytes_ + kTrailerBytes;
}

}  // namespace dcac
