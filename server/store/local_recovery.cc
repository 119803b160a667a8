// How local blocks start and end: whose folder it is, what a crash left, what is durable.
#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/key.h"
#include "server/store/local_blocks.h"
#include "server/store/record.h"

namespace dcac::store {
namespace {

// What the file that marks a store's folder says.
constexpr std::string_view kFormat = "dcac local store 1\n";

// So that what puts leave free of a small disk is a few times what the index's logs take.
constexpr std::uint64_t kMinDiskLogs = 32;

std::string StoreMark(const std::string& folder) {
  return folder + "/store";
}

// There while the index may name payloads that a crash of the machine would forget.
std::string UnsyncedMark(const std::string& folder) {
  return folder + "/unsynced";
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalBlocks>> LocalBlocks::Open(const LocalStoreOptions& options) {
  std::unique_ptr<LocalBlocks> blocks(new LocalBlocks(options));
  const LocalStoreOptions& all = blocks->options_;
  DCAC_RETURN_IF_ERROR(blocks->payloads_.Prepare());  // creates the folder, too, if it is not there
  DCAC_ASSIGN_OR_RETURN(const bool is_new, blocks->IsNew());
  DCAC_ASSIGN_OR_RETURN(const DiskSpace space, all.files->Space(all.folder));
  IndexOptions index{.create = is_new, .environment = all.environment};
  index.log_bytes = std::min<std::uint64_t>(index.log_bytes, space.total_bytes / kMinDiskLogs);
  DCAC_ASSIGN_OR_RETURN(blocks->index_, LocalIndex::Open(all.folder + "/index", index));
  if (is_new) DCAC_RETURN_IF_ERROR(blocks->MarkStore());
  DCAC_RETURN_IF_ERROR(blocks->Recover());
  blocks->BoundRewriting(space);
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
  // What is not durable now is looked at by the next start.
  static_cast<void>(Close());
}

absl::Status LocalBlocks::Close() {
  if (options_.sync == SyncPolicy::kEach) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(SyncNow());
  if (options_.sync == SyncPolicy::kNone) DCAC_RETURN_IF_ERROR(options_.files->SyncDisk(options_.folder));
  DCAC_RETURN_IF_ERROR(index_->Sync());
  return UnmarkUnsynced();
}

// Payloads whose index is gone are not to be taken for files that nothing names, and removed.
absl::StatusOr<bool> LocalBlocks::IsNew() {
  const std::string path = StoreMark(options_.folder);
  const absl::StatusOr<std::unique_ptr<File>> mark = options_.files->Open(path, /*writable=*/false);
  if (!mark.ok() && !absl::IsNotFound(mark.status())) return mark.status();
  std::string text;
  if (mark.ok()) {
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t size, (*mark)->Size());
    text.resize(std::min<std::uint64_t>(size, kFormat.size() + 1));
    DCAC_RETURN_IF_ERROR((*mark)->ReadAt(0, std::as_writable_bytes(std::span(text))));
  }
  if (text == kFormat) return false;
  // Torn by a crash while the store was made, when there was nothing in it.
  if (!kFormat.starts_with(text)) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": is not the mark of a store of this version"));
  }
  bool empty = true;
  DCAC_RETURN_IF_ERROR(
      payloads_.ForEach([&](const std::string&, Time) { empty = false; }, [](const std::string& /*id*/) {}));
  if (empty) return true;
  return absl::DataLossError(absl::StrCat(options_.folder, ": there are payloads, but ", path, " is not there"));
}

absl::Status LocalBlocks::MarkStore() {
  FileSystem& files = *options_.files;
  const std::string path = StoreMark(options_.folder);
  absl::StatusOr<std::unique_ptr<File>> mark = files.Create(path);
  if (absl::IsAlreadyExists(mark.status())) mark = files.Open(path, /*writable=*/true);
  DCAC_RETURN_IF_ERROR(mark.status());
  DCAC_RETURN_IF_ERROR((*mark)->WriteAt(0, AsBytes(kFormat)));
  DCAC_RETURN_IF_ERROR((*mark)->Sync());
  return files.SyncFolder(options_.folder);
}

absl::StatusOr<bool> LocalBlocks::IsMarkedUnsynced() const {
  const absl::Status status = options_.files->Open(UnsyncedMark(options_.folder), /*writable=*/false).status();
  if (status.ok() || absl::IsNotFound(status)) return status.ok();
  return status;
}

absl::Status LocalBlocks::MarkUnsynced() {
  const absl::StatusOr<std::unique_ptr<File>> mark = options_.files->Create(UnsyncedMark(options_.folder));
  if (absl::IsAlreadyExists(mark.status())) return absl::OkStatus();
  DCAC_RETURN_IF_ERROR(mark.status());
  DCAC_RETURN_IF_ERROR((*mark)->Sync());
  return options_.files->SyncFolder(options_.folder);
}

absl::Status LocalBlocks::UnmarkUnsynced() {
  const absl::Status removed = options_.files->Remove(UnsyncedMark(options_.folder));
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  return options_.files->SyncFolder(options_.folder);
}

// Usage of all records; files that neither a record nor an upload names are removed.  No payload is read.
absl::Status LocalBlocks::Recover() {
  DCAC_ASSIGN_OR_RETURN(const bool unsynced, IsMarkedUnsynced());
  // Where only the process ended, nothing is lost yet.
  if (unsynced) DCAC_RETURN_IF_ERROR(options_.files->SyncDisk(options_.folder));
  std::vector<Record> in_files;
  DCAC_RETURN_IF_ERROR(RecoverRecords(in_files));
  DCAC_ASSIGN_OR_RETURN(std::vector<Removal> removals, index_->Removals());
  if (unsynced) {
    DCAC_RETURN_IF_ERROR(RestoreLost(in_files, removals));
    DCAC_RETURN_IF_ERROR(index_->Sync());
  }
  if (unsynced && options_.sync == SyncPolicy::kEach) DCAC_RETURN_IF_ERROR(UnmarkUnsynced());
  if (options_.sync != SyncPolicy::kEach) DCAC_RETURN_IF_ERROR(MarkUnsynced());
  std::vector<Obsolete> obsolete;
  for (const Removal& removal : removals) {
    obsolete.push_back({removal.id, removal.replaced && removal.replaced->inlined});
  }
  DCAC_RETURN_IF_ERROR(RemoveNow(obsolete));
  return RecoverFiles(in_files);
}

absl::Status LocalBlocks::RecoverRecords(std::vector<Record>& in_files) {
  return index_->ForEach("", "", [&](const std::string& key, absl::StatusOr<Record> record) {
    if (!record.ok() || record->damaged) NoteState(key, /*damaged=*/true);
    if (!record.ok()) return true;
    account_.Add(OwnerOf(key), UsageOf(record->info));
    if (record->inlined) return true;
    record->info.attributes.clear();
    record->info.attributes.shrink_to_fit();
    in_files.push_back(*std::move(record));
    return true;
  });
}

// `read`: all of it is, as a file may be as long as it should be although some of its pages were never written.
absl::StatusOr<bool> LocalBlocks::HasPayload(const Record& record, bool read) const {
  if (record.inlined) {
    const absl::Status status = index_->ReadPayload(record).status();
    if (status.ok() || absl::IsDataLoss(status)) return status.ok();
    return status;
  }
  const absl::StatusOr<PayloadReader> payload = payloads_.Open(record.info.version, /*writable=*/false);
  if (absl::IsNotFound(payload.status()) || absl::IsDataLoss(payload.status())) return false;
  DCAC_RETURN_IF_ERROR(payload.status());
  if (!payload->HasBytes(record.info.size_bytes)) return false;
  if (!read) return true;
  const absl::Status status = payload->Check(record.info.size_bytes);
  if (status.ok() || absl::IsDataLoss(status)) return status.ok();
  return status;
}

// After a crash of the machine that may have forgotten a file that the index remembers: the block that it took the
// place of is there again, if there was one.
absl::Status LocalBlocks::RestoreLost(std::vector<Record>& in_files, std::vector<Removal>& removals) {
  LocalIndex::Changes changes;
  std::vector<Record> whole;
  std::set<std::string> replaced;  // keys
  for (const Removal& removal : removals) {
    if (removal.replaced) replaced.insert(removal.replaced->info.key);
  }
  for (Record& record : in_files) {
    DCAC_ASSIGN_OR_RETURN(const bool there, HasPayload(record, /*read=*/replaced.contains(record.info.key)));
    if (there) {
      whole.push_back(std::move(record));
      continue;
    }
    Forget(record);
    auto best = removals.end();
    for (auto it = removals.begin(); it != removals.end(); ++it) {
      if (!it->replaced || it->replaced->info.key != record.info.key) continue;
      if (best != removals.end() && best->replaced->info.created > it->replaced->info.created) continue;
      DCAC_ASSIGN_OR_RETURN(const bool sound, HasPayload(*it->replaced, /*read=*/true));
      if (sound) best = it;
    }
    if (best == removals.end()) {
      changes.Erase(record);
      continue;
    }
    changes.Put(record, *best->replaced, std::nullopt, OldPayload::kErase);
    changes.EraseRemoval(best->id);
    account_.Add(OwnerOf(record.info.key), UsageOf(best->replaced->info));
    if (!best->replaced->inlined) whole.push_back(*best->replaced);
    removals.erase(best);
  }
  in_files = std::move(whole);
  return index_->Write(changes, /*sync=*/true);
}

absl::Status LocalBlocks::RecoverFiles(const std::vector<Record>& in_files) {
  std::unordered_set<std::string_view> named;
  for (const Record& record : in_files) named.insert(record.info.version);
  std::vector<std::string> orphans, inputs;
  std::unordered_set<std::string> resumable;
  absl::Status status;
  const auto visit = [&](const std::string& id, Time modified) {
    if (named.contains(id) || !status.ok()) return;
    const absl::StatusOr<PayloadReader> upload = payloads_.Open(id, /*writable=*/false);
    absl::StatusOr<std::uint64_t> bytes = upload.ok() ? upload->FileSize() : upload.status();
    if (!bytes.ok() && !absl::IsDataLoss(bytes.status())) {
      status = bytes.status();
    } else if (!bytes.ok() || upload->owner().state.empty()) {
      orphans.push_back(id);
    } else {
      const absl::StatusOr<std::uint64_t> input_bytes = payloads_.InputFileBytes(id);
      status.Update(input_bytes.status());
      *bytes += input_bytes.value_or(0);
      resumable.insert(id);
      const std::string owner(OwnerOf(upload->owner().key));
      account_.ReserveAnyway(owner, *bytes);
      uploads_.Keep({.id = id, .owner = owner, .reserved_bytes = *bytes, .touched = modified, .resumable = true});
    }
  };
  DCAC_RETURN_IF_ERROR(payloads_.ForEach(visit, [&inputs](const std::string& id) { inputs.push_back(id); }));
  DCAC_RETURN_IF_ERROR(status);
  for (const std::string& id : orphans) DCAC_RETURN_IF_ERROR(payloads_.Remove(id));
  for (const std::string& id : inputs) {
    if (!resumable.contains(id)) DCAC_RETURN_IF_ERROR(payloads_.RemoveInput(id));
  }
  return absl::OkStatus();
}

}  // namespace dcac::store
