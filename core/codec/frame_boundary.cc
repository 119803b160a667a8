#include "dcac/frame_boundary.h"

#include "core/codec/frame_walk.h"

namespace dcac {

struct FrameBoundary::Impl {
  FrameWalk walk;
  FrameVisitor nobody;
};

FrameBoundary::FrameBoundary(const DecodeLimits& limits) : impl_(new Impl{FrameWalk(limits), {}}) {}
FrameBoundary::FrameBoundary(FrameBoundary&&) noexcept = default;
FrameBoundary& FrameBoundary::operator=(FrameBoundary&&) noexcept = default;
FrameBoundary::~FrameBoundary() = default;

absl::StatusOr<std::size_t> FrameBoundary::Push(std::span<const std::byte> data) {
  return impl_->walk.Push(data, impl_->nobody);
}

bool FrameBoundary::done() const {
  return impl_->walk.done();
}

std::uint64_t FrameBoundary::frame_bytes() const {
  return impl_->walk.frame_bytes();
}

}  // namespace dcac
