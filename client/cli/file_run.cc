#include "client/cli/file_run.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "client/cli/exit_code.h"
#include "client/cli/thread_scope.h"

namespace dcac::cli {
namespace {

// Nothing when the size of some input is unknown.
std::optional<std::uint64_t> TotalBytes(const std::vector<std::string>& files) {
  std::uint64_t total = 0;
  for (const std::string& file : files) {
    struct stat info;
    if (file == kStandardStream) return std::nullopt;
    if (::stat(file.c_str(), &info) != 0) continue;  // will fail, and read nothing
    if (!S_ISREG(info.st_mode)) return std::nullopt;
    total += static_cast<std::uint64_t>(info.st_size);
  }
  return total;
}

std::string DisplayName(const std::string& file) {
  return file == kStandardStream ? "stdin" : file;
}

}  // namespace

int RunOverFiles(const RunOptions& options, ProgressBar::Direction direction, bool data_to_stdout,
                 const FileFunction& function) {
  ProgressBar progress(!options.quiet && !options.json, direction);
  progress.SetTotal(TotalBytes(options.files));
  Report report({.json = options.json, .quiet = options.quiet, .results_to_stderr = data_to_stdout}, progress);
  absl::StatusOr<std::unique_ptr<FrameCoder>> coder = MakeFrameCoder(options.server);
  if (!coder.ok()) {
    report.Failure(options.server, coder.status());
    return report.exit_code();
  }
  ThreadScope threads(options.threads);
  for (const std::string& file : options.files) {
    const FileRun run{DisplayName(file), **coder, progress, report};
    const absl::Status status = threads.Run([&] { return function(file, run); });
    if (!status.ok()) report.Failure(run.name, status);
  }
  return report.exit_code();
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
