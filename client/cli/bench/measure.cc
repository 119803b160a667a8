#include "client/cli/bench/measure.h"

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <string>

#include "client/cli/bench/peak_memory.h"
#include "core/base/status_macros.h"

namespace dcac::cli {
namespace {

constexpr std::size_t kMaxRuns = 1000;

// One direction of a codec, run by run.
struct Runs {
  std::vector<double> seconds;
  double page_faults = 0;

  DirectionFigures Figures() const {
    return {.median_seconds = Median(seconds),
            .best_seconds = *std::min_element(seconds.begin(), seconds.end()),
            .page_faults = page_faults / static_cast<double>(seconds.size()),
            .phases = {}};
  }
};

struct Measurement {
  BenchCodec& codec;
  CodecFigures figures;
  Runs compress, decompress;
  double spent_seconds = 0;
};

double PageFaults() {
  struct rusage usage;
  return ::getrusage(RUSAGE_SELF, &usage) == 0 ? static_cast<double>(usage.ru_minflt) : 0;
}

double SecondsOf(clockid_t clock) {
  struct timespec time;
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <typename Work>
absl::Status Time(clockid_t clock, Runs& runs, const Work& work) {
  const double faults = PageFaults();
  const double start = SecondsOf(clock);
  DCAC_RETURN_IF_ERROR(work());
  runs.seconds.push_back(SecondsOf(clock) - start);
  runs.page_faults += PageFaults() - faults;
  return absl::OkStatus();
}

// One round trip, not timed: nothing is measured of a codec that does not restore.
absl::Status Verify(const Tensor& tensor, Measurement& measurement) {
  const PeakMemory memory;
  DCAC_ASSIGN_OR_RETURN(const auto compressed, measurement.codec.Compress(tensor.spec, tensor.data));
  DCAC_ASSIGN_OR_RETURN(const auto restored, measurement.codec.Decompress(compressed, tensor.data.size()));
  measurement.figures.peak_memory_bytes = memory.Bytes();
  measurement.figures.compressed_bytes = compressed.size();
  if (!std::equal(restored.begin(), restored.end(), tensor.data.begin(), tensor.data.end())) {
    return absl::DataLossError(measurement.codec.name() + " restored other samples, expected equality");
  }
  return absl::OkStatus();
}

absl::Status RunOnce(const Tensor& tensor, const MeasureOptions& options, Measurement& measurement) {
  const clockid_t clock = options.cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
  BenchCodec::ByteView compressed;
  DCAC_RETURN_IF_ERROR(Time(clock, measurement.compress, [&]() -> absl::Status {
    DCAC_ASSIGN_OR_RETURN(compressed, measurement.codec.Compress(tensor.spec, tensor.data));
    return absl::OkStatus();
  }));
  DCAC_RETURN_IF_ERROR(Time(clock, measurement.decompress,
                            [&] { return measurement.codec.Decompress(compressed, tensor.data.size()).status(); }));
  measurement.spent_seconds += measurement.compress.seconds.back() + measurement.decompress.seconds.back();
  return absl::OkStatus();
}

// A codec that has had its fewest runs and its share of the time leaves the rest to the faster ones.
bool IsDone(const Measurement& measurement, std::size_t num_codecs, const MeasureOptions& options) {
  const std::size_t runs = measurement.compress.seconds.size();
  if (runs < options.min_runs) return false;
  return runs >= kMaxRuns || measurement.spent_seconds * static_cast<double>(num_codecs) >= options.seconds;
}

absl::Status RunInTurns(const Tensor& tensor, const MeasureOptions& options, std::vector<Measurement>& measurements) {
  const std::size_t n = measurements.size();
  for (std::size_t round = 0;; ++round) {
    bool all_done = true;
    for (std::size_t turn = 0; turn < n; ++turn) {
      Measurement& measurement = measurements[(round + turn) % n];  // no codec always follows the same one
      if (IsDone(measurement, n, options)) continue;
      DCAC_RETURN_IF_ERROR(RunOnce(tensor, options, measurement));
      all_done = false;
    }
    if (all_done) return absl::OkStatus();
  }
}

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

// The shares of phases in runs of `work` that go on for so long.
template <typename Work>
absl::StatusOr<PhaseSeconds> ProfilePhases(double seconds, const Work& work) {
  Runs runs;
  const PhaseProfile profile;
  do {
    DCAC_RETURN_IF_ERROR(Time(CLOCK_MONOTONIC, runs, work));
  } while (Sum(runs.seconds) < seconds && runs.seconds.size() < kMaxRuns);
  PhaseSeconds shares = profile.Seconds();
  for (double& share : shares) share /= Sum(runs.seconds);
  return shares;
}

absl::Status Profile(const Tensor& tensor, double seconds, Measurement& measurement) {
  BenchCodec& codec = measurement.codec;
  DCAC_ASSIGN_OR_RETURN(measurement.figures.compress.phases,
                        ProfilePhases(seconds, [&] { return codec.Compress(tensor.spec, tensor.data).status(); }));
  DCAC_ASSIGN_OR_RETURN(const BenchCodec::ByteView compressed, codec.Compress(tensor.spec, tensor.data));
  DCAC_ASSIGN_OR_RETURN(measurement.figures.decompress.phases, ProfilePhases(seconds, [&] {
                          return codec.Decompress(compressed, tensor.data.size()).status();
                        }));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<CodecFigures>> MeasureCodecs(const Tensor& tensor, const std::vector<BenchedCodec>& codecs,
                                                        const MeasureOptions& options) {
  std::vector<Measurement> measurements;
  for (const BenchedCodec& benched : codecs) {
    measurements.push_back({.codec = *benched.codec});
    measurements.back().figures.codec = benched.codec->name();
    measurements.back().figures.is_peer = benched.is_peer;
  }
  for (Measurement& measurement : measurements) DCAC_RETURN_IF_ERROR(Verify(tensor, measurement));
  for (Measurement& measurement : measurements) {
    Measurement warm_up{.codec = measurement.codec};
    DCAC_RETURN_IF_ERROR(RunOnce(tensor, options, warm_up));
  }
  DCAC_RETURN_IF_ERROR(RunInTurns(tensor, options, measurements));
  std::vector<CodecFigures> figures;
  for (Measurement& measurement : measurements) {
    measurement.figures.runs = measurement.compress.seconds.size();
    measurement.figures.compress = measurement.compress.Figures();
    measurement.figures.decompress = measurement.decompress.Figures();
    if (options.profile_phases && !measurement.figures.is_peer) {
      DCAC_RETURN_IF_ERROR(Profile(tensor, options.seconds / static_cast<double>(measurements.size()), measurement));
    }
    figures.push_back(std::move(measurement.figures));
  }
  return figures;
}

}  // namespace dcac::cli
