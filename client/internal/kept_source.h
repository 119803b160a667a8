// A source of the caller's that can be read again as far as it may have to be.
#ifndef DCAC_CLIENT_INTERNAL_KEPT_SOURCE_H_
#define DCAC_CLIENT_INTERNAL_KEPT_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "dcac/client.h"

namespace dcac::client::internal {

class KeptSource {
 public:
  // `size`: what the source has to give.  At most `max_kept_bytes` that were not forgotten stay, the last ones.
  KeptSource(const ChunkSource& source, std::uint64_t size, std::size_t max_kept_bytes)
      : source_(source), size_(size), max_kept_bytes_(max_kept_bytes) {}

  // Fills `out` with the bytes from `offset` on, which is the end of what was read before or within what is kept.
  // Errors: those of the source; InvalidArgument (it gives more or less than its size), Unavailable (the bytes are no
  // longer kept).
  absl::Status Read(std::uint64_t offset, std::span<std::byte> out);

  // What is before `offset` will not be read again.
  void Forget(std::uint64_t offset);

 private:
  absl::Status Fetch(std::span<std::byte> out);
  absl::Status CheckEnd();
  void Keep(std::span<const std::byte> bytes);
  std::uint64_t kept_end() const { return kept_begin_ + (kept_.size() - dropped_); }

  const ChunkSource& source_;
  const std::uint64_t size_;
  const std::size_t max_kept_bytes_;
  std::span<const std::byte> rest_;  // of what the source gave last
  std::uint64_t kept_begin_ = 0;     // of the input: where what is kept begins
  std::vector<std::byte> kept_;
  std::size_t dropped_ = 0;  // of kept_: bytes in front that are of no use any more
};

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_KEPT_SOURCE_H_
