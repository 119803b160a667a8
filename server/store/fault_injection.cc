#include "server/store/fault_injection.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <random>
#include <utility>

#include "core/base/status_macros.h"

namespace dcac::store {
namespace {

namespace fs = std::filesystem;

absl::Status FileError(const FaultPlan& plan) {
  return plan.fault() == Fault::kNoSpace ? absl::ResourceExhaustedError("injected: no space")
                                         : absl::UnavailableError("injected: input/output error");
}

rocksdb::Status IndexError(const FaultPlan& plan) {
  return plan.fault() == Fault::kNoSpace ? rocksdb::Status::NoSpace("injected")
                                         : rocksdb::Status::IOError("injected: input/output error");
}

class FaultyFile final : public File {
 public:
  FaultyFile(std::unique_ptr<File> file, std::string path, FaultPlan& plan)
      : file_(std::move(file)), path_(std::move(path)), plan_(plan) {}

  absl::Status ReadAt(std::uint64_t offset, std::span<std::byte> out) const override {
    return file_->ReadAt(offset, out);
  }
  absl::Status WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (!plan_.Fails()) return file_->WriteAt(offset, bytes);
    if (plan_.fault() == Fault::kShortWrite) {
      DCAC_RETURN_IF_ERROR(file_->WriteAt(offset, bytes.first(bytes.size() / 2)));
    }
    return FileError(plan_);
  }
  void StartSync(std::uint64_t offset, std::uint64_t size) override { file_->StartSync(offset, size); }
  absl::Status Sync() override {
    if (plan_.Fails()) return FileError(plan_);
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t size, file_->Size());
    DCAC_RETURN_IF_ERROR(file_->Sync());
    plan_.NoteSynced(path_, size);
    return absl::OkStatus();
  }
  absl::Status Truncate(std::uint64_t size) override {
    return plan_.Fails() ? FileError(plan_) : file_->Truncate(size);
  }
  absl::StatusOr<std::uint64_t> Size() const override { return file_->Size(); }

 private:
  const std::unique_ptr<File> file_;
  const std::string path_;
  FaultPlan& plan_;
};

class FaultyFiles final : public FileSystem {
 public:
  explicit FaultyFiles(FaultPlan& plan) : plan_(plan) {}

  absl::StatusOr<std::unique_ptr<File>> Create(const std::string& path) override {
    if (plan_.Fails()) return FileError(plan_);
    DCAC_ASSIGN_OR_RETURN(std::unique_ptr<File> file, files_.Create(path));
    plan_.NoteCreated(path, /*of_index=*/false);
    return std::make_unique<FaultyFile>(std::move(file), path, plan_);
  }
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, bool writable) override {
    DCAC_ASSIGN_OR_RETURN(std::unique_ptr<File> file, files_.Open(path, writable));
    return std::make_unique<FaultyFile>(std::move(file), path, plan_);
  }
  absl::Status Remove(const std::string& path) override {
    if (plan_.Fails()) return FileError(plan_);
    std::error_code error;
    const std::string kept_as = path + ".removed";
    fs::rename(path, kept_as, error);
    if (error) return absl::NotFoundError(path);
    plan_.NoteRemoved(path, kept_as);
    return absl::OkStatus();
  }
  absl::Status CreateFolder(const std::string& path) override {
    return plan_.Fails() ? FileError(plan_) : files_.CreateFolder(path);
  }
  absl::StatusOr<std::vector<FolderEntry>> List(const std::string& path) override { return files_.List(path); }
  absl::Status SyncFolder(const std::string& path) override {
    if (plan_.Fails()) return FileError(plan_);
    DCAC_RETURN_IF_ERROR(files_.SyncFolder(path));
    plan_.NoteFolderSynced(path);
    return absl::OkStatus();
  }
  absl::Status SyncDisk(const std::string& path) override {
    if (plan_.Fails()) return FileError(plan_);
    DCAC_RETURN_IF_ERROR(files_.SyncDisk(path));
    plan_.NoteAllSynced();
    return absl::OkStatus();
  }
  absl::StatusOr<DiskSpace> Space(const std::string& path) override { return files_.Space(path); }

 private:
  FileSystem& files_ = PosixFileSystem();
  FaultPlan& plan_;
};

class FaultyIndexFile final : public rocksdb::WritableFileWrapper {
 public:
  FaultyIndexFile(std::unique_ptr<rocksdb::WritableFile> file, std::string path, FaultPlan& plan)
      : WritableFileWrapper(file.get()), file_(std::move(file)), path_(std::move(path)), plan_(plan) {}

  rocksdb::Status Append(const rocksdb::Slice& bytes) override {
    if (!plan_.Fails()) return file_->Append(bytes);
    if (plan_.fault() == Fault::kShortWrite) {
      const rocksdb::Status status = file_->Append({bytes.data(), bytes.size() / 2});
      if (!status.ok()) return status;
    }
    return IndexError(plan_);
  }
  rocksdb::Status Append(const rocksdb::Slice& bytes, const rocksdb::DataVerificationInfo&) override {
    return Append(bytes);
  }
  rocksdb::Status Sync() override {
    if (plan_.Fails()) return IndexError(plan_);
    const std::uint64_t size = file_->GetFileSize();
    const rocksdb::Status status = file_->Sync();
    if (status.ok()) plan_.NoteSynced(path_, size);
    return status;
  }
  rocksdb::Status Fsync() override { return Sync(); }

 private:
  const std::unique_ptr<rocksdb::WritableFile> file_;
  const std::string path_;
  FaultPlan& plan_;
};

class FaultyIndexFiles final : public rocksdb::EnvWrapper {
 public:
  explicit FaultyIndexFiles(FaultPlan& plan) : EnvWrapper(rocksdb::Env::Default()), plan_(plan) {}

  const char* Name() const override { return "FaultyIndexFiles"; }
  rocksdb::Status NewWritableFile(const std::string& path, std::unique_ptr<rocksdb::WritableFile>* file,
                                  const rocksdb::EnvOptions& options) override {
    if (plan_.Fails()) return IndexError(plan_);
    const rocksdb::Status status = target()->NewWritableFile(path, file, options);
    if (!status.ok()) return status;
    plan_.NoteCreated(path, /*of_index=*/true);
    *file = std::make_unique<FaultyIndexFile>(std::move(*file), path, plan_);
    return status;
  }
  rocksdb::Status RenameFile(const std::string& from, const std::string& to) override {
    return plan_.Fails() ? IndexError(plan_) : target()->RenameFile(from, to);
  }
  rocksdb::Status DeleteFile(const std::string& path) override {
    return plan_.Fails() ? IndexError(plan_) : target()->DeleteFile(path);
  }

 private:
  FaultPlan& plan_;
};

}  // namespace

void FaultPlan::Arm(Fault fault, std::uint64_t call) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  call_ = call;
  calls_ = 0;
  reached_ = false;
}

bool FaultPlan::reached() const {
  const std::lock_guard lock(mutex_);
  return reached_;
}

std::uint64_t FaultPlan::log_syncs() const {
  const std::lock_guard lock(mutex_);
  return log_syncs_;
}

bool FaultPlan::Fails() {
  const std::lock_guard lock(mutex_);
  if (call_ == 0) return false;
  const bool lasting = fault_ == Fault::kDiskGone || IsCrash(fault_);
  const bool fails = ++calls_ == call_ || (lasting && reached_);
  reached_ = reached_ || fails;
  return fails;
}

void FaultPlan::NoteSynced(const std::string& path, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (const auto it = files_.find(path); it != files_.end()) it->second.synced_bytes = size;
  if (path.ends_with(".log")) ++log_syncs_;
}

void FaultPlan::NoteCreated(const std::string& path, bool of_index) {
  const std::lock_guard lock(mutex_);
  files_[path] = {.synced_bytes = 0, .entry_is_durable = of_index, .of_index = of_index};
}

void FaultPlan::NoteRemoved(const std::string& path, const std::string& kept_as) {
  const std::lock_guard lock(mutex_);
  removed_[path] = kept_as;
}

void FaultPlan::NoteFolderSynced(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  for (auto& [path, state] : files_) {
    if (fs::path(path).parent_path() == folder) state.entry_is_durable = true;
  }
  std::erase_if(removed_, [&](const auto& entry) {
    if (fs::path(entry.first).parent_path() != folder) return false;
    fs::remove(entry.second);
    return true;
  });
}

void FaultPlan::NoteAllSynced() {
  const std::lock_guard lock(mutex_);
  for (auto& [path, state] : files_) {
    std::error_code gone;
    const std::uintmax_t size = fs::file_size(path, gone);
    state.synced_bytes = gone ? 0 : size;
    state.entry_is_durable = true;
  }
  for (const auto& [path, kept_as] : removed_) fs::remove(kept_as);
  removed_.clear();
}

bool FaultPlan::IsCrash(Fault fault) {
  return fault == Fault::kCrash || fault == Fault::kLateCrash || fault == Fault::kTornCrash;
}

// Where a page was not written, the file has zeros.
void FaultPlan::ForgetSome() {
  constexpr std::uint64_t kPageBytes = 4096;
  constexpr std::array<char, kPageBytes> kZeros = {};
  std::mt19937_64 random(call_);
  for (const auto& [path, kept_as] : removed_) {
    if (random() % 2 == 0) fs::rename(kept_as, path);
    fs::remove(kept_as);
  }
  for (const auto& [path, state] : files_) {
    if (!fs::exists(path)) continue;
    if (!state.entry_is_durable && random() % 2 == 0) {
      fs::remove(path);
      continue;
    }
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    for (std::uint64_t at = state.synced_bytes, size = fs::file_size(path); at < size;) {
      const std::uint64_t end = std::min(size, at / kPageBytes * kPageBytes + kPageBytes);
      file.seekp(static_cast<std::streamoff>(at));
      if (random() % 2 == 0) file.write(kZeros.data(), static_cast<std::streamsize>(end - at));
      at = end;
    }
  }
}

void FaultPlan::Forget() {
  const std::lock_guard lock(mutex_);
  if (fault_ == Fault::kTornCrash) ForgetSome();
  call_ = 0;
  if (fault_ == Fault::kTornCrash) return removed_.clear();
  for (const auto& [path, kept_as] : removed_) fs::rename(kept_as, path);
  removed_.clear();
  for (const auto& [path, state] : files_) {
    std::error_code gone;
    if (!fs::exists(path) || (fault_ == Fault::kLateCrash && state.of_index)) continue;
    if (!state.entry_is_durable) {
      fs::remove(path, gone);
    } else if (fs::file_size(path) > state.synced_bytes) {
      fs::resize_file(path, state.synced_bytes);
    }
  }
}

std::unique_ptr<FileSystem> FaultyFileSystem(FaultPlan& plan) {
  return std::make_unique<FaultyFiles>(plan);
}

std::unique_ptr<rocksdb::Env> FaultyEnvironment(FaultPlan& plan) {
  return std::make_unique<FaultyIndexFiles>(plan);
}

}  // namespace dcac::store
