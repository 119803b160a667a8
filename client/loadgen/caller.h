// How a worker of a load has its tensors coded.
#ifndef DCAC_CLIENT_LOADGEN_CALLER_H_
#define DCAC_CLIENT_LOADGEN_CALLER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac::loadgen {

// Takes the next bytes of an output; an error ends the call and is returned from it.
using ByteTaker = std::function<absl::Status(std::span<const std::byte>)>;

// Used by one thread.
class Caller {
 public:
  virtual ~Caller() = default;
  virtual absl::Status Compress(const Tensor& tensor, const ByteTaker& frame) = 0;
  virtual absl::Status Decompress(std::span<const std::byte> frame, const ByteTaker& samples) = 0;
};

// Makes the caller of worker `worker`.
using CallerFactory = std::function<absl::StatusOr<std::unique_ptr<Caller>>(int worker)>;

// In this process, on the calling thread alone: no processor time goes into sharing the work.
std::unique_ptr<Caller> MakeLocalCaller(const EncodeOptions& options);

}  // namespace dcac::loadgen

#endif  // DCAC_CLIENT_LOADGEN_CALLER_H_
