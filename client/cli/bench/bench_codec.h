// One interface for all codecs that `dcac bench` compares: ours and its peers.
#ifndef DCAC_CLIENT_CLI_BENCH_BENCH_CODEC_H_
#define DCAC_CLIENT_CLI_BENCH_BENCH_CODEC_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dcac/options.h"
#include "dcac/tensor.h"

namespace dcac::cli {

// Keeps its working memory and its results from call to call, so that after the first calls none is fresh: the pages of
// fresh memory cost more than a fast decoder.
class BenchCodec {
 public:
  using ByteView = std::span<const std::byte>;  // of the codec's own memory, until the next call of the same function

  virtual ~BenchCodec() = default;
  virtual std::string name() const = 0;
  virtual absl::StatusOr<ByteView> Compress(const TensorSpec& spec, std::span<const std::byte> data) = 0;

  // `raw_bytes`: how long the result must be.
  virtual absl::StatusOr<ByteView> Decompress(std::span<const std::byte> compressed, std::size_t raw_bytes) = 0;
};

std::unique_ptr<BenchCodec> MakeDcacBenchCodec(const EncodeOptions& options);
std::unique_ptr<BenchCodec> MakeZstdBenchCodec(int level);
std::unique_ptr<BenchCodec> MakeLz4BenchCodec();
std::unique_ptr<BenchCodec> MakeMemcpyBenchCodec();

// The peer named "zstd-LEVEL", "lz4" or "memcpy".  Errors: InvalidArgument (no such peer).
absl::StatusOr<std::unique_ptr<BenchCodec>> MakePeerBenchCodec(const std::string& name);

// From now on the allocator gives freed memory again and none back to the system: codecs whose results are new vectors
// then meet no fresh pages either.
void KeepFreedMemory();

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_BENCH_BENCH_CODEC_H_
