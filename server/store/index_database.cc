#include "server/store/index_database.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <rocksdb/wal_filter.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdarg>
#include <cstdint>
#include <limits>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "core/base/status_macros.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

constexpr std::size_t kBlockCacheBytes = std::size_t{32} << 20;
constexpr std::size_t kWriteBuffersOfLogs = 4;
// After so many the system is told to write them, so that writes do not wait long for a sync.
constexpr std::size_t kLogBytesOnTheirWay = std::size_t{1} << 20;
constexpr int kMaxOpenFiles = 256;

// Payloads that are larger lie in files of their own, packed, to which the database points.  Of what they hold, about
// half is of blocks that are there before the rest is written anew.
constexpr std::uint64_t kMinPackedBytes = 512;
constexpr double kPackedGarbage = 0.5;
// Of packed files, the oldest, how many are looked at for what can be given back; a change by less is none.
constexpr double kMaxRewrittenShare = 0.5, kRewrittenStep = 1.1;
// So many steps of rewriting at a time, while more than this part of the packed bytes is of no use.
constexpr int kRewritingSteps = 8;
constexpr std::uint64_t kTolerableGarbage = 16;

// What opening writes beside tables and the list of them is less, and what the list has of a file: its first and last
// key.  A small disk may have little more left, all of it.
constexpr std::uint64_t kRoomBytes = std::uint64_t{128} << 10, kListedBytes = 4096;
constexpr char kListPrefix[] = "MANIFEST-";
// So that a disk that stays full does not make every call open the database, nor reads wait for it most of the time.
constexpr std::chrono::seconds kRestoreInterval{1};
constexpr int kRestorePause = 10;  // times as long as an attempt

// In the order of all keys, and none of them.
constexpr char kNoKey[] = "\1";

constexpr std::array<const char*, kNumIndexFamilies> kFamilyNames = {"default", "payloads", "expiry", "recency",
                                                                     "removals"};

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

using WriteIds = std::set<std::string, std::less<>>;

// Passes over the writes of a log that failed although they may have come as far as there.  Each has an id, which is in
// the log alone; those that RocksDB writes together fail together.
class DoubtFilter final : public rocksdb::WalFilter {
 public:
  explicit DoubtFilter(const WriteIds& doubtful) : doubtful_(doubtful) {}

  const char* Name() const override { return "DoubtFilter"; }

  WalProcessingOption LogRecordFound(unsigned long long, const std::string&, const rocksdb::WriteBatch& batch,
                                     rocksdb::WriteBatch*, bool*) override {
    Ids ids{doubtful_};
    if (!batch.Iterate(&ids).ok()) return WalProcessingOption::kCorruptedRecord;
    return ids.found ? WalProcessingOption::kIgnoreCurrentRecord : WalProcessingOption::kContinueProcessing;
  }

 private:
  struct Ids final : rocksdb::WriteBatch::Handler {
    explicit Ids(const WriteIds& all) : doubtful(all) {}

    rocksdb::Status PutCF(std::uint32_t, const rocksdb::Slice&, const rocksdb::Slice&) override { return {}; }
    rocksdb::Status DeleteCF(std::uint32_t, const rocksdb::Slice&) override { return {}; }
    void LogData(const rocksdb::Slice& id) override { found = found || doubtful.contains(AsView(id)); }

    const WriteIds& doubtful;
    bool found = false;
  };

  const WriteIds& doubtful_;
};

rocksdb::Options DatabaseOptions(const IndexOptions& index) {
  rocksdb::Options options;
  options.create_if_missing = index.create;
  options.create_missing_column_families = true;
  options.max_open_files = kMaxOpenFiles;
  options.max_total_wal_size = index.log_bytes;
  options.wal_bytes_per_sync = kLogBytesOnTheirWay;
  options.write_buffer_size = index.log_bytes / kWriteBuffersOfLogs;
  // Writes do not wait for tables to be merged: on a full disk they would for ever.
  options.level0_slowdown_writes_trigger = options.level0_stop_writes_trigger = std::numeric_limits<int>::max();
  options.soft_pending_compaction_bytes_limit = options.hard_pending_compaction_bytes_limit = 0;
  options.info_log = std::make_shared<NoDiary>();
  if (index.environment != nullptr) options.env = index.environment;
  options.listeners.push_back(std::make_shared<NoRecoveryInBackground>());
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

rocksdb::ColumnFamilyOptions FamilyOptions(std::size_t family, const rocksdb::Options& database,
                                           double rewritten_share) {
  rocksdb::ColumnFamilyOptions options(database);
  if (family != kPayloads) return options;
  options.enable_blob_files = true;
  options.min_blob_size = kMinPackedBytes;
  options.blob_file_size = database.max_total_wal_size;
  options.enable_blob_garbage_collection = true;
  options.blob_garbage_collection_age_cutoff = rewritten_share;
  options.blob_garbage_collection_force_threshold = kPackedGarbage;
  return options;
}

rocksdb::FlushOptions FlushAtOnce() {
  rocksdb::FlushOptions options;
  options.allow_write_stall = true;  // else it waits for tables to be merged
  return options;
}

// RocksDB tells it by words only; a path cannot stand where these do.
bool IsLocked(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  return text.starts_with("IO error: While lock file: ") || text.starts_with("IO error: lock hold by current process");
}

}  // namespace

struct IndexDatabase::Impl {
  rocksdb::Status OpenDatabase(rocksdb::WALRecoveryMode mode);
  rocksdb::Status OpenWith(const rocksdb::Options& options);
  void CloseDatabase();

  // To read with, while `open_mutex` is held.
  absl::Status CheckOpen() const;

  void Fail(const rocksdb::Status& status) {
    no_space = status.IsNoSpace();
    failed = true;
  }

  absl::Status RestoreNow();
  absl::Status HoldRoom() const;
  void GiveRoom() const;
  std::uint64_t LogNumber() const;
  rocksdb::Status Resume();
  absl::Status Reopen();
  rocksdb::Status LeaveLogs();

  std::uint64_t PackedBytes(const std::string& property) const;
  rocksdb::Status Rewrite(bool packed_files);
  rocksdb::Status GiveBack(const std::atomic<bool>* cancelled);

  rocksdb::Env* env() const { return index.environment != nullptr ? index.environment : rocksdb::Env::Default(); }
  std::string room_path() const { return folder + "/room"; }

  std::string folder;
  IndexOptions index;

  WriteIds doubtful;  // ids of writes that failed
  // A database that was opened with it points to it as long as it is open, and prints it with each change of options.
  const std::unique_ptr<rocksdb::WalFilter> doubt_filter = std::make_unique<DoubtFilter>(doubtful);

  // Held by reads, and alone where the database is closed and opened.  One that lets whoever waits to be alone go
  // first.
  mutable absl::Mutex open_mutex;
  std::unique_ptr<rocksdb::DB> database;  // null: could not be opened again
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  bool lost_log_end = false;

  std::atomic<double> rewritten_share{0};
  std::atomic<std::uint64_t> erased_payloads{1};  // since the last GiveBack; one for those before it was opened
  std::atomic<bool> stop_rewriting{false};

  // Shared by writes, not by syncs, which it lets go first; before open_mutex.
  absl::Mutex write_mutex;
  std::atomic<bool> failed{false};    // nothing is written until Restore
  std::atomic<bool> no_space{false};  // why
  absl::Status restored;              // the last attempt, if it failed
  std::chrono::steady_clock::time_point next_restore;

  const std::string id_prefix = RandomId();
  std::atomic<std::uint64_t> writes{0};
  std::mutex doubt_mutex;  // of doubtful
};

rocksdb::Status IndexDatabase::Impl::OpenDatabase(rocksdb::WALRecoveryMode mode) {
  rocksdb::Options options = DatabaseOptions(index);
  options.wal_recovery_mode = mode;
  if (!doubtful.empty()) options.wal_filter = doubt_filter.get();
  const rocksdb::Status status = OpenWith(options);
  if (!status.IsNoSpace()) return status;
  // What there is no room for in tables stays in the log, also where it is more than usual tables in memory have; how
  // long logs may become bounds them then.
  options.avoid_flush_during_recovery = true;
  options.write_buffer_size = std::numeric_limits<std::size_t>::max();
  return OpenWith(options);
}

rocksdb::Status IndexDatabase::Impl::OpenWith(const rocksdb::Options& options) {
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (std::size_t family = 0; family < kNumIndexFamilies; ++family) {
    descriptors.emplace_back(kFamilyNames[family], FamilyOptions(family, options, rewritten_share));
  }
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, folder, descriptors, &families, &opened);
  database.reset(opened);
  return status;
}

void IndexDatabase::Impl::CloseDatabase() {
  if (database == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* family : families) database->DestroyColumnFamilyHandle(family);
  families.clear();
  database->Close();
  database.reset();
}

absl::Status IndexDatabase::Impl::CheckOpen() const {
  if (database != nullptr) return absl::OkStatus();
  return absl::UnavailableError("index: a write failed, and it could not be opened again since");
}

// Of a database that was closed and cannot be opened, nothing can be read any more: what opening needs is held until
// then, on a disk that takes it.
absl::Status IndexDatabase::Impl::HoldRoom() const {
  std::vector<rocksdb::Env::FileAttributes> files;
  DCAC_RETURN_IF_ERROR(FromRocks(env()->GetChildrenFileAttributes(folder, &files)));
  // Opening writes the list anew, without what changed in it since it was begun.
  std::uint64_t list_bytes = 0;
  for (const auto& file : files) {
    if (file.name.starts_with(kListPrefix)) list_bytes += file.size_bytes;
  }
  const std::uint64_t bytes = kRoomBytes + std::min<std::uint64_t>(list_bytes, kListedBytes * files.size());
  return FromRocks(rocksdb::WriteStringToFile(env(), std::string(static_cast<std::size_t>(bytes), '\0'), room_path(),
                                              /*should_sync=*/true));
}

void IndexDatabase::Impl::GiveRoom() const {
  // If it stays, the next time writes it anew.
  static_cast<void>(env()->DeleteFile(room_path()));
}

// Makes all that was written durable beside the logs, for every family, so that no log so far is ever read again.
rocksdb::Status IndexDatabase::Impl::LeaveLogs() {
  rocksdb::WriteBatch touch;
  for (rocksdb::ColumnFamilyHandle* handle : families) {
    if (const rocksdb::Status status = touch.Delete(handle, kNoKey); !status.ok()) return status;
  }
  const rocksdb::Status written = database->Write(rocksdb::WriteOptions(), &touch);
  return written.ok() ? database->Flush(FlushAtOnce(), families) : written;
}

// The number of the log that is written to; 0: not known.
std::uint64_t IndexDatabase::Impl::LogNumber() const {
  std::unique_ptr<rocksdb::LogFile> log;
  return database->GetCurrentWalFile(&log).ok() ? log->LogNumber() : 0;
}

// Tells RocksDB that what was wrong may be over.  It writes what it has in memory to tables, and goes on with a new
// log, but not where there is nothing in memory: another write to the one that failed ends the process.
rocksdb::Status IndexDatabase::Impl::Resume() {
  const std::uint64_t failed_log = LogNumber();
  const rocksdb::Status resumed = database->Resume();
  if (!resumed.ok()) return resumed;
  return LogNumber() == failed_log ? rocksdb::Status::Aborted("no new log") : LeaveLogs();
}

absl::Status IndexDatabase::Impl::Reopen() {
  {
    stop_rewriting = true;
    const absl::MutexLock lock(&open_mutex);
    stop_rewriting = false;
    CloseDatabase();
    GiveRoom();
    // A log that is damaged elsewhere than at its end is an error: nothing that was there is to be lost unnoticed.
    DCAC_RETURN_IF_ERROR(FromRocks(OpenDatabase(rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords)));
  }
  return FromRocks(LeaveLogs());
}

std::uint64_t IndexDatabase::Impl::PackedBytes(const std::string& property) const {
  std::uint64_t bytes = 0;
  database->GetIntProperty(families[kPayloads], property, &bytes);
  return bytes;
}

// Merges the tables that point to packed payloads, and with `packed_files` writes the oldest of these anew.
rocksdb::Status IndexDatabase::Impl::Rewrite(bool packed_files) {
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  options.allow_write_stall = true;
  options.canceled = &stop_rewriting;
  options.blob_garbage_collection_policy =
      packed_files ? rocksdb::BlobGarbageCollectionPolicy::kForce : rocksdb::BlobGarbageCollectionPolicy::kDisable;
  options.blob_garbage_collection_age_cutoff = rewritten_share;
  return database->CompactRange(options, families[kPayloads], nullptr, nullptr);
}

rocksdb::Status IndexDatabase::Impl::GiveBack(const std::atomic<bool>* cancelled) {
  const auto is_to_stop = [&] { return stop_rewriting || (cancelled != nullptr && *cancelled); };
  if (is_to_stop()) return rocksdb::Status::OK();
  // What was erased counts as of no use once tables were merged.
  if (const std::uint64_t erased = erased_payloads; erased > 0) {
    rocksdb::Status merged = database->Flush(FlushAtOnce(), families[kPayloads]);
    if (merged.ok()) merged = Rewrite(/*packed_files=*/false);
    if (!merged.ok()) return merged;
    erased_payloads -= erased;
  }
  for (int step = 0; step < kRewritingSteps && !is_to_stop(); ++step) {
    const std::uint64_t garbage_bytes = PackedBytes(rocksdb::DB::Properties::kLiveBlobFileGarbageSize);
    if (garbage_bytes < PackedBytes(rocksdb::DB::Properties::kLiveBlobFileSize) / kTolerableGarbage) break;
    if (const rocksdb::Status rewritten = Rewrite(/*packed_files=*/true); !rewritten.ok()) return rewritten;
  }
  return rocksdb::Status::OK();
}

absl::Status IndexDatabase::Impl::RestoreNow() {
  DCAC_RETURN_IF_ERROR(HoldRoom());
  // Memory has what a disk may have forgotten of a log that it could not sync.  A full disk has forgotten nothing, and
  // Resume may get stuck for want of room.
  const bool resumed = database != nullptr && !no_space && Resume().ok();
  if (resumed) {
    GiveRoom();
  } else {
    DCAC_RETURN_IF_ERROR(Reopen());
  }
  doubtful.clear();
  return absl::OkStatus();
}

IndexDatabase::IndexDatabase(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

IndexDatabase::~IndexDatabase() {
  // What is in the tables has checksums of its own; of a log, a damaged end looks like one that was cut off by a crash.
  if (!impl_->failed) static_cast<void>(impl_->database->Flush(FlushAtOnce(), impl_->families));
  impl_->CloseDatabase();
}

absl::StatusOr<std::unique_ptr<IndexDatabase>> IndexDatabase::Open(const std::string& folder,
                                                                   const IndexOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->folder = folder;
  impl->index = options;
  // The first attempt, so that damage that is not just an end that was cut off is told.
  rocksdb::Status status = impl->OpenDatabase(rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords);
  if (status.IsCorruption()) {
    // Still one where tables have what comes after the damage, or are damaged themselves.
    status = impl->OpenDatabase(rocksdb::WALRecoveryMode::kPointInTimeRecovery);
    impl->lost_log_end = true;
  }
  if (IsLocked(status)) {
    return absl::AlreadyExistsError(absl::StrCat(folder, ": another process has this store open"));
  }
  if (status.IsInvalidArgument() && !options.create) {
    return absl::DataLossError(absl::StrCat(folder, ": there is no index: ", status.ToString()));
  }
  DCAC_RETURN_IF_ERROR(FromRocks(status));
  impl->index.create = false;
  return std::unique_ptr<IndexDatabase>(new IndexDatabase(std::move(impl)));
}

bool IndexDatabase::lost_log_end() const {
  return impl_->lost_log_end;
}

absl::StatusOr<std::string> IndexDatabase::Get(IndexFamily family, std::string_view key) const {
  const absl::ReaderMutexLock lock(&impl_->open_mutex);
  DCAC_RETURN_IF_ERROR(impl_->CheckOpen());
  std::string value;
  DCAC_RETURN_IF_ERROR(
      FromRocks(impl_->database->Get(rocksdb::ReadOptions(), impl_->families[family], AsSlice(key), &value)));
  return value;
}

absl::Status IndexDatabase::ForEach(IndexFamily family, std::string_view first, const Visit& visit) const {
  const absl::ReaderMutexLock lock(&impl_->open_mutex);
  DCAC_RETURN_IF_ERROR(impl_->CheckOpen());
  const std::unique_ptr<rocksdb::Iterator> it(
      impl_->database->NewIterator(rocksdb::ReadOptions(), impl_->families[family]));
  for (it->Seek(AsSlice(first)); it->Valid(); it->Next()) {
    if (!visit(AsView(it->key()), AsView(it->value()))) return absl::OkStatus();
  }
  return FromRocks(it->status());
}

absl::Status IndexDatabase::Write(std::span<const IndexChange> changes, bool sync, bool* in_doubt) {
  DCAC_RETURN_IF_ERROR(Restore());
  const absl::ReaderMutexLock lock(&impl_->write_mutex);
  if (impl_->failed) return absl::UnavailableError("index: another write failed");
  rocksdb::WriteBatch batch;
  for (const auto& [family, key, value] : changes) {
    if (family == kPayloads && !value) ++impl_->erased_payloads;
    rocksdb::ColumnFamilyHandle* const handle = impl_->families[family];
    DCAC_RETURN_IF_ERROR(FromRocks(value ? batch.Put(handle, key, *value) : batch.Delete(handle, key)));
  }
  std::string id = absl::StrCat(impl_->id_prefix, impl_->writes++);
  DCAC_RETURN_IF_ERROR(FromRocks(batch.PutLogData(id)));
  rocksdb::WriteOptions options;
  options.sync = sync;
  const rocksdb::Status status = impl_->database->Write(options, &batch);
  if (status.ok()) return absl::OkStatus();
  impl_->Fail(status);
  const std::lock_guard doubt_lock(impl_->doubt_mutex);
  impl_->doubtful.insert(std::move(id));
  if (in_doubt != nullptr) *in_doubt = true;
  return FromRocks(status);
}

absl::Status IndexDatabase::Sync() {
  DCAC_RETURN_IF_ERROR(Restore());
  // Alone: to sync a log to which a write has failed ends the process.
  const absl::MutexLock lock(&impl_->write_mutex);
  if (impl_->failed) return absl::UnavailableError("index: another write failed");
  const rocksdb::Status status = impl_->database->SyncWAL();
  if (!status.ok()) impl_->Fail(status);
  return FromRocks(status);
}

void IndexDatabase::BoundRewriting(std::uint64_t bytes, std::uint64_t growth_bytes) {
  const absl::ReaderMutexLock lock(&impl_->open_mutex);
  if (impl_->database == nullptr) return;
  const std::uint64_t packed_bytes = impl_->PackedBytes(rocksdb::DB::Properties::kTotalBlobFileSize) + growth_bytes;
  const double share = std::min(kMaxRewrittenShare, static_cast<double>(bytes) / static_cast<double>(packed_bytes + 1));
  const double old_share = impl_->rewritten_share;
  if (share <= old_share * kRewrittenStep && share * kRewrittenStep >= old_share) return;
  impl_->rewritten_share = share;
  // That it cannot be noted for the next start is no error: there it is told anew.
  static_cast<void>(impl_->database->SetOptions(impl_->families[kPayloads],
                                                {{"blob_garbage_collection_age_cutoff", absl::StrCat(share)}}));
}

absl::Status IndexDatabase::GiveBack(const std::atomic<bool>* cancelled) {
  const absl::ReaderMutexLock lock(&impl_->open_mutex);
  DCAC_RETURN_IF_ERROR(impl_->CheckOpen());
  const rocksdb::Status status = impl_->GiveBack(cancelled);
  // After an error RocksDB merges and flushes no more, also when there is room again.
  if (!status.ok() && !status.IsIncomplete()) impl_->Fail(status);
  return FromRocks(status);
}

absl::Status IndexDatabase::Restore() {
  if (!impl_->failed) return absl::OkStatus();
  const absl::MutexLock lock(&impl_->write_mutex);
  if (!impl_->failed) return absl::OkStatus();
  const auto start = std::chrono::steady_clock::now();
  if (!impl_->restored.ok() && start < impl_->next_restore) return impl_->restored;
  impl_->restored = impl_->RestoreNow();
  const auto end = std::chrono::steady_clock::now();
  impl_->next_restore =
      end + std::max<std::chrono::steady_clock::duration>(kRestoreInterval, kRestorePause * (end - start));
  if (impl_->restored.ok()) impl_->failed = false;
  return impl_->restored;
}

}  // namespace dcac::store
