// Bytes of a stream on their way in and out, in the chunks of the contract.
#ifndef DCAC_SERVER_CHUNK_QUEUE_H_
#define DCAC_SERVER_CHUNK_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "dcac/v1/compression.pb.h"
#include "proto/wire/shared_bytes.h"

namespace dcac::server {

// Chunks that are being worked off.
class InputChunks {
 public:
  InputChunks() = default;
  // Bytes from `offset` on.
  InputChunks(std::uint64_t offset, wire::SharedPieces data);

  // `data`: those of the chunk, where they were left out of it.
  // Errors: InvalidArgument (the offset does not continue, no bytes, too many bytes).
  absl::Status Accept(v1::Chunk&& chunk, wire::SharedPieces data = {});

  // The next bytes, at most `max_bytes` and no more than lie together; none when empty().  They count as consumed, and
  // live until the next call.
  std::span<const std::byte> Take(std::size_t max_bytes);

  // What Take would give.
  std::vector<std::span<const std::byte>> Rest() const;

  // Before the first chunk.  Errors: InvalidArgument (above the contract's maximum).
  absl::Status SetChunksPerAnswer(std::uint32_t count);

  // Before the first chunk: what lies before `offset` has come earlier.
  void StartAt(std::uint64_t offset) { accepted_bytes_ = consumed_bytes_ = offset; }

  bool empty() const { return pieces_.empty(); }
  std::uint64_t consumed_bytes() const { return consumed_bytes_; }

  // Whether the client is to be told of what was consumed, now that nothing is left.
  bool answer_is_due() const { return empty() && unanswered_chunks_ >= chunks_per_answer_; }

  // What an answer tells: consumed_bytes().  To be called for each.
  std::uint64_t Answer();

 private:
  void Append(wire::SharedPieces data);

  struct Piece {
    std::shared_ptr<const void> owner;
    std::span<const std::byte> rest;
  };

  std::deque<Piece> pieces_;  // none is empty
  std::shared_ptr<const void> taken_;
  std::uint64_t accepted_bytes_ = 0;
  std::uint64_t consumed_bytes_ = 0;
  std::uint32_t chunks_per_answer_ = 1;
  std::uint32_t unanswered_chunks_ = 0;
};

// Output that waits to be sent.
class OutputChunks {
 public:
  // Only when empty().
  void Set(std::vector<std::byte> bytes);

  // Begins the next chunk, and gives its data, which stay where they are.  Only when not empty().
  wire::SharedBytes Next(v1::Chunk* chunk);

  bool empty() const { return position_ == size_; }
  std::uint64_t sent_bytes() const { return begin_ + position_; }

 private:
  std::shared_ptr<const std::vector<std::byte>> bytes_;
  std::size_t size_ = 0;     // of bytes_
  std::uint64_t begin_ = 0;  // offset of bytes_ in the stream
  std::size_t position_ = 0;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_CHUNK_QUEUE_H_
