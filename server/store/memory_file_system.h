// Files in the memory of the process: of the store `memory:`, and of tests.
#ifndef DCAC_SERVER_STORE_MEMORY_FILE_SYSTEM_H_
#define DCAC_SERVER_STORE_MEMORY_FILE_SYSTEM_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/store/file_system.h"

namespace dcac::store {

class MemoryFileSystem final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> Create(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, bool writable) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status CreateFolder(const std::string& path) override;
  absl::StatusOr<std::vector<FolderEntry>> List(const std::string& path) override;
  absl::Status SyncFolder(const std::string&) override { return absl::OkStatus(); }
  absl::Status SyncDisk(const std::string&) override { return absl::OkStatus(); }
  absl::StatusOr<DiskSpace> Space(const std::string&) override { return DiskSpace(); }

  class Content;

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Content>> files_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_MEMORY_FILE_SYSTEM_H_
