// Sequential reading and writing of bytes: files, pipes, memory.
#ifndef DCAC_CORE_FILES_BYTE_STREAM_H_
#define DCAC_CORE_FILES_BYTE_STREAM_H_

#include <time.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dcac::files {

// How many bytes are read or written at a time; memory of a run is a few of these beyond what the codec holds.
inline constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Fills the start of `out` and returns how many bytes; 0 only at the end (or when `out` is empty).
  virtual absl::StatusOr<std::size_t> Read(std::span<std::byte> out) = 0;
};

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual absl::Status Write(std::span<const std::byte> data) = 0;
};

// Reads until `out` is full or the source ends; returns how many bytes.
absl::StatusOr<std::size_t> ReadFully(ByteSource& source, std::span<std::byte> out);

// An open file descriptor.  Owns it unless told otherwise.
class FileSource final : public ByteSource {
 public:
  static absl::StatusOr<FileSource> Open(const std::string& path);
  static FileSource Stdin();

  FileSource(FileSource&& other) noexcept;
  FileSource& operator=(FileSource&&) = delete;
  ~FileSource() override;

  absl::StatusOr<std::size_t> Read(std::span<std::byte> out) override;

  // The last `out.size()` bytes of a regular file; does not move the position.
  absl::Status ReadTail(std::span<std::byte> out) const;

  // Bytes from the position at opening to the end; nothing for pipes and devices.
  std::optional<std::uint64_t> size() const { return size_; }

  // Permission bits; those of an ordinary new file where the source is no regular file.
  unsigned mode() const { return mode_; }

  // Time of last modification at opening; nothing for pipes and devices.
  std::optional<timespec> modified() const { return modified_; }

  int fd() const { return fd_; }

 private:
  FileSource(int fd, bool owned);

  int fd_;
  bool owned_;
  std::optional<std::uint64_t> size_;
  unsigned mode_;
  std::optional<timespec> modified_;
};

// Writes to a file descriptor that it does not own.
class FdSink final : public ByteSink {
 public:
  explicit FdSink(int fd) : fd_(fd) {}
  absl::Status Write(std::span<const std::byte> data) override;

 private:
  int fd_;
};

// Bytes in memory that outlive the source.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::span<const std::byte> data) : data_(data) {}
  absl::StatusOr<std::size_t> Read(std::span<std::byte> out) override;

 private:
  std::span<const std::byte> data_;
};

// Another source with bytes put back in front of it.
class PushbackSource final : public ByteSource {
 public:
  explicit PushbackSource(ByteSource& source) : source_(source) {}

  // Makes `data` the next bytes.
  void Unread(std::span<const std::byte> data);
  absl::StatusOr<std::size_t> Read(std::span<std::byte> out) override;

 private:
  ByteSource& source_;
  std::vector<std::byte> pending_;
  std::size_t pending_begin_ = 0;
};

// The next `limit` bytes of another source.
class LimitedSource final : public ByteSource {
 public:
  LimitedSource(ByteSource& source, std::uint64_t limit) : source_(source), remaining_(limit) {}
  absl::StatusOr<std::size_t> Read(std::span<std::byte> out) override;
  std::uint64_t remaining() const { return remaining_; }

 private:
  ByteSource& source_;
  std::uint64_t remaining_;
};

class VectorSink final : public ByteSink {
 public:
  absl::Status Write(std::span<const std::byte> data) override;
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// A whole regular file, mapped for reading; empty files are an empty span.  A file that another process truncates
// meanwhile ends the program with SIGBUS, as with every mapping.
class MappedFile {
 public:
  static absl::StatusOr<MappedFile> Map(const FileSource& file);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}

  const std::byte* data_;
  std::size_t size_;
};

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_BYTE_STREAM_H_
