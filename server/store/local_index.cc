#include "server/store/local_index.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <shared_mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace dcac::store {
namespace {

constexpr std::size_t kBlockCacheBytes = std::size_t{32} << 20;
constexpr std::size_t kWriteBufferBytes = std::size_t{16} << 20;
constexpr std::size_t kLogBytes = std::size_t{64} << 20;
constexpr int kMaxOpenFiles = 256;
constexpr int kChecksumBytes = 8;

// Numbers of column families, in the order in which they are opened.
enum Family : std::size_t { kRecords, kPayloads, kExpiry, kRecency, kRemovals, kNumFamilies };
constexpr std::array<const char*, kNumFamilies> kFamilyNames = {"default", "payloads", "expiry", "recency", "removals"};

absl::Status FromRocks(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = absl::StrCat("index: ", status.ToString());
  if (status.IsNotFound()) return absl::NotFoundError(text);
  if (status.IsCorruption()) return absl::DataLossError(text);
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(text);
  return absl::UnavailableError(text);
}

rocksdb::Slice AsSlice(std::string_view text) {
  return {text.data(), text.size()};
}

std::string_view AsView(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

constexpr std::size_t kTimeBytes = 8;

// So that the order of bytes is that of times, then of keys.
std::string TimeKey(Time time, std::string_view key) {
  std::string out;
  const auto number = static_cast<std::uint64_t>(time.time_since_epoch().count());
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift & 0xFFu));
  return out.append(key);
}

TimedKey FromTimeKey(std::string_view bytes) {
  std::int64_t number = 0;
  for (const char byte : bytes.substr(0, kTimeBytes)) number = number << 8 | static_cast<unsigned char>(byte);
  return {Time(std::chrono::milliseconds(number)), std::string(bytes.substr(std::min(kTimeBytes, bytes.size())))};
}

// Recovery from errors is up to who writes: behind their backs, a log that failed might be written to again.
class NoRecoveryInBackground final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* auto_recovery) override {
    *auto_recovery = false;
  }
};

rocksdb::Options DatabaseOptions(rocksdb::Env* environment) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_open_files = kMaxOpenFiles;
  options.max_total_wal_size = kLogBytes;
  options.write_buffer_size = kWriteBufferBytes;
  options.keep_log_file_num = 4;
  options.max_log_file_size = std::size_t{4} << 20;
  // A torn last record of the log is what a crash leaves; anything else is damage that is not to be passed over.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  if (environment != nullptr) options.env = environment;
  options.listeners.push_back(std::make_shared<NoRecoveryInBackground>());
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

bool IsLocked(const rocksdb::Status& status) {
  return status.IsIOError() && status.ToString().find("lock") != std::string::npos;
}

}  // namespace

struct LocalIndex::Impl {
  rocksdb::ColumnFamilyHandle* family(Family number) const { return families[number]; }

  // The first entries of `number` until `last`.
  absl::StatusOr<std::vector<TimedKey>> ReadTimed(Family number, Time last, std::size_t limit) const {
    std::vector<TimedKey> entries;
    const std::unique_ptr<rocksdb::Iterator> it(database->NewIterator(rocksdb::ReadOptions(), family(number)));
    for (it->SeekToFirst(); it->Valid() && entries.size() < limit; it->Next()) {
      TimedKey entry = FromTimeKey(AsView(it->key()));
      if (entry.time > last) break;
      entries.push_back(std::move(entry));
    }
    DCAC_RETURN_IF_ERROR(FromRocks(it->status()));
    return entries;
  }

  // The number of the log that is written to; 0: not known.
  std::uint64_t LogNumber() const {
    std::unique_ptr<rocksdb::LogFile> log;
    return database->GetCurrentWalFile(&log).ok() ? log->LogNumber() : 0;
  }

  // After an error RocksDB refuses all writes until it is told that what was wrong may be over.  It then goes on with a
  // new log, but not where the one that failed was empty: another write to that one ends the process.
  void RecoverFrom(std::uint64_t failed_generation) {
    const std::unique_lock lock(write_mutex);
    if (failed_generation != generation) return;
    ++generation;
    const std::uint64_t failed_log = LogNumber();
    if (database->Resume().ok() && LogNumber() == failed_log) read_only = true;
  }

  std::unique_ptr<rocksdb::DB> database;
  std::vector<rocksdb::ColumnFamilyHandle*> families;

  std::shared_mutex write_mutex;  // shared by writes
  std::uint64_t generation = 0;   // of recoveries from failed writes
  bool read_only = false;
};

struct LocalIndex::Changes::Impl {
  // What is noted before the families are known, by number.
  struct Change {
    Family family;
    std::string key;
    std::optional<std::string> value;  // nothing: erased
  };
  std::vector<Change> changes;
};

LocalIndex::Changes::Changes() : impl_(std::make_unique<Impl>()) {}
LocalIndex::Changes::~Changes() = default;

void LocalIndex::Changes::Put(const std::optional<Record>& old, const Record& record, std::optional<ByteSpan> payload) {
  auto& changes = impl_->changes;
  if (old) EraseEntries(*old, /*with_payload=*/old->info.version != record.info.version);
  const std::string& key = record.info.key;
  changes.push_back({kRecords, key, SerializeRecord(record)});
  if (payload) {
    std::string value(AsText(*payload));
    Bytes checksum;
    AppendLittleEndian(HashOf(*payload, SeedOf(record.info.version)), kChecksumBytes, checksum);
    changes.push_back({kPayloads, record.info.version, value.append(AsText(checksum))});
  }
  if (record.info.expires) changes.push_back({kExpiry, TimeKey(*record.info.expires, key), ""});
  if (!record.info.pinned) changes.push_back({kRecency, TimeKey(record.accessed, key), ""});
}

void LocalIndex::Changes::Erase(const Record& old) {
  EraseRecord(old.info.key);
  EraseEntries(old, /*with_payload=*/true);
}

void LocalIndex::Changes::EraseRecord(const std::string& key) {
  impl_->changes.push_back({kRecords, key, std::nullopt});
}

void LocalIndex::Changes::EraseRemoval(const std::string& id) {
  impl_->changes.push_back({kRemovals, id, std::nullopt});
}

void LocalIndex::Changes::EraseExpiry(const TimedKey& entry) {
  impl_->changes.push_back({kExpiry, TimeKey(entry.time, entry.key), std::nullopt});
}

void LocalIndex::Changes::EraseRecency(const TimedKey& entry) {
  impl_->changes.push_back({kRecency, TimeKey(entry.time, entry.key), std::nullopt});
}

void LocalIndex::Changes::EraseEntries(const Record& old, bool with_payload) {
  auto& changes = impl_->changes;
  if (with_payload && old.inlined) changes.push_back({kPayloads, old.info.version, std::nullopt});
  if (with_payload && !old.inlined) changes.push_back({kRemovals, old.info.version, ""});
  if (old.info.expires) EraseExpiry({*old.info.expires, old.info.key});
  EraseRecency({old.accessed, old.info.key});
}

LocalIndex::LocalIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

LocalIndex::~LocalIndex() {
  for (rocksdb::ColumnFamilyHandle* family : impl_->families) impl_->database->DestroyColumnFamilyHandle(family);
  impl_->database->Close();
}

absl::StatusOr<std::unique_ptr<LocalIndex>> LocalIndex::Open(const std::string& folder, rocksdb::Env* environment) {
  const rocksdb::Options options = DatabaseOptions(environment);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const char* name : kFamilyNames) descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions(options));
  auto impl = std::make_unique<Impl>();
  rocksdb::DB* database = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, folder, descriptors, &impl->families, &database);
  if (IsLocked(status)) {
    return absl::AlreadyExistsError(absl::StrCat(folder, ": another process has this store open"));
  }
  DCAC_RETURN_IF_ERROR(FromRocks(status));
  impl->database.reset(database);
  return std::unique_ptr<LocalIndex>(new LocalIndex(std::move(impl)));
}

absl::StatusOr<Record> LocalIndex::Find(std::string_view key) const {
  std::string value;
  DCAC_RETURN_IF_ERROR(
      FromRocks(impl_->database->Get(rocksdb::ReadOptions(), impl_->family(kRecords), AsSlice(key), &value)));
  return ParseRecord(key, value);
}

absl::StatusOr<Bytes> LocalIndex::ReadPayload(const Record& record) const {
  std::string value;
  const absl::Status status = FromRocks(
      impl_->database->Get(rocksdb::ReadOptions(), impl_->family(kPayloads), AsSlice(record.info.version), &value));
  if (absl::IsNotFound(status)) return absl::DataLossError("payload is missing");
  DCAC_RETURN_IF_ERROR(status);
  const ByteSpan bytes = AsBytes(value);
  if (bytes.size() != record.info.size_bytes + kChecksumBytes) {
    return absl::DataLossError(absl::StrCat("payload has ", bytes.size(), " bytes with its checksum, expected ",
                                            record.info.size_bytes + kChecksumBytes));
  }
  const ByteSpan payload = bytes.first(bytes.size() - kChecksumBytes);
  if (LoadLittleEndian64(bytes.data() + payload.size()) != HashOf(payload, SeedOf(record.info.version))) {
    return absl::DataLossError("checksum of the payload does not match");
  }
  return Bytes(payload.begin(), payload.end());
}

absl::Status LocalIndex::Write(const Changes& changes, bool sync) {
  rocksdb::WriteBatch batch;
  for (const auto& change : changes.impl_->changes) {
    DCAC_RETURN_IF_ERROR(FromRocks(change.value ? batch.Put(impl_->family(change.family), change.key, *change.value)
                                                : batch.Delete(impl_->family(change.family), change.key)));
  }
  rocksdb::WriteOptions options;
  options.sync = sync;
  std::shared_lock lock(impl_->write_mutex);
  if (impl_->read_only) return absl::UnavailableError("index: a write failed; nothing can be changed until a restart");
  const absl::Status status = FromRocks(impl_->database->Write(options, &batch));
  const std::uint64_t generation = impl_->generation;
  lock.unlock();
  if (!status.ok()) impl_->RecoverFrom(generation);
  return status;
}

absl::Status LocalIndex::Sync() {
  return FromRocks(impl_->database->SyncWAL());
}

absl::Status LocalIndex::ForEach(std::string_view prefix, std::string_view start_after, const Visit& visit) const {
  const std::unique_ptr<rocksdb::Iterator> it(
      impl_->database->NewIterator(rocksdb::ReadOptions(), impl_->family(kRecords)));
  it->Seek(AsSlice(std::max(prefix, start_after)));
  if (it->Valid() && !start_after.empty() && AsView(it->key()) == start_after) it->Next();
  for (; it->Valid() && AsView(it->key()).starts_with(prefix); it->Next()) {
    const std::string key = it->key().ToString();
    if (!visit(key, ParseRecord(key, AsView(it->value())))) return absl::OkStatus();
  }
  return FromRocks(it->status());
}

absl::StatusOr<std::vector<std::string>> LocalIndex::Removals() const {
  std::vector<std::string> ids;
  const std::unique_ptr<rocksdb::Iterator> it(
      impl_->database->NewIterator(rocksdb::ReadOptions(), impl_->family(kRemovals)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) ids.push_back(it->key().ToString());
  DCAC_RETURN_IF_ERROR(FromRocks(it->status()));
  return ids;
}

absl::StatusOr<std::vector<TimedKey>> LocalIndex::Expired(Time now, std::size_t limit) const {
  return impl_->ReadTimed(kExpiry, now, limit);
}

absl::StatusOr<std::vector<TimedKey>> LocalIndex::LeastRecentlyUsed(std::size_t limit) const {
  return impl_->ReadTimed(kRecency, Time::max(), limit);
}

}  // namespace dcac::store
