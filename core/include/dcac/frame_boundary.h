// Where a frame ends that arrives in pieces, without decoding it.
#ifndef DCAC_FRAME_BOUNDARY_H_
#define DCAC_FRAME_BOUNDARY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/options.h"

namespace dcac {

// Follows a frame through header, segment sizes, index and trailer.  Of the frame it keeps no more than a header, so
// its memory does not depend on the input.  It checks what it needs to know; what is in the frame is for a decoder.
class FrameBoundary {
 public:
  explicit FrameBoundary(const DecodeLimits& limits = {});
  FrameBoundary(FrameBoundary&&) noexcept;
  FrameBoundary& operator=(FrameBoundary&&) noexcept;
  ~FrameBoundary();

  // How many bytes at the start of `data`, which follow those of earlier calls, belong to the frame: all of them until
  // its end is reached, and then done().
  // Errors: DataLoss, Unimplemented, ResourceExhausted as FrameDecoder; then every call returns that error.
  absl::StatusOr<std::size_t> Push(std::span<const std::byte> data);

  bool done() const;
  std::uint64_t frame_bytes() const;  // so far

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dcac

#endif  // DCAC_FRAME_BOUNDARY_H_
