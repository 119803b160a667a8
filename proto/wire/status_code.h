// The only place where a status crosses between Abseil's type and gRPC's.
#ifndef DCAC_PROTO_WIRE_STATUS_CODE_H_
#define DCAC_PROTO_WIRE_STATUS_CODE_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace dcac::wire {

// Messages are cut to what fits the transport's limit on metadata.  Payloads, whose keys are type URLs, travel as
// details (google.rpc.Status).
grpc::Status ToGrpcStatus(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace dcac::wire

#endif  // DCAC_PROTO_WIRE_STATUS_CODE_H_
