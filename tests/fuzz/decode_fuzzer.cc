// Input: a frame.  All decoders must agree about it: whole, in pieces, bounded, by slices; FrameBoundary
// finds its end.
#include <algorithm>
#include <optional>

#include "core/format/frame.h"
#include "core/format/geometry.h"
#include "dcac/codec.h"
#include "dcac/frame_boundary.h"
#include "tests/fuzz/fuzz.h"
#include "tests/testing/frame_surgery.h"

namespace dcac {
namespace {

// Pieces of 1 .. 4096 bytes, by the bytes of the frame.
std::size_t PieceBytes(ByteSpan rest) {
  const std::size_t wanted = std::size_t{1} << (std::to_integer<unsigned>(rest.front()) * 13 / 256);
  return std::min(wanted, rest.size());
}

void AppendPulled(FrameDecoder& decoder, Bytes& out) {
  AppendBytes(decoder.Pull(), out);
}

absl::Status Stream(ByteSpan frame, bool bounded, Bytes& out) {
  FrameDecoder decoder(fuzz::kLimits);
  for (ByteSpan rest = frame; !rest.empty();) {
    const ByteSpan piece = rest.first(PieceBytes(rest));
    rest = rest.subspan(piece.size());
    absl::Status status = bounded ? decoder.PushBounded(piece) : decoder.Push(piece);
    AppendPulled(decoder, out);
    while (status.ok() && decoder.has_backlog()) {
      status = decoder.PushBounded({});
      AppendPulled(decoder, out);
    }
    if (!status.ok()) return status;
  }
  DCAC_FUZZ_REQUIRE(decoder.raw_bytes() == out.size());
  return decoder.Finish();
}

// Whole, into given memory, streamed and streamed with bounds: the same outcome, and the same bytes.
absl::StatusOr<Tensor> DecodeAllWays(ByteSpan frame) {
  auto tensor = Decompress(frame, fuzz::kLimits);
  for (bool bounded : {false, true}) {
    Bytes streamed;
    const absl::Status status = Stream(frame, bounded, streamed);
    DCAC_FUZZ_REQUIRE(status.ok() == tensor.ok());
    DCAC_FUZZ_REQUIRE(status.ok() || fuzz::IsRefusal(status));
    DCAC_FUZZ_REQUIRE(!tensor.ok() || streamed == tensor->data);
    DCAC_FUZZ_REQUIRE(streamed.size() <= fuzz::kLimits.max_tensor_bytes);
  }
  DCAC_FUZZ_REQUIRE(tensor.ok() || fuzz::IsRefusal(tensor.status()));
  if (tensor.ok()) {
    Bytes into(TensorBytes(tensor->spec).value());
    DCAC_FUZZ_REQUIRE(DecompressInto(frame, into, fuzz::kLimits).ok());
    DCAC_FUZZ_REQUIRE(into == tensor->data);
  }
  return tensor;
}

// Nothing where FrameBoundary refuses the frame or does not find its end.
std::optional<std::uint64_t> FindEnd(ByteSpan data) {
  FrameBoundary boundary(fuzz::kLimits);
  for (ByteSpan rest = data; !rest.empty() && !boundary.done();) {
    const ByteSpan piece = rest.first(PieceBytes(rest));
    const auto taken = boundary.Push(piece);
    if (!taken.ok()) {
      DCAC_FUZZ_REQUIRE(fuzz::IsRefusal(taken.status()));
      return std::nullopt;
    }
    DCAC_FUZZ_REQUIRE(*taken == piece.size() || boundary.done());
    rest = rest.subspan(*taken);
    DCAC_FUZZ_REQUIRE(boundary.frame_bytes() == data.size() - rest.size());
  }
  return boundary.done() ? std::optional(boundary.frame_bytes()) : std::nullopt;
}

// The end of a frame that decodes is found, and found when something follows it.
void CheckBoundary(Bytes frame, bool decodes) {
  const std::size_t frame_bytes = frame.size();
  const std::optional<std::uint64_t> end = FindEnd(frame);
  AppendBytes(Bytes(frame), frame);
  const std::optional<std::uint64_t> end_in_longer = FindEnd(frame);
  DCAC_FUZZ_REQUIRE(!end || end == end_in_longer);
  DCAC_FUZZ_REQUIRE(!decodes || end == frame_bytes);
}

// A slice does not check the digest: where the slice of everything decodes, the frame with the digest of that does.
void CheckSlices(const Bytes& frame) {
  const auto all = DecompressSlice(frame, {}, fuzz::kLimits);
  if (!all.ok()) {
    DCAC_FUZZ_REQUIRE(fuzz::IsRefusal(all.status()) || all.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  DCAC_FUZZ_REQUIRE(all->tensor.data.size() == TensorBytes(all->tensor.spec).value());
  Bytes repaired = frame;
  testing::ReplaceDigest(repaired, ComputeDigest(all->tensor.data));
  const auto tensor = DecodeAllWays(repaired);
  DCAC_FUZZ_REQUIRE(tensor.ok());
  DCAC_FUZZ_REQUIRE(tensor->data == all->tensor.data);
  const auto info = Inspect(repaired, fuzz::kLimits);
  DCAC_FUZZ_REQUIRE(info.ok());
  const std::uint64_t components = ExtentsOf(all->tensor.spec).components;  // each is a plane of segments
  for (const SegmentInfo& segment : info->segments) {
    const auto part = DecompressSlice(frame,
                                      {segment.item_begin, segment.item_end, segment.plane_begin / components,
                                       segment.plane_end / components, segment.row_begin, segment.row_end},
                                      fuzz::kLimits);
    DCAC_FUZZ_REQUIRE(part.ok() && part->decoded_segments == 1);
    DCAC_FUZZ_REQUIRE(part->tensor.data.size() == segment.raw_bytes);
    if (segment.frame_offset > 4096) break;  // enough of them
  }
}

}  // namespace
}  // namespace dcac

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> input = dcac::fuzz::InputBytes(data, size);
  const dcac::Bytes frame(input.begin(), input.end());
  const absl::Status status = dcac::DecodeAllWays(frame).status();
  dcac::fuzz::CountOutcome(status);
  dcac::CheckBoundary(frame, status.ok());
  dcac::CheckSlices(frame);
  return 0;
}
