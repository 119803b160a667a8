// What `dcac bench` measured: of a codec on a file, and of a codec over all files of a sample type.
#ifndef DCAC_CLIENT_CLI_BENCH_FIGURES_H_
#define DCAC_CLIENT_CLI_BENCH_FIGURES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/phase_timer.h"
#include "dcac/tensor.h"

namespace dcac::cli {

// One direction, over all runs of a codec on a file.
struct DirectionFigures {
  double median_seconds = 0;
  double best_seconds = 0;
  double page_faults = 0;              // of a run, on average
  std::optional<PhaseSeconds> phases;  // shares of the time of a run; the rest to 1 lies in none
};

struct CodecFigures {
  std::string codec;
  bool is_peer = false;
  std::uint64_t compressed_bytes = 0;
  std::optional<std::uint64_t> peak_memory_bytes;
  std::size_t runs = 0;
  DirectionFigures compress, decompress;
};

struct FileFigures {
  std::string file;
  TensorSpec spec;
  std::uint64_t raw_bytes = 0;
  std::string target;  // the SIMD target that our kernels ran on
  std::vector<CodecFigures> codecs;
};

// How many times as fast as a peer.
struct RelativeSpeed {
  std::string peer;
  double compress = 0, decompress = 0;
};

// One element for each peer of `file`: the speed of `codec` over the peer's in the same rounds, by median runs.
std::vector<RelativeSpeed> RelativeSpeeds(const FileFigures& file, const CodecFigures& codec);

// A codec over the files of a sample type.
struct GroupFigures {
  DType dtype = DType::kU8;
  std::string codec;
  bool is_peer = false;
  std::size_t files = 0;
  std::uint64_t raw_bytes = 0;
  std::string target;
  double ratio = 1;  // geometric mean
  // Medians over the files.
  double compress_mb_per_s = 0, decompress_mb_per_s = 0;
  std::vector<RelativeSpeed> relative;
  // Means over the files of the shares.
  std::optional<PhaseSeconds> compress_phases, decompress_phases;
};

// One element for each type and codec, in the order in which they first occur.  The files have the same codecs and
// target.
std::vector<GroupFigures> SummarizeFiles(const std::vector<FileFigures>& files);

// The middle one; the mean of the middle two of an even number; 0 of none.
double Median(std::vector<double> values);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_BENCH_FIGURES_H_
