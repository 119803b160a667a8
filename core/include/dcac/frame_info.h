// What can be learned of a frame without decoding its samples.
#ifndef DCAC_FRAME_INFO_H_
#define DCAC_FRAME_INFO_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dcac/options.h"
#include "dcac/slice.h"
#include "dcac/tensor.h"

namespace dcac {

// XXH3-128 of the bytes of a decoded tensor, canonical (big-endian) byte order.
using Digest = std::array<std::byte, 16>;

std::string DigestToHex(const Digest& digest);  // 32 lower-case digits
Digest ComputeDigest(std::span<const std::byte> tensor_bytes);

// Planes of one or more segments by how they are coded (docs/format.md, "Model segments").
struct PlaneCounts {
  std::uint64_t normal = 0;
  std::uint64_t difference = 0;  // from an earlier plane
  std::uint64_t constant = 0;
  std::uint64_t duplicate = 0;  // the same as an earlier plane
  std::uint64_t upsampled = 0;  // a smaller plane, its samples repeated
  std::uint64_t whole = 0;      // of segments that know no planes: stored, zstd

  std::uint64_t all() const { return normal + difference + constant + duplicate + upsampled + whole; }
  PlaneCounts& operator+=(const PlaneCounts& other);
};

// One segment: the box of the tensor it holds, where its bytes are, and how it is coded.  Planes and rows are those of
// a Slice, but of complex samples each component is a plane.
struct SegmentInfo {
  std::uint64_t item_begin = 0, item_end = 0;
  std::uint64_t plane_begin = 0, plane_end = 0;
  std::uint64_t row_begin = 0, row_end = 0;
  std::uint64_t frame_offset = 0;  // of the segment's first byte
  std::uint64_t stored_bytes = 0;  // with its head and checksum
  std::uint64_t raw_bytes = 0;
  std::string method;         // "stored", "zstd", "model", "recoded", "words", "repeats"
  DType dtype = DType::kU8;   // as which the samples are coded: of recoded segments not that of the tensor
  std::string sample_method;  // how they are coded: where it is within another method, that within, else `method`

  // Of the model alone; the planes of other segments all count as whole.
  std::string mode;  // "ls", "dcac" or "intra": the least of them that can write such a model; empty without one
  std::uint64_t side_bytes = 0;  // parameters
  PlaneCounts planes;
  std::uint64_t references = 0;      // planes that planes are predicted from, added up over the planes
  std::uint64_t terms = 0;           // of the predictions
  std::uint64_t row_references = 0;  // token layouts: earlier rows that rows are predicted from, added up over the rows
};

struct FrameInfo {
  TensorSpec spec;
  int version = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t frame_bytes = 0;
  Digest digest{};
  std::vector<SegmentInfo> segments;

  std::string mode;                 // of the segments: the strongest of "ls", "dcac", "intra"; empty without a model
  double references_per_plane = 0;  // mean over all planes of all segments; over rows where those refer to each other
};

// Reads header, index and trailer of a frame, which have checksums, and of every segment the front: how it is coded and
// the parameters of its model.  Neither reads the samples nor compares the checksums of segments, which are of samples
// too: a decoder does.
// Errors: DataLoss, Unimplemented, ResourceExhausted as Decompress; those of `frame.read`.
absl::StatusOr<FrameInfo> Inspect(std::span<const std::byte> frame, const DecodeLimits& limits = {});
absl::StatusOr<FrameInfo> Inspect(const FrameAccess& frame, const DecodeLimits& limits = {});

// Reads no more than the header of a frame.  Errors: DataLoss, Unimplemented; those of `frame.read`.
absl::StatusOr<TensorSpec> ReadFrameSpec(const FrameAccess& frame);

// The digest of the tensor's bytes, as the frame says it; reads all but the segments.  Errors: as Inspect.
absl::StatusOr<Digest> ReadFrameDigest(const FrameAccess& frame);

}  // namespace dcac

#endif  // DCAC_FRAME_INFO_H_
