#include "server/store/local_blocks.h"

#include <algorithm>
#include <utility>

#include "core/base/status_macros.h"
#include "server/store/checks.h"
#include "server/store/key.h"

namespace dcac::store {
namespace {

constexpr std::size_t kMaxUnsynced = 1024;
// A use is noted when the last one that was is older, so that reading does not become writing.
constexpr std::chrono::milliseconds kUseResolution{60'000};

bool HasExpired(const BlockInfo& info, Time now) {
  return info.expires && *info.expires <= now;
}

LocalStoreOptions WithDefaults(LocalStoreOptions options) {
  if (options.files == nullptr) options.files = &PosixFileSystem();
  if (!options.now) {
    options.now = [] { return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()); };
  }
  return options;
}

}  // namespace

LocalBlocks::LocalBlocks(const LocalStoreOptions& options)
    : options_(WithDefaults(options)),
      payloads_(options_.folder + "/files", *options_.files),
      account_(options_.limits) {}

LocalBlocks::Locks LocalBlocks::LockKeys(std::span<const std::string> keys) {
  std::set<std::size_t> numbers;  // in their order, so that nobody waits for whom waits for them
  for (const std::string& key : keys) numbers.insert(std::hash<std::string>()(key) % kKeyLocks);
  Locks locks;
  for (const std::size_t number : numbers) locks.emplace_back(key_mutexes_[number]);
  return locks;
}

absl::Status LocalBlocks::WriteIndex(const LocalIndex::Changes& changes, bool* in_doubt) {
  return index_->Write(changes, options_.sync == SyncPolicy::kEach, in_doubt);
}

std::future<absl::Status> LocalBlocks::StartEntry(const std::string& id) {
  if (options_.sync != SyncPolicy::kEach) return {};
  // Where there can be no more threads, by whoever waits for it.
  return std::async(std::launch::async | std::launch::deferred, [this, id] { return payloads_.SyncEntry(id); });
}

absl::Status LocalBlocks::MakeDurable(PayloadWriter& writer, const std::string& id, std::future<absl::Status> entry) {
  if (options_.sync == SyncPolicy::kEach) {
    DCAC_RETURN_IF_ERROR(writer.Sync());
    return entry.valid() ? entry.get() : absl::OkStatus();  // once is enough
  }
  if (options_.sync == SyncPolicy::kNone) return absl::OkStatus();
  const std::lock_guard lock(sync_mutex_);
  unsynced_.push_back({.id = id});
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

Record LocalBlocks::NewRecord(const NewBlock& block) const {
  const Time time = now();
  const PutOptions& options = *block.options;
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
  return record;
}

absl::StatusOr<BlockInfo> LocalBlocks::Stage(const NewBlock& block, LocalIndex::Changes& changes,
                                             std::vector<Record>& replaced, std::vector<Obsolete>& obsolete) const {
  const absl::StatusOr<Record> there = index_->Find(block.key);
  DCAC_RETURN_IF_ERROR(CheckCondition(block.options->condition, Visible(there)));
  // One that has expired or cannot be read is replaced too.
  if (!there.ok() && !absl::IsNotFound(there.status()) && !absl::IsDataLoss(there.status())) return there.status();
  const Record record = NewRecord(block);
  const bool keep = options_.sync == SyncPolicy::kInterval && !record.inlined;
  changes.Put(there.ok() ? std::optional(*there) : std::nullopt, record, block.payload,
              keep ? OldPayload::kKeep : OldPayload::kErase);
  if (there.ok()) replaced.push_back(*there);
  if (there.ok() && (keep || !there->inlined)) obsolete.push_back({there->info.version, there->inlined});
  return record.info;
}

std::vector<absl::StatusOr<BlockInfo>> LocalBlocks::Publish(std::span<const NewBlock> blocks, bool* in_doubt) {
  std::vector<std::string> keys;
  for (const NewBlock& block : blocks) keys.push_back(block.key);
  const Locks locks = LockKeys(keys);
  LocalIndex::Changes changes;
  std::vector<Record> replaced;
  std::vector<Obsolete> obsolete;
  std::vector<absl::StatusOr<BlockInfo>> results;
  for (const NewBlock& block : blocks) results.push_back(Stage(block, changes, replaced, obsolete));
  if (const absl::Status written = WriteIndex(changes, in_doubt); !written.ok()) {
    for (absl::StatusOr<BlockInfo>& result : results) {
      if (result.ok()) result = written;
    }
    return results;
  }
  for (const Record& record : replaced) Forget(record);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (!results[i].ok()) continue;
    account_.Add(OwnerOf(blocks[i].key), UsageOf(*results[i]), blocks[i].reserved_bytes);
    NoteState(blocks[i].key, /*damaged=*/false);
  }
  RemovePayloads(obsolete);
  return results;
}

absl::StatusOr<Record> LocalBlocks::Find(std::string_view key) const {
  return Visible(index_->Find(key));
}

absl::StatusOr<Record> LocalBlocks::Visible(absl::StatusOr<Record> record) const {
  if (absl::IsNotFound(record.status()) || (record.ok() && HasExpired(record->info, now()))) return NotThere();
  return record;
}

void LocalBlocks::Forget(const Record& record) {
  account_.Remove(OwnerOf(record.info.key), UsageOf(record.info));
  NoteState(record.info.key, /*damaged=*/false);
}

void LocalBlocks::NoteState(const std::string& key, bool damaged) {
  const std::lock_guard lock(damaged_mutex_);
  if (damaged) {
    damaged_.insert(key);
  } else {
    damaged_.erase(key);
  }
}

std::uint64_t LocalBlocks::damaged_blocks() const {
  const std::lock_guard lock(damaged_mutex_);
  return damaged_.size();
}

void LocalBlocks::RemovePayloads(const std::vector<Obsolete>& payloads) {
  if (options_.sync == SyncPolicy::kInterval) {
    const std::lock_guard lock(sync_mutex_);
    unremoved_.insert(unremoved_.end(), payloads.begin(), payloads.end());
    return;
  }
  // What cannot be removed now is at the next start.
  static_cast<void>(RemoveNow(payloads));
}

absl::Status LocalBlocks::RemoveNow(const std::vector<Obsolete>& payloads) {
  if (payloads.empty()) return absl::OkStatus();
  LocalIndex::Changes changes;
  for (const Obsolete& payload : payloads) {
    if (payload.inlined) {
      changes.EraseInlined(payload.id);
    } else {
      DCAC_RETURN_IF_ERROR(payloads_.Remove(payload.id));
    }
    changes.EraseRemoval(payload.id);
  }
  return index_->Write(changes, /*sync=*/false);
}

std::vector<absl::Status> LocalBlocks::Delete(std::span<const std::string> keys) {
  std::vector<absl::Status> results(keys.size());
  const Locks locks = LockKeys(keys);
  LocalIndex::Changes changes;
  std::vector<Record> erased;
  std::vector<Obsolete> obsolete;
  std::vector<std::string> unreadable;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const absl::StatusOr<Record> record = index_->Find(keys[i]);
    const bool there = !absl::IsNotFound(record.status()) && !(record.ok() && HasExpired(record->info, now()));
    if (!there || !seen.insert(keys[i]).second) {
      results[i] = NotThere();
    } else if (record.ok()) {
      changes.Erase(*record);
      erased.push_back(*record);
      if (!record->inlined) obsolete.push_back({record->info.version});
    } else if (absl::IsDataLoss(record.status())) {
      changes.EraseRecord(keys[i]);
      unreadable.push_back(keys[i]);
    } else {
      results[i] = record.status();
    }
  }
  if (const absl::Status written = WriteIndex(changes); !written.ok()) {
    std::ranges::replace_if(
        results, [](const absl::Status& s) { return s.ok(); }, written);
    return results;
  }
  for (const Record& record : erased) Forget(record);
  for (const std::string& key : unreadable) NoteState(key, /*damaged=*/false);
  RemovePayloads(obsolete);
  return results;
}

absl::StatusOr<Record> LocalBlocks::Change(const std::string& key, const std::string& version,
                                           const std::function<void(Record&)>& change) {
  const Locks locks = LockKeys({&key, 1});
  DCAC_ASSIGN_OR_RETURN(const Record old, Find(key));
  if (!version.empty() && old.info.version != version) return NotThere();
  Record record = old;
  change(record);
  LocalIndex::Changes changes;
  changes.Put(old, record, std::nullopt, OldPayload::kErase);
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
  changes.Put(*old, used, std::nullopt, OldPayload::kErase);
  // Not durable, whatever the policy: a use that is forgotten costs no more than an early eviction.
  static_cast<void>(index_->Write(changes, /*sync=*/false));
}

void LocalBlocks::NoteDamage(const std::string& key, const std::string& version) {
  const absl::StatusOr<Record> record = Change(key, version, [this](Record& damaged) {
    damaged.damaged = true;
    NoteState(damaged.info.key, /*damaged=*/true);
  });
  // What cannot be noted is found again by the next who reads.
  static_cast<void>(record);
}

}  // namespace dcac::store
