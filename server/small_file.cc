#include "server/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace dcac::server {
namespace {

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

absl::Status CheckKind(int descriptor, const std::string& path, Secrecy secrecy) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(absl::StrCat(path, ": expected a regular file"));
  if (secrecy == Secrecy::kSecret && (info.st_mode & S_IRWXO) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": all users may read or write it; take that away (chmod o=)"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, Secrecy secrecy) {
  const OpenFile file(path);
  if (file.descriptor() < 0) return absl::ErrnoToStatus(errno, path);
  DCAC_RETURN_IF_ERROR(CheckKind(file.descriptor(), path, secrecy));
  std::string content(kMaxSmallFileBytes + 1, '\0');
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = read(file.descriptor(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kMaxSmallFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected at most ", kMaxSmallFileBytes, " bytes"));
  }
  content.resize(size);
  return content;
}

}  // namespace dcac::server
