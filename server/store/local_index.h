// The index of a local store: records of blocks, payloads that are small enough to be packed with others, and the
// orders in which blocks expire and are evicted.
#ifndef DCAC_SERVER_STORE_LOCAL_INDEX_H_
#define DCAC_SERVER_STORE_LOCAL_INDEX_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "server/store/index_database.h"
#include "server/store/record.h"

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
    std::vector<IndexChange> changes_;
  };

  // As IndexDatabase::Open.
  static absl::StatusOr<std::unique_ptr<LocalIndex>> Open(const std::string& folder, const IndexOptions& options);

  // Whether the end of the log was damaged when it was opened.  A crash of the machine leaves pages of what was not
  // durable unwritten, in any order; what a disk did to what was durable looks the same.  It ends before the damage.
  bool lost_log_end() const { return database_->lost_log_end(); }

  // Errors: NotFound, DataLoss.
  absl::StatusOr<Record> Find(std::string_view key) const;
  absl::StatusOr<Bytes> ReadPayload(const Record& record) const;

  // As those of IndexDatabase.
  absl::Status Write(const Changes& changes, bool sync, bool* in_doubt = nullptr);
  absl::Status Sync() { return database_->Sync(); }
  absl::Status Restore() { return database_->Restore(); }
  void BoundRewriting(std::uint64_t bytes, std::uint64_t growth_bytes) {
    database_->BoundRewriting(bytes, growth_bytes);
  }
  absl::Status GiveBack(const std::atomic<bool>* cancelled) { return database_->GiveBack(cancelled); }

  // Calls `visit` for the records whose keys begin with `prefix` and come after `start_after`, in the order of keys,
  // until it is false; it must not call this index.  Of damaged records it gets an error and the key.
  using Visit = std::function<bool(const std::string& key, absl::StatusOr<Record> record)>;
  absl::Status ForEach(std::string_view prefix, std::string_view start_after, const Visit& visit) const;

  absl::StatusOr<std::vector<Removal>> Removals() const;

  // The first entries of the orders in which blocks expire, up to `now`, and in which they were used last, without
  // those that are pinned.
  absl::StatusOr<std::vector<TimedKey>> Expired(Time now, std::size_t limit) const;
  absl::StatusOr<std::vector<TimedKey>> LeastRecentlyUsed(std::size_t limit) const;

 private:
  explicit LocalIndex(std::unique_ptr<IndexDatabase> database) : database_(std::move(database)) {}

  absl::StatusOr<std::vector<TimedKey>> ReadTimed(IndexFamily family, Time last, std::size_t limit) const;
  void NoteTimed(IndexFamily family, const std::string& key);

  const std::unique_ptr<IndexDatabase> database_;

  // No entry of a family is before these: what was erased there is not passed over again and again.
  mutable std::mutex order_mutex_;
  mutable std::array<std::string, kNumIndexFamilies> first_entries_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_LOCAL_INDEX_H_
