#include <oneapi/tbb/task_arena.h>

#include <utility>
#include <vector>

#include "client/loadgen/caller.h"
#include "core/base/status_macros.h"
#include "dcac/codec.h"

namespace dcac::loadgen {
namespace {

class LocalCaller final : public Caller {
 public:
  explicit LocalCaller(const EncodeOptions& options) : options_(options) {}

  absl::Status Compress(const Tensor& tensor, const ByteTaker& frame) override {
    return alone_.execute([&]() -> absl::Status {
      DCAC_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, dcac::Compress(tensor.spec, tensor.data, options_));
      return frame(bytes);
    });
  }

  // Into memory that is kept, which is the fastest way.
  absl::Status Decompress(std::span<const std::byte> frame, const ByteTaker& samples) override {
    DCAC_ASSIGN_OR_RETURN(const TensorSpec spec, ReadFrameSpec(AccessMemory(frame)));
    DCAC_ASSIGN_OR_RETURN(const std::uint64_t bytes, TensorBytes(spec));
    if (samples_.size() < bytes) samples_.resize(static_cast<std::size_t>(bytes));
    const std::span<std::byte> tensor = std::span(samples_).first(static_cast<std::size_t>(bytes));
    DCAC_RETURN_IF_ERROR(alone_.execute([&] { return DecompressInto(frame, tensor).status(); }));
    return samples(tensor);
  }

 private:
  const EncodeOptions options_;
  oneapi::tbb::task_arena alone_{1};
  std::vector<std::byte> samples_;
};

}  // namespace

std::unique_ptr<Caller> MakeLocalCaller(const EncodeOptions& options) {
  return std::make_unique<LocalCaller>(options);
}

}  // namespace dcac::loadgen
