// What every backend asks of its callers, in the same words.
#ifndef DCAC_SERVER_STORE_CHECKS_H_
#define DCAC_SERVER_STORE_CHECKS_H_

#include "absl/status/status.h"
#include "server/store/block_store.h"

namespace dcac::store {

inline constexpr std::size_t kMaxUploadStateBytes = std::size_t{16} << 10;
inline constexpr std::size_t kMaxSmallBlockBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMaxListLimit = 10'000;

// Errors: Cancelled, DeadlineExceeded.
absl::Status CheckControl(const CallControl& control);

// Errors: InvalidArgument.
absl::Status CheckStart(const UploadStart& start);
absl::Status CheckOptions(const PutOptions& options);
absl::Status CheckSmallBlock(const SmallBlock& block);
absl::Status CheckList(const ListRequest& request);

// The NotFound of every backend.
absl::Status NotThere();

// The bytes from `offset` on are within a block.  Errors: OutOfRange.
absl::Status CheckRange(const BlockInfo& info, std::uint64_t offset, std::uint64_t size);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_CHECKS_H_
