// What a store needs of a file system.  Tests put one in its place that fails, or forgets.
#ifndef DCAC_SERVER_STORE_FILE_SYSTEM_H_
#define DCAC_SERVER_STORE_FILE_SYSTEM_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dcac::store {

// An open file; stays readable when it is removed.  Reads may run concurrently with each other.
class File {
 public:
  virtual ~File() = default;

  // Fills `out`.  Errors: OutOfRange (the file ends before), Unavailable (the system's).
  virtual absl::Status ReadAt(std::uint64_t offset, std::span<std::byte> out) const = 0;

  // All of `bytes` at `offset`, or an error and any part of them.
  // Errors: ResourceExhausted (no space), Unavailable (any other).
  virtual absl::Status WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) = 0;

  // Lets the system begin to write what was written, so that Sync has less to wait for.
  virtual void StartSync(std::uint64_t offset, std::uint64_t size) = 0;

  virtual absl::Status Sync() = 0;  // content and size are durable
  virtual absl::Status Truncate(std::uint64_t size) = 0;
  virtual absl::StatusOr<std::uint64_t> Size() const = 0;
};

struct FolderEntry {
  std::string name;
  std::chrono::sys_time<std::chrono::milliseconds> modified;
};

// Of a disk; all there can be where the system does not tell.
struct DiskSpace {
  std::uint64_t total_bytes = ~std::uint64_t{0};
  std::uint64_t available_bytes = ~std::uint64_t{0};  // to this process
};

// Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Errors: AlreadyExists, those of WriteAt.
  virtual absl::StatusOr<std::unique_ptr<File>> Create(const std::string& path) = 0;
  // Errors: NotFound, Unavailable.
  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, bool writable) = 0;
  // Errors: NotFound, Unavailable.
  virtual absl::Status Remove(const std::string& path) = 0;
  // And those above it, these durably; one that is there is no error.
  virtual absl::Status CreateFolder(const std::string& path) = 0;
  virtual absl::StatusOr<std::vector<FolderEntry>> List(const std::string& path) = 0;  // of plain files
  virtual absl::Status SyncFolder(const std::string& path) = 0;  // what was created and removed in it is durable
  // All that anybody wrote to the disk that the folder is on is durable.
  virtual absl::Status SyncDisk(const std::string& path) = 0;
  virtual absl::StatusOr<DiskSpace> Space(const std::string& path) = 0;  // of the disk that the folder is on
};

FileSystem& PosixFileSystem();

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_FILE_SYSTEM_H_
