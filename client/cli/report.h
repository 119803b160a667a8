// What the program says: results to stdout, all else to stderr.
#ifndef DCAC_CLIENT_CLI_REPORT_H_
#define DCAC_CLIENT_CLI_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/progress_bar.h"

namespace dcac::cli {

using Json = nlohmann::ordered_json;

// Prints the one line of a usage error; returns the exit code for it.
int ReportUsageError(std::string_view what);

// Text that quotes a file, a library or a server, so that it stays one line.
std::string OneLine(std::string_view text);

// Prints the one line of an error that belongs to no input file; returns the exit code for it.
int ReportOtherError(std::string_view what);

// Sends what stdout still holds.  Returns `exit_code`, or that of a failure where results were lost.
int FlushResults(int exit_code);

// Marks an error as a server's answer, or as its absence: it leads to exit code 4 and not to 1.
absl::Status MarkFromServer(absl::Status status);

struct ReportOptions {
  bool json = false;
  bool quiet = false;
  bool results_to_stderr = false;  // stdout carries data
};

// Marks an error as one of what the user asked for: it leads to exit code 2.
absl::Status MarkUsage(absl::Status status);

// What is to be said of one file, kept until its turn comes: several files are worked on at once.
class FileReport {
 public:
  explicit FileReport(const ReportOptions& options) : options_(options) {}

  bool json() const { return options_.json; }

  // A result of the file: `json` with --json, else `text` unless quiet.
  void Result(const Json& json, std::string_view text);

  const std::vector<std::string>& lines() const { return lines_; }

 private:
  const ReportOptions& options_;
  std::vector<std::string> lines_;
};

// Prints the outcome of a run over files.  One thread at a time may use it.
class Report {
 public:
  Report(const ReportOptions& options, ProgressBar& progress) : options_(options), progress_(progress) {}

  const ReportOptions& options() const { return options_; }

  void Results(const FileReport& report);

  // That `file` failed.
  void Failure(std::string_view file, const absl::Status& status);

  // A remark about the run for people.
  void Note(std::string_view text);

  // Corrupt data weighs more than an unreachable server, and that more than other failures.
  int exit_code() const { return exit_code_; }

 private:
  ReportOptions options_;
  ProgressBar& progress_;
  int exit_code_ = 0;
};

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_REPORT_H_
