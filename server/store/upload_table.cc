#include "server/store/upload_table.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"

namespace dcac::store {

void UploadTable::Begin(const std::string& id, std::string_view owner) {
  const std::lock_guard lock(mutex_);
  running_.emplace(id, owner);
}

void UploadTable::End(const std::string& id) {
  const std::lock_guard lock(mutex_);
  running_.erase(id);
}

void UploadTable::Keep(IdleUpload upload) {
  const std::lock_guard lock(mutex_);
  running_.erase(upload.id);
  const std::string id = upload.id;
  waiting_.insert_or_assign(id, std::move(upload));
}

void UploadTable::Doubt(IdleUpload upload) {
  const std::lock_guard lock(mutex_);
  running_.erase(upload.id);
  const std::string id = upload.id;
  doubtful_.insert_or_assign(id, std::move(upload));
}

absl::StatusOr<IdleUpload> UploadTable::Resume(const std::string& id, const std::string& owner) {
  const std::lock_guard lock(mutex_);
  const auto running = running_.find(id);
  if (running != running_.end() && running->second == owner) {
    return absl::UnavailableError("the upload is open elsewhere");
  }
  const auto doubtful = doubtful_.find(id);
  if (doubtful != doubtful_.end() && doubtful->second.owner == owner) {
    return absl::UnavailableError("it is not known whether the upload was published, because the disk failed");
  }
  const auto found = waiting_.find(id);
  if (found == waiting_.end() || found->second.owner != owner) return absl::NotFoundError("no such upload");
  IdleUpload upload = std::move(found->second);
  waiting_.erase(found);
  running_.emplace(id, owner);
  return upload;
}

std::vector<IdleUpload> UploadTable::TakeOlder(Time oldest) {
  const std::lock_guard lock(mutex_);
  std::vector<IdleUpload> older;
  std::erase_if(waiting_, [&](auto& entry) {
    if (entry.second.touched >= oldest) return false;
    older.push_back(std::move(entry.second));
    return true;
  });
  return older;
}

std::optional<IdleUpload> UploadTable::TakeOldest() {
  const std::lock_guard lock(mutex_);
  const auto oldest =
      std::ranges::min_element(waiting_, {}, [](const auto& entry) -> const Time& { return entry.second.touched; });
  if (oldest == waiting_.end()) return std::nullopt;
  IdleUpload upload = std::move(oldest->second);
  waiting_.erase(oldest);
  return upload;
}

std::vector<IdleUpload> UploadTable::TakeDoubtful() {
  const std::lock_guard lock(mutex_);
  std::vector<IdleUpload> doubtful;
  for (auto& [id, upload] : doubtful_) doubtful.push_back(std::move(upload));
  doubtful_.clear();
  return doubtful;
}

std::uint64_t UploadTable::running() const {
  const std::lock_guard lock(mutex_);
  return running_.size();
}

}  // namespace dcac::store
