#include "client/cli/store_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/report.h"
#include "core/base/status_macros.h"
#include "core/files/printable.h"

namespace dcac::cli {

absl::StatusOr<TemporaryFile> TemporaryFile::Create() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  if (error) return absl::UnavailableError(absl::StrCat("no folder for temporary files: ", error.message()));
  std::string name = folder / "dcac-XXXXXX";
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot create a temporary file in ", folder.string()));
  ::unlink(name.c_str());
  return TemporaryFile(fd);
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

TemporaryFile::~TemporaryFile() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status TemporaryFile::Write(std::span<const std::byte> data) {
  DCAC_RETURN_IF_ERROR(files::FdSink(fd_).Write(data));
  size_ += data.size();
  return absl::OkStatus();
}

absl::Status TemporaryFile::ReadAt(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t n = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot read a temporary file");
    if (n == 0) return absl::DataLossError(absl::StrCat("the temporary file ends at byte ", offset));
    out = out.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return absl::OkStatus();
}

FrameAccess TemporaryFile::Access() const {
  return {size_, [this](std::uint64_t offset, std::span<std::byte> out) { return ReadAt(offset, out); }};
}

absl::Status StoredBytes::ReadAt(std::uint64_t offset, std::span<std::byte> out) const {
  return FromStore(store_.ReadStored(object_, offset, out));
}

absl::Status FromStore(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return status;
    default:
      return MarkFromServer(status);
  }
}

std::string FolderPrefix(std::string_view prefix) {
  std::string folder(prefix);
  if (!folder.empty() && !folder.ends_with('/')) folder += '/';
  return folder;
}

absl::StatusOr<std::string> PathOfKey(std::string_view key, std::string_view folder_prefix) {
  const std::string path(key.starts_with(folder_prefix) ? key.substr(folder_prefix.size()) : std::string_view());
  for (const auto& part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == "." || part == ".." || part.find('\0') != part.npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("key ", files::Printable(std::string(key)), " is no path below a folder"));
    }
  }
  return path;
}

}  // namespace dcac::cli
