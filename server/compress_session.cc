#include "server/compress_session.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "proto/wire/convert.h"

namespace dcac::server {

absl::Status CompressSession::Accept(v1::CompressRequest&& request) {
  if (request.has_header()) return Start(request.header());
  if (!encoder_) return absl::InvalidArgumentError("the first request is not the header");
  if (expected_) return absl::InvalidArgumentError("a request after the trailer");
  if (request.has_trailer()) return AcceptTrailer(request.trailer());
  if (request.has_chunk()) return input_.Accept(std::move(*request.mutable_chunk()), std::exchange(request_data_, {}));
  return absl::InvalidArgumentError("a request without header, chunk or trailer");
}

absl::Status CompressSession::Start(const v1::CompressHeader& header) {
  if (encoder_) return absl::InvalidArgumentError("a second header");
  DCAC_ASSIGN_OR_RETURN(const TensorSpec spec, wire::FromProto(header.spec()));
  DCAC_ASSIGN_OR_RETURN(const EncodeOptions options, wire::FromProto(header.options()));
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t tensor_bytes, TensorBytes(spec));
  DCAC_RETURN_IF_ERROR(CheckTensorBytes(tensor_bytes, limits_));
  DCAC_RETURN_IF_ERROR(input_.SetChunksPerAnswer(header.chunks_per_answer()));
  DCAC_ASSIGN_OR_RETURN(FrameEncoder encoder, FrameEncoder::Create(spec, options));
  DCAC_RETURN_IF_ERROR(CheckSlabBytes(encoder.slab_bytes(), limits_));
  encoder_ = std::move(encoder);
  control().Apply(*encoder_);
  dtype_ = spec.dtype;
  level_ = options.level;
  tensor_bytes_ = tensor_bytes;
  return absl::OkStatus();
}

std::uint64_t CompressSession::memory_bytes() const {
  if (!encoder_) return 0;
  return InputBytesInFlight(std::max<std::uint64_t>(1, tensor_bytes_)) + encoder_->memory_bytes() +
         std::min(tensor_bytes_, kMaxOutputBytesInFlight);
}

CallFacts CompressSession::facts() const {
  if (!encoder_) return {};
  return {
      .dtype = dtype_, .level = level_, .raw_bytes = encoder_->raw_bytes(), .stored_bytes = encoder_->frame_bytes()};
}

absl::Status CompressSession::AcceptTrailer(const v1::CompressTrailer& trailer) {
  DCAC_RETURN_IF_ERROR(wire::DigestFromProto(trailer.digest()).status());
  expected_ = trailer;
  return absl::OkStatus();
}

absl::Status CompressSession::AcceptEnd() {
  if (!encoder_) return absl::InvalidArgumentError("the stream ended without a header");
  if (expected_ && expected_->raw_bytes() != encoder_->raw_bytes()) {
    return absl::DataLossError(
        absl::StrCat("trailer.raw_bytes: ", expected_->raw_bytes(), ", but ", encoder_->raw_bytes(), " bytes arrived"));
  }
  ended_ = true;
  return absl::OkStatus();
}

absl::Status CompressSession::Work() {
  if (ended_) return Finish();
  std::vector<std::byte> frame;
  // What comes of a batch of slabs is sent before the next one is begun.
  for (std::size_t taken = 0; taken < kBytesAtOnce && !input_.empty() && frame.empty();) {
    const std::span<const std::byte> samples = input_.Take(kBytesAtOnce - taken);
    taken += samples.size();
    DCAC_RETURN_IF_ERROR(encoder_->Push(samples));
    // Before that there is the frame's head, which is worth no message of its own.
    if (encoder_->encoded_bytes() > 0) frame = encoder_->Pull();
  }
  output_.Set(std::move(frame));
  return absl::OkStatus();
}

absl::Status CompressSession::Finish() {
  DCAC_RETURN_IF_ERROR(encoder_->Finish());
  if (expected_ && expected_->digest() != wire::ToProto(encoder_->digest())) {
    return absl::DataLossError("the digest of the tensor that arrived is not that of the trailer");
  }
  output_.Set(encoder_->Pull());
  finished_ = true;
  return absl::OkStatus();
}

bool CompressSession::NextReply(v1::CompressResponse* response) {
  if (!output_.empty()) {
    chunk_data_ = output_.Next(response->mutable_chunk());
  } else if (finished_ && !trailer_sent_) {
    v1::TransferTrailer* const trailer = response->mutable_trailer();
    trailer->set_digest(wire::ToProto(encoder_->digest()));
    trailer->set_raw_bytes(encoder_->raw_bytes());
    trailer->set_stored_bytes(encoder_->frame_bytes());
    trailer_sent_ = true;
  } else if (!input_.answer_is_due()) {
    return false;
  }
  response->set_consumed_bytes(input_.Answer());
  return true;
}

}  // namespace dcac::server
