#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/bench/bench_codec.h"
#include "client/cli/bench/figures.h"
#include "client/cli/bench/figures_report.h"
#include "client/cli/bench/measure.h"
#include "client/cli/bench/read_tensor.h"
#include "client/cli/commands.h"
#include "client/cli/file_run.h"
#include "client/cli/options.h"
#include "core/base/status_macros.h"
#include "core/files/original_file.h"
#include "dcac/simd_target.h"

namespace dcac::cli {
namespace {

struct BenchOptions {
  RunOptions run;
  EncodeOptions encode;
  files::InputFormat format;
  MeasureOptions measure;
  std::vector<int> levels;  // empty: that of `encode`
  std::string peers = "zstd-1,zstd-3,lz4,memcpy";
  std::uint64_t min_bytes = 0;
  std::string target;  // empty: as DCAC_TARGET or the CPU says
};

std::optional<int> ParseLevel(std::string_view text) {
  int level = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (level < EncodeOptions::kMinLevel || level > EncodeOptions::kMaxLevel) return std::nullopt;
  return level;
}

// "1,3,5", "1..9" or both; nothing if it is neither.
std::optional<std::vector<int>> ParseLevels(const std::string& text) {
  std::vector<int> levels;
  for (const auto part : absl::StrSplit(text, ',')) {
    const std::vector<std::string> ends = absl::StrSplit(part, "..");
    const std::optional<int> first = ParseLevel(ends.front()), last = ParseLevel(ends.back());
    if (ends.size() > 2 || !first || !last || *first > *last) return std::nullopt;
    for (int level = *first; level <= *last; ++level) levels.push_back(level);
  }
  return levels;
}

absl::StatusOr<std::vector<BenchedCodec>> MakeCodecs(const BenchOptions& options) {
  std::vector<BenchedCodec> codecs;
  const std::vector<int> given_level = {options.encode.level};
  for (int level : options.levels.empty() ? given_level : options.levels) {
    EncodeOptions encode = options.encode;
    encode.level = level;
    codecs.push_back({.codec = MakeDcacBenchCodec(encode)});
  }
  for (const std::string& peer : std::vector<std::string>(absl::StrSplit(options.peers, ',', absl::SkipEmpty()))) {
    DCAC_ASSIGN_OR_RETURN(std::unique_ptr<BenchCodec> codec, MakePeerBenchCodec(peer));
    codecs.push_back({.codec = std::move(codec), .is_peer = true});
  }
  return codecs;
}

// Nothing of a file that is left out.
absl::StatusOr<std::optional<FileFigures>> BenchFile(const BenchOptions& options, const std::string& file,
                                                     const FileRun& run) {
  DCAC_ASSIGN_OR_RETURN(const Tensor tensor, ReadTensor(file, options.format));
  if (tensor.data.size() < options.min_bytes) return std::optional<FileFigures>();
  DCAC_ASSIGN_OR_RETURN(const std::vector<BenchedCodec> codecs, MakeCodecs(options));
  FileFigures figures{.file = run.name,
                      .spec = tensor.spec,
                      .raw_bytes = tensor.data.size(),
                      .target = std::string(ActiveTarget()),
                      .codecs = {}};
  DCAC_ASSIGN_OR_RETURN(figures.codecs, MeasureCodecs(tensor, codecs, options.measure));
  ReportFile(figures, run.report);
  return std::optional<FileFigures>(std::move(figures));
}

int RunBench(const BenchOptions& options) {
  if (const auto codecs = MakeCodecs(options); !codecs.ok()) {
    return ReportUsageError("--against: " + std::string(codecs.status().message()));
  }
  if (options.measure.profile_phases && options.run.threads != 1) {
    return ReportUsageError(
        absl::StrCat("--profile-phases is given with --threads=", options.run.threads, ", expected --threads=1"));
  }
  if (const absl::Status status = options.target.empty() ? absl::OkStatus() : ForceTarget(options.target);
      !status.ok()) {
    return ReportUsageError(std::string(status.message()));
  }
  KeepFreedMemory();
  ProgressBar progress(false, ProgressBar::Direction::kCompress);
  Report report({.json = options.run.json, .quiet = options.run.quiet}, progress);
  std::vector<FileTask> tasks;
  for (const std::string& file : options.run.files) tasks.push_back({.file = file, .bytes = {}});
  std::vector<FileFigures> measured;  // one file after the other: there is no estimate of memory
  RunOverTasks(
      options.run, {}, tasks,
      [&](std::size_t index, const FileRun& run) -> absl::Status {
        DCAC_ASSIGN_OR_RETURN(std::optional<FileFigures> figures, BenchFile(options, tasks[index].file, run));
        if (figures) measured.push_back(*std::move(figures));
        return absl::OkStatus();
      },
      progress, report);
  if (measured.size() > 1) {
    FileReport summary(report.options());
    ReportSummary(SummarizeFiles(measured), summary);
    report.Results(summary);
  }
  return report.exit_code();
}

void AddLevels(CLI::App& command, BenchOptions& options) {
  command
      .add_option_function<std::string>(
          "--levels",
          [&options](const std::string& text) {
            const std::optional<std::vector<int>> levels = ParseLevels(text);
            if (!levels) throw CLI::ValidationError("--levels=" + text + ": expected levels such as 1,3,5 or 1..9");
            options.levels = *levels;
          },
          "Several levels in one run, such as 1,3,5 or 1..9")
      ->excludes("--level");
}

}  // namespace

void AddBenchCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("bench", "Measure ratio, speed and memory next to other codecs, in memory");
  auto options = std::make_shared<BenchOptions>();
  AddRunOptions(*command, options->run);
  AddEncodeOptions(*command, options->encode);
  AddInputFormat(*command, options->format);
  AddLevels(*command, *options);
  command->add_option("--against", options->peers, "Peers, by comma: zstd-LEVEL, lz4, memcpy")->capture_default_str();
  command->add_option("--min-bytes", options->min_bytes, "Leave out tensors of fewer bytes, such as 256KiB")
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--min-runs", options->measure.min_runs, "Fewest runs of each codec")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command
      ->add_option("--seconds", options->measure.seconds,
                   "How long the runs of a file go on; longer where the fewest runs take longer")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option(
      "--target", options->target,
      "SIMD target of the kernels, such as AVX3, AVX2, SSE4; unless told that of DCAC_TARGET, or the best");
  command->add_flag("--cpu-time", options->measure.cpu_time,
                    "Measure CPU time, of all threads together, in place of wall-clock time: for a busy machine");
  command->add_flag("--profile-phases", options->measure.profile_phases,
                    "What shares of the time search, model, tokens and entropy coding take; with --threads=1");
  command->callback([options, &action] { action = [options] { return RunBench(*options); }; });
}

}  // namespace dcac::cli
