// Sequential reading and writing of bytes: files, pipes, memory.
#ifndef DCAC_CORE_FILES_BYTE_STREAM_H_
#define DCAC_CORE_FILES_BYTE_STREAM_H_

#include <time.h>

#include <array>
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

// All that the source gives; for what cannot be read but whole.
absl::StatusOr<std::vector<std::byte>> ReadAll(ByteSource& source);

// Permission bits of a file that nothing gives its own: what the mask of the process leaves, when it is first asked
// for.
unsigned NewFileMode();

// An open file descriptor.  Owns it unless told otherwise.
class FileSource final : public ByteSource {
 public:
  static absl::StatusOr<FileSource> Open(const std::string& path);
  static FileSource Stdin();

  FileSource(FileSource&& other) noexcept;
  FileSource& operator=(FileSource&&) = delete;
  ~FileSource() override;

  absl::StatusOr<std::size_t> Read(std::span<std::byte> out) override;

  // The bytes from `offset` after the position at opening; does not move the position.
  absl::Status ReadAt(std::uint64_t offset, std::span<std::byte> out) const;

  // Errors: Aborted (size or times of a regular file are no longer those at opening).
  absl::Status CheckUnchanged() const;

  // Bytes from the position at opening to the end; nothing for pipes and devices.
  std::optional<std::uint64_t> size() const { return size_; }

  // Permission bits; those of an ordinary new file where the source is no regular file.
  unsigned mode() const { return mode_; }

  // Time of last modification at opening; nothing for pipes and devices.
  std::optional<timespec> modified() const { return modified_; }

  int fd() const { return fd_; }

 private:
  FileSource(int fd, bool owned);

  // What tells whether a file was written to.
  struct State {
    std::int64_t size = 0;
    std::array<std::int64_t, 4> times{};  // of content and inode, seconds and nanoseconds

    friend bool operator==(const State&, const State&) = default;
  };
  static std::optional<State> StateOf(int fd);  // nothing for what is no regular file

  int fd_;
  bool owned_;
  std::uint64_t start_ = 0;  // the position at opening
  std::optional<std::uint64_t> size_;
  std::optional<State> state_;
  unsigned mode_;
  std::optional<timespec> modified_;
};

// Bytes that can be read at any place, by several threads at a time.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual std::uint64_t size() const = 0;

  // Fills `out`; all of it must lie within size().
  virtual absl::Status ReadAt(std::uint64_t offset, std::span<std::byte> out) const = 0;
};

// A regular file, from its position at opening on.  It must outlive this.
class RandomFile final : public RandomSource {
 public:
  explicit RandomFile(const FileSource& file) : file_(file) {}
  std::uint64_t size() const override { return file_.size().value_or(0); }
  absl::Status ReadAt(std::uint64_t offset, std::span<std::byte> out) const override {
    return file_.ReadAt(offset, out);
  }

 private:
  const FileSource& file_;
};

// Bytes in memory that outlive this.
class RandomMemory final : public RandomSource {
 public:
  explicit RandomMemory(std::span<const std::byte> data) : data_(data) {}
  std::uint64_t size() const override { return data_.size(); }
  absl::Status ReadAt(std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  std::span<const std::byte> data_;
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

  // The next bytes, at least one unless the source ends here.  They stay until something else is called.
  absl::StatusOr<std::span<const std::byte>> Peek();
  void Skip(std::size_t n);  // of what Peek gave
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

// Counts what is written to another sink.
class CountingSink final : public ByteSink {
 public:
  explicit CountingSink(ByteSink& sink) : sink_(sink) {}
  absl::Status Write(std::span<const std::byte> data) override {
    bytes_ += data.size();
    return sink_.Write(data);
  }
  std::uint64_t bytes() const { return bytes_; }

 private:
  ByteSink& sink_;
  std::uint64_t bytes_ = 0;
};

// A range of another source that can be read at any place, in its order.
class RangeSource final : public ByteSource {
 public:
  RangeSource(const RandomSource& source, std::uint64_t offset, std::uint64_t bytes)
      : source_(source), position_(offset), end_(offset + bytes) {}
  absl::StatusOr<std::size_t> Read(std::span<std::byte> out) override;

 private:
  const RandomSource& source_;
  std::uint64_t position_;
  std::uint64_t end_;
};

class VectorSink final : public ByteSink {
 public:
  absl::Status Write(std::span<const std::byte> data) override;
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace dcac::files

#endif  // DCAC_CORE_FILES_BYTE_STREAM_H_
