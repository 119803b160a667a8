#include "core/files/frame_source.h"

#include <algorithm>

#include "core/base/status_macros.h"

namespace dcac::files {

absl::StatusOr<std::size_t> FrameSource::Read(std::span<std::byte> out) {
  if (boundary_.done()) return 0;
  DCAC_ASSIGN_OR_RETURN(std::span<const std::byte> next, source_.Peek());
  next = next.first(std::min(next.size(), out.size()));
  DCAC_ASSIGN_OR_RETURN(const std::size_t n, boundary_.Push(next));
  std::copy_n(next.begin(), n, out.begin());
  source_.Skip(n);
  return n;
}

}  // namespace dcac::files
