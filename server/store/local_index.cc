#include "server/store/local_index.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdarg>
#include <memory>
#include <mutex>
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
// After so many the system is told to write them, so that writes do not wait long for a sync.
constexpr std::size_t kLogBytesOnTheirWay = std::size_t{1} << 20;
constexpr int kMaxOpenFiles = 256;
constexpr int kChecksumBytes = 8;

// Payloads that are larger lie in files of their own, packed, to which the index points.  Of what they hold, about half
// is of blocks that are there before the rest is written anew.
constexpr std::uint64_t kMinPackedBytes = 512;
constexpr std::uint64_t kPackedFileBytes = std::uint64_t{64} << 20;
constexpr double kPackedGarbage = 0.5;

// Between the key and the record of a removal: keys have no control characters.
constexpr char kEndOfKey = '\0';
// In the order of all keys, and none of them.
constexpr char kNoKey[] = "\1";

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

// RocksDB's diary of itself: on a full disk, its next line after one that could not be written ended the process.
class NoDiary final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::Options DatabaseOptions(rocksdb::Env* environment) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_open_files = kMaxOpenFiles;
  options.max_total_wal_size = kLogBytes;
  options.wal_bytes_per_sync = kLogBytesOnTheirWay;
  options.write_buffer_size = kWriteBufferBytes;
  options.info_log = std::make_shared<NoDiary>();
  // The first attempt, so that damage that is not just an end that was cut off is told.
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

rocksdb::ColumnFamilyOptions FamilyOptions(Family family, const rocksdb::Options& database) {
  rocksdb::ColumnFamilyOptions options(database);
  if (family != kPayloads) return options;
  options.enable_blob_files = true;
  options.min_blob_size = kMinPackedBytes;
  options.blob_file_size = kPackedFileBytes;
  options.enable_blob_garbage_collection = true;
  options.blob_garbage_collection_age_cutoff = kPackedGarbage;
  options.blob_garbage_collection_force_threshold = kPackedGarbage;
  return options;
}

// RocksDB tells it by words only; a path cannot stand where these do.
bool IsLocked(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  return text.starts_with("IO error: While lock file: ") || text.starts_with("IO error: lock hold by current process");
}

std::string SerializeRemoval(const Record& replaced) {
  return absl::StrCat(replaced.info.key, std::string(1, kEndOfKey), SerializeRecord(replaced));
}

Removal ParseRemoval(std::string_view id, std::string_view bytes) {
  Removal removal{std::string(id), std::nullopt};
  const std::size_t end = bytes.find(kEndOfKey);
  if (end == std::string_view::npos) return removal;
  // One that cannot be read cannot come back.
  if (absl::StatusOr<Record> record = ParseRecord(bytes.substr(0, end), bytes.substr(end + 1)); record.ok()) {
    removal.replaced = *std::move(record);
  }
  return removal;
}

}  // namespace

struct LocalIndex::Impl {
  rocksdb::ColumnFamilyHandle* family(Family number) const { return families[number]; }

  // The first entries of `number` until `last`.
  absl::StatusOr<std::vector<TimedKey>> ReadTimed(Family number, Time last, std::size_t limit) {
    std::vector<TimedKey> entries;
    const std::lock_guard lock(order_mutex);
    std::string& first = first_entries[number];
    const std::unique_ptr<rocksdb::Iterator> it(database->NewIterator(rocksdb::ReadOptions(), family(number)));
    it->Seek(first);
    if (it->Valid()) first = it->key().ToString();
    for (; it->Valid() && entries.size() < limit; it->Next()) {
      TimedKey entry = FromTimeKey(AsView(it->key()));
      if (entry.time > last) break;
      entries.push_back(std::move(entry));
    }
    DCAC_RETURN_IF_ERROR(FromRocks(it->status()));
    return entries;
  }

  // After the entry is there: whoever looked for the first one before did not see it.
  void NoteTimed(Family number, const std::string& key) {
    const std::lock_guard lock(order_mutex);
    first_entries[number] = std::min(first_entries[number], key);
  }

  // The number of the log that is written to; 0: not known.
  std::uint64_t LogNumber() const {
    std::unique_ptr<rocksdb::LogFile> log;
    return database->GetCurrentWalFile(&log).ok() ? log->LogNumber() : 0;
  }

  // Makes all that was written durable beside the logs, for every family, so that no log so far is ever read again.
  rocksdb::Status LeaveLogs() {
    rocksdb::WriteBatch touch;
    for (rocksdb::ColumnFamilyHandle* handle : families) {
      if (const rocksdb::Status status = touch.Delete(handle, kNoKey); !status.ok()) return status;
    }
    const rocksdb::Status written = database->Write(rocksdb::WriteOptions(), &touch);
    return written.ok() ? database->Flush(rocksdb::FlushOptions(), families) : written;
  }

  // After an error RocksDB refuses all writes until it is told that what was wrong may be over.  It then goes on with a
  // new log, but not where the one that failed was empty: another write to that one ends the process.
  absl::Status Restore() {
    const std::unique_lock lock(write_mutex);
    if (!failed) return absl::OkStatus();
    const std::uint64_t failed_log = LogNumber();
    if (!read_only) DCAC_RETURN_IF_ERROR(FromRocks(database->Resume()));
    read_only = read_only || LogNumber() == failed_log;
    if (read_only) return absl::UnavailableError("index: a write failed; nothing can be changed until a restart");
    DCAC_RETURN_IF_ERROR(FromRocks(LeaveLogs()));
    failed = false;
    return absl::OkStatus();
  }

  std::unique_ptr<rocksdb::DB> database;
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  bool lost_log_end = false;

  std::shared_mutex write_mutex;    // shared by writes, not by syncs
  std::atomic<bool> failed{false};  // nothing is written until Restore
  bool read_only = false;

  // No entry of a family is before these: what was erased there is not passed over again and again.
  std::mutex order_mutex;
  std::array<std::string, kNumFamilies> first_entries;
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

void LocalIndex::Changes::Put(const std::optional<Record>& old, const Record& record, std::optional<ByteSpan> payload,
                              OldPayload old_payload) {
  auto& changes = impl_->changes;
  if (old) EraseTimes(*old);
  if (old && old->info.version != record.info.version) {
    if (old_payload == OldPayload::kErase) ErasePayload(*old);
    if (old_payload == OldPayload::kKeep) changes.push_back({kRemovals, old->info.version, SerializeRemoval(*old)});
  }
  const std::string& key = record.info.key;
  changes.push_back({kRecords, key, SerializeRecord(record)});
  // Its file may be one that was to be removed: of a block lost to a crash, whose upload went on thereafter.
  const bool is_new = !old || old->info.version != record.info.version;
  if (is_new && !record.inlined) changes.push_back({kRemovals, record.info.version, std::nullopt});
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
  EraseTimes(old);
  ErasePayload(old);
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

void LocalIndex::Changes::EraseTimes(const Record& old) {
  if (old.info.expires) EraseExpiry({*old.info.expires, old.info.key});
  EraseRecency({old.accessed, old.info.key});
}

void LocalIndex::Changes::ErasePayload(const Record& old) {
  if (old.inlined) {
    EraseInlined(old.info.version);
  } else {
    impl_->changes.push_back({kRemovals, old.info.version, ""});
  }
}

void LocalIndex::Changes::EraseInlined(const std::string& id) {
  impl_->changes.push_back({kPayloads, id, std::nullopt});
}

LocalIndex::LocalIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

LocalIndex::~LocalIndex() {
  // What is in the tables has checksums of its own; of a log, a damaged end looks like one that was cut off by a crash.
  if (!impl_->failed) static_cast<void>(impl_->database->Flush(rocksdb::FlushOptions(), impl_->families));
  for (rocksdb::ColumnFamilyHandle* family : impl_->families) impl_->database->DestroyColumnFamilyHandle(family);
  impl_->database->Close();
}

absl::StatusOr<std::unique_ptr<LocalIndex>> LocalIndex::Open(const std::string& folder, bool create,
                                                             rocksdb::Env* environment) {
  rocksdb::Options options = DatabaseOptions(environment);
  options.create_if_missing = create;
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (std::size_t family = 0; family < kNumFamilies; ++family) {
    descriptors.emplace_back(kFamilyNames[family], FamilyOptions(static_cast<Family>(family), options));
  }
  auto impl = std::make_unique<Impl>();
  rocksdb::DB* database = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(options, folder, descriptors, &impl->families, &database);
  if (status.IsCorruption()) {
    // Still one where tables have what comes after the damage, or are damaged themselves.
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    status = rocksdb::DB::Open(options, folder, descriptors, &impl->families, &database);
    impl->lost_log_end = true;
  }
  if (IsLocked(status)) {
    return absl::AlreadyExistsError(absl::StrCat(folder, ": another process has this store open"));
  }
  if (status.IsInvalidArgument() && !create) {
    return absl::DataLossError(absl::StrCat(folder, ": there is no index: ", status.ToString()));
  }
  DCAC_RETURN_IF_ERROR(FromRocks(status));
  impl->database.reset(database);
  return std::unique_ptr<LocalIndex>(new LocalIndex(std::move(impl)));
}

bool LocalIndex::lost_log_end() const {
  return impl_->lost_log_end;
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

absl::Status LocalIndex::Write(const Changes& changes, bool sync, bool* in_doubt) {
  rocksdb::WriteBatch batch;
  for (const auto& change : changes.impl_->changes) {
    DCAC_RETURN_IF_ERROR(FromRocks(change.value ? batch.Put(impl_->family(change.family), change.key, *change.value)
                                                : batch.Delete(impl_->family(change.family), change.key)));
  }
  rocksdb::WriteOptions options;
  options.sync = sync;
  DCAC_RETURN_IF_ERROR(Restore());
  {
    const std::shared_lock lock(impl_->write_mutex);
    if (impl_->failed) return absl::UnavailableError("index: another write failed");
    if (const rocksdb::Status status = impl_->database->Write(options, &batch); !status.ok()) {
      impl_->failed = true;
      if (in_doubt != nullptr) *in_doubt = true;
      return FromRocks(status);
    }
  }
  for (const auto& change : changes.impl_->changes) {
    const bool timed = change.family == kExpiry || change.family == kRecency;
    if (timed && change.value) impl_->NoteTimed(change.family, change.key);
  }
  return absl::OkStatus();
}

absl::Status LocalIndex::Sync() {
  DCAC_RETURN_IF_ERROR(Restore());
  // Alone: to sync a log to which a write has failed ends the process.
  const std::unique_lock lock(impl_->write_mutex);
  if (impl_->failed) return absl::UnavailableError("index: another write failed");
  const rocksdb::Status status = impl_->database->SyncWAL();
  if (!status.ok()) impl_->failed = true;
  return FromRocks(status);
}

absl::Status LocalIndex::Restore() {
  return impl_->failed ? impl_->Restore() : absl::OkStatus();
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

absl::StatusOr<std::vector<Removal>> LocalIndex::Removals() const {
  std::vector<Removal> removals;
  const std::unique_ptr<rocksdb::Iterator> it(
      impl_->database->NewIterator(rocksdb::ReadOptions(), impl_->family(kRemovals)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    removals.push_back(ParseRemoval(AsView(it->key()), AsView(it->value())));
  }
  DCAC_RETURN_IF_ERROR(FromRocks(it->status()));
  return removals;
}

absl::StatusOr<std::vector<TimedKey>> LocalIndex::Expired(Time now, std::size_t limit) const {
  return impl_->ReadTimed(kExpiry, now, limit);
}

absl::StatusOr<std::vector<TimedKey>> LocalIndex::LeastRecentlyUsed(std::size_t limit) const {
  return impl_->ReadTimed(kRecency, Time::max(), limit);
}

}  // namespace dcac::store
