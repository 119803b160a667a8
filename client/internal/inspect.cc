#include "client/internal/inspect.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/internal/chunk_exchange.h"
#include "client/internal/exchange.h"
#include "core/base/status_macros.h"
#include "proto/wire/convert.h"

namespace dcac::client::internal {
namespace {

SegmentInfo FromProto(const v1::SegmentInfo& message) {
  SegmentInfo segment;
  segment.item_begin = message.item_begin();
  segment.item_end = message.item_end();
  segment.plane_begin = message.plane_begin();
  segment.plane_end = message.plane_end();
  segment.row_begin = message.row_begin();
  segment.row_end = message.row_end();
  segment.frame_offset = message.frame_offset();
  segment.stored_bytes = message.stored_bytes();
  segment.raw_bytes = message.raw_bytes();
  segment.method = message.method();
  return segment;
}

absl::StatusOr<FrameInfo> FromProto(const v1::FrameInfo& message) {
  FrameInfo info;
  DCAC_ASSIGN_OR_RETURN(info.spec, wire::FromProto(message.spec()));
  DCAC_ASSIGN_OR_RETURN(info.digest, wire::DigestFromProto(message.digest()));
  info.version = static_cast<int>(message.version());
  info.raw_bytes = message.raw_bytes();
  info.frame_bytes = message.stored_bytes();
  for (const v1::SegmentInfo& segment : message.segments()) info.segments.push_back(FromProto(segment));
  info.mode = message.mode();
  info.references_per_plane = message.references_per_plane();
  return info;
}

}  // namespace

absl::StatusOr<FrameInfo> RunInspect(InspectCall& call, std::size_t chunk_bytes, const ChunkSource& frame) {
  ChunkSender sender(frame, {chunk_bytes, chunk_bytes});
  std::optional<v1::FrameInfo> info;
  const auto send = [&]() -> absl::StatusOr<bool> {
    v1::InspectRequest request;
    DCAC_ASSIGN_OR_RETURN(wire::SharedBytes data, sender.Next(request.mutable_chunk()));
    if (!data.bytes.empty()) return call.WriteChunk(request, std::move(data), /*more=*/false);
    call.WritesDone();
    return false;
  };
  const auto receive = [&](const v1::InspectResponse& response, const wire::SharedPieces&) {
    if (response.has_info()) info = response.info();
    return sender.OnConsumed(response.consumed_bytes());
  };
  DCAC_RETURN_IF_ERROR(RunExchange(
      call, [&] { return sender.has_credit(); }, send, receive));
  if (!info) return absl::InternalError("server: the call ended without an info");
  absl::StatusOr<FrameInfo> result = FromProto(*info);
  if (!result.ok()) return absl::InternalError(absl::StrCat("server: ", result.status().message()));
  return result;
}

}  // namespace dcac::client::internal
