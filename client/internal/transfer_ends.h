// Where a transfer takes its input from and gives its output to; whether it can begin again.
#ifndef DCAC_CLIENT_INTERNAL_TRANSFER_ENDS_H_
#define DCAC_CLIENT_INTERNAL_TRANSFER_ENDS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/client.h"
#include "dcac/tensor.h"

namespace dcac::client::internal {

class TransferInput {
 public:
  virtual ~TransferInput() = default;

  // The next bytes, which live until the next call; empty: the end.
  virtual absl::StatusOr<std::span<const std::byte>> Next() = 0;

  // Begins again.  False: what was given cannot be had again.
  virtual bool Rewind() = 0;

  // How many there are in all; nothing: not known.
  virtual std::optional<std::uint64_t> size() const = 0;
};

class TransferOutput {
 public:
  virtual ~TransferOutput() = default;

  // The tensor that is to come; of frames this is not called.
  virtual absl::Status Begin(const TensorSpec& spec) = 0;

  virtual absl::Status Take(std::span<const std::byte> bytes) = 0;

  // Forgets what came.  False: it is out of reach.
  virtual bool Rewind() = 0;
};

// Bytes that outlive it.
class MemoryInput final : public TransferInput {
 public:
  explicit MemoryInput(std::span<const std::byte> bytes) : bytes_(bytes) {}
  absl::StatusOr<std::span<const std::byte>> Next() override;
  bool Rewind() override;
  std::optional<std::uint64_t> size() const override { return bytes_.size(); }

 private:
  const std::span<const std::byte> bytes_;
  bool given_ = false;
};

// A source of the caller's.  Keeps its first bytes, so that a transfer may begin again while they are all.
class SourceInput final : public TransferInput {
 public:
  static constexpr std::size_t kMaxKeptBytes = 4u << 20;

  SourceInput(const ChunkSource& source, bool keeps) : source_(source), keeps_(keeps) {}
  absl::StatusOr<std::span<const std::byte>> Next() override;
  bool Rewind() override;
  std::optional<std::uint64_t> size() const override { return std::nullopt; }

 private:
  const ChunkSource& source_;
  bool keeps_;  // all bytes so far are kept
  bool replays_ = false;
  bool ended_ = false;  // the source is not to be asked again
  std::vector<std::byte> kept_;
};

// An open file, from its position on; only regular files can be read again.
class FdInput final : public TransferInput {
 public:
  explicit FdInput(int fd);
  absl::StatusOr<std::span<const std::byte>> Next() override;
  bool Rewind() override;
  std::optional<std::uint64_t> size() const override;

 private:
  const int fd_;
  const std::int64_t start_;  // negative: not to be read again
  std::vector<std::byte> buffer_;
};

// Grows with what arrives, whatever size was announced; what is not very large need not move then.
class VectorOutput final : public TransferOutput {
 public:
  explicit VectorOutput(Tensor& tensor) : tensor_(tensor) {}
  absl::Status Begin(const TensorSpec& spec) override;
  absl::Status Take(std::span<const std::byte> bytes) override;
  bool Rewind() override;

 private:
  Tensor& tensor_;
};

// Memory of the caller's, which must be as large as the tensor.
class MemoryOutput final : public TransferOutput {
 public:
  explicit MemoryOutput(std::span<std::byte> memory) : memory_(memory) {}
  absl::Status Begin(const TensorSpec& spec) override;
  absl::Status Take(std::span<const std::byte> bytes) override;
  bool Rewind() override;

 private:
  const std::span<std::byte> memory_;
  std::size_t filled_ = 0;
};

// Sinks of the caller's.
class SinkOutput final : public TransferOutput {
 public:
  SinkOutput(const SpecSink* spec_sink, const ChunkSink& sink) : spec_sink_(spec_sink), sink_(sink) {}
  absl::Status Begin(const TensorSpec& spec) override;
  absl::Status Take(std::span<const std::byte> bytes) override;
  bool Rewind() override { return !given_; }

 private:
  const SpecSink* spec_sink_;
  const ChunkSink& sink_;
  bool given_ = false;
};

// Writes all of `bytes` to `fd`.  Errors: ResourceExhausted (no space), Unknown (any other).
absl::Status WriteAll(int fd, std::span<const std::byte> bytes);

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_TRANSFER_ENDS_H_
