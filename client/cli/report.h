// What the program says: results to stdout, all else to stderr.
#ifndef DCAC_CLIENT_CLI_REPORT_H_
#define DCAC_CLIENT_CLI_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "client/cli/progress_bar.h"

namespace dcac::cli {

using Json = nlohmann::ordered_json;

// Prints the one line of a usage error; returns the exit code for it.
int ReportUsageError(std::string_view what);

// Marks an error as a server's answer, or as its absence: it leads to exit code 4 and not to 1.
absl::Status MarkFromServer(absl::Status status);

struct ReportOptions {
  bool json = false;
  bool quiet = false;
  bool results_to_stderr = false;  // stdout carries data
};

// Collects the outcome of a run over files.
class Report {
 public:
  // `progress` is cleared before anything is printed.
  Report(const ReportOptions& options, ProgressBar& progress) : options_(options), progress_(progress) {}

  bool json() const { return options_.json; }

  // The result of a file: `json` with --json, else `text` unless quiet.
  void Result(const Json& json, std::string_view text);

  // That `file` failed.
  void Failure(std::string_view file, const absl::Status& status);

  // Corrupt data weighs more than an unreachable server, and that more than other failures.
  int exit_code() const { return exit_code_; }

 private:
  ReportOptions options_;
  ProgressBar& progress_;
  int exit_code_ = 0;
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_REPORT_H_
