#include "core/files/byte_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/status_macros.h"

namespace dcac::files {
namespace {

unsigned ReadNewFileMode() {
  // The only way to ask for the mask without changing it for all threads.
  std::ifstream status("/proc/self/status");
  const std::string_view name = "Umask:";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return 0666 & ~static_cast<unsigned>(std::stoul(line.substr(name.size()), nullptr, 8));
  }
  return 0600;
}

absl::StatusOr<std::size_t> ReadSome(int fd, std::span<std::byte> out) {
  while (true) {
    const ssize_t n = ::read(fd, out.data(), out.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "cannot read");
  }
}

}  // namespace

unsigned NewFileMode() {
  static const unsigned mode = ReadNewFileMode();
  return mode;
}

absl::StatusOr<std::size_t> ReadFully(ByteSource& source, std::span<std::byte> out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, source.Read(out.subspan(filled)));
    if (n == 0) break;
    filled += n;
  }
  return filled;
}

absl::StatusOr<std::vector<std::byte>> ReadAll(ByteSource& source) {
  std::vector<std::byte> data;
  while (true) {
    const std::size_t before = data.size();
    data.resize(before + kChunkBytes);
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, ReadFully(source, std::span(data).subspan(before)));
    data.resize(before + n);
    if (n < kChunkBytes) return data;
  }
}

FileSource::FileSource(int fd, bool owned) : fd_(fd), owned_(owned), state_(StateOf(fd)), mode_(NewFileMode()) {
  struct stat info;
  if (!state_ || ::fstat(fd, &info) != 0) return;
  mode_ = info.st_mode & 0777;
  modified_ = info.st_mtim;
  const off_t position = ::lseek(fd, 0, SEEK_CUR);
  if (position < 0) return;
  start_ = static_cast<std::uint64_t>(position);
  size_ = static_cast<std::uint64_t>(std::max<std::int64_t>(state_->size - position, 0));
}

FileSource::FileSource(FileSource&& other) noexcept
    : fd_(other.fd_),
      owned_(std::exchange(other.owned_, false)),
      start_(other.start_),
      size_(other.size_),
      state_(other.state_),
      mode_(other.mode_),
      modified_(other.modified_) {}

std::optional<FileSource::State> FileSource::StateOf(int fd) {
  struct stat info;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return State{info.st_size, {info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec}};
}

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

absl::Status FileSource::ReadAt(std::uint64_t offset, std::span<std::byte> out) const {
  offset += start_;
  while (!out.empty()) {
    const ssize_t n = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "cannot read");
    if (n == 0) return absl::AbortedError("became shorter while it was read");
    out = out.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return absl::OkStatus();
}

absl::Status FileSource::CheckUnchanged() const {
  if (StateOf(fd_) == state_) return absl::OkStatus();
  return absl::AbortedError("changed while it was read, expected the same size and times at the end");
}

absl::Status RandomMemory::ReadAt(std::uint64_t offset, std::span<std::byte> out) const {
  std::copy_n(data_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
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
  if (data.size() <= pending_begin_) {  // there is room before what is pending
    pending_begin_ -= data.size();
    std::copy(data.begin(), data.end(), pending_.begin() + static_cast<std::ptrdiff_t>(pending_begin_));
    return;
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(pending_begin_));
  pending_begin_ = 0;
  pending_.insert(pending_.begin(), data.begin(), data.end());
}

absl::StatusOr<std::span<const std::byte>> PushbackSource::Peek() {
  if (pending_begin_ == pending_.size()) {
    pending_begin_ = 0;
    pending_.resize(kChunkBytes);
    const absl::StatusOr<std::size_t> n = source_.Read(pending_);
    pending_.resize(n.value_or(0));
    DCAC_RETURN_IF_ERROR(n.status());
  }
  return std::span<const std::byte>(pending_).subspan(pending_begin_);
}

void PushbackSource::Skip(std::size_t n) {
  pending_begin_ += n;
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

absl::StatusOr<std::size_t> RangeSource::Read(std::span<std::byte> out) {
  out = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), end_ - position_)));
  DCAC_RETURN_IF_ERROR(source_.ReadAt(position_, out));
  position_ += out.size();
  return out.size();
}

absl::Status VectorSink::Write(std::span<const std::byte> data) {
  bytes_.insert(bytes_.end(), data.begin(), data.end());
  return absl::OkStatus();
}

}  // namespace dcac::files
