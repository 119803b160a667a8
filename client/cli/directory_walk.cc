#include "client/cli/directory_walk.h"

#include <dirent.h>
#include <fnmatch.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/files/atomic_file.h"

namespace dcac::cli {
namespace {

std::int64_t Nanoseconds(const timespec& time) {
  constexpr std::int64_t kPerSecond = 1'000'000'000;
  return static_cast<std::int64_t>(time.tv_sec) * kPerSecond + time.tv_nsec;
}

std::string_view BaseName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

bool IsExcluded(const std::vector<std::string>& patterns, const std::string& path) {
  const std::string name(BaseName(path));
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), path.c_str(), 0) == 0 || ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  });
}

// Names in the folder, the last first.
absl::StatusOr<std::vector<std::string>> NamesReversed(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(folder.c_str()), ::closedir);
  if (stream == nullptr) return absl::ErrnoToStatus(errno, "cannot open");
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return absl::ErrnoToStatus(errno, "cannot read");
  std::sort(names.begin(), names.end(), std::greater<>());
  return names;
}

const char* KindOf(mode_t mode) {
  if (S_ISFIFO(mode)) return "a named pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

class Walker {
 public:
  Walker(const std::string& root, const WalkOptions& options) : root_(root), options_(options) {
    struct stat info;
    if (!options.skipped_folder.empty() && ::stat(options.skipped_folder.c_str(), &info) == 0) skipped_ = info;
  }

  absl::StatusOr<Tree> Run() {
    DCAC_RETURN_IF_ERROR(Enter(""));
    while (!pending_.empty()) {
      const std::string path = std::move(pending_.back());
      pending_.pop_back();
      Visit(path);
    }
    return std::move(tree_);
  }

 private:
  // Puts what the folder `path` holds on the stack.
  absl::Status Enter(const std::string& path) {
    DCAC_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesReversed(JoinPath(root_, path)));
    for (const std::string& name : names) pending_.push_back(JoinPath(path, name));
    return absl::OkStatus();
  }

  void Visit(const std::string& path) {
    if (BaseName(path) == kJournalName || BaseName(path) == kUploadNotesName || IsExcluded(options_.excludes, path))
      return;
    TreeEntry entry{.path = path};
    struct stat info;
    if (::lstat(JoinPath(root_, path).c_str(), &info) != 0) {
      entry.status = absl::ErrnoToStatus(errno, "cannot look at it");
      tree_.entries.push_back(std::move(entry));
      return;
    }
    if (S_ISREG(info.st_mode) && files::IsTemporaryName(BaseName(path))) {
      tree_.leftovers.push_back(path);
      return;
    }
    if (skipped_ && skipped_->st_dev == info.st_dev && skipped_->st_ino == info.st_ino) return;
    entry.identity = IdentityOf(info);
    entry.mode = info.st_mode & 0777;
    if (S_ISREG(info.st_mode)) {
      entry.type = TreeEntry::Type::kFile;
    } else if (S_ISLNK(info.st_mode)) {
      entry.type = TreeEntry::Type::kLink;
    } else if (S_ISDIR(info.st_mode)) {
      entry.type = TreeEntry::Type::kFolder;
    } else {
      entry.status =
          absl::InvalidArgumentError(absl::StrCat("is ", KindOf(info.st_mode), ", expected a file, folder or link"));
    }
    const bool is_folder = entry.type == TreeEntry::Type::kFolder;
    tree_.entries.push_back(std::move(entry));
    if (!is_folder) return;
    if (absl::Status status = Enter(path); !status.ok()) {
      tree_.entries.push_back({.path = path, .status = std::move(status)});
    }
  }

  const std::string& root_;
  const WalkOptions& options_;
  std::optional<struct stat> skipped_;
  std::vector<std::string> pending_;
  Tree tree_;
};

}  // namespace

FileIdentity IdentityOf(const struct stat& info) {
  return {.size = static_cast<std::uint64_t>(info.st_size),
          .mtime_ns = Nanoseconds(info.st_mtim),
          .ctime_ns = Nanoseconds(info.st_ctim),
          .inode = static_cast<std::uint64_t>(info.st_ino)};
}

std::optional<FileIdentity> IdentityOf(const std::string& path) {
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return IdentityOf(info);
}

std::string JoinPath(std::string_view folder, std::string_view name) {
  if (folder.empty()) return std::string(name);
  if (name.empty()) return std::string(folder);
  return absl::StrCat(std::string(folder), folder.ends_with('/') ? "" : "/", std::string(name));
}

absl::StatusOr<Tree> WalkTree(const std::string& root, const WalkOptions& options) {
  return Walker(root, options).Run();
}

}  // namespace dcac::cli
