// Stands in for server_frame_coder.cc in builds without gRPC.
#include "client/cli/frame_coder.h"
#include "client/cli/report.h"

namespace dcac::cli {

absl::StatusOr<std::unique_ptr<FrameCoder>> MakeServerFrameCoder(const ServerOptions& /*server*/) {
  return MarkFromServer(
      absl::UnimplementedError("this dcac was built without gRPC, expected one with it for --server"));
}

}  // namespace dcac::cli
