#include <zstd.h>

#include "absl/strings/str_cat.h"
#include "client/cli/bench/bench_codec.h"

namespace dcac::cli {
namespace {

class ZstdBenchCodec final : public BenchCodec {
 public:
  explicit ZstdBenchCodec(int level) : level_(level) {}

  std::string name() const override { return "zstd-" + std::to_string(level_); }

  absl::StatusOr<Bytes> Compress(const TensorSpec& /*spec*/, std::span<const std::byte> data) override {
    Bytes out(ZSTD_compressBound(data.size()));
    const std::size_t n = ZSTD_compress(out.data(), out.size(), data.data(), data.size(), level_);
    if (ZSTD_isError(n)) return absl::InternalError(absl::StrCat("zstd: ", ZSTD_getErrorName(n)));
    out.resize(n);
    return out;
  }

  absl::StatusOr<Bytes> Decompress(std::span<const std::byte> compressed, std::size_t raw_bytes) override {
    Bytes out(raw_bytes);
    const std::size_t n = ZSTD_decompress(out.data(), out.size(), compressed.data(), compressed.size());
    if (ZSTD_isError(n)) return absl::InternalError(absl::StrCat("zstd: ", ZSTD_getErrorName(n)));
    out.resize(n);
    return out;
  }

 private:
  int level_;
};

}  // namespace

std::unique_ptr<BenchCodec> MakeZstdBenchCodec(int level) {
  return std::make_unique<ZstdBenchCodec>(level);
}

}  // namespace dcac::cli
