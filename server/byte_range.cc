#include "server/byte_range.h"

#include "absl/strings/str_cat.h"

namespace dcac::server {
namespace {

// The first and the last of the units of `unit` bytes that `extent` touches.
Extent UnitsOf(const Extent& extent, std::uint64_t unit) {
  return {.begin = extent.begin / unit, .end = (extent.end + unit - 1) / unit};
}

}  // namespace

absl::StatusOr<Extent> ExtentOf(const v1::ByteRange& range, std::uint64_t size) {
  if (range.offset() > size || range.size() > size - range.offset()) {
    return absl::InvalidArgumentError(absl::StrCat("range: ", range.size(), " bytes from ", range.offset(),
                                                   " on are not within the ", size, " there are"));
  }
  return Extent{.begin = range.offset(), .end = range.size() == 0 ? size : range.offset() + range.size()};
}

Cover CoverExtent(const TensorSpec& spec, std::uint64_t tensor_bytes, const Extent& extent) {
  if (extent.size() == 0) return {.slice = {.item_end = 1}, .extent = {}};
  const std::uint64_t item_bytes = tensor_bytes / spec.shape.front();
  const Extent items = UnitsOf(extent, item_bytes);
  Cover cover{.slice = {.item_begin = items.begin, .item_end = items.end},
              .extent = {extent.begin - items.begin * item_bytes, extent.end - items.begin * item_bytes}};
  if (items.size() > 1 || spec.shape.size() < 3) return cover;
  const std::uint64_t unit = item_bytes / spec.shape[1];
  const Extent units = UnitsOf(cover.extent, unit);
  if (spec.layout == Layout::kNchw) {
    cover.slice.plane_begin = units.begin;
    cover.slice.plane_end = units.end;
  } else if (spec.layout == Layout::kHeads) {
    cover.slice.plane_begin = units.begin * spec.shape.back();
    cover.slice.plane_end = units.end * spec.shape.back();
  } else {
    cover.slice.row_begin = units.begin;
    cover.slice.row_end = units.end;
  }
  cover.extent = {cover.extent.begin - units.begin * unit, cover.extent.end - units.begin * unit};
  return cover;
}

}  // namespace dcac::server
