// The two directions of a stream, as the contract has them: input in chunks with credit, output in chunks in order.
#ifndef DCAC_CLIENT_INTERNAL_CHUNK_EXCHANGE_H_
#define DCAC_CLIENT_INTERNAL_CHUNK_EXCHANGE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/client.h"
#include "dcac/v1/compression.pb.h"
#include "proto/wire/shared_bytes.h"

namespace dcac::client::internal {

// How often the server is to answer, beside what it sends anyway: each answer wakes threads on both sides.  No more
// than so many are sent before the first answer: a server without room refuses the call, and they are waste then.
inline constexpr std::size_t kChunksPerAnswer = 2;

// Bytes of chunks until the server has answered, and of those after that.
struct ChunkSizes {
  std::size_t first;
  std::size_t later;
};

// Cuts what a source gives into chunks, and keeps count of those that the server has not answered.
class ChunkSender {
 public:
  // `start`: how much of the input the server has already; the source gives what comes after that.
  ChunkSender(const ChunkSource& source, ChunkSizes sizes, std::uint64_t start = 0)
      : source_(source), sizes_(sizes), sent_bytes_(start), consumed_bytes_(start) {}

  bool has_credit() const;
  std::uint64_t sent_bytes() const { return sent_bytes_; }

  // Begins the next chunk, and gives its data: full unless it is the last, none when the input has ended.  Errors:
  // those of the source.
  absl::StatusOr<wire::SharedBytes> Next(v1::Chunk* chunk);

  // Errors: Internal (the server claims more than it was sent, or less than before).
  absl::Status OnConsumed(std::uint64_t consumed_bytes);

 private:
  absl::Status Refill();

  const ChunkSource& source_;
  const ChunkSizes sizes_;
  std::span<const std::byte> rest_;  // of what the source gave last
  bool ended_ = false;
  std::uint64_t sent_bytes_;
  std::uint64_t consumed_bytes_;
  bool answered_ = false;
  std::deque<std::uint64_t> unanswered_ends_;
};

// Hands chunks on to a sink.
class ChunkReceiver {
 public:
  explicit ChunkReceiver(const ChunkSink& sink) : sink_(sink) {}

  // Errors: Internal (the offset does not continue), those of the sink.
  absl::Status Take(const v1::Chunk& chunk, const wire::SharedPieces& data);

  std::uint64_t received_bytes() const { return received_bytes_; }

 private:
  const ChunkSink& sink_;
  std::uint64_t received_bytes_ = 0;
};

}  // namespace dcac::client::internal

#endif  // DCAC_CLIENT_INTERNAL_CHUNK_EXCHANGE_H_
