// The index of a local store: records of blocks, payloads that are small enough to be packed with others, and the
// orders in which blocks expire and are evicted.  RocksDB behind a few verbs.
#ifndef DCAC_SERVER_STORE_LOCAL_INDEX_H_
#define DCAC_SERVER_STORE_LOCAL_INDEX_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "server/store/record.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace dcac::store {

struct TimedKey {
  Time time;
  std::string key;
};

// A payload that is to be removed.
struct Removal {
  std::string id;
  // Whose it was, if it is to come back where what took its place is lost.
  std::optional<Record> replaced;
};

// What a change does with the payload of the record that it replaces.
enum class OldPayload {
  kErase,  // out of the index in the same change; a file is noted as one that is to be removed
  kKeep,   // noted as one that is to be removed, with its record
};

// Thread-safe, but that changes of one key must not run at the same time.
class LocalIndex {
 public:
  // Changes that happen together or not at all.
  class Changes {
   public:
    Changes();
    ~Changes();

    // `record` takes the place of `old`.  `payload`: of an inlined record that is new.
    void Put(const std::optional<Record>& old, const Record& record, std::optional<ByteSpan> payload,
             OldPayload old_payload);
    void Erase(const Record& old);

    // Of a record that cannot be read; its entries in the other orders become stale.
    void EraseRecord(const std::string& key);

    // A payload that was noted as one that is to be removed no longer is, or is to stay.
    void EraseRemoval(const std::string& id);
    void EraseInlined(const std::string& id);

    // Entries that are stale: they name no record, or one with another time.
    void EraseExpiry(const TimedKey& entry);
    void EraseRecency(const TimedKey& entry);

   private:
    void EraseTimes(const Record& old);
    void ErasePayload(const Record& old);

    friend class LocalIndex;
    struct Impl;
    std::unique_ptr<Impl> impl_;
  };

  // `environment`: null for the system's.  Errors: AlreadyExists (another process has it open), DataLoss (it is
  // damaged, but for the end of its log, or not there and not to be created), Unavailable.
  static absl::StatusOr<std::unique_ptr<LocalIndex>> Open(const std::string& folder, bool create,
                                                          rocksdb::Env* environment);
  ~LocalIndex();

  // Whether the end of the log was damaged when it was opened.  A crash of the machine leaves pages of what was not
  // durable unwritten, in any order; what a disk did to what was durable looks the same.  It ends before the damage.
  bool lost_log_end() const;

  // Errors: NotFound, DataLoss.
  absl::StatusOr<Record> Find(std::string_view key) const;
  absl::StatusOr<Bytes> ReadPayload(const Record& record) const;

  // With an error, `in_doubt` says whether the changes may be there after a restart all the same, or after a crash:
  // until Restore was called and is OK.
  absl::Status Write(const Changes& changes, bool sync, bool* in_doubt = nullptr);
  // All that was written is durable.
  absl::Status Sync();

  // Where a write has failed, nothing is written any more until this is OK, which Write and Sync see to: what was in
  // doubt is then not there, and never will be.
  absl::Status Restore();

  // Calls `visit` for the records whose keys begin with `prefix` and come after `start_after`, in the order of keys,
  // until it is false.  Of damaged records it gets an error and the key.
  using Visit = std::function<bool(const std::string& key, absl::StatusOr<Record> record)>;
  absl::Status ForEach(std::string_view prefix, std::string_view start_after, const Visit& visit) const;

  absl::StatusOr<std::vector<Removal>> Removals() const;

  // The first entries of the orders in which blocks expire, up to `now`, and in which they were used last, without
  // those that are pinned.
  absl::StatusOr<std::vector<TimedKey>> Expired(Time now, std::size_t limit) const;
  absl::StatusOr<std::vector<TimedKey>> LeastRecentlyUsed(std::size_t limit) const;

 private:
  struct Impl;
  explicit LocalIndex(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_LOCAL_INDEX_H_
