// What verbs that ask a server say.
#ifndef DCAC_CLIENT_CLI_SERVER_REPORT_H_
#define DCAC_CLIENT_CLI_SERVER_REPORT_H_

#include <string>

#include "absl/status/status.h"
#include "client/cli/report.h"
#include "client/cli/server_options.h"

namespace dcac::cli {

// Prints `json` or `text`; returns the exit code.
int ReportServerResult(const Json& json, const std::string& text, bool as_json);

// Prints `status`, an error of a call or of ConnectToServer; returns the exit code.
int ReportServerFailure(const ServerOptions& server, const absl::Status& status, bool json);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_SERVER_REPORT_H_
