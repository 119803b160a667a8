// A file with the bytes of one block: a header that says whose they are, then pieces of 64 KiB, each with its checksum.
//
//   magic | id | size of key, key | size of state, state | XXH3-64 of all that     sizes: 4 bytes, little-endian
//   piece 0 | XXH3-64 | piece 1 | XXH3-64 | ...                                    seed: that of the id + its number
#ifndef DCAC_SERVER_STORE_PAYLOAD_FILE_H_
#define DCAC_SERVER_STORE_PAYLOAD_FILE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "server/store/file_system.h"

namespace dcac::store {

inline constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

// Whose bytes a file has.
struct PayloadOwner {
  std::string id;
  std::string key;
  std::string state;  // of the upload that wrote it
};

// Reads; may be used by several threads.
class PayloadReader {
 public:
  // Errors: DataLoss (no header, or a damaged one), those of the file.
  static absl::StatusOr<PayloadReader> Open(std::unique_ptr<File> file);

  const PayloadOwner& owner() const { return owner_; }

  // Fills `out` from the payload, which has `size_bytes`, all within it.  Errors: DataLoss (checksum, the file ends).
  absl::Status Read(std::uint64_t size_bytes, std::uint64_t offset, std::span<std::byte> out) const;

  // Reads all of it.  Errors: those of Read.
  absl::Status Check(std::uint64_t size_bytes) const;

  // How many bytes of pieces with right checksums the file begins with, all of them whole but one at its very end.
  absl::StatusOr<std::uint64_t> SoundBytes() const;

  // Whether the file is as long as a payload of `size_bytes` makes it.
  bool HasBytes(std::uint64_t size_bytes) const;

  // Of all of the file.
  absl::StatusOr<std::uint64_t> FileSize() const { return file_->Size(); }

  // Bytes of a file with such a payload.
  std::uint64_t FileBytes(std::uint64_t size_bytes) const;

  std::unique_ptr<File> TakeFile() && { return std::move(file_); }

 private:
  absl::Status ReadPieces(std::uint64_t first, std::uint64_t size_bytes, Bytes& pieces, std::size_t count) const;

  std::unique_ptr<File> file_;
  PayloadOwner owner_;
  std::uint64_t header_bytes_ = 0;
  std::uint64_t seed_ = 0;
};

// Writes, front to back.  After an error of writing, the pieces before are still sound.
class PayloadWriter {
 public:
  // A new file.  Errors: those of the file.
  static absl::StatusOr<PayloadWriter> Create(std::unique_ptr<File> file, const PayloadOwner& owner);

  // Goes on after the sound bytes of a file; what follows them is cut off.
  static absl::StatusOr<PayloadWriter> Resume(PayloadReader reader);

  std::uint64_t size_bytes() const { return written_bytes_ + pending_.size(); }
  // That are in the file.
  std::uint64_t written_bytes() const { return std::max(written_bytes_, resumed_bytes_); }

  absl::Status Append(std::span<const std::byte> bytes);

  // Writes what is left, the last piece, after which nothing can be appended but by who resumes.
  absl::Status Finish();

  absl::Status Sync() { return file_->Sync(); }

  // Of bytes that were appended.
  absl::Status Read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  PayloadWriter(std::unique_ptr<File> file, std::uint64_t seed, std::uint64_t header_bytes)
      : file_(std::move(file)), seed_(seed), header_bytes_(header_bytes) {}

  absl::Status WritePending(std::size_t bytes);

  std::unique_ptr<File> file_;
  std::uint64_t seed_;
  std::uint64_t header_bytes_;
  std::uint64_t written_bytes_ = 0;  // whole pieces, until Finish
  std::uint64_t resumed_bytes_ = 0;  // with the last piece, which is written anew when it is whole
  Bytes pending_;                    // that follow the whole pieces
};

}  // namespace dcac::store

#endif  // DCAC_SERVER_STORE_PAYLOAD_FILE_H_
