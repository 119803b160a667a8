#include "core/files/byte_stream.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/status_macros.h"

namespace dcac::files {
namespace {

constexpr unsigned kNewFileMode = 0644;

absl::StatusOr<std::size_t> ReadSome(int fd, std::span<std::byte> out) {
  while (true) {
    const ssize_t n = ::read(fd, out.data(), out.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "cannot read");
  }
}

}  // namespace

absl::StatusOr<std::size_t> ReadFully(ByteSource& source, std::span<std::byte> out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, source.Read(out.subspan(filled)));
    if (n == 0) break;
    filled += n;
  }
  return filled;
}

FileSource::FileSource(int fd, bool owned) : fd_(fd), owned_(owned), mode_(kNewFileMode) {
  struct stat info;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return;
  mode_ = info.st_mode & 0777;
  modified_ = info.st_mtim;
  const off_t position = ::lseek(fd, 0, SEEK_CUR);
  if (position >= 0) size_ = static_cast<std::uint64_t>(std::max<off_t>(info.st_size - position, 0));
}

FileSource::FileSource(FileSource&& other) noexcept
    : fd_(other.fd_),
      owned_(std::exchange(other.owned_, false)),
      size_(other.size_),
      mode_(other.mode_),
      modified_(other.modified_) {}

FileSource::~FileSource() {
  if (owned_) ::close(fd_);
}

absl::StatusOr<FileSource> FileSource::Open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot open");
  FileSource source(fd, true);
  struct stat info;
  if (::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError("is a directory, expected a file");
  }
  return source;
}

FileSource FileSource::Stdin() {
  return FileSource(STDIN_FILENO, false);
}

absl::StatusOr<std::size_t> FileSource::Read(std::span<std::byte> out) {
  return ReadSome(fd_, out);
}

absl::Status FileSource::ReadTail(std::span<std::byte> out) const {
  const off_t end = ::lseek(fd_, 0, SEEK_CUR);
  struct stat info;
  if (end < 0 || ::fstat(fd_, &info) != 0) return absl::ErrnoToStatus(errno, "cannot seek");
  off_t offset = info.st_size - static_cast<off_t>(out.size());
  while (!out.empty()) {
    const ssize_t n = ::pread(fd_, out.data(), out.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot read");
    if (n == 0) return absl::AbortedError("became shorter while it was read");
    out = out.subspan(static_cast<std::size_t>(n));
    offset += n;
  }
  return absl::OkStatus();
}

absl::Status FdSink::Write(std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd_, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot write");
    data = data.subspan(static_cast<std::size_t>(n));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> MemorySource::Read(std::span<std::byte> out) {
  const std::size_t n = std::min(out.size(), data_.size());
  std::copy_n(data_.begin(), n, out.begin());
  data_ = data_.subspan(n);
  return n;
}

void PushbackSource::Unread(std::span<const std::byte> data) {
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(pending_begin_));
  pending_begin_ = 0;
  pending_.insert(pending_.begin(), data.begin(), data.end());
}

absl::StatusOr<std::size_t> PushbackSource::Read(std::span<std::byte> out) {
  const std::size_t available = pending_.size() - pending_begin_;
  if (available == 0) return source_.Read(out);
  const std::size_t n = std::min(out.size(), available);
  std::copy_n(pending_.begin() + static_cast<std::ptrdiff_t>(pending_begin_), n, out.begin());
  pending_begin_ += n;
  return n;
}

absl::StatusOr<std::size_t> LimitedSource::Read(std::span<std::byte> out) {
  absl::StatusOr<std::size_t> n =
      source_.Read(out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), remaining_))));
  if (n.ok()) remaining_ -= *n;
  return n;
}

absl::Status VectorSink::Write(std::span<const std::byte> data) {
  bytes_.insert(bytes_.end(), data.begin(), data.end());
  return absl::OkStatus();
}

absl::StatusOr<MappedFile> MappedFile::Map(const FileSource& file) {
  if (!file.size()) return absl::InvalidArgumentError("is no regular file, expected one");
  const std::size_t size = static_cast<std::size_t>(*file.size());
  if (size == 0) return MappedFile(nullptr, 0);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd(), 0);
  if (data == MAP_FAILED) return absl::ErrnoToStatus(errno, "cannot map");
  return MappedFile(static_cast<const std::byte*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile::~MappedFile() {
  if (size_ != 0) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace dcac::files
