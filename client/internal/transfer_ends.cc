#include "client/internal/transfer_ends.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/bytes.h"
#include "core/base/status_macros.h"

namespace dcac::client::internal {
namespace {

constexpr std::size_t kReadBytes = 1u << 20;

// Bytes of a tensor for which there is room before they arrive.
constexpr std::uint64_t kMostReservedBytes = std::uint64_t{256} << 20;

// The position of a regular file.
std::int64_t RepeatablePosition(int fd) {
  struct stat info;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return -1;
  return ::lseek(fd, 0, SEEK_CUR);
}

}  // namespace

absl::StatusOr<std::span<const std::byte>> MemoryInput::Next() {
  return std::exchange(given_, true) ? std::span<const std::byte>() : bytes_;
}

bool MemoryInput::Rewind() {
  given_ = false;
  return true;
}

absl::StatusOr<std::span<const std::byte>> SourceInput::Next() {
  if (std::exchange(replays_, false)) return std::span<const std::byte>(kept_);
  if (ended_) return std::span<const std::byte>();
  const absl::StatusOr<std::span<const std::byte>> bytes = source_();
  ended_ = bytes.ok() && bytes->empty();
  if (keeps_ && bytes.ok() && kept_.size() + bytes->size() <= kMaxKeptBytes) {
    kept_.insert(kept_.end(), bytes->begin(), bytes->end());
  } else {
    keeps_ = false;
    kept_ = {};
  }
  return bytes;
}

bool SourceInput::Rewind() {
  replays_ = keeps_ && !kept_.empty();
  return keeps_;
}

FdInput::FdInput(int fd) : fd_(fd), start_(RepeatablePosition(fd)), buffer_(kReadBytes) {}

absl::StatusOr<std::span<const std::byte>> FdInput::Next() {
  ssize_t count = -1;
  do {
    count = ::read(fd_, buffer_.data(), buffer_.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) return absl::ErrnoToStatus(errno, "reading");
  return std::span<const std::byte>(buffer_).first(static_cast<std::size_t>(count));
}

bool FdInput::Rewind() {
  return start_ >= 0 && ::lseek(fd_, start_, SEEK_SET) == start_;
}

std::optional<std::uint64_t> FdInput::size() const {
  struct stat info;
  if (start_ < 0 || ::fstat(fd_, &info) != 0 || info.st_size < start_) return std::nullopt;
  return static_cast<std::uint64_t>(info.st_size - start_);
}

absl::Status VectorOutput::Begin(const TensorSpec& spec) {
  tensor_.spec = spec;
  tensor_.data.reserve(static_cast<std::size_t>(std::min(TensorBytes(spec).value_or(0), kMostReservedBytes)));
  return absl::OkStatus();
}

absl::Status VectorOutput::Take(std::span<const std::byte> bytes) {
  ReserveByHalves(tensor_.data.size() + bytes.size(), TensorBytes(tensor_.spec).value_or(0), tensor_.data);
  AppendBytes(bytes, tensor_.data);
  return absl::OkStatus();
}

bool VectorOutput::Rewind() {
  tensor_.data.clear();
  return true;
}

absl::Status MemoryOutput::Begin(const TensorSpec& spec) {
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t bytes, TensorBytes(spec));
  if (bytes != memory_.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the tensor has ", bytes, " bytes, the memory for it ", memory_.size()));
  }
  return absl::OkStatus();
}

absl::Status MemoryOutput::Take(std::span<const std::byte> bytes) {
  if (bytes.size() > memory_.size() - filled_) {
    return absl::DataLossError(absl::StrCat("more than the ", memory_.size(), " bytes of the tensor arrived"));
  }
  std::ranges::copy(bytes, memory_.begin() + static_cast<std::ptrdiff_t>(filled_));
  filled_ += bytes.size();
  return absl::OkStatus();
}

bool MemoryOutput::Rewind() {
  filled_ = 0;
  return true;
}

absl::Status SinkOutput::Begin(const TensorSpec& spec) {
  given_ = true;
  return spec_sink_ == nullptr ? absl::OkStatus() : (*spec_sink_)(spec);
}

absl::Status SinkOutput::Take(std::span<const std::byte> bytes) {
  given_ = true;
  return sink_(bytes);
}

absl::Status WriteAll(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::ErrnoToStatus(errno, "writing");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return absl::OkStatus();
}

}  // namespace dcac::client::internal
