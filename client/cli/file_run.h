// A run of a verb over its files: threads, codec, progress and outcome are the same for all verbs.
#ifndef DCAC_CLIENT_CLI_FILE_RUN_H_
#define DCAC_CLIENT_CLI_FILE_RUN_H_

#include <cstdint>
#include <functional>
#include <string>

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
  Report& report;
};

// Does one file: reports its result, or returns what went wrong.
using FileFunction = std::function<absl::Status(const std::string& file, const FileRun& run)>;

// Calls `function` for each file, reports failures, goes on.  Returns the exit code.
int RunOverFiles(const RunOptions& options, ProgressBar::Direction direction, bool data_to_stdout,
                 const FileFunction& function);

// Raw bytes over stored bytes; 1 for empty ones.
double Ratio(std::uint64_t raw_bytes, std::uint64_t stored_bytes);

// "2.438".
std::string RatioText(std::uint64_t raw_bytes, std::uint64_t stored_bytes);

// In units of 10^6 bytes.
double MegabytesPerSecond(std::uint64_t bytes, double seconds);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_FILE_RUN_H_
