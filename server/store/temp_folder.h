// A folder for a test.
#ifndef DCAC_SERVER_STORE_TEMP_FOLDER_H_
#define DCAC_SERVER_STORE_TEMP_FOLDER_H_

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace dcac::store {

// Where files are in memory, for tests that only pretend to have a disk; where there is no such place, that of others.
inline std::string MemoryDir() {
  return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ::testing::TempDir();
}

// A folder of its own, gone at the end.
class TempFolder {
 public:
  explicit TempFolder(const std::string& parent = ::testing::TempDir()) {
    std::string path = parent + "/store.XXXXXX";
    if (mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_TEMP_FOLDER_H_
