#include "server/chunk_queue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/wire/limits.h"
#include "proto/wire/message_bytes.h"

namespace dcac::server {

InputChunks::InputChunks(std::uint64_t offset, wire::SharedPieces data) {
  StartAt(offset);
  Append(std::move(data));
}

absl::Status InputChunks::Accept(v1::Chunk&& chunk, wire::SharedPieces data) {
  if (chunk.offset() != accepted_bytes_) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk.offset: ", chunk.offset(), " does not continue at ", accepted_bytes_));
  }
  if (data.pieces.empty()) data = wire::TakeData(chunk);
  const std::size_t size = data.size();
  if (size < 1 || size > wire::kMaxChunkBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk.data: ", size, " bytes are not in 1..", wire::kMaxChunkBytes));
  }
  Append(std::move(data));
  ++unanswered_chunks_;
  return absl::OkStatus();
}

absl::Status InputChunks::SetChunksPerAnswer(std::uint32_t count) {
  if (count > wire::kMaxUnansweredChunks) {
    return absl::InvalidArgumentError(
        absl::StrCat("header.chunks_per_answer: ", count, " is not in 0..", wire::kMaxUnansweredChunks));
  }
  chunks_per_answer_ = std::max(count, 1u);
  return absl::OkStatus();
}

std::uint64_t InputChunks::Answer() {
  // Otherwise some of them are in what is left; the next answer comes early then.
  if (empty()) unanswered_chunks_ = 0;
  return consumed_bytes_;
}

void InputChunks::Append(wire::SharedPieces data) {
  accepted_bytes_ += data.size();
  for (const std::span<const std::byte> piece : data.pieces) {
    if (!piece.empty()) pieces_.push_back({data.owner, piece});
  }
}

std::span<const std::byte> InputChunks::Take(std::size_t max_bytes) {
  if (empty()) return {};
  Piece& front = pieces_.front();
  const std::span<const std::byte> taken = front.rest.first(std::min(max_bytes, front.rest.size()));
  consumed_bytes_ += taken.size();
  front.rest = front.rest.subspan(taken.size());
  taken_ = front.owner;
  if (front.rest.empty()) pieces_.pop_front();
  return taken;
}

std::vector<std::span<const std::byte>> InputChunks::Rest() const {
  std::vector<std::span<const std::byte>> rest;
  for (const Piece& piece : pieces_) rest.push_back(piece.rest);
  return rest;
}

void OutputChunks::Set(std::vector<std::byte> bytes) {
  begin_ += position_;
  position_ = 0;
  size_ = bytes.size();
  bytes_ = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
}

wire::SharedBytes OutputChunks::Next(v1::Chunk* chunk) {
  const std::size_t count = std::min(wire::kMaxChunkBytes, size_ - position_);
  chunk->set_offset(sent_bytes());
  wire::SharedBytes data{bytes_, std::span(*bytes_).subspan(position_, count)};
  position_ += count;
  if (empty()) bytes_ = nullptr;  // the last chunk's from now on
  return data;
}

}  // namespace dcac::server
