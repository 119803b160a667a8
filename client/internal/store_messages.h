// Between the store's types of the client and the messages of its contract.
#ifndef DCAC_CLIENT_INTERNAL_STORE_MESSAGES_H_
#define DCAC_CLIENT_INTERNAL_STORE_MESSAGES_H_

#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "dcac/client_store.h"
#include "dcac/v1/store.pb.h"

namespace dcac::client::internal {

// Errors: Internal (no object as the contract has them).
absl::StatusOr<StoredObject> FromProto(const v1::StoredObject& message);

v1::SliceRange ToProto(const Slice& slice);
void ToProto(std::chrono::milliseconds time, google::protobuf::Duration* message);

// The first of `keys` that fit one request, of those that may have many; none only of none.
std::span<const std::string> KeysOfRequest(std::span<const std::string> keys);

v1::GetRequest RequestOf(std::string_view key, v1::ObjectForm form);

// All but the content.
v1::PutHeader HeaderOf(std::string_view key, const PutOptions& options);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_STORE_MESSAGES_H_
