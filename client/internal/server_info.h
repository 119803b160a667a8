// What servers say of themselves, without the types of the contract.
#ifndef DCAC_CLIENT_INTERNAL_SERVER_INFO_H_
#define DCAC_CLIENT_INTERNAL_SERVER_INFO_H_

#include "dcac/client_results.h"
#include "dcac/v1/admin.pb.h"
#include "dcac/v1/compression.pb.h"

namespace dcac::client::internal {

Capabilities FromProto(const v1::GetCapabilitiesResponse& response);
ServerStatus FromProto(const v1::GetStatusResponse& response);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_SERVER_INFO_H_
