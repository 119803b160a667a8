// A disk that is nearly full, under a local store: its file system and the environment of its index.
#ifndef DCAC_SERVER_STORE_SMALL_DISK_H_
#define DCAC_SERVER_STORE_SMALL_DISK_H_

#include <rocksdb/env.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "server/store/file_system.h"

namespace dcac::store {

// Of so many bytes, that the files in a folder take.  Thread-safe.
class SmallDisk {
 public:
  SmallDisk(std::string folder, std::uint64_t total_bytes) : folder_(std::move(folder)), total_bytes_(total_bytes) {}

  // So much of it is somebody else's from now on; all that is left with kAll.
  static constexpr std::uint64_t kAll = ~std::uint64_t{0};
  void FillWithOthers(std::uint64_t bytes);

  DiskSpace space() const;

  // Calls `write` with how many of so many more bytes there is room for.
  template <typename Write>
  auto WithRoomFor(std::uint64_t bytes, const Write& write) {
    const std::lock_guard lock(mutex_);
    return write(std::min(bytes, Available()));
  }

 private:
  std::uint64_t Available() const;

  const std::string folder_;
  const std::uint64_t total_bytes_;
  std::uint64_t others_bytes_ = 0;
  mutable std::mutex mutex_;
};

std::unique_ptr<FileSystem> SmallFileSystem(SmallDisk& disk);
std::unique_ptr<rocksdb::Env> SmallEnvironment(SmallDisk& disk);

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_SMALL_DISK_H_
