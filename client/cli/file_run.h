// A run of a verb over its files: threads, codec, progress and outcome are the same for all verbs.
#ifndef DCAC_CLIENT_CLI_FILE_RUN_H_
#define DCAC_CLIENT_CLI_FILE_RUN_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/frame_coder.h"
#include "client/cli/options.h"
#include "client/cli/progress_bar.h"
#include "client/cli/report.h"

namespace dcac::cli {

// What a verb may use while it works on a file.
struct FileRun {
  std::string name;  // of the file, as it is shown
  FrameCoder& coder;
  ProgressBar& progress;
  FileReport& report;
};

// Does one file: reports its result, or returns what went wrong.  Several threads may call it, each for another file.
using FileFunction = std::function<absl::Status(const std::string& file, const FileRun& run)>;

// How much memory the work on a file of so many bytes takes on one thread; nothing: it is to have all threads.
using MemoryEstimate = std::function<std::optional<std::uint64_t>(std::uint64_t file_bytes)>;

// Estimates for compressing into segments of `segment_bytes`, and for decoding.
MemoryEstimate CompressMemory(std::uint64_t segment_bytes);
MemoryEstimate DecodeMemory();

struct FileRunSettings {
  ProgressBar::Direction direction = ProgressBar::Direction::kCompress;
  bool data_to_stdout = false;
  MemoryEstimate memory;  // empty: one file after the other
};

// Calls `function` for each file, several at once where there is an estimate, reports their results and failures in the
// order of the files, goes on after failures.  Returns the exit code.
int RunOverFiles(const RunOptions& options, const FileRunSettings& settings, const FileFunction& function);

struct FileTask {
  std::string file;
  std::optional<std::uint64_t> bytes;  // that will be read; nothing: unknown
};

// Does task `index`.
using TaskFunction = std::function<absl::Status(std::size_t index, const FileRun& run)>;

// RunOverFiles for files that were not named one by one.
void RunOverTasks(const RunOptions& options, const FileRunSettings& settings, const std::vector<FileTask>& tasks,
                  const TaskFunction& function, ProgressBar& progress, Report& report);

// Raw bytes over stored bytes; 1 for empty ones.
double Ratio(std::uint64_t raw_bytes, std::uint64_t stored_bytes);

// "2.438".
std::string RatioText(std::uint64_t raw_bytes, std::uint64_t stored_bytes);

// In units of 10^6 bytes.
double MegabytesPerSecond(std::uint64_t bytes, double seconds);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_FILE_RUN_H_
