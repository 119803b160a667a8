#include "client/internal/chunk_exchange.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "proto/wire/convert.h"
#include "proto/wire/limits.h"

namespace dcac::client::internal {

bool ChunkSender::has_credit() const {
  return unanswered_ends_.size() < (answered() ? wire::kMaxUnansweredChunks : kChunksPerAnswer);
}

absl::Status ChunkSender::Refill() {
  DCAC_ASSIGN_OR_RETURN(rest_, source_());
  ended_ = rest_.empty();
  return absl::OkStatus();
}

absl::StatusOr<bool> ChunkSender::Next(v1::Chunk* chunk) {
  const std::size_t chunk_bytes = answered() ? sizes_.later : sizes_.first;
  chunk->set_offset(sent_bytes_);
  std::string& data = *chunk->mutable_data();
  data.clear();
  while (data.size() < chunk_bytes && !ended_) {
    if (rest_.empty()) {
      DCAC_RETURN_IF_ERROR(Refill());
      continue;
    }
    const std::size_t count = std::min(rest_.size(), chunk_bytes - data.size());
    data.append(reinterpret_cast<const char*>(rest_.data()), count);
    rest_ = rest_.subspan(count);
  }
  if (data.empty()) return false;
  sent_bytes_ += data.size();
  unanswered_ends_.push_back(sent_bytes_);
  return true;
}

absl::Status ChunkSender::OnConsumed(std::uint64_t consumed_bytes) {
  if (consumed_bytes < consumed_bytes_ || consumed_bytes > sent_bytes_) {
    return absl::InternalError(
        absl::StrCat("server: consumed_bytes ", consumed_bytes, " is not in ", consumed_bytes_, "..", sent_bytes_));
  }
  consumed_bytes_ = consumed_bytes;
  while (!unanswered_ends_.empty() && unanswered_ends_.front() <= consumed_bytes) unanswered_ends_.pop_front();
  return absl::OkStatus();
}

absl::Status ChunkReceiver::Take(const v1::Chunk& chunk) {
  if (chunk.offset() != received_bytes_) {
    return absl::InternalError(
        absl::StrCat("server: chunk has offset ", chunk.offset(), " instead of ", received_bytes_));
  }
  received_bytes_ += chunk.data().size();
  return sink_(wire::AsBytes(chunk.data()));
}

}  // namespace dcac::client::internal
