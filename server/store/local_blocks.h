// The blocks of a local store: index, payload files, space and their order of changes.  What uploads and verbs share.
#ifndef DCAC_SERVER_STORE_LOCAL_BLOCKS_H_
#define DCAC_SERVER_STORE_LOCAL_BLOCKS_H_

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/local_index.h"
#include "server/store/local_store.h"
#include "server/store/payload_folder.h"
#include "server/store/space_account.h"

namespace dcac::store {

inline constexpr std::size_t kMaxInlineBytes = 4096;

// A payload that was written, about to become a block.
struct NewBlock {
  std::string key;
  std::string id;
  std::uint64_t size_bytes = 0;
  std::optional<ByteSpan> payload;  // of a block that is small enough to lie in the index
  const PutOptions* options = nullptr;
};

// Thread-safe.
//
// Order.  Payload before record, record before the removal of what it replaces: whenever the process dies, a record has
// its payload, and what has no record is found and removed at the next start.  The same holds for the machine with
// SyncPolicy::kEach, where each step is durable before the next; with kInterval removals wait for the index to be
// durable, and records whose payload did not get that far are dropped at the start.
class LocalBlocks {
 public:
  static absl::StatusOr<std::unique_ptr<LocalBlocks>> Open(const LocalStoreOptions& options);
  ~LocalBlocks();

  Time now() const { return options_.now(); }
  const StoreLimits& limits() const { return options_.limits; }
  const LocalIndex& index() const { return *index_; }
  PayloadFolder& payloads() { return payloads_; }
  SpaceAccount& account() { return account_; }

  // Room for more of an owner; evicts what was not used for longest where that makes room.
  // Errors: ResourceExhausted (quota; capacity, and nothing is left to evict).
  absl::Status Reserve(std::string_view owner, std::uint64_t bytes);

  // Of a file that was written: durable, or noted to become so.
  absl::Status MakeDurable(PayloadWriter& writer, const std::string& id);

  // Publishes blocks with keys that differ; a status for each.
  std::vector<absl::StatusOr<BlockInfo>> Publish(std::span<const NewBlock> blocks);

  // The record of a block that is there.  Errors: NotFound (or expired), DataLoss.
  absl::StatusOr<Record> Find(std::string_view key) const;

  // For each key OK or NotFound.
  std::vector<absl::Status> Delete(std::span<const std::string> keys);

  // Changes what is told of a block, if it is still this version; an empty one is any.
  absl::StatusOr<Record> Change(const std::string& key, const std::string& version,
                                const std::function<void(Record&)>& change);

  // A block was read.
  void NoteUse(const Record& record);
  void NoteDamage(const std::string& key, const std::string& version);

  // Opens the upload of this id for one user at a time.  Errors: Unavailable (it has one).
  absl::Status BeginUpload(const std::string& id);
  void EndUpload(const std::string& id);
  std::uint64_t open_uploads() const;

  absl::Status RemoveExpired(const CallControl& control);
  absl::Status RemoveOldUploads();

  std::uint64_t evicted_blocks() const { return evicted_; }
  std::uint64_t expired_blocks() const { return expired_; }
  std::uint64_t damaged_blocks() const { return damaged_; }

 private:
  explicit LocalBlocks(const LocalStoreOptions& options);

  using Locks = std::vector<std::unique_lock<std::mutex>>;
  Locks LockKeys(std::span<const std::string> keys);

  absl::Status Recover();
  absl::Status DropRecordsWithoutPayload(const std::vector<Record>& records);
  // Errors: those of a condition.
  absl::Status CheckCondition(const Condition& condition, const absl::StatusOr<Record>& there) const;
  absl::Status Evict(std::uint64_t missing_bytes);
  absl::Status WriteIndex(const LocalIndex::Changes& changes);
  void RemovePayloads(const std::vector<Record>& records);
  absl::Status RemoveFiles(const std::vector<std::string>& ids);
  // Erases those of the records that are still as they were when they were read; their number.
  absl::StatusOr<std::uint64_t> Erase(std::span<const TimedKey> entries, bool expiry, std::uint64_t enough_bytes);
  absl::Status SyncNow();
  void SyncInBackground();

  LocalStoreOptions options_;
  std::unique_ptr<LocalIndex> index_;
  PayloadFolder payloads_;
  SpaceAccount account_;

  static constexpr std::size_t kKeyLocks = 256;
  std::array<std::mutex, kKeyLocks> key_mutexes_;  // of keys by their hash; held while their records change
  std::mutex evict_mutex_;                         // before those of keys

  mutable std::mutex uploads_mutex_;
  std::set<std::string> uploads_;

  std::mutex sync_mutex_;
  std::condition_variable sync_wake_;
  bool stopping_ = false;
  std::vector<std::string> unsynced_;   // ids of files
  std::vector<std::string> unremoved_;  // ids of files that wait for the index
  std::thread syncer_;

  std::atomic<std::uint64_t> evicted_{0};
  std::atomic<std::uint64_t> expired_{0};
  std::atomic<std::uint64_t> damaged_{0};
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_LOCAL_BLOCKS_H_
