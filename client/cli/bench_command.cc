#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/archive_transfer.h"
#include "client/cli/bench/bench_codec.h"
#include "client/cli/bench/peak_memory.h"
#include "client/cli/commands.h"
#include "client/cli/file_run.h"
#include "client/cli/options.h"
#include "core/base/status_macros.h"
#include "core/files/original_file.h"

namespace dcac::cli {
namespace {

struct BenchOptions {
  RunOptions run;
  EncodeOptions encode;
  files::InputFormat format;
  std::string peers = "zstd-1,zstd-3,lz4,memcpy";
  int min_runs = 5;
};

// Rounds go on until they have taken this long, so that small files are measured often enough.
constexpr double kMinSeconds = 0.3;
constexpr std::size_t kMaxRuns = 1000;

struct Measurement {
  std::unique_ptr<BenchCodec> codec;
  std::uint64_t compressed_bytes = 0;
  std::optional<std::uint64_t> peak_memory_bytes;
  std::vector<double> compress_seconds;
  std::vector<double> decompress_seconds;
};

double Best(const std::vector<double>& seconds) {
  return *std::min_element(seconds.begin(), seconds.end());
}

double Median(std::vector<double> seconds) {
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

absl::StatusOr<Tensor> ReadTensor(const std::string& file, const files::InputFormat& format) {
  DCAC_ASSIGN_OR_RETURN(files::FileSource input, OpenInput(file));
  if (!input.size()) return absl::InvalidArgumentError("is no regular file, expected one");
  files::PushbackSource source(input);
  DCAC_ASSIGN_OR_RETURN(const files::OriginalFile original, files::ReadOriginal(input, source, format));
  const std::vector<files::Piece>& pieces = original.head.pieces;
  const auto is_tensor = [](const files::Piece& piece) { return piece.kind == files::PieceKind::kTensor; };
  if (const auto tensors = std::count_if(pieces.begin(), pieces.end(), is_tensor); tensors != 1) {
    return absl::InvalidArgumentError(absl::StrCat("holds ", tensors, " tensors, expected one"));
  }
  const auto piece = std::find_if(pieces.begin(), pieces.end(), is_tensor);
  const auto offset = files::PieceOffsets(original.head)[static_cast<std::size_t>(piece - pieces.begin())];
  Tensor tensor{{}, std::vector<std::byte>(static_cast<std::size_t>(piece->bytes))};
  DCAC_RETURN_IF_ERROR(input.ReadAt(offset, tensor.data));
  files::MemorySource samples(tensor.data);
  files::PushbackSource first_samples(samples);
  DCAC_ASSIGN_OR_RETURN(tensor.spec, files::SpecOfNextPiece(original.head, *piece, format, first_samples));
  return tensor;
}

absl::StatusOr<std::vector<Measurement>> MakeMeasurements(const BenchOptions& options) {
  std::vector<Measurement> measurements;
  measurements.push_back({.codec = MakeDcacBenchCodec(options.encode)});
  for (const std::string& peer : std::vector<std::string>(absl::StrSplit(options.peers, ',', absl::SkipEmpty()))) {
    DCAC_ASSIGN_OR_RETURN(std::unique_ptr<BenchCodec> codec, MakePeerBenchCodec(peer));
    measurements.push_back({.codec = std::move(codec)});
  }
  return measurements;
}

// One round trip, not timed: nothing is measured of a codec that does not restore.
absl::Status Verify(const Tensor& tensor, Measurement& measurement) {
  const PeakMemory memory;
  DCAC_ASSIGN_OR_RETURN(const auto compressed, measurement.codec->Compress(tensor.spec, tensor.data));
  DCAC_ASSIGN_OR_RETURN(const auto restored, measurement.codec->Decompress(compressed, tensor.data.size()));
  measurement.peak_memory_bytes = memory.Bytes();
  measurement.compressed_bytes = compressed.size();
  if (restored != tensor.data) {
    return absl::DataLossError(measurement.codec->name() + " restored other samples, expected equality");
  }
  return absl::OkStatus();
}

absl::Status TimeOnce(const Tensor& tensor, Measurement& measurement) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  const auto start = Clock::now();
  DCAC_ASSIGN_OR_RETURN(const auto compressed, measurement.codec->Compress(tensor.spec, tensor.data));
  const auto middle = Clock::now();
  DCAC_ASSIGN_OR_RETURN(const auto restored, measurement.codec->Decompress(compressed, tensor.data.size()));
  const auto end = Clock::now();
  measurement.compress_seconds.push_back(seconds(middle - start));
  measurement.decompress_seconds.push_back(seconds(end - middle));
  return absl::OkStatus();
}

// Codecs take turns, so that a change of the machine's speed meets all of them.
absl::Status Measure(const BenchOptions& options, const Tensor& tensor, std::vector<Measurement>& measurements) {
  for (Measurement& measurement : measurements) DCAC_RETURN_IF_ERROR(Verify(tensor, measurement));
  double total_seconds = 0;
  for (std::size_t run = 0; run < kMaxRuns; ++run) {
    if (run >= static_cast<std::size_t>(options.min_runs) && total_seconds >= kMinSeconds) break;
    for (Measurement& measurement : measurements) {
      DCAC_RETURN_IF_ERROR(TimeOnce(tensor, measurement));
      total_seconds += measurement.compress_seconds.back() + measurement.decompress_seconds.back();
    }
  }
  return absl::OkStatus();
}

Json ToJson(const std::string& name, const Tensor& tensor, const Measurement& measurement) {
  const std::uint64_t raw_bytes = tensor.data.size();
  Json json = {{"file", name},
               {"codec", measurement.codec->name()},
               {"dtype", DTypeName(tensor.spec.dtype)},
               {"shape", tensor.spec.shape},
               {"raw_bytes", raw_bytes},
               {"compressed_bytes", measurement.compressed_bytes},
               {"ratio", Ratio(raw_bytes, measurement.compressed_bytes)},
               {"compress_mb_per_s", MegabytesPerSecond(raw_bytes, Median(measurement.compress_seconds))},
               {"compress_mb_per_s_best", MegabytesPerSecond(raw_bytes, Best(measurement.compress_seconds))},
               {"decompress_mb_per_s", MegabytesPerSecond(raw_bytes, Median(measurement.decompress_seconds))},
               {"decompress_mb_per_s_best", MegabytesPerSecond(raw_bytes, Best(measurement.decompress_seconds))},
               {"runs", measurement.compress_seconds.size()},
               {"peak_memory_bytes", nullptr}};
  if (measurement.peak_memory_bytes) json["peak_memory_bytes"] = *measurement.peak_memory_bytes;
  return json;
}

std::string ToText(const Json& json) {
  char text[160];
  std::snprintf(text, sizeof text, "  %-12s %7.3f %10.1f (%.1f) %10.1f (%.1f) MB/s, ",
                json["codec"].get<std::string>().c_str(), json["ratio"].get<double>(),
                json["compress_mb_per_s"].get<double>(), json["compress_mb_per_s_best"].get<double>(),
                json["decompress_mb_per_s"].get<double>(), json["decompress_mb_per_s_best"].get<double>());
  return text + json["peak_memory_bytes"].dump() + " bytes";
}

absl::Status BenchFile(const BenchOptions& options, const std::string& file, const FileRun& run) {
  DCAC_ASSIGN_OR_RETURN(const Tensor tensor, ReadTensor(file, options.format));
  DCAC_ASSIGN_OR_RETURN(std::vector<Measurement> measurements, MakeMeasurements(options));
  DCAC_RETURN_IF_ERROR(Measure(options, tensor, measurements));
  std::string text = run.name + ": ratio, compress median (best), decompress median (best), peak memory";
  for (const Measurement& measurement : measurements) {
    const Json json = ToJson(run.name, tensor, measurement);
    if (run.report.json()) {
      run.report.Result(json, "");
    } else {
      text += "\n" + ToText(json);
    }
  }
  if (!run.report.json()) run.report.Result({}, text);
  return absl::OkStatus();
}

int RunBench(const BenchOptions& options) {
  if (const auto measurements = MakeMeasurements(options); !measurements.ok()) {
    return ReportUsageError("--against: " + std::string(measurements.status().message()));
  }
  return RunOverFiles(options.run, {.direction = ProgressBar::Direction::kCompress},
                      [&](const std::string& file, const FileRun& run) { return BenchFile(options, file, run); });
}

}  // namespace

void AddBenchCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("bench", "Measure ratio, speed and memory next to other codecs, in memory");
  auto options = std::make_shared<BenchOptions>();
  AddRunOptions(*command, options->run);
  AddEncodeOptions(*command, options->encode);
  AddInputFormat(*command, options->format);
  command->add_option("--against", options->peers, "Peers, by comma: zstd-LEVEL, lz4, memcpy")->capture_default_str();
  command->add_option("--min-runs", options->min_runs, "Fewest runs of each codec")
      ->check(CLI::Range(5, 1000))
      ->capture_default_str();
  command->callback([options, &action] { action = [options] { return RunBench(*options); }; });
}

}  // namespace dcac::cli
