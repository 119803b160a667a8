#include "client/cli/folders.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace dcac::cli {
namespace {

constexpr unsigned kWritableFolder = S_IRWXU;

}  // namespace

absl::Status MakeRoot(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat(path, ": cannot create the folder"));
  return absl::OkStatus();
}

absl::Status MakeFolder(const std::string& path, unsigned mode) {
  if (::mkdir(path.c_str(), mode | kWritableFolder) == 0) return absl::OkStatus();
  if (errno != EEXIST) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot create the folder"));
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat(path, ": exists already and is no folder, expected one or nothing"));
  }
  if ((info.st_mode & kWritableFolder) != kWritableFolder && ::chmod(path.c_str(), mode | kWritableFolder) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot set permissions"));
  }
  return absl::OkStatus();
}

}  // namespace dcac::cli
