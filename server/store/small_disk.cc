#include "server/store/small_disk.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/base/status_macros.h"

namespace dcac::store {
namespace {

namespace fs = std::filesystem;

class SmallFile final : public File {
 public:
  SmallFile(std::unique_ptr<File> file, SmallDisk& disk) : file_(std::move(file)), disk_(disk) {}

  absl::Status ReadAt(std::uint64_t offset, std::span<std::byte> out) const override {
    return file_->ReadAt(offset, out);
  }
  absl::Status WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) override {
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t old_size, file_->Size());
    const std::uint64_t size = offset + bytes.size(), more = size - std::min(size, old_size);
    return disk_.WithRoomFor(more, [&](std::uint64_t room) {
      return room == more ? file_->WriteAt(offset, bytes)
                          : absl::ResourceExhaustedError("no space left on the small disk");
    });
  }
  void StartSync(std::uint64_t offset, std::uint64_t size) override { file_->StartSync(offset, size); }
  absl::Status Sync() override { return file_->Sync(); }
  absl::Status Truncate(std::uint64_t size) override { return file_->Truncate(size); }
  absl::StatusOr<std::uint64_t> Size() const override { return file_->Size(); }

 private:
  const std::unique_ptr<File> file_;
  SmallDisk& disk_;
};

class SmallFiles final : public FileSystem {
 public:
  explicit SmallFiles(SmallDisk& disk) : disk_(disk) {}

  absl::StatusOr<std::unique_ptr<File>> Create(const std::string& path) override { return Wrap(files_.Create(path)); }
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, bool writable) override {
    return Wrap(files_.Open(path, writable));
  }
  absl::Status Remove(const std::string& path) override { return files_.Remove(path); }
  absl::Status CreateFolder(const std::string& path) override { return files_.CreateFolder(path); }
  absl::StatusOr<std::vector<FolderEntry>> List(const std::string& path) override { return files_.List(path); }
  absl::Status SyncFolder(const std::string& path) override { return files_.SyncFolder(path); }
  absl::Status SyncDisk(const std::string& path) override { return files_.SyncDisk(path); }
  absl::StatusOr<DiskSpace> Space(const std::string&) override { return disk_.space(); }

 private:
  absl::StatusOr<std::unique_ptr<File>> Wrap(absl::StatusOr<std::unique_ptr<File>> file) {
    DCAC_RETURN_IF_ERROR(file.status());
    return std::make_unique<SmallFile>(*std::move(file), disk_);
  }

  FileSystem& files_ = PosixFileSystem();
  SmallDisk& disk_;
};

class SmallIndexFile final : public rocksdb::WritableFileWrapper {
 public:
  SmallIndexFile(std::unique_ptr<rocksdb::WritableFile> file, SmallDisk& disk)
      : WritableFileWrapper(file.get()), file_(std::move(file)), disk_(disk) {}

  // As much as there is room for, as disks do.
  rocksdb::Status Append(const rocksdb::Slice& bytes) override {
    return disk_.WithRoomFor(bytes.size(), [&](std::uint64_t room) {
      const rocksdb::Status status = file_->Append({bytes.data(), static_cast<std::size_t>(room)});
      return status.ok() && room < bytes.size() ? rocksdb::Status::NoSpace("small disk") : status;
    });
  }
  rocksdb::Status Append(const rocksdb::Slice& bytes, const rocksdb::DataVerificationInfo&) override {
    return Append(bytes);
  }

 private:
  const std::unique_ptr<rocksdb::WritableFile> file_;
  SmallDisk& disk_;
};

class SmallIndexFiles final : public rocksdb::EnvWrapper {
 public:
  explicit SmallIndexFiles(SmallDisk& disk) : EnvWrapper(rocksdb::Env::Default()), disk_(disk) {}

  const char* Name() const override { return "SmallIndexFiles"; }
  rocksdb::Status NewWritableFile(const std::string& path, std::unique_ptr<rocksdb::WritableFile>* file,
                                  const rocksdb::EnvOptions& options) override {
    const rocksdb::Status status = target()->NewWritableFile(path, file, options);
    if (status.ok()) *file = std::make_unique<SmallIndexFile>(std::move(*file), disk_);
    return status;
  }

 private:
  SmallDisk& disk_;
};

}  // namespace

void SmallDisk::FillWithOthers(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  others_bytes_ = 0;
  others_bytes_ = std::min(bytes, Available());
}

DiskSpace SmallDisk::space() const {
  const std::lock_guard lock(mutex_);
  return {.total_bytes = total_bytes_, .available_bytes = Available()};
}

// Files come and go while it is counted.
std::uint64_t SmallDisk::Available() const {
  std::uint64_t used = others_bytes_;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    std::error_code gone;
    const bool is_file = it->is_regular_file(gone);
    const std::uintmax_t size = is_file && !gone ? it->file_size(gone) : 0;
    if (!gone) used += size;
  }
  return total_bytes_ - std::min(total_bytes_, used);
}

std::unique_ptr<FileSystem> SmallFileSystem(SmallDisk& disk) {
  return std::make_unique<SmallFiles>(disk);
}

std::unique_ptr<rocksdb::Env> SmallEnvironment(SmallDisk& disk) {
  return std::make_unique<SmallIndexFiles>(disk);
}

}  // namespace dcac::store
