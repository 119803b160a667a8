// A RocksDB database of column families whose changes are there or not there, for good, also where a write fails.
#ifndef DCAC_SERVER_STORE_INDEX_DATABASE_H_
#define DCAC_SERVER_STORE_INDEX_DATABASE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace dcac::store {

// Numbers of column families, in the order in which they are opened.
enum IndexFamily : std::size_t { kRecords, kPayloads, kExpiry, kRecency, kRemovals, kNumIndexFamilies };

struct IndexChange {
  IndexFamily family;
  std::string key;
  std::optional<std::string> value;  // nothing: erased
};

struct IndexOptions {
  bool create = false;
  // Of logs, which may take as much memory, too, and as much of the disk again when they become tables.
  std::size_t log_bytes = std::size_t{64} << 20;
  rocksdb::Env* environment = nullptr;  // null: the system's
};

// Thread-safe.  After a write that failed RocksDB refuses all others until it is told to go on, which it cannot always;
// a database that is opened anew always can, if the disk is in order.
class IndexDatabase {
 public:
  // Errors: AlreadyExists (another process has it open), DataLoss (it is damaged, but for the end of its log, or not
  // there and not to be created), ResourceExhausted, Unavailable.
  static absl::StatusOr<std::unique_ptr<IndexDatabase>> Open(const std::string& folder, const IndexOptions& options);
  ~IndexDatabase();

  // Whether the end of the log was damaged when it was opened.
  bool lost_log_end() const;

  // Errors: NotFound, those of Open.
  absl::StatusOr<std::string> Get(IndexFamily family, std::string_view key) const;

  // Calls `visit` for the entries from `first` on, in the order of keys, until it is false.  It must not call this
  // database.
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;
  absl::Status ForEach(IndexFamily family, std::string_view first, const Visit& visit) const;

  // All of the changes or none.  With an error, `in_doubt` says whether they may be there after a restart all the same,
  // or after a crash: until Restore was called and is OK.
  absl::Status Write(std::span<const IndexChange> changes, bool sync, bool* in_doubt);
  // All that was written is durable.
  absl::Status Sync();

  // Packed payloads of which a part is gone are written anew, and what they took is given back afterwards.  That takes
  // about so many bytes of the disk at a time at most from now on, also when `growth_bytes` more were packed; before
  // the first call none.
  void BoundRewriting(std::uint64_t bytes, std::uint64_t growth_bytes);

  // Gives back now, as far as the bound lets it, what erased payloads took.  Without it that happens by and by, as more
  // is written.  An error is as that of a write: Restore is needed.  Ends early, after a step, once `cancelled` is
  // true; it may be null.
  absl::Status GiveBack(const std::atomic<bool>* cancelled);

  // Where a write has failed, nothing is written any more until this is OK, which Write and Sync see to: what was in
  // doubt is then not there, and never will be.  What is there can be read meanwhile.
  absl::Status Restore();

 private:
  struct Impl;
  explicit IndexDatabase(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_INDEX_DATABASE_H_
