#include <algorithm>

#include "client/cli/bench/bench_codec.h"
#include "client/cli/bench/kept_buffer.h"

namespace dcac::cli {
namespace {

// What the machine's memory allows: an upper bound for every codec.
class MemcpyBenchCodec final : public BenchCodec {
 public:
  std::string name() const override { return "memcpy"; }

  absl::StatusOr<ByteView> Compress(const TensorSpec& /*spec*/, std::span<const std::byte> data) override {
    return Copy(data, compressed_);
  }

  absl::StatusOr<ByteView> Decompress(std::span<const std::byte> compressed, std::size_t /*raw_bytes*/) override {
    return Copy(compressed, raw_);
  }

 private:
  static ByteView Copy(std::span<const std::byte> from, KeptBuffer& to) {
    const std::span<std::byte> out = to.Get(from.size());
    std::copy(from.begin(), from.end(), out.begin());
    return out;
  }

  KeptBuffer compressed_, raw_;
};

}  // namespace

std::unique_ptr<BenchCodec> MakeMemcpyBenchCodec() {
  return std::make_unique<MemcpyBenchCodec>();
}

}  // namespace dcac::cli
