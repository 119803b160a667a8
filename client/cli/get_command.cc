#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/archive_transfer.h"
#include "client/cli/commands.h"
#include "client/cli/file_run.h"
#include "client/cli/folders.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "client/cli/server_client.h"
#include "client/cli/server_report.h"
#include "client/cli/store_files.h"
#include "client/cli/store_report.h"
#include "client/cli/tensor_extract.h"
#include "core/base/status_macros.h"
#include "core/files/archive_file.h"
#include "core/files/npy.h"

namespace dcac::cli {
namespace {

struct GetCommandOptions {
  RunOptions run;
  std::string key;
  std::string folder;  // with -r
  std::string output;
  bool recursive = false;
  bool force = false;
  ExtractOptions extract;
};

// What is stored under a key, to be written as a file.
class ObjectWriter {
 public:
  ObjectWriter(const client::Store& store, const GetCommandOptions& options, const client::StoredObject& object,
               const FileRun& run)
      : store_(store), options_(options), object_(object), run_(run) {}

  absl::Status WriteTo(files::ByteSink& sink) {
    if (object_.kind == client::ObjectKind::kTensor) return WriteTensor(sink);
    return options_.extract.wanted() ? WriteExtracted(sink) : WriteFile(sink);
  }

 private:
  absl::Status WriteTensor(files::ByteSink& sink) {
    if (!options_.extract.tensors.empty()) {
      return absl::InvalidArgumentError("is a tensor, expected an archive for --tensor");
    }
    const absl::StatusOr<client::StoredTensor> got =
        store_.Get(object_.key, {.slice = options_.extract.slice}, {.codec = client::Codec::kClient});
    if (!got.ok()) return FromStore(got.status());
    run_.progress.AddInput(object_.stored_bytes);
    DCAC_RETURN_IF_ERROR(sink.Write(files::CanonicalNpyHeader(got->tensor.spec)));
    return sink.Write(got->tensor.data);
  }

  // Reads no more of the archive than its table and the segments of the slice.
  absl::Status WriteExtracted(files::ByteSink& sink) {
    const StoredBytes stored(store_, object_);
    DCAC_ASSIGN_OR_RETURN(const files::ArchiveFile archive, files::ArchiveFile::Open(stored));
    DCAC_ASSIGN_OR_RETURN(const auto frames, FindTensors(archive, options_.extract));
    if (frames.size() != 1) {
      return absl::InvalidArgumentError(absl::StrCat("--tensor names ", frames.size(), " tensors, expected one"));
    }
    DCAC_ASSIGN_OR_RETURN(const Extracted extracted,
                          ExtractTensor(archive, frames.front(), options_.extract.slice, run_.coder, sink));
    run_.progress.AddInput(extracted.read_bytes);
    return absl::OkStatus();
  }

  absl::Status WriteFile(files::ByteSink& sink) {
    DCAC_ASSIGN_OR_RETURN(TemporaryFile archive, TemporaryFile::Create());
    absl::Status written;
    const absl::StatusOr<client::StoredObject> got =
        store_.GetStored(object_.key, [&](std::span<const std::byte> bytes) {
          run_.progress.AddInput(bytes.size());
          written = archive.Write(bytes);
          return written;
        });
    DCAC_RETURN_IF_ERROR(written);
    if (!got.ok()) return FromStore(got.status());
    if (got->version != object_.version) return absl::AbortedError("was put anew while it was read");
    files::RangeSource source(archive, 0, archive.size());
    return RestoreArchive(source, run_.coder, sink).status();
  }

  const client::Store& store_;
  const GetCommandOptions& options_;
  const client::StoredObject& object_;
  const FileRun& run_;
};

// Errors: as those of the store; Aborted (`object` is no longer what is under its key).
absl::Status GetVersion(const client::Store& store, const GetCommandOptions& options,
                        const client::StoredObject& object, const std::string& path, const FileRun& run) {
  DCAC_ASSIGN_OR_RETURN(const files::FileSource no_input, files::FileSource::Open("/dev/null"));
  DCAC_ASSIGN_OR_RETURN(Output output, Output::Open(path, options.force, no_input, run.progress));
  DCAC_RETURN_IF_ERROR(ObjectWriter(store, options, object, run).WriteTo(output));
  DCAC_RETURN_IF_ERROR(output.Commit());
  Json json = {{"key", object.key},
               {"output", path},
               {"file_bytes", output.bytes()},
               {"stored_bytes", object.stored_bytes},
               {"version", object.version}};
  std::string text = absl::StrCat(OneLine(object.key), ": ", object.stored_bytes, " => ", output.bytes(), " bytes");
  if (path != kStandardStream) absl::StrAppend(&text, ", ", OneLine(path));
  run.report.Result(json, text);
  return absl::OkStatus();
}

// What was put anew while it was read is read from its start again.
absl::Status GetFile(const client::Store& store, const GetCommandOptions& options, client::StoredObject object,
                     const std::string& path, const FileRun& run) {
  constexpr int kMaxAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    const absl::Status status = GetVersion(store, options, object, path, run);
    if (!absl::IsAborted(status) || attempt == kMaxAttempts || path == kStandardStream) return status;
    absl::StatusOr<client::StoredObject> now = store.Stat(object.key);
    if (!now.ok()) return FromStore(now.status());
    object = *std::move(now);
  }
}

absl::Status GetIntoFolder(const client::Store& store, const GetCommandOptions& options,
                           const client::StoredObject& object, const FileRun& run) {
  DCAC_ASSIGN_OR_RETURN(const std::string below, PathOfKey(object.key, FolderPrefix(options.key)));
  // Keys are others' words: no link in the folder makes one of them lead out of it.
  constexpr unsigned kFolderMode = 0777;
  DCAC_RETURN_IF_ERROR(MakeRoot(options.folder));
  std::filesystem::path folder = options.folder;
  for (const std::filesystem::path& step : std::filesystem::path(below).parent_path()) {
    folder /= step;
    DCAC_RETURN_IF_ERROR(MakeFolder(folder.string(), kFolderMode));
  }
  const std::string path = (std::filesystem::path(options.folder) / below).string();
  DCAC_RETURN_IF_ERROR(CheckReadableAgain(path, "-r"));
  return GetFile(store, options, object, path, run);
}

absl::Status FindObjects(const client::Store& store, const GetCommandOptions& options,
                         std::vector<client::StoredObject>& objects) {
  if (options.recursive) {
    const std::string prefix = FolderPrefix(options.key);
    const absl::Status status = store.ForEach(prefix, [&](const client::StoredObject& object) {
      objects.push_back(object);
      return absl::OkStatus();
    });
    if (status.ok() && objects.empty()) {
      return absl::NotFoundError(absl::StrCat("there is no object whose key begins with ", OneLine(prefix)));
    }
    return FromStore(status);
  }
  absl::StatusOr<client::StoredObject> object = store.Stat(options.key);
  if (!object.ok()) return FromStore(object.status());
  objects.push_back(*std::move(object));
  return absl::OkStatus();
}

// What is wrong with the options, if anything.
std::optional<std::string> CheckGet(const GetCommandOptions& options) {
  if (options.recursive && (options.folder.empty() || !options.output.empty())) {
    return "-r is given without a folder or with -o, expected PREFIX and DIR";
  }
  if (!options.recursive && !options.folder.empty()) return "two arguments are given without -r, expected KEY and -o";
  if (!options.recursive && options.output.empty()) return "-o is missing, expected the file to write or -";
  if (options.recursive && options.extract.wanted()) return "-r is given with a part of a file, expected one of them";
  return std::nullopt;
}

int RunGet(const GetCommandOptions& options) {
  if (const std::optional<std::string> wrong = CheckGet(options)) return ReportUsageError(*wrong);
  const absl::StatusOr<client::Client> client = ConnectToServer(options.run.server, {.retry = kPatientRetry});
  if (!client.ok()) return ReportServerFailure(options.run.server, client.status(), options.run.json);
  const client::Store store(*client);
  ProgressBar progress(!options.run.quiet && !options.run.json, ProgressBar::Direction::kDecompress);
  const bool to_stdout = options.output == kStandardStream;
  Report report({.json = options.run.json, .quiet = options.run.quiet, .results_to_stderr = to_stdout}, progress);
  std::vector<client::StoredObject> objects;
  if (const absl::Status status = FindObjects(store, options, objects); !status.ok()) {
    report.Failure(options.key, status);
    return report.exit_code();
  }
  std::vector<FileTask> tasks;
  for (const client::StoredObject& object : objects) tasks.push_back({object.key, object.stored_bytes});
  RunOverTasks(
      options.run, {.direction = ProgressBar::Direction::kDecompress, .memory = DecodeMemory()}, tasks,
      [&](std::size_t index, const FileRun& run) {
        return options.recursive ? GetIntoFolder(store, options, objects[index], run)
                                 : GetFile(store, options, objects[index], options.output, run);
      },
      progress, report);
  return report.exit_code();
}

}  // namespace

void AddGetCommand(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("get", "Restore what the store of a server holds under KEY; tensors become .npy files");
  auto options = std::make_shared<GetCommandOptions>();
  options->run.server.codec = CodecPlace::kClient;  // archives are decoded here
  command->add_option("KEY", options->key, "The key; with -r, what the keys begin with: KEY/")->required();
  command->add_option("DIR", options->folder, "With -r, the folder to write into");
  AddWorkOptions(*command, options->run);
  AddServerOptions(*command, options->run.server)->required();
  command->add_option("-o,--output", options->output, "The output file; - is stdout");
  command->add_flag("-r,--recursive", options->recursive, "All whose keys begin with KEY/, several at once");
  command->add_flag("-f,--force", options->force, "Replace existing files");
  AddExtractOptions(*command, options->extract);
  command->callback([options, &action] { action = [options] { return RunGet(*options); }; });
}

}  // namespace dcac::cli
