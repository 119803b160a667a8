// What verbs of the store say of objects.
#ifndef DCAC_CLIENT_CLI_STORE_REPORT_H_
#define DCAC_CLIENT_CLI_STORE_REPORT_H_

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "client/cli/report.h"
#include "client/cli/server_options.h"
#include "dcac/client_store.h"

namespace dcac::cli {

Json ToJson(const client::StoredObject& object);

// "90s", "12m", "3h", "2d".
std::string AgeText(std::chrono::system_clock::duration age);

// What is left of the time to live; "-": it has no end.
std::string TtlText(const client::StoredObject& object, std::chrono::system_clock::time_point now);

// Connects, does `work` on the store and prints what it reports, or its error; returns the exit code.
int RunOnStore(const ServerOptions& server, bool json,
               const std::function<absl::Status(const client::Store& store, Report& report)>& work);

// Prints one result through `report`.
void PrintResult(Report& report, const Json& json, const std::string& text);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_STORE_REPORT_H_
