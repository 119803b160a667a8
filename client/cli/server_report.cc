#include "client/cli/server_report.h"

#include <iostream>

#include "client/cli/exit_code.h"
#include "client/cli/progress_bar.h"

namespace dcac::cli {

int ReportServerResult(const Json& json, const std::string& text, bool as_json) {
  const ReportOptions options{.json = as_json};
  FileReport report(options);
  report.Result(json, text);
  for (const std::string& line : report.lines()) std::cout << line << std::endl;
  return std::cout ? kExitOk : kExitFailed;
}

int ReportServerFailure(const ServerOptions& server, const absl::Status& status, bool json) {
  ProgressBar progress(false, ProgressBar::Direction::kCompress);
  Report report({.json = json}, progress);
  report.Failure(server.targets, status);
  return report.exit_code();
}

}  // namespace dcac::cli
