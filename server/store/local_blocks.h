// The blocks of a local store: index, payload files, space and their order of changes.  What uploads and verbs share.
#ifndef DCAC_SERVER_STORE_LOCAL_BLOCKS_H_
#define DCAC_SERVER_STORE_LOCAL_BLOCKS_H_

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
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
#include "server/store/upload_table.h"

namespace dcac::store {

inline constexpr std::size_t kMaxInlineBytes = kPieceBytes;

// A payload that was written, about to become a block.
struct NewBlock {
  std::string key;
  std::string id;
  std::uint64_t size_bytes = 0;
  std::optional<ByteSpan> payload;  // of a block that is small enough to lie in the index
  const PutOptions* options = nullptr;
  std::uint64_t reserved_bytes = 0;  // no longer once it is published
};

// Thread-safe.
//
// Order.  Payload before record, record before the removal of what it replaces: whenever the process dies, a record has
// its payload, and what has no record is found and removed at the next start.  The same holds for the machine with
// SyncPolicy::kEach, where each step is durable before the next.  With kInterval, what was replaced stays until what
// took its place is durable, and comes back at the start after a crash of the machine that lost the latter.
class LocalBlocks {
 public:
  static absl::StatusOr<std::unique_ptr<LocalBlocks>> Open(const LocalStoreOptions& options);
  ~LocalBlocks();

  Time now() const { return options_.now(); }
  const StoreLimits& limits() const { return options_.limits; }
  const LocalIndex& index() const { return *index_; }
  PayloadFolder& payloads() { return payloads_; }
  SpaceAccount& account() { return account_; }
  UploadTable& uploads() { return uploads_; }

  // Room for more of an owner; evicts what was not used for longest where that makes room.
  // Errors: ResourceExhausted (quota; capacity, and nothing is left to evict; no room on the disk).
  absl::Status Reserve(std::string_view owner, std::uint64_t bytes);

  // Before so many bytes are written to the disk for a put.  Errors: ResourceExhausted.
  absl::Status CheckRoom(std::uint64_t bytes) const;

  // Of a file that is about to be written: its entry becomes durable meanwhile, where MakeDurable is to wait for it.
  std::future<absl::Status> StartEntry(const std::string& id);

  // Of a file that was written: durable, or noted to become so.
  absl::Status MakeDurable(PayloadWriter& writer, const std::string& id, std::future<absl::Status> entry);

  // Publishes blocks with keys that differ; a status for each.  `in_doubt`: they may be there after a restart although
  // there was an error, so that their payloads must stay until then.
  std::vector<absl::StatusOr<BlockInfo>> Publish(std::span<const NewBlock> blocks, bool* in_doubt = nullptr);

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

  // What is due: expired blocks, old uploads, those in doubt.  Errors: also those of becoming durable in the
  // background.
  absl::Status Maintain(const CallControl& control);

  std::uint64_t evicted_blocks() const { return evicted_; }
  std::uint64_t expired_blocks() const { return expired_; }
  std::uint64_t damaged_blocks() const;

 private:
  explicit LocalBlocks(const LocalStoreOptions& options);

  using Locks = std::vector<std::unique_lock<std::mutex>>;
  Locks LockKeys(std::span<const std::string> keys);

  // A payload that no record names any more.
  struct Obsolete {
    std::string id;
    bool inlined = false;
  };

  struct Unsynced {
    std::string id;
    bool failed = false;  // to become durable: the system may have forgotten what was written
  };

  // Of a block that is no longer there.
  void Forget(const Record& record);
  void NoteState(const std::string& key, bool damaged);

  // Errors: FailedPrecondition (another format), DataLoss (payloads without an index).
  absl::StatusOr<bool> IsNew();
  absl::Status MarkStore();
  absl::Status Recover();
  absl::Status RecoverRecords(std::vector<Record>& in_files);
  absl::Status RestoreLost(std::vector<Record>& in_files, std::vector<Removal>& removals);
  absl::Status RecoverFiles(const std::vector<Record>& in_files);
  absl::StatusOr<bool> HasPayload(const Record& record, bool read) const;
  absl::StatusOr<bool> IsMarkedUnsynced() const;
  absl::Status MarkUnsynced();
  absl::Status UnmarkUnsynced();
  absl::Status Close();

  // Errors: those of a condition.
  absl::Status CheckCondition(const Condition& condition, const absl::StatusOr<Record>& there) const;
  // What is found of a block: NotFound if it has expired.
  absl::StatusOr<Record> Visible(absl::StatusOr<Record> record) const;
  Record NewRecord(const NewBlock& block) const;
  // What is to change so that the block is there.  Errors: those of its condition.
  absl::StatusOr<BlockInfo> Stage(const NewBlock& block, LocalIndex::Changes& changes, std::vector<Record>& replaced,
                                  std::vector<Obsolete>& obsolete) const;
  absl::Status Evict(std::uint64_t missing_bytes);
  // Of the disk, what puts leave free.
  std::uint64_t FreeBytes(const DiskSpace& space) const;
  void BoundRewriting(const DiskSpace& space);
  // Where puts are to be refused soon, or are: makes room by what was erased.
  absl::Status KeepRoom(const CallControl& control);
  absl::Status WriteIndex(const LocalIndex::Changes& changes, bool* in_doubt = nullptr);
  void RemovePayloads(const std::vector<Obsolete>& payloads);
  absl::Status RemoveNow(const std::vector<Obsolete>& payloads);
  // Erases those of the records that are still as they were when they were read; their number.
  absl::StatusOr<std::uint64_t> Erase(std::span<const TimedKey> entries, bool expiry, std::uint64_t enough_bytes);
  absl::Status RemoveExpired(const CallControl& control);
  absl::Status RemoveUpload(const IdleUpload& upload);
  absl::Status SettleDoubts();
  absl::Status SyncNow();
  absl::Status SyncPayloads(std::vector<Unsynced>& payloads);
  void SyncInBackground();

  LocalStoreOptions options_;
  std::unique_ptr<LocalIndex> index_;
  PayloadFolder payloads_;
  SpaceAccount account_;

  static constexpr std::size_t kKeyLocks = 256;
  std::array<std::mutex, kKeyLocks> key_mutexes_;  // of keys by their hash; held while their records change
  std::mutex evict_mutex_;                         // before those of keys

  UploadTable uploads_;

  std::mutex sync_mutex_;
  std::condition_variable sync_wake_;
  bool stopping_ = false;
  std::vector<Unsynced> unsynced_;   // files
  std::vector<Obsolete> unremoved_;  // that wait for what took their place
  absl::Status sync_status_;
  std::thread syncer_;

  mutable std::mutex damaged_mutex_;
  std::set<std::string, std::less<>> damaged_;  // keys

  std::atomic<std::uint64_t> evicted_{0};
  std::atomic<std::uint64_t> expired_{0};
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_LOCAL_BLOCKS_H_
