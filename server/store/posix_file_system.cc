#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/file_system.h"

namespace dcac::store {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;

absl::Status SystemError(int error, const char* what, const std::string& path) {
  const std::string text = absl::StrCat(path, ": ", what, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(text);
    case EEXIST:
      return absl::AlreadyExistsError(text);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { close(fd_); }

  absl::Status ReadAt(std::uint64_t offset, std::span<std::byte> out) const override {
    while (!out.empty()) {
      const ssize_t n = pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return SystemError(errno, "read", path_);
      if (n == 0) return absl::OutOfRangeError(absl::StrCat(path_, ": ends before byte ", offset + out.size()));
      out = out.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
    return absl::OkStatus();
  }

  absl::Status WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return SystemError(errno, "write", path_);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
    return absl::OkStatus();
  }

  void StartSync(std::uint64_t offset, std::uint64_t size) override {
    // Only a hint: where it fails, Sync does all of the work.
    static_cast<void>(
        sync_file_range(fd_, static_cast<off_t>(offset), static_cast<off_t>(size), SYNC_FILE_RANGE_WRITE));
  }

  absl::Status Sync() override { return fdatasync(fd_) == 0 ? absl::OkStatus() : SystemError(errno, "sync", path_); }

  absl::Status Truncate(std::uint64_t size) override {
    return ftruncate(fd_, static_cast<off_t>(size)) == 0 ? absl::OkStatus() : SystemError(errno, "truncate", path_);
  }

  absl::StatusOr<std::uint64_t> Size() const override {
    struct stat info = {};
    if (fstat(fd_, &info) != 0) return SystemError(errno, "size", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }

 private:
  const int fd_;
  const std::string path_;
};

class Posix final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> Create(const std::string& path) override {
    return OpenWith(path, O_RDWR | O_CREAT | O_EXCL);
  }

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, bool writable) override {
    return OpenWith(path, writable ? O_RDWR : O_RDONLY);
  }

  absl::Status Remove(const std::string& path) override {
    return unlink(path.c_str()) == 0 ? absl::OkStatus() : SystemError(errno, "remove", path);
  }

  absl::Status CreateFolder(const std::string& path) override {
    const std::filesystem::path folder(path);
    if (folder.has_parent_path() && folder.parent_path() != folder) {
      std::error_code error;
      if (!std::filesystem::is_directory(folder.parent_path(), error)) {
        DCAC_RETURN_IF_ERROR(CreateFolder(folder.parent_path()));
        DCAC_RETURN_IF_ERROR(SyncFolder(std::filesystem::absolute(folder.parent_path()).parent_path()));
      }
    }
    if (mkdir(path.c_str(), kFolderMode) == 0 || errno == EEXIST) return absl::OkStatus();
    return SystemError(errno, "create folder", path);
  }

  absl::StatusOr<std::vector<FolderEntry>> List(const std::string& path) override {
    std::vector<FolderEntry> entries;
    std::error_code error;
    for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
      struct stat info = {};
      if (lstat(it->path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
      entries.push_back({it->path().filename(),
                         std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::seconds(info.st_mtim.tv_sec))});
    }
    if (error) return SystemError(error.value(), "list", path);
    return entries;
  }

  absl::Status SyncFolder(const std::string& path) override { return SyncWith(fsync, path); }
  absl::Status SyncDisk(const std::string& path) override { return SyncWith(syncfs, path); }

  absl::StatusOr<DiskSpace> Space(const std::string& path) override {
    struct statvfs info = {};
    if (statvfs(path.c_str(), &info) != 0) return SystemError(errno, "space", path);
    if (info.f_blocks == 0) return DiskSpace();
    const std::uint64_t block_bytes = info.f_frsize;
    return DiskSpace{.total_bytes = info.f_blocks * block_bytes, .available_bytes = info.f_bavail * block_bytes};
  }

 private:
  static absl::StatusOr<std::unique_ptr<File>> OpenWith(const std::string& path, int flags) {
    const int fd = open(path.c_str(), flags | O_CLOEXEC, kFileMode);
    if (fd < 0) return SystemError(errno, "open", path);
    return std::make_unique<PosixFile>(fd, path);
  }

  static absl::Status SyncWith(int (*sync)(int fd), const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return SystemError(errno, "open folder", path);
    const int result = sync(fd);
    const int error = errno;
    close(fd);
    return result == 0 ? absl::OkStatus() : SystemError(error, "sync folder", path);
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static Posix file_system;
  return file_system;
}

}  // namespace dcac::store
