// Whether a frame that arrives in pieces is whole and unharmed, without decoding its samples.
#ifndef DCAC_FRAME_CHECKER_H_
#define DCAC_FRAME_CHECKER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/frame_info.h"
#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac {

// Compares every checksum of a frame - those of header, segments, and index with trailer - and the index with the
// segments that it is of.  What these cannot tell, whether the samples are those of the digest, only a decoder can.
// Memory does not depend on the input.
class FrameChecker {
 public:
  explicit FrameChecker(const DecodeLimits& limits = {});
  FrameChecker(FrameChecker&&) noexcept;
  FrameChecker& operator=(FrameChecker&&) noexcept;
  ~FrameChecker();

  // As FrameBoundary::Push.  Errors beyond its own: DataLoss (a checksum, the index).
  absl::StatusOr<std::size_t> Push(std::span<const std::byte> data);

  bool done() const;
  std::uint64_t frame_bytes() const;  // so far
  bool has_spec() const;              // the header was read
  const TensorSpec& spec() const;     // of the tensor; only if has_spec()
  const Digest& digest() const;       // of the tensor, as the trailer says; valid once done()

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dcac

#endif  // DCAC_FRAME_CHECKER_H_
