#include "client/cli/file_run.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "client/cli/file_pipeline.h"
#include "core/base/memory_budget.h"

namespace dcac::cli {
namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
constexpr std::uint64_t kBuffersBytes = 8 * kMebibyte;  // of reading, writing and pending output
constexpr std::uint64_t kSmallFileBytes = 16 * kMebibyte;

std::string DisplayName(const std::string& file) {
  return file == kStandardStream ? "stdin" : file;
}

// What is known of a file before it is opened; nothing for what has no size.
std::optional<std::uint64_t> SizeOf(const std::string& file) {
  struct stat info;
  if (file == kStandardStream) return std::nullopt;
  if (::stat(file.c_str(), &info) != 0) return 0;  // will fail, and read nothing
  if (!S_ISREG(info.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(info.st_size);
}

struct Outcome {
  std::unique_ptr<FileReport> report;
  absl::Status status;
};

std::optional<std::uint64_t> TotalBytes(const std::vector<FileTask>& tasks) {
  std::uint64_t total = 0;
  for (const FileTask& task : tasks) {
    if (!task.bytes) return std::nullopt;
    total += *task.bytes;
  }
  return total;
}

}  // namespace

MemoryEstimate CompressMemory(std::uint64_t segment_bytes) {
  return [segment_bytes](std::uint64_t file_bytes) -> std::optional<std::uint64_t> {
    // The search for reference planes holds about 60 bytes for each sample of the segment in work.
    constexpr std::uint64_t kScratchBytesPerSample = 60;
    if (file_bytes > kSmallFileBytes) return std::nullopt;
    return kBuffersBytes + 2 * file_bytes + kScratchBytesPerSample * std::min(file_bytes, segment_bytes);
  };
}

MemoryEstimate DecodeMemory() {
  return [](std::uint64_t file_bytes) -> std::optional<std::uint64_t> {
    // Whatever the ratio, a decoder with one thread holds a slab; the common ones are a few segments.
    constexpr std::uint64_t kSlabBytes = 64 * kMebibyte;
    if (file_bytes > kSmallFileBytes) return std::nullopt;
    return kBuffersBytes + file_bytes + kSlabBytes;
  };
}

int RunOverFiles(const RunOptions& options, const FileRunSettings& settings, const FileFunction& function) {
  std::vector<FileTask> tasks;
  for (const std::string& file : options.files) tasks.push_back({.file = file, .bytes = SizeOf(file)});
  ProgressBar progress(!options.quiet && !options.json, settings.direction);
  Report report({.json = options.json, .quiet = options.quiet, .results_to_stderr = settings.data_to_stdout}, progress);
  RunOverTasks(
      options, settings, tasks, [&](std::size_t index, const FileRun& run) { return function(tasks[index].file, run); },
      progress, report);
  return report.exit_code();
}

void RunOverTasks(const RunOptions& options, const FileRunSettings& settings, const std::vector<FileTask>& tasks,
                  const TaskFunction& function, ProgressBar& progress, Report& report) {
  progress.SetTotal(TotalBytes(tasks));
  const absl::StatusOr<std::unique_ptr<FrameCoder>> coder = MakeFrameCoder(options.server);
  if (!coder.ok()) return report.Failure(options.server.targets, coder.status());
  std::vector<Outcome> outcomes(tasks.size());
  const PipelineWork work{
      .count = tasks.size(),
      .memory_bytes = [&](std::size_t index) -> std::optional<std::uint64_t> {
        if (!settings.memory) return std::nullopt;
        // Of what a server works on, only the bytes in transit are here; it bounds the work of its clients itself.
        if (options.server.works() && options.server.codec == CodecPlace::kServer) return kBuffersBytes;
        return tasks[index].bytes ? settings.memory(*tasks[index].bytes) : std::nullopt;
      },
      .run =
          [&](std::size_t index) {
            outcomes[index].report = std::make_unique<FileReport>(report.options());
            const FileRun run{DisplayName(tasks[index].file), **coder, progress, *outcomes[index].report};
            outcomes[index].status = function(index, run);
          },
      .completed =
          [&](std::size_t index) {
            const Outcome outcome = std::move(outcomes[index]);
            report.Results(*outcome.report);
            if (!outcome.status.ok()) report.Failure(DisplayName(tasks[index].file), outcome.status);
          }};
  RunPipeline({.threads = options.threads, .memory_bytes = options.memory_bytes.value_or(DefaultMemoryBytes())}, work);
}

double Ratio(std::uint64_t raw_bytes, std::uint64_t stored_bytes) {
  if (raw_bytes == 0 || stored_bytes == 0) return 1;
  return static_cast<double>(raw_bytes) / static_cast<double>(stored_bytes);
}

std::string RatioText(std::uint64_t raw_bytes, std::uint64_t stored_bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", Ratio(raw_bytes, stored_bytes));
  return text;
}

double MegabytesPerSecond(std::uint64_t bytes, double seconds) {
  constexpr double kMegabyte = 1e6, kShortest = 1e-9;
  return static_cast<double>(bytes) / kMegabyte / std::max(seconds, kShortest);
}

}  // namespace dcac::cli
