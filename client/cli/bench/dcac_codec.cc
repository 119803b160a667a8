#include <utility>

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

  absl::StatusOr<Bytes> Compress(const TensorSpec& spec, std::span<const std::byte> data) override {
    return dcac::Compress(spec, data, options_);
  }

  absl::StatusOr<Bytes> Decompress(std::span<const std::byte> compressed, std::size_t /*raw_bytes*/) override {
    DCAC_ASSIGN_OR_RETURN(Tensor tensor, dcac::Decompress(compressed));
    return std::move(tensor.data);
  }

 private:
  EncodeOptions options_;
};

}  // namespace

std::unique_ptr<BenchCodec> MakeDcacBenchCodec(const EncodeOptions& options) {
  return std::make_unique<DcacBenchCodec>(options);
}

}  // namespace dcac::cli
