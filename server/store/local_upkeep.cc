// What local blocks do beside being put and read: making room, expiring, becoming durable.
#include <algorithm>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/local_blocks.h"

namespace dcac::store {
namespace {

constexpr std::size_t kErasedAtOnce = 64;

}  // namespace

absl::Status LocalBlocks::Reserve(std::string_view owner, std::uint64_t bytes) {
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
  std::uint64_t bytes = 0;
  for (const TimedKey& entry : entries) {
    if (bytes >= enough_bytes) break;
    const absl::StatusOr<Record> record = index_->Find(entry.key);
    if (record.ok() && (expiry ? record->info.expires == entry.time : record->accessed == entry.time)) {
      changes.Erase(*record);
      bytes += record->info.size_bytes;
      erased.push_back(*record);
    } else if (record.ok() || absl::IsNotFound(record.status()) || absl::IsDataLoss(record.status())) {
      expiry ? changes.EraseExpiry(entry) : changes.EraseRecency(entry);
    } else {
      return record.status();
    }
  }
  DCAC_RETURN_IF_ERROR(WriteIndex(changes));
  RemovePayloads(erased);
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

// Files of uploads have no record; those of blocks have one whose version is the file's name.
absl::Status LocalBlocks::RemoveOldUploads() {
  const Time oldest = now() - limits().upload_ttl;
  std::vector<std::string> old;
  DCAC_RETURN_IF_ERROR(payloads_.ForEach([&](const std::string& id, Time modified) {
    if (modified < oldest) old.push_back(id);
  }));
  for (const std::string& id : old) {
    if (!BeginUpload(id).ok()) continue;
    const absl::StatusOr<PayloadReader> payload = payloads_.Open(id, /*writable=*/false);
    const absl::StatusOr<Record> record =
        payload.ok() ? index_->Find(payload->owner().key) : absl::StatusOr<Record>(payload.status());
    const bool is_upload = absl::IsNotFound(record.status()) || (record.ok() && record->info.version != id);
    if (is_upload) static_cast<void>(payloads_.Remove(id));
    EndUpload(id);
  }
  return absl::OkStatus();
}

absl::Status LocalBlocks::BeginUpload(const std::string& id) {
  const std::lock_guard lock(uploads_mutex_);
  if (uploads_.insert(id).second) return absl::OkStatus();
  return absl::UnavailableError("the upload is open elsewhere");
}

void LocalBlocks::EndUpload(const std::string& id) {
  const std::lock_guard lock(uploads_mutex_);
  uploads_.erase(id);
}

std::uint64_t LocalBlocks::open_uploads() const {
  const std::lock_guard lock(uploads_mutex_);
  return uploads_.size();
}

// Payloads, then the index, then what the index no longer names.
absl::Status LocalBlocks::SyncNow() {
  std::vector<std::string> unsynced, unremoved;
  {
    const std::lock_guard lock(sync_mutex_);
    unsynced.swap(unsynced_);
    unremoved.swap(unremoved_);
  }
  if (options_.sync == SyncPolicy::kInterval) {
    const absl::Status synced = [&] {
      std::set<std::string> folders;
      for (const std::string& id : unsynced) {
        absl::StatusOr<PayloadReader> payload = payloads_.Open(id, /*writable=*/true);
        if (absl::IsNotFound(payload.status())) continue;  // removed meanwhile
        DCAC_RETURN_IF_ERROR(payload.status());
        DCAC_RETURN_IF_ERROR(std::move(*payload).TakeFile()->Sync());
        if (folders.insert(id.substr(0, 2)).second) DCAC_RETURN_IF_ERROR(payloads_.SyncEntry(id));
      }
      return index_->Sync();
    }();
    if (!synced.ok()) {
      const std::lock_guard lock(sync_mutex_);
      unsynced_.insert(unsynced_.end(), unsynced.begin(), unsynced.end());
      unremoved_.insert(unremoved_.end(), unremoved.begin(), unremoved.end());
      return synced;
    }
  }
  return RemoveFiles(unremoved);
}

void LocalBlocks::SyncInBackground() {
  std::unique_lock lock(sync_mutex_);
  while (!stopping_) {
    sync_wake_.wait_for(lock, options_.sync_interval);
    lock.unlock();
    // What failed is tried again: nothing was removed that would be missed.
    static_cast<void>(SyncNow());
    lock.lock();
  }
}

}  // namespace dcac::store
