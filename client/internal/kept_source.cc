#include "client/internal/kept_source.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace dcac::client::internal {

absl::Status KeptSource::Read(std::uint64_t offset, std::span<std::byte> out) {
  if (offset < kept_begin_) {
    return absl::UnavailableError(absl::StrCat("the transfer broke off, and what the source gave at byte ", offset,
                                               " is no longer kept, expected ", kept_begin_, " or later"));
  }
  const std::size_t again = static_cast<std::size_t>(std::min<std::uint64_t>(kept_end() - offset, out.size()));
  const auto from = kept_.begin() + static_cast<std::ptrdiff_t>(dropped_ + (offset - kept_begin_));
  std::copy_n(from, again, out.begin());
  const std::span<std::byte> fresh = out.subspan(again);
  if (fresh.empty()) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(Fetch(fresh));
  Keep(fresh);
  return kept_end() == size_ ? CheckEnd() : absl::OkStatus();
}

absl::Status KeptSource::Fetch(std::span<std::byte> out) {
  while (!out.empty()) {
    if (rest_.empty()) {
      DCAC_ASSIGN_OR_RETURN(rest_, source_());
      if (rest_.empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("the source ended ", out.size(), " bytes or more before the ", size_, " bytes of the tensor"));
      }
    }
    const std::size_t count = std::min(rest_.size(), out.size());
    std::copy_n(rest_.begin(), count, out.begin());
    rest_ = rest_.subspan(count);
    out = out.subspan(count);
  }
  return absl::OkStatus();
}

absl::Status KeptSource::CheckEnd() {
  if (rest_.empty()) {
    DCAC_ASSIGN_OR_RETURN(rest_, source_());
  }
  if (rest_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the source gives more than the ", size_, " bytes of the tensor"));
}

void KeptSource::Keep(std::span<const std::byte> bytes) {
  kept_.insert(kept_.end(), bytes.begin(), bytes.end());
  if (kept_.size() - dropped_ > max_kept_bytes_) Forget(kept_end() - max_kept_bytes_);
}

void KeptSource::Forget(std::uint64_t offset) {
  const std::uint64_t begin = std::clamp(offset, kept_begin_, kept_end());
  dropped_ += static_cast<std::size_t>(begin - kept_begin_);
  kept_begin_ = begin;
  // Moving what is left pays once it is the smaller part.
  if (dropped_ * 2 < kept_.size()) return;
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(dropped_));
  dropped_ = 0;
}

}  // namespace dcac::client::internal
