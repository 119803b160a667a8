#include <chrono>
#include <memory>
#include <optional>
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

struct DecompressOptions {
  RunOptions run;
  DirectoryOptions directories;
  OutputOptions output;
};

absl::StatusOr<std::string> OutputPath(const OutputOptions& options, const std::string& file) {
  if (WritesToStdout(options, file)) return std::string(kStandardStream);
  if (options.output) return *options.output;
  const std::string extension = kArchiveExtension;
  if (file.size() <= extension.size() || !file.ends_with(extension)) {
    return absl::InvalidArgumentError(absl::StrCat("does not end in ", extension, ", expected that or -o"));
  }
  return file.substr(0, file.size() - extension.size());
}

absl::Status DecompressFile(const DecompressOptions& options, const std::string& file, const FileRun& run) {
  const auto start = std::chrono::steady_clock::now();
  DCAC_ASSIGN_OR_RETURN(const std::string output_path, OutputPath(options.output, file));
  DCAC_ASSIGN_OR_RETURN(files::FileSource input, OpenInput(file));
  ProgressSource source(input, run.progress);
  DCAC_ASSIGN_OR_RETURN(Output output, Output::Open(output_path, options.output.force, input, run.progress));
  DCAC_ASSIGN_OR_RETURN(const RestoredFile restored, RestoreArchive(source, run.coder, output));
  DCAC_RETURN_IF_ERROR(output.Commit());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (options.output.remove_source) {
    DCAC_RETURN_IF_ERROR(RemoveCompared(file, file, output_path, run.coder));
  }
  const double speed = MegabytesPerSecond(restored.tensor_bytes, seconds.count());
  const Json json = {{"file", run.name},
                     {"output", output_path},
                     {"dtype", DTypeName(restored.spec.dtype)},
                     {"shape", restored.spec.shape},
                     {"file_bytes", output.bytes()},
                     {"raw_bytes", restored.tensor_bytes},
                     {"compressed_bytes", source.bytes()},
                     {"decompress_mb_per_s", speed}};
  std::string text = absl::StrCat(run.name, ": ", source.bytes(), " => ", output.bytes(), " bytes");
  if (output_path != kStandardStream) absl::StrAppend(&text, ", ", output_path);
  if (options.run.verbose) absl::StrAppend(&text, ", ", speed, " MB/s");
  run.report.Result(json, text);
  return absl::OkStatus();
}

// What is no archive is left alone.
std::optional<std::string> OutputInTree(const std::string& file, bool /*mirrored*/) {
  const absl::StatusOr<std::string> output = OutputPath({}, file);
  if (!output.ok() || output->ends_with('/')) return std::nullopt;
  return *output;
}

int DecompressFolders(const DecompressOptions& options) {
  DirectoryVerb verb;
  verb.run.direction = ProgressBar::Direction::kDecompress;
  verb.run.memory = DecodeMemory();
  verb.settings = {{"verb", "decompress"}};
  verb.keeps_journal = false;  // the tree that comes back is the original one
  verb.output_of = OutputInTree;
  verb.work = [&](const std::string& file, const OutputOptions& output, const FileRun& run) {
    DecompressOptions file_options = options;
    file_options.output = output;
    return DecompressFile(file_options, file, run);
  };
  verb.compare = CompareWithArchive;
  return RunOverDirectories(options.run, options.directories, options.output, verb);
}

int RunDecompress(const DecompressOptions& options) {
  if (const std::optional<std::string> wrong =
          CheckDirectoryOptions(options.directories, options.run, &options.output)) {
    return ReportUsageError(*wrong);
  }
  if (const std::optional<std::string> wrong =
          CheckOptions(options.run, options.output, options.directories.recursive)) {
    return ReportUsageError(*wrong);
  }
  if (options.directories.recursive) return DecompressFolders(options);
  const bool data_to_stdout = WritesToStdout(options.output, options.run.files.front());
  // On stdout the files follow each other.
  return RunOverFiles(options.run,
                      {.direction = ProgressBar::Direction::kDecompress,
                       .data_to_stdout = data_to_stdout,
                       .memory = data_to_stdout ? MemoryEstimate() : DecodeMemory()},
                      [&](const std::string& file, const FileRun& run) { return DecompressFile(options, file, run); });
}

}  // namespace

void AddDecompressCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("decompress", "Restore FILE from FILE.dcac");
  auto options = std::make_shared<DecompressOptions>();
  AddRunOptions(*command, options->run);
  AddServerOption(*command, options->run);
  AddDirectoryOptions(*command, options->directories);
  AddResumeOption(*command, options->directories);
  AddOutputOptions(*command, options->output);
  command->callback([options, &action] { action = [options] { return RunDecompress(*options); }; });
}

}  // namespace dcac::cli
