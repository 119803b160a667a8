#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "client/cli/archive_transfer.h"
#include "client/cli/commands.h"
#include "client/cli/directory_run.h"
#include "client/cli/file_run.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "core/base/status_macros.h"

namespace dcac::cli {
namespace {

struct CompressOptions {
  RunOptions run;
  DirectoryOptions directories;
  OutputOptions output;
  EncodeOptions encode;
  files::InputFormat format;
};

std::string ArchivePath(const OutputOptions& options, const std::string& file) {
  if (WritesToStdout(options, file)) return kStandardStream;
  return options.output.value_or(file + kArchiveExtension);
}

void ReportFile(const CompressOptions& options, const std::string& output, const ArchiveContent& content,
                std::uint64_t file_bytes, std::uint64_t compressed_bytes, double seconds, const FileRun& run) {
  const double speed = MegabytesPerSecond(content.raw_bytes, seconds);
  Json json = {{"file", run.name}, {"output", output}};
  AppendContent(content, json);
  json.update({{"level", options.encode.level},
               {"mode", ModeName(options.encode.mode)},
               {"file_bytes", file_bytes},
               {"raw_bytes", content.raw_bytes},
               {"compressed_bytes", compressed_bytes},
               {"ratio", Ratio(content.raw_bytes, compressed_bytes)},
               {"compress_mb_per_s", speed}});
  std::string text = OneLine(run.name) + ": " + std::to_string(content.raw_bytes) + " => " +
                     std::to_string(compressed_bytes) + " bytes, ratio " +
                     RatioText(content.raw_bytes, compressed_bytes);
  if (output != kStandardStream) text += ", " + OneLine(output);
  if (options.run.verbose) text += ", " + ContentText(content) + ", " + std::to_string(speed) + " MB/s";
  run.report.Result(json, text);
}

absl::Status CompressFile(const CompressOptions& options, const std::string& file, const FileRun& run) {
  const auto start = std::chrono::steady_clock::now();
  const std::string output_path = ArchivePath(options.output, file);
  if (options.output.remove_source) {
    DCAC_RETURN_IF_ERROR(CheckReadableAgain(output_path, "--rm"));
  }
  DCAC_ASSIGN_OR_RETURN(files::FileSource input, OpenInput(file));
  ProgressSource source(input, run.progress);
  DCAC_ASSIGN_OR_RETURN(Output output, Output::Open(output_path, options.output.force, input, run.progress));
  DCAC_ASSIGN_OR_RETURN(const ArchiveContent content,
                        WriteArchive(input, source, options.format, options.encode, run.coder, output));
  DCAC_RETURN_IF_ERROR(output.Commit());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (options.output.remove_source) {
    DCAC_RETURN_IF_ERROR(RemoveCompared(file, output_path, file, run.coder));
  }
  ReportFile(options, output_path, content, source.bytes(), output.bytes(), seconds.count(), run);
  return absl::OkStatus();
}

std::string RopeText(const EncodeOptions& options) {
  if (options.rope_choice != RopeChoice::kGiven) return options.rope_choice == RopeChoice::kTry ? "auto" : "none";
  const Rope& rope = options.rope;
  return "theta=" + std::to_string(rope.theta) + ",dim=" + std::to_string(rope.head_dim) +
         ",rotary=" + std::to_string(rope.rotary_dim) + ",pairs=" + (rope.interleaved ? "interleaved" : "half");
}

// Of the options, those that decide what the archives are.
JournalSettings Settings(const CompressOptions& options) {
  const auto number = [](auto value) { return std::to_string(value); };
  const EncodeOptions& encode = options.encode;
  const files::InputFormat& format = options.format;
  return {{"verb", "compress"},
          {"--level", number(encode.level)},
          {"--mode", std::string(ModeName(encode.mode))},
          {"--max-references", encode.max_references ? number(*encode.max_references) : "auto"},
          {"--segment-bytes", number(encode.segment_bytes)},
          {"--window", number(encode.window)},
          {"--similarity", std::string(SimilarityName(encode.similarity))},
          {"--no-previous-item", encode.previous_item ? "false" : "true"},
          {"--rope", RopeText(encode)},
          {"--dtype", format.dtype ? std::string(DTypeName(*format.dtype)) : "auto"},
          {"--layout", format.layout ? std::string(LayoutName(*format.layout)) : "auto"},
          {"--shape", format.shape ? ShapeToString(*format.shape) : "auto"}};
}

// Beside its sources, an archive is no source.
std::optional<std::string> ArchivePathInTree(const std::string& file, bool mirrored) {
  if (!mirrored && file.ends_with(kArchiveExtension)) return std::nullopt;
  return file + kArchiveExtension;
}

int CompressFolders(const CompressOptions& options) {
  DirectoryVerb verb;
  verb.run.direction = ProgressBar::Direction::kCompress;
  verb.run.memory = CompressMemory(options.encode.segment_bytes);
  verb.settings = Settings(options);
  verb.keeps_journal = true;  // a later run with --resume then does only what is new
  verb.output_of = ArchivePathInTree;
  verb.work = [&](const std::string& file, const OutputOptions& output, const FileRun& run) {
    CompressOptions file_options = options;
    file_options.output = output;
    return CompressFile(file_options, file, run);
  };
  verb.compare = [](const std::string& file, const std::string& output, FrameCoder& coder) {
    return CompareWithArchive(output, file, coder);
  };
  return RunOverDirectories(options.run, options.directories, options.output, verb);
}

int RunCompress(const CompressOptions& options) {
  if (const std::optional<std::string> wrong =
          CheckDirectoryOptions(options.directories, options.run, &options.output)) {
    return ReportUsageError(*wrong);
  }
  if (const std::optional<std::string> wrong =
          CheckOptions(options.run, options.output, options.directories.recursive)) {
    return ReportUsageError(*wrong);
  }
  const bool data_to_stdout = WritesToStdout(options.output, options.run.files.front());
  if (data_to_stdout && options.run.files.size() > 1) {
    return ReportUsageError("several files are given with stdout as output, expected one: archives cannot be joined");
  }
  if (options.format.shape && !options.format.dtype) {
    return ReportUsageError("--shape is given without --dtype, expected both");
  }
  if (options.directories.recursive) return CompressFolders(options);
  return RunOverFiles(options.run,
                      {.direction = ProgressBar::Direction::kCompress,
                       .data_to_stdout = data_to_stdout,
                       .memory = CompressMemory(options.encode.segment_bytes)},
                      [&](const std::string& file, const FileRun& run) { return CompressFile(options, file, run); });
}

}  // namespace

void AddCompressCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "compress",
      "Compress FILE to FILE.dcac; the tensors of .npy, .npz, .safetensors and torch.save files one by one");
  auto options = std::make_shared<CompressOptions>();
  AddRunOptions(*command, options->run);
  AddServerOptions(*command, options->run.server);
  AddCodecOption(*command, options->run.server);
  AddDirectoryOptions(*command, options->directories);
  AddResumeOption(*command, options->directories);
  AddOutputOptions(*command, options->output);
  AddEncodeOptions(*command, options->encode);
  AddInputFormat(*command, options->format);
  command->callback([options, &action] { action = [options] { return RunCompress(*options); }; });
}

}  // namespace dcac::cli
