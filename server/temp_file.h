// A file with given content, for tests; removed at the end.
#ifndef DCAC_SERVER_TEMP_FILE_H_
#define DCAC_SERVER_TEMP_FILE_H_

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace dcac::server {

class TempFile {
 public:
  explicit TempFile(const std::string& content) : path_((std::filesystem::temp_directory_path() / "dcac-XXXXXX")) {
    const int descriptor = mkstemp(path_.data());
    if (descriptor < 0) throw std::runtime_error("mkstemp");
    close(descriptor);
    Write(content);
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  ~TempFile() { std::filesystem::remove(path_); }

  void Write(const std::string& content) const { std::ofstream(path_) << content; }
  void SetMode(mode_t mode) const { chmod(path_.c_str(), mode); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_TEMP_FILE_H_
