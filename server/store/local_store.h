// A store in a folder of this machine: an index in RocksDB, payloads of at most 64 KiB in its packed files, a file for
// each larger one.
#ifndef DCAC_SERVER_STORE_LOCAL_STORE_H_
#define DCAC_SERVER_STORE_LOCAL_STORE_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/block_store.h"
#include "server/store/file_system.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace dcac::store {

// When what was acknowledged is on the disk.  A crash of the process alone loses nothing with any of them, and what was
// there before under a key is lost to a crash of the machine only with kNone.
enum class SyncPolicy {
  kNone,      // when the system writes it: a crash of the machine may lose all that was put since, and what it replaced
  kInterval,  // in the background: it may lose the changes of about the last sync_interval
  kEach,      // before it is acknowledged: it loses nothing
};

struct LocalStoreOptions {
  std::string folder;
  StoreLimits limits;
  SyncPolicy sync = SyncPolicy::kEach;
  std::chrono::milliseconds sync_interval{1000};
  // Of the disk, that puts leave free, but at most an eighth of it: the index needs room to give room back.
  std::uint64_t free_bytes = std::uint64_t{512} << 20;
  // Told, while it is opened, what the operator should know of what was found.
  std::function<void(const std::string& message)> on_warning;

  // For tests; null: the system's.  They must outlive the store.
  FileSystem* files = nullptr;
  rocksdb::Env* environment = nullptr;
  std::function<Time()> now;
};

// Readers and uploads must not outlive the store.  Errors: AlreadyExists (another process has the folder open),
// DataLoss (the index is damaged, or gone while there are payloads), FailedPrecondition (a folder of another version),
// those of the file system.
absl::StatusOr<std::unique_ptr<BlockStore>> OpenLocalStore(const LocalStoreOptions& options);

// The same in the memory of this process, gone with it.
absl::StatusOr<std::unique_ptr<BlockStore>> OpenMemoryStore(const StoreLimits& limits, std::function<Time()> now = {});

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_LOCAL_STORE_H_
