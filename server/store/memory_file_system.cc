#include "server/store/memory_file_system.h"

#include <algorithm>
#include <cstring>
#include <shared_mutex>
#include <utility>

#include "absl/strings/str_cat.h"

namespace dcac::store {

// Of a file, whether it still has a name or not.
class MemoryFileSystem::Content {
 public:
  absl::Status ReadAt(std::uint64_t offset, std::span<std::byte> out) const {
    const std::shared_lock lock(mutex_);
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset) {
      return absl::OutOfRangeError(
          absl::StrCat("a file of ", bytes_.size(), " bytes ends before byte ", offset + out.size()));
    }
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return absl::OkStatus();
  }

  void WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) {
    const std::unique_lock lock(mutex_);
    bytes_.resize(std::max<std::size_t>(bytes_.size(), offset + bytes.size()));
    std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
  }

  void Truncate(std::uint64_t size) {
    const std::unique_lock lock(mutex_);
    bytes_.resize(size);
  }

  std::uint64_t size() const {
    const std::shared_lock lock(mutex_);
    return bytes_.size();
  }

 private:
  mutable std::shared_mutex mutex_;
  std::vector<std::byte> bytes_;
};

namespace {

class MemoryFile final : public File {
 public:
  explicit MemoryFile(std::shared_ptr<MemoryFileSystem::Content> content) : content_(std::move(content)) {}

  absl::Status ReadAt(std::uint64_t offset, std::span<std::byte> out) const override {
    return content_->ReadAt(offset, out);
  }
  absl::Status WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) override {
    content_->WriteAt(offset, bytes);
    return absl::OkStatus();
  }
  void StartSync(std::uint64_t, std::uint64_t) override {}
  absl::Status Sync() override { return absl::OkStatus(); }
  absl::Status Truncate(std::uint64_t size) override {
    content_->Truncate(size);
    return absl::OkStatus();
  }
  absl::StatusOr<std::uint64_t> Size() const override { return content_->size(); }

 private:
  const std::shared_ptr<MemoryFileSystem::Content> content_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<File>> MemoryFileSystem::Create(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto [it, created] = files_.try_emplace(path);
  if (!created) return absl::AlreadyExistsError(path);
  it->second = std::make_shared<Content>();
  return std::make_unique<MemoryFile>(it->second);
}

absl::StatusOr<std::unique_ptr<File>> MemoryFileSystem::Open(const std::string& path, bool) {
  const std::lock_guard lock(mutex_);
  const auto it = files_.find(path);
  if (it == files_.end()) return absl::NotFoundError(path);
  return std::make_unique<MemoryFile>(it->second);
}

absl::Status MemoryFileSystem::Remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return files_.erase(path) > 0 ? absl::OkStatus() : absl::NotFoundError(path);
}

absl::Status MemoryFileSystem::CreateFolder(const std::string&) {
  return absl::OkStatus();
}

absl::StatusOr<std::vector<FolderEntry>> MemoryFileSystem::List(const std::string& path) {
  const std::string prefix = path + "/";
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  std::vector<FolderEntry> entries;
  const std::lock_guard lock(mutex_);
  for (auto it = files_.lower_bound(prefix); it != files_.end() && it->first.starts_with(prefix); ++it) {
    const std::string name = it->first.substr(prefix.size());
    if (name.find('/') == std::string::npos) entries.push_back({name, now});
  }
  return entries;
}

}  // namespace dcac::store
