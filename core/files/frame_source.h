// The bytes of one frame of an archive.
#ifndef DCAC_CORE_FILES_FRAME_SOURCE_H_
#define DCAC_CORE_FILES_FRAME_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "core/files/byte_stream.h"
#include "dcac/frame_boundary.h"

namespace dcac::files {

// The frame that comes next from another source, which is left behind it.  Ends where the frame ends.
class FrameSource final : public ByteSource {
 public:
  explicit FrameSource(PushbackSource& source) : source_(source) {}

  // Errors: as FrameBoundary; those of the other source.
  absl::StatusOr<std::size_t> Read(std::span<std::byte> out) override;

  std::uint64_t frame_bytes() const { return boundary_.frame_bytes(); }  // so far

 private:
  PushbackSource& source_;
  FrameBoundary boundary_;
};

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_FRAME_SOURCE_H_
