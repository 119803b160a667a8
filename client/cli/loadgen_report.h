// What `dcac loadgen` says about a load.
#ifndef DCAC_CLIENT_CLI_LOADGEN_REPORT_H_
#define DCAC_CLIENT_CLI_LOADGEN_REPORT_H_

#include <string>

#include "client/cli/report.h"
#include "client/loadgen/load.h"

namespace dcac::cli {

Json ToJson(const loadgen::LoadOptions& options, const loadgen::LoadResult& result);
std::string ToText(const loadgen::LoadOptions& options, const loadgen::LoadResult& result);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_LOADGEN_REPORT_H_
