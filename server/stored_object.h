// Objects of the contract as blocks of a store, and back.
#ifndef DCAC_SERVER_STORED_OBJECT_H_
#define DCAC_SERVER_STORED_OBJECT_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/frame_info.h"
#include "dcac/tensor.h"
#include "dcac/v1/store.pb.h"
#include "server/store/block_store.h"

namespace dcac::server {

inline constexpr std::size_t kMaxObjectKeyBytes = 1024;

// The key of a block: that of its tenant's.  Errors: InvalidArgument.
absl::StatusOr<std::string> BlockKey(std::string_view tenant, std::string_view key);
// The same of all keys that begin with a prefix, which need not be a key.
absl::StatusOr<std::string> BlockPrefix(std::string_view tenant, std::string_view prefix);

// What a block is to remember of its object.  Errors: InvalidArgument (spec).
absl::Status DescribeTensor(const TensorSpec& spec, const Digest& digest, store::PutOptions* options);
void DescribeArchive(std::uint64_t raw_bytes, const Digest& digest, store::PutOptions* options);

// Errors: DataLoss (the block's attributes are none of ours).
absl::StatusOr<v1::StoredObject> ToObject(const store::BlockInfo& info);

// Errors: InvalidArgument (out of range).
absl::StatusOr<std::chrono::milliseconds> TimeToLive(const google::protobuf::Duration& ttl);
absl::StatusOr<store::Condition> ConditionFromProto(const v1::PutCondition& message);

}  // namespace dcac::server

#endif  // DCAC_SERVER_STORED_OBJECT_H_
