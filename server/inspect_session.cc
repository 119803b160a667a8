#include "server/inspect_session.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "dcac/frame_info.h"
#include "proto/wire/convert.h"
#include "proto/wire/limits.h"

namespace dcac::server {
namespace {

// What is listed of each takes far more than the least segment, but is little of frames as encoders make them.
constexpr std::uint64_t kMaxSegments = std::uint64_t{1} << 14;

}  // namespace

absl::Status InspectSession::Accept(v1::InspectRequest&& request) {
  if (!request.has_chunk()) return absl::InvalidArgumentError("a request without chunk");
  if (frame_.size() + request.chunk().data().size() > wire::kMaxInspectBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a frame of more than max_inspect_bytes ", wire::kMaxInspectBytes));
  }
  return input_.Accept(std::move(*request.mutable_chunk()));
}

absl::Status InspectSession::AcceptEnd() {
  ended_ = true;
  return absl::OkStatus();
}

absl::Status InspectSession::Work() {
  if (!ended_) {
    const std::span<const std::byte> bytes = input_.Take(wire::kMaxChunkBytes);
    frame_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return absl::OkStatus();
  }
  DecodeLimits limits = ToDecodeLimits(limits_);
  limits.max_listed_segments = kMaxSegments;
  DCAC_ASSIGN_OR_RETURN(const FrameInfo info, dcac::Inspect(wire::AsBytes(frame_), limits));
  wire::ToProto(info, &info_);
  inspected_ = true;
  return absl::OkStatus();
}

bool InspectSession::NextReply(v1::InspectResponse* response) {
  if (inspected_ && !info_sent_) {
    *response->mutable_info() = info_;
    info_sent_ = true;
  } else if (!input_.answer_is_due()) {
    return false;
  }
  response->set_consumed_bytes(input_.Answer());
  return true;
}

std::uint64_t InspectSession::memory_bytes() const {
  // A string grows by doubling, and holds both copies while it does.
  return kMaxInputBytesInFlight + 3 * std::uint64_t{frame_.size()};
}

CallFacts InspectSession::facts() const {
  CallFacts facts{.stored_bytes = frame_.size()};
  if (inspected_) {
    facts.dtype = static_cast<DType>(info_.spec().dtype());
    facts.raw_bytes = info_.raw_bytes();
  }
  return facts;
}

}  // namespace dcac::server
