// Ranges of the bytes of a tensor, and the slices that hold them.
#ifndef DCAC_SERVER_BYTE_RANGE_H_
#define DCAC_SERVER_BYTE_RANGE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "dcac/slice.h"
#include "dcac/tensor.h"
#include "dcac/v1/store.pb.h"

namespace dcac::server {

struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t size() const { return end - begin; }
};

// Of `size` bytes.  Errors: InvalidArgument (not within them).
absl::StatusOr<Extent> ExtentOf(const v1::ByteRange& range, std::uint64_t size);

// A slice whose bytes follow each other in the tensor, and where in it the extent is.
struct Cover {
  Slice slice;
  Extent extent;
};

// The smallest that needs no look at the segments: whole items, or of one item planes, rows or heads, whatever comes
// first in the layout.  `spec` is that of a slice of all samples.
Cover CoverExtent(const TensorSpec& spec, std::uint64_t tensor_bytes, const Extent& extent);

}  // namespace dcac::server

#endif  // DCAC_SERVER_BYTE_RANGE_H_
