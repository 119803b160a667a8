#include <lz4.h>

#include "absl/strings/str_cat.h"
#include "client/cli/bench/bench_codec.h"
#include "client/cli/bench/kept_buffer.h"

namespace dcac::cli {
namespace {

class Lz4BenchCodec final : public BenchCodec {
 public:
  std::string name() const override { return "lz4"; }

  absl::StatusOr<ByteView> Compress(const TensorSpec& /*spec*/, std::span<const std::byte> data) override {
    if (data.size() > LZ4_MAX_INPUT_SIZE) {
      return absl::InvalidArgumentError(
          absl::StrCat("lz4: ", data.size(), " bytes of samples, expected at most ", LZ4_MAX_INPUT_SIZE));
    }
    constexpr int kDefaultAcceleration = 1;
    const int raw_bytes = static_cast<int>(data.size());
    const std::span<std::byte> state = state_.Get(static_cast<std::size_t>(LZ4_sizeofState()));
    const std::span<std::byte> out = compressed_.Get(static_cast<std::size_t>(LZ4_compressBound(raw_bytes)));
    const int n = LZ4_compress_fast_extState(state.data(), reinterpret_cast<const char*>(data.data()),
                                             reinterpret_cast<char*>(out.data()), raw_bytes,
                                             static_cast<int>(out.size()), kDefaultAcceleration);
    if (n <= 0) return absl::InternalError("lz4: compression failed");
    return out.first(static_cast<std::size_t>(n));
  }

  absl::StatusOr<ByteView> Decompress(std::span<const std::byte> compressed, std::size_t raw_bytes) override {
    const std::span<std::byte> out = raw_.Get(raw_bytes);
    const int n =
        LZ4_decompress_safe(reinterpret_cast<const char*>(compressed.data()), reinterpret_cast<char*>(out.data()),
                            static_cast<int>(compressed.size()), static_cast<int>(raw_bytes));
    if (n < 0) return absl::InternalError("lz4: decompression failed");
    return out.first(static_cast<std::size_t>(n));
  }

 private:
  KeptBuffer state_, compressed_, raw_;
};

}  // namespace

std::unique_ptr<BenchCodec> MakeLz4BenchCodec() {
  return std::make_unique<Lz4BenchCodec>();
}

}  // namespace dcac::cli
