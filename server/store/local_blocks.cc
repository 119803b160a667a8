#include "server/store/local_blocks.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/key.h"

namespace dcac::store {
namespace {

constexpr std::size_t kMaxUnsynced = 1024;
// A use is noted when the last one that was is older, so that reading does not become writing.
constexpr std::chrono::milliseconds kUseResolution{60'000};

Usage UsageOf(const BlockInfo& info) {
  return {.blocks = 1, .stored_bytes = info.size_bytes, .raw_bytes = info.raw_bytes};
}

bool HasExpired(const BlockInfo& info, Time now) {
  return info.expires && *info.expires <= now;
}

absl::Status NotThere(std::string_view key) {
  return absl::NotFoundError(absl::StrCat("no block under ", std::string(key)));
}

LocalStoreOptions WithDefaults(LocalStoreOptions options) {
  if (options.files == nullptr) options.files = &PosixFileSystem();
  if (!options.now) {
    options.now = [] { return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()); };
  }
  return options;
}

std::string CleanMark(const std::string& folder) {
  return folder + "/clean";
}

}  // namespace

LocalBlocks::LocalBlocks(const LocalStoreOptions& options)
    : options_(WithDefaults(options)),
      payloads_(options_.folder + "/files", *options_.files),
      account_(options_.limits) {}

absl::StatusOr<std::unique_ptr<LocalBlocks>> LocalBlocks::Open(const LocalStoreOptions& options) {
  std::unique_ptr<LocalBlocks> blocks(new LocalBlocks(options));
  const LocalStoreOptions& all = blocks->options_;
  DCAC_RETURN_IF_ERROR(all.files->CreateFolder(all.folder));
  DCAC_ASSIGN_OR_RETURN(blocks->index_, LocalIndex::Open(all.folder + "/index", all.environment));
  DCAC_RETURN_IF_ERROR(blocks->payloads_.Prepare());
  DCAC_RETURN_IF_ERROR(all.files->SyncFolder(all.folder));
  DCAC_RETURN_IF_ERROR(blocks->Recover());
  if (all.sync == SyncPolicy::kInterval) blocks->syncer_ = std::thread([b = blocks.get()] { b->SyncInBackground(); });
  return blocks;
}

LocalBlocks::~LocalBlocks() {
  if (index_ == nullptr) return;
  if (syncer_.joinable()) {
    {
      const std::lock_guard lock(sync_mutex_);
      stopping_ = true;
    }
    sync_wake_.notify_all();
    syncer_.join();
  }
  // Without the mark the next start looks at what may be missing, which is slower but right.
  if (!SyncNow().ok()) return;
  if (absl::StatusOr<std::unique_ptr<File>> mark = options_.files->Create(CleanMark(options_.folder)); mark.ok()) {
    static_cast<void>((*mark)->Sync());
  }
}

// Usage of all records; files that neither a record nor an upload names are removed.  No payload is read.
absl::Status LocalBlocks::Recover() {
  const bool clean = options_.files->Remove(CleanMark(options_.folder)).ok();
  if (clean) DCAC_RETURN_IF_ERROR(options_.files->SyncFolder(options_.folder));
  const bool check_payloads = !clean && options_.sync != SyncPolicy::kEach;
  std::unordered_set<std::string> named;
  std::vector<Record> to_check;
  DCAC_RETURN_IF_ERROR(index_->ForEach("", "", [&](const std::string&, const absl::StatusOr<Record>& record) {
    if (!record.ok()) {
      ++damaged_;
      return true;
    }
    account_.Add(OwnerOf(record->info.key), UsageOf(record->info));
    if (record->damaged) ++damaged_;
    if (record->inlined) return true;
    named.insert(record->info.version);
    if (check_payloads) to_check.push_back(*record);
    return true;
  }));
  DCAC_RETURN_IF_ERROR(DropRecordsWithoutPayload(to_check));
  DCAC_ASSIGN_OR_RETURN(const std::vector<std::string> removals, index_->Removals());
  DCAC_RETURN_IF_ERROR(RemoveFiles(removals));
  std::vector<std::string> orphans;
  DCAC_RETURN_IF_ERROR(payloads_.ForEach([&](const std::string& id, Time) {
    if (named.contains(id)) return;
    const absl::StatusOr<PayloadReader> upload = payloads_.Open(id, /*writable=*/false);
    if (!upload.ok() || upload->owner().state.empty()) orphans.push_back(id);
  }));
  for (const std::string& id : orphans) DCAC_RETURN_IF_ERROR(payloads_.Remove(id));
  return RemoveOldUploads();
}

// After a crash of the machine that may have forgotten a file that the index remembers.
absl::Status LocalBlocks::DropRecordsWithoutPayload(const std::vector<Record>& records) {
  LocalIndex::Changes changes;
  for (const Record& record : records) {
    const absl::StatusOr<PayloadReader> payload = payloads_.Open(record.info.version, /*writable=*/false);
    if (payload.ok() && payload->HasBytes(record.info.size_bytes)) continue;
    changes.Erase(record);
    account_.Remove(OwnerOf(record.info.key), UsageOf(record.info));
  }
  return index_->Write(changes, /*sync=*/true);
}

LocalBlocks::Locks LocalBlocks::LockKeys(std::span<const std::string> keys) {
  std::set<std::size_t> numbers;  // in their order, so that nobody waits for whom waits for them
  for (const std::string& key : keys) numbers.insert(std::hash<std::string>()(key) % kKeyLocks);
  Locks locks;
  for (const std::size_t number : numbers) locks.emplace_back(key_mutexes_[number]);
  return locks;
}

absl::Status LocalBlocks::WriteIndex(const LocalIndex::Changes& changes) {
  return index_->Write(changes, options_.sync == SyncPolicy::kEach);
}

absl::Status LocalBlocks::MakeDurable(PayloadWriter& writer, const std::string& id) {
  if (options_.sync == SyncPolicy::kEach) {
    DCAC_RETURN_IF_ERROR(writer.Sync());
    return payloads_.SyncEntry(id);
  }
  if (options_.sync == SyncPolicy::kNone) return absl::OkStatus();
  std::unique_lock lock(sync_mutex_);
  unsynced_.push_back(id);
  if (unsynced_.size() > kMaxUnsynced) sync_wake_.notify_all();
  return absl::OkStatus();
}

absl::Status LocalBlocks::CheckCondition(const Condition& condition, const absl::StatusOr<Record>& there) const {
  if (condition.if_absent && !absl::IsNotFound(there.status())) {
    return absl::AlreadyExistsError("there is a block under the key");
  }
  if (!condition.if_digest) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(there.status());
  if (there->info.digest == *condition.if_digest) return absl::OkStatus();
  return absl::AbortedError("the block under the key has another digest");
}

std::vector<absl::StatusOr<BlockInfo>> LocalBlocks::Publish(std::span<const NewBlock> blocks) {
  std::vector<absl::StatusOr<BlockInfo>> results;
  std::vector<std::string> keys;
  for (const NewBlock& block : blocks) keys.push_back(block.key);
  const Locks locks = LockKeys(keys);
  LocalIndex::Changes changes;
  std::vector<Record> replaced;
  for (const NewBlock& block : blocks) {
    const PutOptions& options = *block.options;
    if (const absl::Status status = CheckCondition(options.condition, Find(block.key)); !status.ok()) {
      results.push_back(status);
      continue;
    }
    // One that has expired or cannot be read is replaced too.
    const absl::StatusOr<Record> there = index_->Find(block.key);
    if (!there.ok() && !absl::IsNotFound(there.status()) && !absl::IsDataLoss(there.status())) {
      results.push_back(there.status());
      continue;
    }
    const Time time = now();
    Record record{.info = {.key = block.key,
                           .size_bytes = block.size_bytes,
                           .raw_bytes = options.raw_bytes,
                           .digest = options.digest,
                           .attributes = options.attributes,
                           .version = block.id,
                           .created = time,
                           .pinned = options.pinned},
                  .accessed = time,
                  .inlined = block.payload.has_value()};
    if (options.ttl) record.info.expires = time + *options.ttl;
    changes.Put(there.ok() ? std::optional(*there) : std::nullopt, record, block.payload);
    if (there.ok()) replaced.push_back(*there);
    results.emplace_back(record.info);
  }
  if (const absl::Status written = WriteIndex(changes); !written.ok()) {
    for (absl::StatusOr<BlockInfo>& result : results) {
      if (result.ok()) result = written;
    }
    return results;
  }
  for (const absl::StatusOr<BlockInfo>& result : results) {
    if (result.ok()) account_.Add(OwnerOf(result->key), UsageOf(*result));
  }
  RemovePayloads(replaced);
  return results;
}

absl::StatusOr<Record> LocalBlocks::Find(std::string_view key) const {
  DCAC_ASSIGN_OR_RETURN(Record record, index_->Find(key));
  if (HasExpired(record.info, now())) return NotThere(key);
  return record;
}

// Of records that are no longer in the index.
void LocalBlocks::RemovePayloads(const std::vector<Record>& records) {
  std::vector<std::string> ids;
  for (const Record& record : records) {
    account_.Remove(OwnerOf(record.info.key), UsageOf(record.info));
    if (record.damaged) --damaged_;
    if (!record.inlined) ids.push_back(record.info.version);
  }
  if (options_.sync == SyncPolicy::kInterval) {
    const std::lock_guard lock(sync_mutex_);
    unremoved_.insert(unremoved_.end(), ids.begin(), ids.end());
    return;
  }
  // What cannot be removed now is at the next start.
  static_cast<void>(RemoveFiles(ids));
}

absl::Status LocalBlocks::RemoveFiles(const std::vector<std::string>& ids) {
  if (ids.empty()) return absl::OkStatus();
  LocalIndex::Changes changes;
  for (const std::string& id : ids) {
    DCAC_RETURN_IF_ERROR(payloads_.Remove(id));
    changes.EraseRemoval(id);
  }
  return index_->Write(changes, /*sync=*/false);
}

std::vector<absl::Status> LocalBlocks::Delete(std::span<const std::string> keys) {
  std::vector<absl::Status> results(keys.size());
  const Locks locks = LockKeys(keys);
  LocalIndex::Changes changes;
  std::vector<Record> erased;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const absl::StatusOr<Record> record = index_->Find(keys[i]);
    const bool there = !absl::IsNotFound(record.status()) && !(record.ok() && HasExpired(record->info, now()));
    if (!there || !seen.insert(keys[i]).second) {
      results[i] = NotThere(keys[i]);
    } else if (record.ok()) {
      changes.Erase(*record);
      erased.push_back(*record);
    } else if (absl::IsDataLoss(record.status())) {
      changes.EraseRecord(keys[i]);
      --damaged_;
    } else {
      results[i] = record.status();
    }
  }
  if (const absl::Status written = WriteIndex(changes); !written.ok()) {
    std::ranges::replace_if(
        results, [](const absl::Status& s) { return s.ok(); }, written);
    return results;
  }
  RemovePayloads(erased);
  return results;
}

absl::StatusOr<Record> LocalBlocks::Change(const std::string& key, const std::string& version,
                                           const std::function<void(Record&)>& change) {
  const Locks locks = LockKeys({&key, 1});
  DCAC_ASSIGN_OR_RETURN(const Record old, Find(key));
  if (!version.empty() && old.info.version != version) return NotThere(key);
  Record record = old;
  change(record);
  LocalIndex::Changes changes;
  changes.Put(old, record, std::nullopt);
  DCAC_RETURN_IF_ERROR(WriteIndex(changes));
  return record;
}

void LocalBlocks::NoteUse(const Record& record) {
  const Time time = now();
  if (record.info.pinned || time - record.accessed < kUseResolution) return;
  const std::string& key = record.info.key;
  const Locks locks = LockKeys({&key, 1});
  const absl::StatusOr<Record> old = Find(key);
  if (!old.ok() || old->info.version != record.info.version) return;
  Record used = *old;
  used.accessed = time;
  LocalIndex::Changes changes;
  changes.Put(*old, used, std::nullopt);
  // Not durable, whatever the policy: a use that is forgotten costs no more than an early eviction.
  static_cast<void>(index_->Write(changes, /*sync=*/false));
}

void LocalBlocks::NoteDamage(const std::string& key, const std::string& version) {
  const absl::StatusOr<Record> record = Change(key, version, [this](Record& damaged) {
    if (!damaged.damaged) ++damaged_;
    damaged.damaged = true;
  });
  // What cannot be noted is found again by the next who reads.
  static_cast<void>(record);
}

}  // namespace dcac::store
