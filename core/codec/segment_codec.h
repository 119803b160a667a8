// A segment's packed samples to its body and back (docs/format.md, "Segments"): without the rows and columns that
// repeat, the smallest of the plane model, zstd on shuffled bytes, and the samples as they are.
#ifndef DCAC_CORE_CODEC_SEGMENT_CODEC_H_
#define DCAC_CORE_CODEC_SEGMENT_CODEC_H_

#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/format/frame.h"
#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac {

// What the samples of a segment are: planes of `height` x `width`, those of the first item first.  In token order (the
// layouts tokens and heads) `height` counts tokens, `width` is 1, and the samples are packed as [item][token][plane].
struct SegmentShape {
  DType dtype = DType::kU8;
  int items = 0;
  int planes = 0;  // of an item
  int height = 0;
  int width = 0;
  int head_features = 0;  // token order: planes of one head, which divide `planes`; 0: plane after plane

  bool in_token_order() const { return head_features > 0; }
  int all_planes() const { return items * planes; }
  size_t plane_samples() const { return static_cast<size_t>(height) * static_cast<size_t>(width); }
  size_t plane_bytes() const { return plane_samples() * SampleBytes(dtype); }
  size_t bytes() const { return static_cast<size_t>(all_planes()) * plane_bytes(); }
};

// Where the planes of a segment are, plane after plane.
struct PlaneMemory {
  std::byte* data = nullptr;
  size_t stride = 0;  // bytes from plane to plane

  std::byte* plane(size_t p) const { return data + p * stride; }
};

inline PlaneMemory PackedPlanes(const SegmentShape& shape, std::span<std::byte> packed) {
  return {packed.data(), shape.plane_bytes()};
}

class SegmentSamples;
struct SegmentAccount;

// Errors: InvalidArgument (not a level of EncodeOptions).
absl::Status CheckLevel(int level);

// The body is at most MaxBodyBytes(samples.size()) long.
Bytes EncodeSegmentBody(const SegmentSamples& samples, const EncodeOptions& options);

// `packed` is shape.bytes() long.  With `account`, where the bits went is entered there.
// Errors: DataLoss, Unimplemented (method or layout unknown).  On error the content of `packed` and of `account` is
// unspecified.
absl::Status DecodeSegmentBody(const SegmentShape& shape, ByteSpan body, std::span<std::byte> packed,
                               SegmentAccount* account = nullptr);

// The same, of samples that are not in token order, into planes that need not be packed: lanes decode where these are.
absl::Status DecodeSegmentPlanes(const SegmentShape& shape, ByteSpan body, const PlaneMemory& planes,
                                 SegmentAccount* account = nullptr);

absl::StatusOr<SegmentMethod> MethodOfBody(ByteSpan body);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SEGMENT_CODEC_H_
