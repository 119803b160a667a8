// Whole tensors in one message: the work of the unary calls and of the items of a batch.
#ifndef DCAC_SERVER_TENSOR_CALLS_H_
#define DCAC_SERVER_TENSOR_CALLS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "dcac/v1/compression.pb.h"
#include "server/call_info.h"
#include "server/limits.h"
#include "server/work_control.h"

namespace dcac::server {

// A tensor as it came, and where its frame goes.
struct TensorToEncode {
  const v1::TensorSpec& spec;
  const v1::EncodeOptions& options;
  std::string_view data;
  std::string* frame;
  std::string* digest;
};

// Errors: InvalidArgument (spec, option; `data` has another size), ResourceExhausted (limits), Cancelled.
absl::Status EncodeTensor(const TensorToEncode& tensor, const Limits& limits, const WorkControl& control,
                          CallFacts* facts);

// Errors: those of EncodeTensor, DataLoss (digest).
absl::Status CompressTensor(const v1::CompressTensorRequest& request, const Limits& limits, const WorkControl& control,
                            v1::CompressTensorResponse* response, CallFacts* facts);

// Errors: DataLoss, Unimplemented (no frame of this version), ResourceExhausted (limits), Cancelled.
absl::Status DecompressTensor(const v1::DecompressTensorRequest& request, const Limits& limits,
                              const WorkControl& control, v1::DecompressTensorResponse* response, CallFacts* facts);

// Most bytes that such a call holds: its messages, and what core needs to make one of the other.
std::uint64_t MemoryOfTensorCall(std::uint64_t input_bytes, std::uint64_t max_output_bytes);

}  // namespace dcac::server

#endif  // DCAC_SERVER_TENSOR_CALLS_H_
