// One Inspect call.
#ifndef DCAC_CLIENT_INTERNAL_INSPECT_H_
#define DCAC_CLIENT_INTERNAL_INSPECT_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "client/internal/connection.h"
#include "dcac/client.h"
#include "dcac/frame_info.h"

namespace dcac::client::internal {

absl::StatusOr<FrameInfo> RunInspect(InspectCall& call, std::size_t chunk_bytes, const ChunkSource& frame);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_INSPECT_H_
