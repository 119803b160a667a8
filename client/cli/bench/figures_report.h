// The figures of `dcac bench` as JSON, for scripts, and as tables, for people.
#ifndef DCAC_CLIENT_CLI_BENCH_FIGURES_REPORT_H_
#define DCAC_CLIENT_CLI_BENCH_FIGURES_REPORT_H_

#include <vector>

#include "client/cli/bench/figures.h"
#include "client/cli/report.h"

namespace dcac::cli {

// One line of JSON for each codec, or one table.
void ReportFile(const FileFigures& file, FileReport& report);

// The same for all files together, by type: medians, and how many times as fast as each peer.
void ReportSummary(const std::vector<GroupFigures>& groups, FileReport& report);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_BENCH_FIGURES_REPORT_H_
