#include <utility>
#include <vector>

#include "client/cli/bench/bench_codec.h"
#include "client/cli/bench/kept_buffer.h"
#include "core/base/status_macros.h"
#include "dcac/codec.h"

namespace dcac::cli {
namespace {

class DcacBenchCodec final : public BenchCodec {
 public:
  explicit DcacBenchCodec(const EncodeOptions& options) : options_(options) {}

  std::string name() const override {
    std::string name = "dcac-" + std::to_string(options_.level);
    if (options_.mode != Mode::kLs) name += "-" + std::string(ModeName(options_.mode));
    return name;
  }

  // The result is a new vector: the earlier one is freed first, so that the allocator can give its memory again.
  absl::StatusOr<ByteView> Compress(const TensorSpec& spec, std::span<const std::byte> data) override {
    frame_ = std::vector<std::byte>();
    DCAC_ASSIGN_OR_RETURN(frame_, dcac::Compress(spec, data, options_));
    return ByteView(frame_);
  }

  absl::StatusOr<ByteView> Decompress(std::span<const std::byte> compressed, std::size_t raw_bytes) override {
    const std::span<std::byte> tensor = tensor_.Get(raw_bytes);
    DCAC_RETURN_IF_ERROR(dcac::DecompressInto(compressed, tensor).status());
    return tensor;
  }

 private:
  EncodeOptions options_;
  std::vector<std::byte> frame_;
  KeptBuffer tensor_;
};

}  // namespace

std::unique_ptr<BenchCodec> MakeDcacBenchCodec(const EncodeOptions& options) {
  return std::make_unique<DcacBenchCodec>(options);
}

}  // namespace dcac::cli
