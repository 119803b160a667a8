// Runs over everything below folders (-r): what a tree holds besides files, the journal, --resume.
#ifndef DCAC_CLIENT_CLI_DIRECTORY_RUN_H_
#define DCAC_CLIENT_CLI_DIRECTORY_RUN_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/file_run.h"
#include "client/cli/frame_coder.h"
#include "client/cli/journal.h"
#include "client/cli/options.h"

namespace dcac::cli {

struct DirectoryOptions {
  bool recursive = false;  // the files of RunOptions are folders
  bool resume = false;
  std::vector<std::string> excludes;
};

// Adds -r and --exclude.
void AddDirectoryOptions(CLI::App& command, DirectoryOptions& options);

// Adds --resume, for verbs that write.
void AddResumeOption(CLI::App& command, DirectoryOptions& options);

// What is wrong with the combination, if anything.  `output`: null for verbs that write nothing.
std::optional<std::string> CheckDirectoryOptions(const DirectoryOptions& directories, const RunOptions& run,
                                                 const OutputOptions* output);

// A verb that writes a file for each file.
struct DirectoryVerb {
  FileRunSettings run;

  // The verb and what decides its outputs: a run with other settings cannot be resumed.
  JournalSettings settings;

  // Whether the journal is kept after a run in which everything was done.
  bool keeps_journal = false;

  // The output of a file beside it, by its path; nothing: the file is none for this verb.  `mirrored`: the output goes
  // to a tree of its own, from which the whole tree is to come back.
  std::function<std::optional<std::string>(const std::string& file, bool mirrored)> output_of;

  // Does one file.
  std::function<absl::Status(const std::string& file, const OutputOptions& output, const FileRun& run)> work;

  // Whether `output` holds what `work` would write for `file`.  Errors: DataLoss (it does not).
  std::function<absl::Status(const std::string& file, const std::string& output, FrameCoder& coder)> compare;
};

// Does every file below the folders `run.files`: outputs lie beside the files, or in a tree of the same shape with -o.
// The latter gets the folders and symbolic links too.  Returns the exit code.
int RunOverDirectories(const RunOptions& run, const DirectoryOptions& directories, const OutputOptions& output,
                       const DirectoryVerb& verb);

// Calls `function` for every archive below the folders `run.files`.  Returns the exit code.
int RunOverArchives(const RunOptions& run, const DirectoryOptions& directories, const FileRunSettings& settings,
                    const FileFunction& function);

}  // namespace dcac::cli

#endif  // DCAC_CLIENT_CLI_DIRECTORY_RUN_H_
