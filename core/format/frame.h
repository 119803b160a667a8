// The parts of a frame around its segments: header, segment wrapper, index and trailer (docs/format.md, "Frame").
#ifndef DCAC_CORE_FORMAT_FRAME_H_
#define DCAC_CORE_FORMAT_FRAME_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/format/geometry.h"
#include "dcac/frame_info.h"
#include "dcac/tensor.h"

namespace dcac {

inline constexpr std::array<uint8_t, 3> kFrameMagic = {0xDC, 0xAC, 0x46};
inline constexpr uint8_t kFrameVersion = 1;
inline constexpr size_t kMaxHeaderBytes = 128;
inline constexpr size_t kSegmentChecksumBytes = 8;
inline constexpr size_t kTrailerBytes = 16 + 4 + 4;  // digest, index size, checksum

// First byte of a segment's body.  Frozen.
enum class SegmentMethod : uint8_t {
  kStored = 0,   // the packed samples
  kZstd = 1,     // a byte-shuffle stride, then a zstd frame
  kModel = 2,    // the plane model: docs/format.md, "Model segments"
  kRecoded = 3,  // the samples as samples of another type, coded by a method of their own
  kWords = 4,    // high and low halves of samples of 8 bytes, each coded by a method of its own
  kRepeats = 5,  // rows and columns that are left out, then the others, coded by a method of their own
};

struct FrameHeader {
  TensorSpec spec;
  Geometry geometry;
};

Bytes SerializeHeader(const FrameHeader& header);

// Parses the header at the front of `data`; `header_bytes` is its length.  `incomplete` is set when `data` is a valid
// beginning of a header: a streaming caller reads on.
absl::StatusOr<FrameHeader> ParseHeader(ByteSpan data, size_t& header_bytes, bool& incomplete);

// Appends a segment: the varint of the body's length, the body, its checksum.
void AppendSegment(ByteSpan body, uint64_t checksum, Bytes& out);

// XXH3-64 of the body; the seed is the segment's number, so that segments cannot change places.
uint64_t SegmentChecksum(uint64_t segment_index, ByteSpan body);

// The longest body that a segment of `raw_bytes` may have: no encoder needs more than the stored form.
inline uint64_t MaxBodyBytes(uint64_t raw_bytes) {
  return raw_bytes + 1;
}

// Index (the stored bytes of every segment, as varints) and trailer.
Bytes SerializeIndexAndTrailer(const std::vector<uint64_t>& stored_bytes, const Digest& digest);

struct FrameTrailer {
  std::vector<uint64_t> stored_bytes;
  Digest digest{};
};

// Parses index and trailer, which are all of `tail`.  DataLoss unless there are `num_segments` entries.
absl::StatusOr<FrameTrailer> ParseIndexAndTrailer(ByteSpan tail, uint64_t num_segments);

// Finds index and trailer at the end of a whole frame: the number of bytes both take.
absl::StatusOr<size_t> IndexAndTrailerBytes(ByteSpan frame);
// The same where only the end of the frame is at hand: its last kTrailerBytes, or all of a shorter one.
absl::StatusOr<size_t> IndexAndTrailerBytes(uint64_t frame_bytes, ByteSpan end);

}  // namespace dcac

#endif  // DCAC_CORE_FORMAT_FRAME_H_
