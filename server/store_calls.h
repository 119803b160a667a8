// The unary calls of the store.
#ifndef DCAC_SERVER_STORE_CALLS_H_
#define DCAC_SERVER_STORE_CALLS_H_

#include <cstddef>

#include "absl/status/status.h"
#include "dcac/v1/store.pb.h"
#include "server/store_context.h"
#include "server/work_control.h"

namespace dcac::server {

// Errors of each: as proto/dcac/v1/store.proto has them.
absl::Status FindMissing(const v1::FindMissingRequest& request, const StoreContext& context, const WorkControl& control,
                         v1::FindMissingResponse* response);
absl::Status Stat(const v1::StatRequest& request, const StoreContext& context, const WorkControl& control,
                  v1::StatResponse* response);
absl::Status List(const v1::ListRequest& request, const StoreContext& context, const WorkControl& control,
                  v1::ListResponse* response);
absl::Status Delete(const v1::DeleteRequest& request, const StoreContext& context, const WorkControl& control,
                    v1::DeleteResponse* response);
absl::Status DeletePrefix(const v1::DeletePrefixRequest& request, const StoreContext& context,
                          const WorkControl& control, v1::DeletePrefixResponse* response);
absl::Status Touch(const v1::TouchRequest& request, const StoreContext& context, const WorkControl& control,
                   v1::TouchResponse* response);
absl::Status Pin(const v1::PinRequest& request, const StoreContext& context, const WorkControl& control,
                 v1::PinResponse* response);
absl::Status GetUsage(const v1::GetUsageRequest& request, const StoreContext& context, const WorkControl& control,
                      v1::GetUsageResponse* response);
absl::Status Scrub(const v1::ScrubRequest& request, const StoreContext& context, const WorkControl& control,
                   v1::ScrubResponse* response);

// Errors: InvalidArgument (more keys than a request may have).
absl::Status CheckKeyCount(std::size_t keys);

}  // namespace dcac::server

#endif  // DCAC_SERVER_STORE_CALLS_H_
