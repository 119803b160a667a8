// The store that the settings name.
#ifndef DCAC_SERVER_OPEN_STORE_H_
#define DCAC_SERVER_OPEN_STORE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/server.h"
#include "server/store/block_store.h"

namespace dcac::server {

// Of a location as `store` has it: local:FOLDER, s3:BUCKET[/PREFIX], memory: or none.  Errors: InvalidArgument.
absl::Status CheckStoreLocation(const std::string& location);

// Null: there is none.  `warn` is told what the operator should know of what was found.  Errors: InvalidArgument
// (location), those of opening it.
absl::StatusOr<std::unique_ptr<store::BlockStore>> OpenStore(const StoreOptions& options,
                                                             const std::function<void(const std::string&)>& warn);

// Of a store in S3: what can be told of it without asking it.  Errors: those of S3StoreOptionsOf (bucket, credentials).
absl::Status CheckBucket(const StoreOptions& options);

// On this machine's disk; empty: the store is elsewhere.
std::string StoreFolder(const std::string& location);

// Where the program keeps its store when nothing else is said: in the folder that the service manager gave it, or one
// of the user's.
std::string DefaultStoreLocation();

}  // namespace dcac::server

#endif  // DCAC_SERVER_OPEN_STORE_H_
