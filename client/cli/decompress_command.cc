#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/archive_transfer.h"
#include "client/cli/commands.h"
#include "client/cli/directory_run.h"
#include "client/cli/file_run.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "client/cli/tensor_extract.h"
#include "core/base/status_macros.h"
#include "core/files/printable.h"

namespace dcac::cli {
namespace {

struct DecompressOptions {
  RunOptions run;
  DirectoryOptions directories;
  OutputOptions output;
  ExtractOptions extract;
};

// FILE.dcac without the extension.
absl::StatusOr<std::string> WithoutExtension(const std::string& file) {
  const std::string extension = kArchiveExtension;
  if (file.size() <= extension.size() || !file.ends_with(extension)) {
    return absl::InvalidArgumentError(absl::StrCat("does not end in ", extension, ", expected that or -o"));
  }
  return file.substr(0, file.size() - extension.size());
}

absl::StatusOr<std::string> RestoredPath(const OutputOptions& options, const std::string& file) {
  if (WritesToStdout(options, file)) return std::string(kStandardStream);
  if (options.output) return *options.output;
  return WithoutExtension(file);
}

// FILE.NAME.npy.  Names come from the archive: they must not lead out of its folder.
absl::StatusOr<std::string> TensorPath(const OutputOptions& options, const std::string& file, const std::string& name) {
  if (WritesToStdout(options, file)) return std::string(kStandardStream);
  if (options.output) return *options.output;
  if (name.empty()) return absl::InvalidArgumentError("has a tensor without a name, expected -o or -c");
  DCAC_ASSIGN_OR_RETURN(const std::string stem, WithoutExtension(file));
  std::string part = name;
  std::replace_if(
      part.begin(), part.end(), [](unsigned char c) { return c == '/' || c < 0x20 || c == 0x7f; }, '_');
  return stem + "." + part + (part.ends_with(".npy") ? "" : ".npy");
}

absl::Status DecompressFile(const DecompressOptions& options, const std::string& file, const FileRun& run) {
  const auto start = std::chrono::steady_clock::now();
  DCAC_ASSIGN_OR_RETURN(const std::string output_path, RestoredPath(options.output, file));
  if (options.output.remove_source) {
    DCAC_RETURN_IF_ERROR(CheckReadableAgain(output_path, "--rm"));
  }
  DCAC_ASSIGN_OR_RETURN(files::FileSource input, OpenInput(file));
  ProgressSource source(input, run.progress);
  DCAC_ASSIGN_OR_RETURN(Output output, Output::Open(output_path, options.output.force, input, run.progress));
  DCAC_ASSIGN_OR_RETURN(const ArchiveContent content, RestoreArchive(source, run.coder, output));
  DCAC_RETURN_IF_ERROR(output.Commit());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (options.output.remove_source) {
    DCAC_RETURN_IF_ERROR(RemoveCompared(file, file, output_path, run.coder));
  }
  const double speed = MegabytesPerSecond(content.raw_bytes, seconds.count());
  Json json = {{"file", run.name}, {"output", output_path}};
  AppendContent(content, json);
  json.update({{"file_bytes", output.bytes()},
               {"raw_bytes", content.raw_bytes},
               {"compressed_bytes", source.bytes()},
               {"decompress_mb_per_s", speed}});
  std::string text = absl::StrCat(OneLine(run.name), ": ", source.bytes(), " => ", output.bytes(), " bytes");
  if (output_path != kStandardStream) absl::StrAppend(&text, ", ", OneLine(output_path));
  if (options.run.verbose) absl::StrAppend(&text, ", ", speed, " MB/s");
  run.report.Result(json, text);
  return absl::OkStatus();
}

// What is no archive is left alone.
std::optional<std::string> RestoredPathInTree(const std::string& file, bool /*mirrored*/) {
  const absl::StatusOr<std::string> output = RestoredPath({}, file);
  if (!output.ok() || output->ends_with('/')) return std::nullopt;
  return *output;
}

int DecompressFolders(const DecompressOptions& options) {
  DirectoryVerb verb;
  verb.run.direction = ProgressBar::Direction::kDecompress;
  verb.run.memory = DecodeMemory();
  verb.settings = {{"verb", "decompress"}};
  verb.keeps_journal = false;  // the tree that comes back is the original one
  verb.output_of = RestoredPathInTree;
  verb.work = [&](const std::string& file, const OutputOptions& output, const FileRun& run) {
    DecompressOptions file_options = options;
    file_options.output = output;
    return DecompressFile(file_options, file, run);
  };
  verb.compare = CompareWithArchive;
  return RunOverDirectories(options.run, options.directories, options.output, verb);
}

absl::Status ExtractOne(const DecompressOptions& options, const std::string& output_path,
                        const files::FileSource& input, const files::ArchiveFile& archive,
                        const files::ArchiveFile::Frame& frame, const FileRun& run) {
  const std::string& name = archive.head().pieces[frame.piece].name;
  DCAC_ASSIGN_OR_RETURN(Output output, Output::Open(output_path, options.output.force, input, run.progress));
  DCAC_ASSIGN_OR_RETURN(const Extracted extracted,
                        ExtractTensor(archive, frame, options.extract.slice, run.coder, output));
  DCAC_RETURN_IF_ERROR(output.Commit());
  const TensorSpec& spec = extracted.spec;
  Json json = {{"file", run.name},
               {"tensor", name},
               {"output", output_path},
               {"dtype", DTypeName(spec.dtype)},
               {"layout", LayoutName(spec.layout)},
               {"shape", spec.shape},
               {"raw_bytes", extracted.raw_bytes},
               {"read_bytes", extracted.read_bytes}};
  if (extracted.decoded_segments) json["decoded_segments"] = *extracted.decoded_segments;
  std::string text = absl::StrCat(OneLine(run.name), ": ", files::Printable(name), name.empty() ? "" : ", ",
                                  std::string(DTypeName(spec.dtype)), " ", ShapeToString(spec.shape));
  if (output_path != kStandardStream) absl::StrAppend(&text, ", ", OneLine(output_path));
  run.report.Result(json, text);
  return absl::OkStatus();
}

// The outputs of a run.  Several threads may use it.
class ClaimedPaths {
 public:
  // Returns false when the path was claimed before.
  bool Claim(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return paths_.insert(path).second;
  }

 private:
  std::mutex mutex_;
  std::set<std::string> paths_;
};

absl::Status ExtractFile(const DecompressOptions& options, const std::string& file, const FileRun& run,
                         ClaimedPaths& claimed) {
  DCAC_ASSIGN_OR_RETURN(files::FileSource input, OpenInput(file));
  if (!input.size()) return absl::InvalidArgumentError("is no regular file, expected one to take a tensor from");
  const files::RandomFile random(input);
  DCAC_ASSIGN_OR_RETURN(const files::ArchiveFile archive, files::ArchiveFile::Open(random));
  DCAC_ASSIGN_OR_RETURN(const auto frames, FindTensors(archive, options.extract));
  if (frames.size() > 1 && (options.output.output || WritesToStdout(options.output, file))) {
    return absl::InvalidArgumentError(absl::StrCat("-o or -c is given for ", frames.size(), " tensors, expected one"));
  }
  std::vector<std::string> output_paths;
  for (const files::ArchiveFile::Frame& frame : frames) {
    DCAC_ASSIGN_OR_RETURN(output_paths.emplace_back(),
                          TensorPath(options.output, file, archive.head().pieces[frame.piece].name));
    // Names can differ and their outputs not.  --force replaces files of earlier runs, not tensors of this one.
    if (output_paths.back() == kStandardStream || claimed.Claim(output_paths.back())) continue;
    return absl::AlreadyExistsError(absl::StrCat(
        output_paths.back(), ": is the output of another tensor too, expected one; take either by its name, with -o"));
  }
  for (std::size_t i = 0; i < frames.size(); ++i) {
    DCAC_RETURN_IF_ERROR(ExtractOne(options, output_paths[i], input, archive, frames[i], run));
  }
  return absl::OkStatus();
}

// What is wrong with the options, if anything.
std::optional<std::string> CheckExtract(const DecompressOptions& options) {
  if (!options.extract.wanted()) return std::nullopt;
  if (options.output.remove_source) return "--rm is given with a part of the file, expected the whole";
  if (options.directories.recursive) return "-r is given with a part of a file, expected one of them";
  if (options.extract.slice && !options.run.server.targets.empty()) {
    return "--server is given with a slice, which is decoded here: expected one of them";
  }
  return std::nullopt;
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
  if (const std::optional<std::string> wrong = CheckExtract(options)) return ReportUsageError(*wrong);
  if (options.directories.recursive) return DecompressFolders(options);
  const bool data_to_stdout = WritesToStdout(options.output, options.run.files.front());
  ClaimedPaths claimed;
  // On stdout the files follow each other.
  return RunOverFiles(options.run,
                      {.direction = ProgressBar::Direction::kDecompress,
                       .data_to_stdout = data_to_stdout,
                       .memory = data_to_stdout ? MemoryEstimate() : DecodeMemory()},
                      [&](const std::string& file, const FileRun& run) {
                        return options.extract.wanted() ? ExtractFile(options, file, run, claimed)
                                                        : DecompressFile(options, file, run);
                      });
}

}  // namespace

void AddDecompressCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("decompress", "Restore FILE from FILE.dcac, or take single tensors out of it");
  auto options = std::make_shared<DecompressOptions>();
  AddRunOptions(*command, options->run);
  AddServerOptions(*command, options->run.server);
  AddCodecOption(*command, options->run.server);
  AddDirectoryOptions(*command, options->directories);
  AddResumeOption(*command, options->directories);
  AddOutputOptions(*command, options->output);
  AddExtractOptions(*command, options->extract);
  command->callback([options, &action] { action = [options] { return RunDecompress(*options); }; });
}

}  // namespace dcac::cli
