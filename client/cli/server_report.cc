#include "client/cli/server_report.h"

#include "client/cli/progress_bar.h"

namespace dcac::cli {

int ReportServerResult(const Json& json, const std::string& text, bool as_json) {
  ProgressBar progress(false, ProgressBar::Direction::kCompress);
  Report report({.json = as_json}, progress);
  FileReport result(report.options());
  result.Result(json, text);
  report.Results(result);
  return report.exit_code();
}

int ReportServerFailure(const ServerOptions& server, const absl::Status& status, bool json) {
  ProgressBar progress(false, ProgressBar::Direction::kCompress);
  Report report({.json = json}, progress);
  report.Failure(server.targets, status);
  return report.exit_code();
}

}  // namespace dcac::cli
