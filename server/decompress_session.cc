#include "server/decompress_session.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "proto/wire/convert.h"

namespace dcac::server {

absl::Status DecompressSession::Accept(v1::DecompressRequest&& request) {
  if (request.has_header()) return Start(request.header());
  if (!decoder_) return absl::InvalidArgumentError("the first request is not the header");
  if (!request.has_chunk()) return absl::InvalidArgumentError("a request without header or chunk");
  const std::uint64_t end = request.chunk().offset() + request.chunk().data().size() + request_data_.size();
  if (announced_bytes_ != 0 && end > announced_bytes_) {
    return absl::InvalidArgumentError(
        absl::StrCat("a chunk up to byte ", end, " of a frame of ", announced_bytes_, " bytes (header.stored_bytes)"));
  }
  return input_.Accept(std::move(*request.mutable_chunk()), std::exchange(request_data_, {}));
}

std::uint64_t DecompressSession::UsualDecoderBytes() const {
  constexpr std::uint64_t kMost = 16u << 20;
  constexpr std::uint64_t kMostRatio = 16;
  return announced_bytes_ == 0 || announced_bytes_ > kMost / kMostRatio ? kMost : kMostRatio * announced_bytes_;
}

std::uint64_t DecompressSession::memory_bytes() const {
  if (!decoder_) return 0;
  // Replies that wait refer to the samples, half of what the decoder holds, of earlier work: they keep them as a whole.
  const std::uint64_t decoder_bytes = decoder_->spec() == nullptr ? UsualDecoderBytes() : decoder_->memory_bytes();
  return InputBytesInFlight(announced_bytes_) + decoder_bytes + decoder_bytes / 2 + kMaxOutputBytesInFlight;
}

CallFacts DecompressSession::facts() const {
  if (!decoder_ || decoder_->spec() == nullptr) return {};
  return {
      .dtype = decoder_->spec()->dtype, .raw_bytes = decoder_->raw_bytes(), .stored_bytes = decoder_->frame_bytes()};
}

absl::Status DecompressSession::Start(const v1::DecompressHeader& header) {
  if (decoder_) return absl::InvalidArgumentError("a second header");
  DCAC_RETURN_IF_ERROR(input_.SetChunksPerAnswer(header.chunks_per_answer()));
  DecodeLimits limits = ToDecodeLimits(limits_);
  if (header.max_tensor_bytes() != 0) {
    limits.max_tensor_bytes = std::min(limits.max_tensor_bytes, header.max_tensor_bytes());
  }
  announced_bytes_ = header.stored_bytes();
  decoder_.emplace(limits);
  control().Apply(*decoder_);
  return absl::OkStatus();
}

absl::Status DecompressSession::AcceptEnd() {
  if (!decoder_) return absl::InvalidArgumentError("the stream ended without a header");
  DCAC_RETURN_IF_ERROR(decoder_->Finish());
  ended_ = true;
  return absl::OkStatus();
}

// Up to where the spec is known and no further, so that memory is reserved before samples are decoded.
absl::Status DecompressSession::PushHeader() {
  while (decoder_->spec() == nullptr && !input_.empty()) DCAC_RETURN_IF_ERROR(decoder_->PushBounded(input_.Take(1)));
  return absl::OkStatus();
}

absl::Status DecompressSession::Work() {
  if (decoder_->spec() == nullptr) return PushHeader();
  std::vector<std::byte> samples;
  // What the decoder has not got to yet comes first: a few bytes may hold a long run of equal samples.
  if (decoder_->has_backlog()) {
    DCAC_RETURN_IF_ERROR(decoder_->PushBounded({}));
    samples = decoder_->Pull();
  }
  for (std::size_t taken = 0; taken < kBytesAtOnce && !input_.empty() && samples.empty() && !decoder_->has_backlog();) {
    const std::span<const std::byte> frame = input_.Take(kBytesAtOnce - taken);
    taken += frame.size();
    DCAC_RETURN_IF_ERROR(decoder_->PushBounded(frame));
    samples = decoder_->Pull();
  }
  output_.Set(std::move(samples));
  return absl::OkStatus();
}

bool DecompressSession::NextReply(v1::DecompressResponse* response) {
  if (decoder_ && !spec_sent_ && decoder_->spec() != nullptr) {
    wire::ToProto(*decoder_->spec(), response->mutable_spec());
    spec_sent_ = true;
  } else if (!output_.empty()) {
    chunk_data_ = output_.Next(response->mutable_chunk());
  } else if (ended_ && !trailer_sent_) {
    FillTrailer(response->mutable_trailer());
    trailer_sent_ = true;
  } else if (!idle() || !input_.answer_is_due()) {
    return false;
  }
  response->set_consumed_bytes(input_.Answer());
  return true;
}

void DecompressSession::FillTrailer(v1::TransferTrailer* trailer) const {
  trailer->set_digest(wire::ToProto(decoder_->digest()));
  trailer->set_raw_bytes(decoder_->raw_bytes());
  trailer->set_stored_bytes(decoder_->frame_bytes());
}

}  // namespace dcac::server
