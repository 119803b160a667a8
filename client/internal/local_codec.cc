#include "client/internal/local_codec.h"

#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <chrono>

#include "client/internal/cancel_state.h"
#include "core/base/status_macros.h"
#include "dcac/frame_decoder.h"
#include "dcac/frame_encoder.h"

namespace dcac::client::internal {
namespace {

// A large piece of input would keep the deadline from being looked at.
constexpr std::size_t kPieceBytes = 16u << 20;

absl::Status CheckAlive(const CallContext& call) {
  if (call.cancel.cancelled()) return absl::CancelledError("cancelled by the caller");
  if (call.deadline == CallContext::kNoDeadline || std::chrono::steady_clock::now() < call.deadline) {
    return absl::OkStatus();
  }
  return absl::DeadlineExceededError("the call took longer than its deadline allows");
}

absl::StatusOr<FrameEncoder> MakeEncoder(const CallContext& call, const TensorSpec& spec,
                                         const EncodeOptions& options) {
  DCAC_RETURN_IF_ERROR(CheckAlive(call));
  DCAC_ASSIGN_OR_RETURN(FrameEncoder encoder, FrameEncoder::Create(spec, options));
  encoder.CancelOn(&CancelState::Of(call.cancel).flag());
  return encoder;
}

FrameDecoder MakeDecoder(const CallContext& call, std::uint64_t max_tensor_bytes) {
  DecodeLimits limits;
  limits.max_tensor_bytes = max_tensor_bytes;
  FrameDecoder decoder(limits);
  decoder.CancelOn(&CancelState::Of(call.cancel).flag());
  return decoder;
}

// Calls `push` with all that `input` gives.
template <typename Push>
absl::Status PushAll(const CallContext& call, TransferInput& input, Push push) {
  while (true) {
    DCAC_RETURN_IF_ERROR(CheckAlive(call));
    DCAC_ASSIGN_OR_RETURN(std::span<const std::byte> bytes, input.Next());
    if (bytes.empty()) return absl::OkStatus();
    for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kPieceBytes))) {
      DCAC_RETURN_IF_ERROR(CheckAlive(call));
      DCAC_RETURN_IF_ERROR(push(bytes.first(std::min(bytes.size(), kPieceBytes))));
    }
  }
}

absl::Status Give(const std::vector<std::byte>& bytes, TransferOutput& output) {
  return bytes.empty() ? absl::OkStatus() : output.Take(bytes);
}

// Takes samples out of a decoder, and the spec before them.
class Drain {
 public:
  Drain(FrameDecoder& decoder, TransferOutput& samples) : decoder_(decoder), samples_(samples) {}

  absl::Status Run() {
    if (!begun_ && decoder_.spec() != nullptr) {
      begun_ = true;
      DCAC_RETURN_IF_ERROR(samples_.Begin(*decoder_.spec()));
    }
    return Give(decoder_.Pull(), samples_);
  }

 private:
  FrameDecoder& decoder_;
  TransferOutput& samples_;
  bool begun_ = false;
};

absl::Status DecodeWhole(const CallContext& call, std::span<const std::byte> frame, FrameDecoder& decoder) {
  DCAC_RETURN_IF_ERROR(CheckAlive(call));
  DCAC_RETURN_IF_ERROR(decoder.Push(frame));
  return decoder.Finish();
}

}  // namespace

absl::StatusOr<TransferStats> LocalCompress(const CallContext& call, const TensorSpec& spec,
                                            const EncodeOptions& options, TransferInput& samples,
                                            TransferOutput& frame) {
  DCAC_ASSIGN_OR_RETURN(FrameEncoder encoder, MakeEncoder(call, spec, options));
  const auto push = [&](std::span<const std::byte> piece) {
    DCAC_RETURN_IF_ERROR(encoder.Push(piece));
    return Give(encoder.Pull(), frame);
  };
  DCAC_RETURN_IF_ERROR(PushAll(call, samples, push));
  DCAC_RETURN_IF_ERROR(encoder.Finish());
  DCAC_RETURN_IF_ERROR(Give(encoder.Pull(), frame));
  return TransferStats{
      .raw_bytes = encoder.raw_bytes(), .frame_bytes = encoder.frame_bytes(), .digest = encoder.digest(), .spec = spec};
}

absl::StatusOr<TransferStats> LocalDecompress(const CallContext& call, std::uint64_t max_tensor_bytes,
                                              TransferInput& frame, TransferOutput& samples) {
  DCAC_RETURN_IF_ERROR(CheckAlive(call));
  FrameDecoder decoder = MakeDecoder(call, max_tensor_bytes);
  Drain drain(decoder, samples);
  const auto push = [&](std::span<const std::byte> piece) {
    DCAC_RETURN_IF_ERROR(decoder.PushBounded(piece));
    DCAC_RETURN_IF_ERROR(drain.Run());
    while (decoder.has_backlog()) {
      DCAC_RETURN_IF_ERROR(CheckAlive(call));
      DCAC_RETURN_IF_ERROR(decoder.PushBounded({}));
      DCAC_RETURN_IF_ERROR(drain.Run());
    }
    return absl::OkStatus();
  };
  DCAC_RETURN_IF_ERROR(PushAll(call, frame, push));
  DCAC_RETURN_IF_ERROR(decoder.Finish());
  return TransferStats{.raw_bytes = decoder.raw_bytes(),
                       .frame_bytes = decoder.frame_bytes(),
                       .digest = decoder.digest(),
                       .spec = *decoder.spec()};
}

absl::StatusOr<std::vector<std::byte>> LocalCompressMemory(const CallContext& call, const TensorSpec& spec,
                                                           const EncodeOptions& options,
                                                           std::span<const std::byte> samples) {
  DCAC_ASSIGN_OR_RETURN(FrameEncoder encoder, MakeEncoder(call, spec, options));
  DCAC_RETURN_IF_ERROR(encoder.Push(samples));
  DCAC_RETURN_IF_ERROR(encoder.Finish());
  return encoder.Pull();
}

std::vector<absl::StatusOr<std::vector<std::byte>>> LocalBatchCompress(const CallContext& call,
                                                                       std::span<const BatchItem> items) {
  std::vector<absl::StatusOr<std::vector<std::byte>>> frames(items.size());
  tbb::parallel_for(std::size_t{0}, items.size(), [&](std::size_t i) {
    frames[i] = LocalCompressMemory(call, items[i].spec, items[i].options, items[i].data);
  });
  return frames;
}

absl::StatusOr<Tensor> LocalDecompressMemory(const CallContext& call, std::uint64_t max_tensor_bytes,
                                             std::span<const std::byte> frame) {
  FrameDecoder decoder = MakeDecoder(call, max_tensor_bytes);
  DCAC_RETURN_IF_ERROR(DecodeWhole(call, frame, decoder));
  return Tensor{*decoder.spec(), decoder.Pull()};
}

absl::StatusOr<TensorSpec> LocalDecompressInto(const CallContext& call, std::uint64_t max_tensor_bytes,
                                               std::span<const std::byte> frame, std::span<std::byte> samples) {
  FrameDecoder decoder = MakeDecoder(call, max_tensor_bytes);
  decoder.DecodeTo(samples);
  DCAC_RETURN_IF_ERROR(DecodeWhole(call, frame, decoder));
  return *decoder.spec();
}

}  // namespace dcac::client::internal
