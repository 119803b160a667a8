#include "client/cli/report.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "client/cli/exit_code.h"

namespace dcac::cli {
namespace {

constexpr char kFromServer[] = "dcac/from-server";
constexpr char kUsage[] = "dcac/usage";

int ExitCodeOf(const absl::Status& status) {
  if (status.code() == absl::StatusCode::kDataLoss) return kExitCorrupt;
  if (status.GetPayload(kUsage)) return kExitUsage;
  return status.GetPayload(kFromServer) ? kExitServer : kExitFailed;
}

int Weight(int exit_code) {
  switch (exit_code) {
    case kExitCorrupt:
      return 3;
    case kExitServer:
    case kExitUsage:
      return 2;
    default:
      return exit_code;
  }
}

// Of the first line that stdout did not take; 0: none.  The stream remembers no more than that it failed.
int lost_line_error = 0;

std::string ErrorLine(std::string_view what) {
  return "dcac: " + OneLine(what);
}

}  // namespace

int ReportUsageError(std::string_view what) {
  std::cerr << ErrorLine(what) << std::endl;
  return kExitUsage;
}

std::string OneLine(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return line;
}

int ReportOtherError(std::string_view what) {
  std::cerr << ErrorLine(what) << std::endl;
  return kExitFailed;
}

int FlushResults(int exit_code) {
  std::cout.flush();
  if (std::cout) return exit_code;
  // Text that is no line of results is written right before, so that errno tells why it was not.
  const int error = lost_line_error != 0 ? lost_line_error : errno != 0 ? errno : EIO;
  const int failed = ReportOtherError(absl::StrCat("standard output: ", std::strerror(error)));
  return exit_code == 0 ? failed : exit_code;
}

absl::Status MarkFromServer(absl::Status status) {
  if (!status.ok()) status.SetPayload(kFromServer, absl::Cord());
  return status;
}

absl::Status MarkUsage(absl::Status status) {
  if (!status.ok()) status.SetPayload(kUsage, absl::Cord());
  return status;
}

void FileReport::Result(const Json& json, std::string_view text) {
  if (options_.json) {
    // Names of files need not be valid UTF-8.
    lines_.push_back(json.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else if (!options_.quiet) {
    lines_.emplace_back(text);
  }
}

void Report::Results(const FileReport& report) {
  std::ostream& out = options_.results_to_stderr ? std::cerr : std::cout;
  for (const std::string& line : report.lines()) {
    progress_.PrintLine(out, line);
    if (!std::cout && lost_line_error == 0) lost_line_error = errno;
  }
}

void Report::Failure(std::string_view file, const absl::Status& status) {
  const std::string message(status.message());
  progress_.PrintLine(std::cerr, ErrorLine(std::string(file) + ": " + message));
  if (options_.json) {
    FileReport report(options_);
    report.Result({{"file", file}, {"error", OneLine(message)}, {"status", absl::StatusCodeToString(status.code())}},
                  "");
    Results(report);
  }
  const int exit_code = ExitCodeOf(status);
  if (Weight(exit_code) > Weight(exit_code_)) exit_code_ = exit_code;
}

void Report::Note(std::string_view text) {
  if (!options_.quiet && !options_.json) progress_.PrintLine(std::cerr, ErrorLine(text));
}

}  // namespace dcac::cli
