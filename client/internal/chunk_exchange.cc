#include "client/internal/chunk_exchange.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "proto/wire/limits.h"

namespace dcac::client::internal {

bool ChunkSender::has_credit() const {
  return unanswered_ends_.size() < (answered_ ? wire::kMaxUnansweredChunks : kChunksPerAnswer);
}

absl::Status ChunkSender::Refill() {
  DCAC_ASSIGN_OR_RETURN(rest_, source_());
  ended_ = rest_.empty();
  return absl::OkStatus();
}

absl::StatusOr<wire::SharedBytes> ChunkSender::Next(v1::Chunk* chunk) {
  if (rest_.empty() && !ended_) DCAC_RETURN_IF_ERROR(Refill());
  if (ended_) return wire::SharedBytes();
  const std::size_t chunk_bytes = answered_ ? sizes_.later : sizes_.first;
  const auto buffer = std::make_shared_for_overwrite<std::byte[]>(chunk_bytes);
  std::size_t size = 0;
  while (size < chunk_bytes && !ended_) {
    if (rest_.empty()) {
      DCAC_RETURN_IF_ERROR(Refill());
      continue;
    }
    const std::size_t count = std::min(rest_.size(), chunk_bytes - size);
    std::copy_n(rest_.begin(), count, buffer.get() + size);
    rest_ = rest_.subspan(count);
    size += count;
  }
  chunk->set_offset(sent_bytes_);
  sent_bytes_ += size;
  unanswered_ends_.push_back(sent_bytes_);
  return wire::SharedBytes{buffer, {buffer.get(), size}};
}

absl::Status ChunkSender::OnConsumed(std::uint64_t consumed_bytes) {
  if (consumed_bytes < consumed_bytes_ || consumed_bytes > sent_bytes_) {
    return absl::InternalError(
        absl::StrCat("server: consumed_bytes ", consumed_bytes, " is not in ", consumed_bytes_, "..", sent_bytes_));
  }
  answered_ = answered_ || consumed_bytes > consumed_bytes_;
  consumed_bytes_ = consumed_bytes;
  while (!unanswered_ends_.empty() && unanswered_ends_.front() <= consumed_bytes) unanswered_ends_.pop_front();
  return absl::OkStatus();
}

absl::Status ChunkReceiver::Take(const v1::Chunk& chunk, const wire::SharedPieces& data) {
  if (chunk.offset() != received_bytes_) {
    return absl::InternalError(
        absl::StrCat("server: chunk has offset ", chunk.offset(), " instead of ", received_bytes_));
  }
  for (const std::span<const std::byte> piece : data.pieces) {
    received_bytes_ += piece.size();
    DCAC_RETURN_IF_ERROR(sink_(piece));
  }
  return absl::OkStatus();
}

}  // namespace dcac::client::internal
