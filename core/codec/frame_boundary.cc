#include "dcac/frame_boundary.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/out_of_memory.h"
#include "core/base/status_macros.h"
#include "core/codec/segment_reader.h"
#include "core/format/frame.h"

namespace dcac {

struct FrameBoundary::Impl {
  explicit Impl(const DecodeLimits& decode_limits) : limits(decode_limits) {}

  // Takes what is left of a part whose size is known.
  size_t Skip(ByteSpan data) {
    const size_t n = static_cast<size_t>(std::min<uint64_t>(skip, data.size()));
    skip -= n;
    return n;
  }

  // Takes bytes of the header: all of `data` that may belong to it, of which the rest is given back.
  absl::StatusOr<size_t> TakeHeader(ByteSpan data) {
    const size_t before = start.size();
    AppendBytes(data.first(std::min(data.size(), kMaxHeaderBytes - before)), start);
    size_t header_bytes = 0;
    bool incomplete = false;
    auto parsed = ParseHeader(start, header_bytes, incomplete);
    if (!parsed.ok()) {
      if (incomplete && start.size() < kMaxHeaderBytes) return start.size() - before;
      return parsed.status();
    }
    DCAC_RETURN_IF_ERROR(CheckLimits(*parsed, limits));
    geometry = parsed->geometry;
    start.clear();
    BeginPart();
    return header_bytes - before;
  }

  // Takes a byte of the varint of a segment's size; a whole one is followed by the body and its checksum.
  absl::Status TakeSizeByte(std::byte byte) {
    start.push_back(byte);
    ByteReader reader(start);
    uint64_t size = 0;
    const absl::Status read = reader.ReadVarint("segment size", size);
    if (!read.ok()) return reader.short_input() ? absl::OkStatus() : InSegment(read);
    const uint64_t most = MaxBodyBytes(geometry->SegmentBytes(segment));
    if (size == 0 || size > most) {
      return InSegment(absl::DataLossError(absl::StrCat("size is ", size, ", expected 1 .. ", most)));
    }
    skip = size + kSegmentChecksumBytes;
    index_bytes += VarintBytes(start.size() + skip);
    start.clear();
    ++segment;
    return absl::OkStatus();
  }

  absl::Status InSegment(const absl::Status& error) const {
    return absl::Status(error.code(), absl::StrCat("segment ", segment, ": ", error.message()));
  }

  // After the last segment: the index, whose size follows from the sizes of the segments, and the trailer.
  void BeginPart() {
    if (in_tail || segment < geometry->num_segments()) return;
    in_tail = true;
    skip = index_bytes + kTrailerBytes;
  }

  absl::StatusOr<size_t> Take(ByteSpan data) {
    size_t taken = 0;
    while (taken < data.size() && !done()) {
      const ByteSpan rest = data.subspan(taken);
      if (!geometry) {
        DCAC_ASSIGN_OR_RETURN(const size_t n, TakeHeader(rest));
        taken += n;
      } else if (skip > 0) {
        taken += Skip(rest);
        if (skip == 0) BeginPart();
      } else {
        DCAC_RETURN_IF_ERROR(TakeSizeByte(rest.front()));
        ++taken;
      }
    }
    frame_bytes += taken;
    return taken;
  }

  bool done() const { return in_tail && skip == 0; }

  DecodeLimits limits;
  std::optional<Geometry> geometry;
  Bytes start;           // of a header or a size that is not complete yet
  uint64_t segment = 0;  // whose size comes next
  uint64_t skip = 0;     // bytes of the current part that are still to come
  uint64_t index_bytes = 0;
  bool in_tail = false;
  uint64_t frame_bytes = 0;
  absl::Status status;
};

FrameBoundary::FrameBoundary(const DecodeLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
FrameBoundary::FrameBoundary(FrameBoundary&&) noexcept = default;
FrameBoundary& FrameBoundary::operator=(FrameBoundary&&) noexcept = default;
FrameBoundary::~FrameBoundary() = default;

absl::StatusOr<std::size_t> FrameBoundary::Push(std::span<const std::byte> data) {
  DCAC_RETURN_IF_ERROR(impl_->status);
  auto taken = CatchOutOfMemory([&] { return impl_->Take(data); });
  impl_->status = taken.status();
  return taken;
}

bool FrameBoundary::done() const {
  return impl_->done();
}

std::uint64_t FrameBoundary::frame_bytes() const {
  return impl_->frame_bytes;
}

}  // namespace dcac
