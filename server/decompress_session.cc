#include "server/decompress_session.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/base/status_macros.h"
#include "proto/wire/convert.h"

namespace dcac::server {
namespace {

// Pushed at a time.  A few bytes of a frame may hold a huge run of equal samples; after a piece that gave much output
// the next is smaller, so that one piece gives a few segments at most.
constexpr std::size_t kMinSliceBytes = 64;
constexpr std::size_t kMaxSliceBytes = 256u << 10;
constexpr std::size_t kMuchOutputBytes = 8u << 20;

}  // namespace

absl::Status DecompressSession::Accept(v1::DecompressRequest&& request) {
  if (request.has_header()) return Start(request.header());
  if (!decoder_) return absl::InvalidArgumentError("the first request is not the header");
  if (request.has_chunk()) return input_.Accept(std::move(*request.mutable_chunk()));
  return absl::InvalidArgumentError("a request without header or chunk");
}

absl::Status DecompressSession::Start(const v1::DecompressHeader& header) {
  if (decoder_) return absl::InvalidArgumentError("a second header");
  DecodeLimits limits{.max_tensor_bytes = limits_.max_tensor_bytes, .max_slab_bytes = limits_.max_slab_bytes};
  if (header.max_tensor_bytes() != 0) {
    limits.max_tensor_bytes = std::min(limits.max_tensor_bytes, header.max_tensor_bytes());
  }
  decoder_.emplace(limits);
  return absl::OkStatus();
}

absl::Status DecompressSession::AcceptEnd() {
  if (!decoder_) return absl::InvalidArgumentError("the stream ended without a header");
  DCAC_RETURN_IF_ERROR(decoder_->Finish());
  ended_ = true;
  return absl::OkStatus();
}

absl::Status DecompressSession::Work() {
  DCAC_RETURN_IF_ERROR(decoder_->Push(input_.Take(slice_bytes_)));
  std::vector<std::byte> samples = decoder_->Pull();
  digest_.Update(samples);
  AdaptSlice(samples.size());
  output_.Set(std::move(samples));
  return absl::OkStatus();
}

void DecompressSession::AdaptSlice(std::size_t output_bytes) {
  slice_bytes_ = output_bytes > kMuchOutputBytes ? std::max(slice_bytes_ / 4, kMinSliceBytes)
                                                 : std::min(slice_bytes_ * 2, kMaxSliceBytes);
}

bool DecompressSession::NextReply(v1::DecompressResponse* response) {
  const bool unacknowledged = input_.empty() && acknowledged_bytes_ < input_.consumed_bytes();
  if (decoder_ && !spec_sent_ && decoder_->spec() != nullptr) {
    wire::ToProto(*decoder_->spec(), response->mutable_spec());
    spec_sent_ = true;
  } else if (!output_.empty()) {
    output_.Next(response->mutable_chunk());
  } else if (ended_ && !trailer_sent_) {
    FillTrailer(response->mutable_trailer());
    trailer_sent_ = true;
  } else if (!unacknowledged) {
    return false;
  }
  acknowledged_bytes_ = input_.consumed_bytes();
  response->set_consumed_bytes(acknowledged_bytes_);
  return true;
}

void DecompressSession::FillTrailer(v1::TransferTrailer* trailer) const {
  trailer->set_digest(wire::ToProto(digest_.Get()));
  trailer->set_raw_bytes(decoder_->raw_bytes());
  trailer->set_stored_bytes(decoder_->frame_bytes());
}

}  // namespace dcac::server
