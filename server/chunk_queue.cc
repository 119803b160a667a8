#include "server/chunk_queue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/wire/convert.h"
#include "proto/wire/limits.h"

namespace dcac::server {

absl::Status InputChunk::Accept(v1::Chunk&& chunk) {
  if (chunk.offset() != consumed_bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk.offset: ", chunk.offset(), " does not continue at ", consumed_bytes()));
  }
  const std::size_t size = chunk.data().size();
  if (size < 1 || size > wire::kMaxChunkBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk.data: ", size, " bytes are not in 1..", wire::kMaxChunkBytes));
  }
  begin_ = chunk.offset();
  position_ = 0;
  data_ = std::move(*chunk.mutable_data());
  return absl::OkStatus();
}

std::span<const std::byte> InputChunk::Take(std::size_t max_bytes) {
  const std::size_t count = std::min(max_bytes, data_.size() - position_);
  position_ += count;
  return wire::AsBytes(data_).subspan(position_ - count, count);
}

void OutputChunks::Set(std::vector<std::byte> bytes) {
  begin_ += position_;
  position_ = 0;
  size_ = bytes.size();
  bytes_ = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
}

void OutputChunks::Next(v1::Chunk* chunk) {
  const SharedBytes data = NextShared(chunk);
  chunk->set_data(data.bytes.data(), data.bytes.size());
}

SharedBytes OutputChunks::NextShared(v1::Chunk* chunk) {
  const std::size_t count = std::min(wire::kDefaultChunkBytes, size_ - position_);
  chunk->set_offset(sent_bytes());
  SharedBytes data{bytes_, std::span(*bytes_).subspan(position_, count)};
  position_ += count;
  if (empty()) bytes_ = nullptr;  // the last chunk's from now on
  return data;
}

}  // namespace dcac::server
