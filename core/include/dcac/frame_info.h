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

// One segment: the box of the tensor it holds, where its bytes are, and how it is coded.
struct SegmentInfo {
  std::uint64_t item_begin = 0, item_end = 0;
  std::uint64_t plane_begin = 0, plane_end = 0;
  std::uint64_t row_begin = 0, row_end = 0;
  std::uint64_t frame_offset = 0;  // of the segment's first byte
  std::uint64_t stored_bytes = 0;  // with its head and checksum
  std::uint64_t raw_bytes = 0;
  std::string method;  // "stored", "zstd", "model"
};

struct FrameInfo {
  TensorSpec spec;
  int version = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t frame_bytes = 0;
  Digest digest{};
  std::vector<SegmentInfo> segments;
};

// Reads header, index and segment heads of a whole frame; checks their checksums but decodes no samples.
// Errors: DataLoss, Unimplemented, ResourceExhausted as Decompress; those of `frame.read`.
absl::StatusOr<FrameInfo> Inspect(std::span<const std::byte> frame, const DecodeLimits& limits = {});
absl::StatusOr<FrameInfo> Inspect(const FrameAccess& frame, const DecodeLimits& limits = {});

}  // namespace dcac

#endif  // DCAC_FRAME_INFO_H_
