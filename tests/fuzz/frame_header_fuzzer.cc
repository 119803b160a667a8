// Input: a frame.  Its header, and what Inspect says of it.
#include <algorithm>

#include "core/format/frame.h"
#include "dcac/codec.h"
#include "tests/fuzz/fuzz.h"

namespace dcac {
namespace {

void CheckHeader(ByteSpan frame) {
  size_t header_bytes = 0;
  bool incomplete = false;
  const auto header = ParseHeader(frame, header_bytes, incomplete);
  fuzz::CountOutcome(header.status());
  if (!header.ok()) {
    DCAC_FUZZ_REQUIRE(fuzz::IsRefusal(header.status()));
    return;
  }
  DCAC_FUZZ_REQUIRE(header_bytes <= std::min(frame.size(), kMaxHeaderBytes));
  const Bytes again = SerializeHeader(*header);
  DCAC_FUZZ_REQUIRE(std::ranges::equal(again, frame.first(header_bytes)));

  size_t prefix_bytes = 0;
  DCAC_FUZZ_REQUIRE(!ParseHeader(frame.first(header_bytes - 1), prefix_bytes, incomplete).ok() && incomplete);

  const Geometry& geometry = header->geometry;
  for (uint64_t segment : {uint64_t{0}, geometry.num_segments() / 2, geometry.num_segments() - 1}) {
    if (geometry.num_segments() == 0) break;
    const uint64_t bytes = geometry.SegmentBytes(segment);
    DCAC_FUZZ_REQUIRE(bytes > 0 && bytes <= TensorBytes(header->spec).value());
  }
}

void CheckInfo(ByteSpan frame) {
  const auto info = Inspect(frame, fuzz::kLimits);
  fuzz::CountOutcome(info.status());
  if (!info.ok()) {
    DCAC_FUZZ_REQUIRE(fuzz::IsRefusal(info.status()));
    return;
  }
  DCAC_FUZZ_REQUIRE(info->frame_bytes == frame.size());
  uint64_t raw_bytes = 0;
  for (const SegmentInfo& segment : info->segments) {
    raw_bytes += segment.raw_bytes;
    DCAC_FUZZ_REQUIRE(segment.frame_offset + segment.stored_bytes <= frame.size());
  }
  DCAC_FUZZ_REQUIRE(raw_bytes == info->raw_bytes && raw_bytes == TensorBytes(info->spec).value());
}

}  // namespace
}  // namespace dcac

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  dcac::CheckHeader(dcac::fuzz::InputBytes(data, size));
  dcac::CheckInfo(dcac::fuzz::InputBytes(data, size));
  return 0;
}
