#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/archive_transfer.h"
#include "client/cli/commands.h"
#include "client/cli/directory_run.h"
#include "client/cli/file_run.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "core/base/status_macros.h"

namespace dcac::cli {
namespace {

// Counts what it throws away.
class CountingSink final : public files::ByteSink {
 public:
  explicit CountingSink(ProgressBar& progress) : progress_(progress) {}
  absl::Status Write(std::span<const std::byte> data) override {
    bytes_ += data.size();
    progress_.AddOutput(data.size());
    return absl::OkStatus();
  }
  std::uint64_t bytes() const { return bytes_; }

 private:
  ProgressBar& progress_;
  std::uint64_t bytes_ = 0;
};

absl::Status TestFile(const std::string& file, const FileRun& run) {
  DCAC_ASSIGN_OR_RETURN(files::FileSource input, OpenInput(file));
  ProgressSource source(input, run.progress);
  CountingSink sink(run.progress);
  DCAC_ASSIGN_OR_RETURN(const ArchiveContent content, RestoreArchive(source, run.coder, sink));
  const Json json = {{"file", run.name},
                     {"ok", true},
                     {"file_bytes", sink.bytes()},
                     {"raw_bytes", content.raw_bytes},
                     {"compressed_bytes", source.bytes()}};
  run.report.Result(json, absl::StrCat(OneLine(run.name), ": OK, ", source.bytes(), " => ", sink.bytes(), " bytes"));
  return absl::OkStatus();
}

struct TestOptions {
  RunOptions run;
  DirectoryOptions directories;
};

int RunTest(const TestOptions& options) {
  if (const std::optional<std::string> wrong = CheckDirectoryOptions(options.directories, options.run, nullptr)) {
    return ReportUsageError(*wrong);
  }
  const FileRunSettings settings{
      .direction = ProgressBar::Direction::kDecompress, .data_to_stdout = false, .memory = DecodeMemory()};
  return options.directories.recursive ? RunOverArchives(options.run, options.directories, settings, TestFile)
                                       : RunOverFiles(options.run, settings, TestFile);
}

}  // namespace

void AddTestCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("test", "Decode archives and check them, without writing anything");
  auto options = std::make_shared<TestOptions>();
  AddRunOptions(*command, options->run);
  AddServerOptions(*command, options->run.server);
  AddCodecOption(*command, options->run.server);
  AddDirectoryOptions(*command, options->directories);
  command->callback([options, &action] { action = [options] { return RunTest(*options); }; });
}

}  // namespace dcac::cli
