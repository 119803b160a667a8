#include <zstd.h>

#include "absl/strings/str_cat.h"
#include "client/cli/bench/bench_codec.h"
#include "client/cli/bench/kept_buffer.h"

namespace dcac::cli {
namespace {

class ZstdBenchCodec final : public BenchCodec {
 public:
  explicit ZstdBenchCodec(int level)
      : level_(level), compressor_(ZSTD_createCCtx(), ZSTD_freeCCtx), decompressor_(ZSTD_createDCtx(), ZSTD_freeDCtx) {}

  std::string name() const override { return "zstd-" + std::to_string(level_); }

  absl::StatusOr<ByteView> Compress(const TensorSpec& /*spec*/, std::span<const std::byte> data) override {
    const std::span<std::byte> out = compressed_.Get(ZSTD_compressBound(data.size()));
    return Checked(out, ZSTD_compressCCtx(compressor_.get(), out.data(), out.size(), data.data(), data.size(), level_));
  }

  absl::StatusOr<ByteView> Decompress(std::span<const std::byte> compressed, std::size_t raw_bytes) override {
    const std::span<std::byte> out = raw_.Get(raw_bytes);
    return Checked(
        out, ZSTD_decompressDCtx(decompressor_.get(), out.data(), out.size(), compressed.data(), compressed.size()));
  }

 private:
  // The front of `out` that zstd says it wrote.
  static absl::StatusOr<ByteView> Checked(std::span<std::byte> out, std::size_t result) {
    if (ZSTD_isError(result)) return absl::InternalError(absl::StrCat("zstd: ", ZSTD_getErrorName(result)));
    return out.first(result);
  }

  int level_;
  std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> compressor_;
  std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> decompressor_;
  KeptBuffer compressed_, raw_;
};

}  // namespace

std::unique_ptr<BenchCodec> MakeZstdBenchCodec(int level) {
  return std::make_unique<ZstdBenchCodec>(level);
}

}  // namespace dcac::cli
