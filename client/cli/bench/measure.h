// Measures codecs on a tensor, next to each other.
#ifndef DCAC_CLIENT_CLI_BENCH_MEASURE_H_
#define DCAC_CLIENT_CLI_BENCH_MEASURE_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/bench/bench_codec.h"
#include "client/cli/bench/figures.h"
#include "dcac/tensor.h"

namespace dcac::cli {

struct MeasureOptions {
  std::size_t min_runs = 5;     // of each codec
  double seconds = 0.3;         // of all runs together; more where the fewest runs take longer
  bool cpu_time = false;        // of all threads, in place of wall-clock time
  bool profile_phases = false;  // of our codecs, in runs of their own
};

struct BenchedCodec {
  std::unique_ptr<BenchCodec> codec;
  bool is_peer = false;
};

// Figures of each codec, in their order.  Codecs take turns, so that a change of the machine's speed meets all of them;
// none is timed before it has restored the samples and is warm.
// Errors: those of the codecs, DataLoss (a codec restored other samples).
absl::StatusOr<std::vector<CodecFigures>> MeasureCodecs(const Tensor& tensor, const std::vector<BenchedCodec>& codecs,
                                                        const MeasureOptions& options);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_BENCH_MEASURE_H_
