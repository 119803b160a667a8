#include "client/cli/bench/bench_codec.h"

namespace dcac::cli {
namespace {

// What the machine's memory allows: an upper bound for every codec.
class MemcpyBenchCodec final : public BenchCodec {
 public:
  std::string name() const override { return "memcpy"; }

  absl::StatusOr<Bytes> Compress(const TensorSpec& /*spec*/, std::span<const std::byte> data) override {
    return Bytes(data.begin(), data.end());
  }

  absl::StatusOr<Bytes> Decompress(std::span<const std::byte> compressed, std::size_t /*raw_bytes*/) override {
    return Bytes(compressed.begin(), compressed.end());
  }
};

}  // namespace

std::unique_ptr<BenchCodec> MakeMemcpyBenchCodec() {
  return std::make_unique<MemcpyBenchCodec>();
}

}  // namespace dcac::cli
