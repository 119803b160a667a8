#include <utility>
#include <vector>

#include "client/cli/bench/bench_codec.h"
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

  // Results are new vectors: the earlier ones are freed first, so that the allocator can give their memory again.
  absl::StatusOr<ByteView> Compress(const TensorSpec& spec, std::span<const std::byte> data) override {
    frame_ = std::vector<std::byte>();
    DCAC_ASSIGN_OR_RETURN(frame_, dcac::Compress(spec, data, options_));
    return ByteView(frame_);
  }

  absl::StatusOr<ByteView> Decompress(std::span<const std::byte> compressed, std::size_t /*raw_bytes*/) override {
    tensor_ = Tensor();
    DCAC_ASSIGN_OR_RETURN(tensor_, dcac::Decompress(compressed));
    return ByteView(tensor_.data);
  }

 private:
  EncodeOptions options_;
  std::vector<std::byte> frame_;
  Tensor tensor_;
};

}  // namespace

std::unique_ptr<BenchCodec> MakeDcacBenchCodec(const EncodeOptions& options) {
  return std::make_unique<DcacBenchCodec>(options);
}

}  // namespace dcac::cli
