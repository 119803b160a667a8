// What local blocks do beside being put and read: making room, expiring, becoming durable.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/local_blocks.h"

namespace dcac::store {
namespace {

constexpr std::size_t kErasedAtOnce = 64;
// Of a disk, the part that puts leave free at most.
constexpr std::uint64_t kMaxFreeShare = 8;
// What puts may take of it from one look at it to the next, which are seconds apart.
constexpr std::uint64_t kFilledMeanwhile = std::uint64_t{1} << 30;

}  // namespace

std::uint64_t LocalBlocks::FreeBytes(const DiskSpace& space) const {
  return std::min(options_.free_bytes, space.total_bytes / kMaxFreeShare);
}

// Packed files differ by up to four times in size; the index knows only how many it takes, and puts go on meanwhile:
// a small disk is full before the next look.
void LocalBlocks::BoundRewriting(const DiskSpace& space) {
  const std::uint64_t kept_bytes = std::min(FreeBytes(space), space.available_bytes);
  const std::uint64_t for_puts = space.available_bytes - kept_bytes,
                      growth_bytes = std::min(for_puts, kFilledMeanwhile);
  index_->BoundRewriting(kept_bytes / 4 + (for_puts - growth_bytes) / 8, growth_bytes);
}

absl::Status LocalBlocks::KeepRoom(const CallControl& control) {
  DCAC_ASSIGN_OR_RETURN(const DiskSpace space, options_.files->Space(options_.folder));
  BoundRewriting(space);
  const std::uint64_t free_bytes = FreeBytes(space);
  // Where others took most of what puts leave free, it would fail for want of room, and deletes with it.
  const bool has_room = space.available_bytes >= free_bytes / 2, is_scarce = space.available_bytes / 2 <= free_bytes;
  return has_room && is_scarce ? index_->GiveBack(control.cancelled) : absl::OkStatus();
}

absl::Status LocalBlocks::CheckRoom(std::uint64_t bytes) const {
  DCAC_ASSIGN_OR_RETURN(const DiskSpace space, options_.files->Space(options_.folder));
  const std::uint64_t free_bytes = FreeBytes(space);
  if (space.available_bytes > free_bytes && space.available_bytes - free_bytes >= bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("disk: the store's disk has ", space.available_bytes,
                                                   " bytes left, of which ", free_bytes, " stay free; the put needs ",
                                                   bytes));
}

absl::Status LocalBlocks::Reserve(std::string_view owner, std::uint64_t bytes) {
  DCAC_RETURN_IF_ERROR(CheckRoom(bytes));
  while (true) {
    std::uint64_t missing_bytes = 0;
    DCAC_RETURN_IF_ERROR(account_.Reserve(owner, bytes, &missing_bytes));
    if (missing_bytes == 0) return absl::OkStatus();
    DCAC_RETURN_IF_ERROR(Evict(missing_bytes));
  }
}

absl::Status LocalBlocks::Evict(std::uint64_t missing_bytes) {
  const std::lock_guard evicting(evict_mutex_);
  DCAC_ASSIGN_OR_RETURN(const std::vector<TimedKey> expired, index_->Expired(now(), kErasedAtOnce));
  if (!expired.empty()) {
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t erased, Erase(expired, /*expiry=*/true, ~std::uint64_t{0}));
    expired_ += erased;
    return absl::OkStatus();
  }
  DCAC_ASSIGN_OR_RETURN(const std::vector<TimedKey> oldest, index_->LeastRecentlyUsed(kErasedAtOnce));
  if (oldest.empty()) {
    if (const std::optional<IdleUpload> upload = uploads_.TakeOldest()) {
      return RemoveUpload(*upload);
    }
    return absl::ResourceExhaustedError(absl::StrCat("capacity: the store is full by ", missing_bytes,
                                                     " bytes, and all that is in it is pinned or on its way"));
  }
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t erased, Erase(oldest, /*expiry=*/false, missing_bytes));
  evicted_ += erased;
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> LocalBlocks::Erase(std::span<const TimedKey> entries, bool expiry,
                                                 std::uint64_t enough_bytes) {
  std::vector<std::string> keys;
  for (const TimedKey& entry : entries) keys.push_back(entry.key);
  const Locks locks = LockKeys(keys);
  LocalIndex::Changes changes;
  std::vector<Record> erased;
  std::vector<Obsolete> obsolete;
  std::uint64_t bytes = 0;
  for (const TimedKey& entry : entries) {
    if (bytes >= enough_bytes) break;
    const absl::StatusOr<Record> record = index_->Find(entry.key);
    const bool due = record.ok() && (expiry ? record->info.expires == entry.time
                                            : record->accessed == entry.time && !record->info.pinned);
    if (due) {
      changes.Erase(*record);
      bytes += ChargeOf(record->info.size_bytes);
      erased.push_back(*record);
      if (!record->inlined) obsolete.push_back({record->info.version});
    } else if (record.ok() || absl::IsNotFound(record.status()) || absl::IsDataLoss(record.status())) {
      expiry ? changes.EraseExpiry(entry) : changes.EraseRecency(entry);
    } else {
      return record.status();
    }
  }
  DCAC_RETURN_IF_ERROR(WriteIndex(changes));
  for (const Record& record : erased) Forget(record);
  RemovePayloads(obsolete);
  return erased.size();
}

absl::Status LocalBlocks::RemoveExpired(const CallControl& control) {
  while (control.cancelled == nullptr || !*control.cancelled) {
    DCAC_ASSIGN_OR_RETURN(const std::vector<TimedKey> expired, index_->Expired(now(), kErasedAtOnce));
    if (expired.empty()) return absl::OkStatus();
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t erased, Erase(expired, /*expiry=*/true, ~std::uint64_t{0}));
    expired_ += erased;
  }
  return absl::CancelledError("cancelled");
}

absl::Status LocalBlocks::RemoveUpload(const IdleUpload& upload) {
  if (const absl::Status removed = payloads_.RemoveUpload(upload.id); !removed.ok()) {
    uploads_.Keep(upload);  // as it still takes room
    return removed;
  }
  account_.Release(upload.owner, upload.reserved_bytes);
  return absl::OkStatus();
}

// Of uploads that were in doubt it is known that they were not published once the index is in order again.
absl::Status LocalBlocks::SettleDoubts() {
  absl::Status status;
  for (const IdleUpload& upload : uploads_.TakeDoubtful()) {
    if (const absl::Status restored = index_->Restore(); !restored.ok()) {
      uploads_.Doubt(upload);
      status.Update(restored);
    } else if (upload.resumable) {
      uploads_.Keep(upload);
    } else {
      status.Update(RemoveUpload(upload));
    }
  }
  return status;
}

absl::Status LocalBlocks::Maintain(const CallControl& control) {
  absl::Status status = index_->Restore();  // reads may need it, too
  status.Update(KeepRoom(control));
  status.Update(SettleDoubts());
  for (const IdleUpload& upload : uploads_.TakeOlder(now() - limits().upload_ttl)) status.Update(RemoveUpload(upload));
  status.Update(RemoveExpired(control));
  const std::lock_guard lock(sync_mutex_);
  status.Update(sync_status_);
  return status;
}

// Payloads, then the index, then what the index no longer names.
absl::Status LocalBlocks::SyncNow() {
  std::vector<Unsynced> unsynced;
  std::vector<Obsolete> unremoved;
  {
    const std::lock_guard lock(sync_mutex_);
    unsynced.swap(unsynced_);
    unremoved.swap(unremoved_);
  }
  absl::Status synced = SyncPayloads(unsynced);
  if (synced.ok()) synced = index_->Sync();
  if (!synced.ok()) {
    // Nothing was removed that would be missed.
    const std::lock_guard lock(sync_mutex_);
    unsynced_.insert(unsynced_.end(), unsynced.begin(), unsynced.end());
    unremoved_.insert(unremoved_.end(), unremoved.begin(), unremoved.end());
    return synced;
  }
  return RemoveNow(unremoved);
}

absl::Status LocalBlocks::SyncPayloads(std::vector<Unsynced>& payloads) {
  std::set<std::string> folders;
  for (Unsynced& payload : payloads) {
    const absl::Status synced = payloads_.Sync(payload.id, /*write_anew=*/payload.failed);
    payload.failed = !synced.ok();
    DCAC_RETURN_IF_ERROR(synced);
    if (folders.insert(payloads_.FolderOf(payload.id)).second) DCAC_RETURN_IF_ERROR(payloads_.SyncEntry(payload.id));
  }
  return absl::OkStatus();
}

void LocalBlocks::SyncInBackground() {
  std::unique_lock lock(sync_mutex_);
  while (!stopping_) {
    sync_wake_.wait_for(lock, options_.sync_interval);
    lock.unlock();
    const absl::Status status = SyncNow();
    lock.lock();
    sync_status_ = status;
  }
}

}  // namespace dcac::store
