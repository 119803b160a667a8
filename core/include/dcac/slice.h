// Parts of tensors: decodes only the segments that a part touches, and reads only their bytes.
#ifndef DCAC_SLICE_H_
#define DCAC_SLICE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac {

// A whole frame that is read where it is needed: a part of a file, of a memory, of an object in a store.
struct FrameAccess {
  std::uint64_t frame_bytes = 0;

  // Fills `out` with the bytes from `offset` on, which are all within the frame.  Called by several threads at a time.
  std::function<absl::Status(std::uint64_t offset, std::span<std::byte> out)> read;
};

// Access to a frame in memory, which must outlive it.
FrameAccess AccessMemory(std::span<const std::byte> frame);

// A box of a tensor: ranges of items, planes and rows.  `end` is exclusive and cut to the extent of the axis.
//
//   layout        items         planes                  rows          a slice is of shape
//   nchw          the batch     channels                rows          [items, planes, rows, width]
//   nhwc          the batch     channels                rows          [items, rows, width, planes]
//   tokens        the batch     features                tokens        [items, rows, planes]
//   heads         the batch     features of all heads   tokens        [items, heads, rows, features]
//   flat          the samples   one                     one           [items]
//
// Planes of heads must be whole heads.  A tensor that is cut as a flat one (docs/format.md, "Geometry"; one whose rows
// are wider than 65536 samples, for example) counts as flat.
struct Slice {
  static constexpr std::uint64_t kAll = ~std::uint64_t{0};
  std::uint64_t item_begin = 0, item_end = kAll;
  std::uint64_t plane_begin = 0, plane_end = kAll;
  std::uint64_t row_begin = 0, row_end = kAll;
};

// Decodes a slice piece by piece.  Memory is bounded by the slabs in flight, as with FrameDecoder; segments are decoded
// on the calling thread's oneTBB arena.  One thread at a time may use an object.  The digest of the whole tensor is not
// checked, the checksum of every touched segment is.
class SliceDecoder {
 public:
  // Errors: as Decompress; InvalidArgument (an empty or reversed range, one that begins beyond its axis, parts of
  // heads); those of `frame.read`.
  static absl::StatusOr<SliceDecoder> Create(FrameAccess frame, const Slice& slice, const DecodeLimits& limits = {});

  SliceDecoder(SliceDecoder&&) noexcept;
  SliceDecoder& operator=(SliceDecoder&&) noexcept;
  ~SliceDecoder();

  const TensorSpec& spec() const;  // of the slice

  // Reads what the next call of Next decodes, on this thread: for callers whose threads that code must not wait.
  // Without it Next reads, too.  Errors: DataLoss, those of `frame.read`.
  absl::Status Fetch();

  // The next samples of the slice, in the order of its bytes; empty at its end.  After an error the slice is lost.
  absl::StatusOr<std::vector<std::byte>> Next();

  std::uint64_t decoded_segments() const;  // so far

 private:
  struct Impl;
  explicit SliceDecoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct SliceResult {
  Tensor tensor;
  std::uint64_t decoded_segments = 0;  // how many segments had to be decoded
};

// A whole slice of a frame in memory.  Errors: as SliceDecoder.
absl::StatusOr<SliceResult> DecompressSlice(std::span<const std::byte> frame, const Slice& slice,
                                            const DecodeLimits& limits = {});

}  // namespace dcac

#endif  // DCAC_SLICE_H_
