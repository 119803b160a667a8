#include "server/tensor_calls.h"

#include <algorithm>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "dcac/frame_decoder.h"
#include "dcac/frame_encoder.h"
#include "dcac/frame_info.h"
#include "dcac/slice.h"
#include "proto/wire/convert.h"
#include "proto/wire/limits.h"

namespace dcac::server {
namespace {

void Assign(std::span<const std::byte> bytes, std::string* out) {
  out->assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// Where the samples go: the message's own string, so that they are not copied.
std::span<std::byte> Resize(std::uint64_t bytes, std::string* out) {
  out->resize(static_cast<std::size_t>(bytes));
  return std::as_writable_bytes(std::span(*out));
}

}  // namespace

absl::Status EncodeTensor(const TensorToEncode& tensor, const Limits& limits, const WorkControl& control,
                          CallFacts* facts) {
  DCAC_ASSIGN_OR_RETURN(const TensorSpec spec, wire::FromProto(tensor.spec));
  DCAC_ASSIGN_OR_RETURN(const EncodeOptions options, wire::FromProto(tensor.options));
  facts->dtype = spec.dtype;
  facts->level = options.level;
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t tensor_bytes, TensorBytes(spec));
  if (tensor_bytes != tensor.data.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("data: ", tensor.data.size(), " bytes for a tensor of ", tensor_bytes));
  }
  DCAC_RETURN_IF_ERROR(CheckTensorBytes(tensor_bytes, limits));
  DCAC_ASSIGN_OR_RETURN(FrameEncoder encoder, FrameEncoder::Create(spec, options));
  control.Apply(encoder);
  DCAC_RETURN_IF_ERROR(encoder.Push(wire::AsBytes(tensor.data)));
  DCAC_RETURN_IF_ERROR(encoder.Finish());
  Assign(encoder.Pull(), tensor.frame);
  *tensor.digest = wire::ToProto(encoder.digest());
  facts->raw_bytes += tensor_bytes;
  facts->stored_bytes += encoder.frame_bytes();
  return absl::OkStatus();
}

absl::Status CompressTensor(const v1::CompressTensorRequest& request, const Limits& limits, const WorkControl& control,
                            v1::CompressTensorResponse* response, CallFacts* facts) {
  if (request.data().size() > wire::kMaxUnaryBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("data: ", request.data().size(), " bytes exceed max_unary_bytes ",
                                                     wire::kMaxUnaryBytes, "; Compress takes more"));
  }
  if (!request.digest().empty()) DCAC_RETURN_IF_ERROR(wire::DigestFromProto(request.digest()).status());
  const TensorToEncode tensor{.spec = request.spec(),
                              .options = request.options(),
                              .data = request.data(),
                              .frame = response->mutable_frame(),
                              .digest = response->mutable_digest()};
  DCAC_RETURN_IF_ERROR(EncodeTensor(tensor, limits, control, facts));
  if (!request.digest().empty() && request.digest() != response->digest()) {
    return absl::DataLossError("the digest of the tensor that arrived is not that of the request");
  }
  return absl::OkStatus();
}

absl::Status DecompressTensor(const v1::DecompressTensorRequest& request, const Limits& limits,
                              const WorkControl& control, v1::DecompressTensorResponse* response, CallFacts* facts) {
  DecodeLimits decode_limits{.max_tensor_bytes = std::min<std::uint64_t>(limits.max_tensor_bytes, wire::kMaxUnaryBytes),
                             .max_slab_bytes = limits.max_slab_bytes};
  if (request.max_tensor_bytes() != 0) {
    decode_limits.max_tensor_bytes = std::min(decode_limits.max_tensor_bytes, request.max_tensor_bytes());
  }
  const std::span<const std::byte> frame = wire::AsBytes(request.frame());
  DCAC_ASSIGN_OR_RETURN(const TensorSpec spec, ReadFrameSpec(AccessMemory(frame)));
  DCAC_ASSIGN_OR_RETURN(const std::uint64_t tensor_bytes, TensorBytes(spec));
  if (tensor_bytes > decode_limits.max_tensor_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("tensor of ", tensor_bytes, " bytes exceeds the limit of ", decode_limits.max_tensor_bytes));
  }
  FrameDecoder decoder(decode_limits);
  control.Apply(decoder);
  decoder.DecodeTo(Resize(tensor_bytes, response->mutable_data()));
  DCAC_RETURN_IF_ERROR(decoder.Push(frame));
  DCAC_RETURN_IF_ERROR(decoder.Finish());
  wire::ToProto(spec, response->mutable_spec());
  response->set_digest(wire::ToProto(decoder.digest()));
  *facts = {.dtype = spec.dtype, .raw_bytes = tensor_bytes, .stored_bytes = frame.size()};
  return absl::OkStatus();
}

std::uint64_t MemoryOfTensorCall(std::uint64_t input_bytes, std::uint64_t max_output_bytes) {
  return 2 * input_bytes + 2 * max_output_bytes;
}

}  // namespace dcac::server
