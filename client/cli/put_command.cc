#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/archive_transfer.h"
#include "client/cli/commands.h"
#include "client/cli/directory_walk.h"
#include "client/cli/file_run.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "client/cli/server_client.h"
#include "client/cli/server_report.h"
#include "client/cli/store_files.h"
#include "client/cli/store_report.h"
#include "client/cli/upload_notes.h"
#include "core/base/status_macros.h"

namespace dcac::cli {
namespace {

struct PutCommandOptions {
  RunOptions run;
  std::string file;
  std::string key;
  bool recursive = false;
  std::vector<std::string> excludes;
  std::optional<std::int64_t> ttl_ms;
  bool if_absent = false;
  bool resume = false;
  bool pin = false;
  EncodeOptions encode;
  files::InputFormat format;
};

// Uploads that are sent again in no time are not worth a note.
constexpr std::uint64_t kNotedBytes = std::uint64_t{8} << 20;

// What the files of a run have in common.
struct PutContext {
  const client::Store& store;
  const PutCommandOptions& options;
  ProgressBar& progress;
  UploadNotes* notes;  // with --resume
};

// The object, and whether it was there before.
struct PutObject {
  client::StoredObject object;
  bool skipped = false;
};

// Shows as sent what an upload reads of an archive, or passes over because the server has it.
class SentArchive {
 public:
  SentArchive(const FrameAccess& archive, ProgressBar& progress) : archive_(archive), progress_(progress) {
    progress.AddUpload(archive.frame_bytes);
  }

  // Uploads read from the start to the end, and what got lost again.
  FrameAccess Access() {
    return {archive_.frame_bytes, [this](std::uint64_t offset, std::span<std::byte> out) {
              const std::uint64_t sent_before = std::exchange(sent_, std::max(sent_, offset + out.size()));
              progress_.AddSent(sent_ - sent_before);
              return archive_.read(offset, out);
            }};
  }

 private:
  const FrameAccess& archive_;
  ProgressBar& progress_;
  std::uint64_t sent_ = 0;
};

// What is under the key already, if that is the archive.
absl::StatusOr<std::optional<client::StoredObject>> FindPresent(const client::Store& store, const std::string& key,
                                                                const Digest& digest) {
  absl::StatusOr<client::StoredObject> present = store.Stat(key);
  if (absl::IsNotFound(present.status()) || absl::IsDataLoss(present.status())) return std::nullopt;
  if (!present.ok()) return FromStore(present.status());
  if (present->digest != digest) return std::nullopt;
  return *std::move(present);
}

// With --if-absent an object that is there is as good as put when it is the same archive.
absl::StatusOr<PutObject> PutArchive(const PutContext& context, const client::PutOptions& put, const std::string& key,
                                     const FrameAccess& archive, std::uint64_t raw_bytes) {
  SentArchive sent(archive, context.progress);
  absl::StatusOr<client::StoredObject> object = context.store.PutArchive(key, sent.Access(), raw_bytes, put);
  if (object.ok()) return PutObject{*std::move(object)};
  if (!context.options.recursive || !absl::IsAlreadyExists(object.status())) return FromStore(object.status());
  DCAC_ASSIGN_OR_RETURN(const Digest digest, DigestOf(archive));
  DCAC_ASSIGN_OR_RETURN(std::optional<client::StoredObject> present, FindPresent(context.store, key, digest));
  if (!present) return absl::AlreadyExistsError(absl::StrCat(key, " is there and is another file"));
  return PutObject{*std::move(present), /*skipped=*/true};
}

// What is there already is kept as long as if it had been put now.
absl::StatusOr<client::StoredObject> KeepAsTold(const PutContext& context, client::StoredObject object) {
  const PutCommandOptions& options = context.options;
  if (options.if_absent) return object;
  if (options.ttl_ms || object.expires) {
    const std::chrono::milliseconds ttl(options.ttl_ms.value_or(0));  // 0: for ever
    absl::StatusOr<client::StoredObject> touched = context.store.Touch(object.key, ttl);
    if (!touched.ok()) return FromStore(touched.status());
    object = *std::move(touched);
  }
  if (options.pin && !object.pinned) {
    absl::StatusOr<client::StoredObject> pinned = context.store.Pin(object.key, true);
    if (!pinned.ok()) return FromStore(pinned.status());
    object = *std::move(pinned);
  }
  return object;
}

// Goes on with an upload of an earlier run.
absl::StatusOr<PutObject> PutRest(const PutContext& context, const client::PutOptions& conditions,
                                  const std::string& key, const FrameAccess& archive, std::uint64_t raw_bytes) {
  DCAC_ASSIGN_OR_RETURN(const Digest digest, DigestOf(archive));
  client::PutOptions put = conditions;
  put.upload_id = context.notes->Find(key, digest);
  if (archive.frame_bytes >= kNotedBytes) {
    put.on_upload = [&](const std::string& upload_id) { context.notes->Add(key, digest, upload_id); };
  }
  DCAC_ASSIGN_OR_RETURN(PutObject object, PutArchive(context, put, key, archive, raw_bytes));
  context.notes->Remove(key);
  return object;
}

// Keys are UTF-8, names of files any bytes.
absl::Status CheckUtf8(const std::string& key) {
  const Json json(key);
  const auto dump = [&](Json::error_handler_t on_error) { return json.dump(-1, ' ', false, on_error); };
  if (dump(Json::error_handler_t::ignore) == dump(Json::error_handler_t::replace)) return absl::OkStatus();
  return absl::InvalidArgumentError("its key has bytes that are no UTF-8, expected none");
}

void ReportPut(const PutObject& put, files::ArchiveKind kind, const FileRun& run) {
  Json json = {{"file", run.name}, {"skipped", put.skipped}};
  json.update(ToJson(put.object));
  json["content"] = files::ArchiveKindName(kind);
  run.report.Result(json, absl::StrCat(OneLine(run.name), ": ", put.object.raw_bytes, " => ", put.object.stored_bytes,
                                       " bytes, ratio ", RatioText(put.object.raw_bytes, put.object.stored_bytes), ", ",
                                       OneLine(put.object.key), put.skipped ? ", was there" : ""));
}

absl::Status PutFile(const PutContext& context, const std::string& file, const std::string& key, const FileRun& run) {
  const PutCommandOptions& options = context.options;
  DCAC_RETURN_IF_ERROR(CheckUtf8(key));
  DCAC_ASSIGN_OR_RETURN(files::FileSource input, OpenInput(file));
  if (context.notes != nullptr) {
    DCAC_ASSIGN_OR_RETURN(std::optional<StoredFile> present, FindStoredFile(context.store, key, input));
    absl::StatusOr<client::StoredObject> object = absl::NotFoundError("");
    if (present) object = KeepAsTold(context, std::move(present->object));
    if (object.ok()) {
      run.progress.AddInput(object->raw_bytes);
      run.progress.AddOutput(object->stored_bytes);
      ReportPut({*std::move(object), /*skipped=*/true}, present->kind, run);
      return absl::OkStatus();
    }
    if (!absl::IsNotFound(object.status())) return object.status();
  }
  ProgressSource source(input, run.progress);
  DCAC_ASSIGN_OR_RETURN(TemporaryFile archive, TemporaryFile::Create());
  DCAC_ASSIGN_OR_RETURN(const ArchiveContent content,
                        WriteArchive(input, source, options.format, options.encode, run.coder, archive));
  client::PutOptions conditions{.if_absent = options.if_absent, .pinned = options.pin};
  if (options.ttl_ms) conditions.ttl = std::chrono::milliseconds(*options.ttl_ms);
  const auto put_archive = context.notes == nullptr ? PutArchive : PutRest;
  DCAC_ASSIGN_OR_RETURN(const PutObject put, put_archive(context, conditions, key, archive.Access(), source.bytes()));
  run.progress.AddOutput(put.object.stored_bytes);
  ReportPut(put, content.kind, run);
  return absl::OkStatus();
}

// A file and the key that it gets.
struct PutTask {
  std::string file;
  std::string key;
};

absl::Status FindFiles(const PutCommandOptions& options, std::vector<PutTask>& puts, std::vector<FileTask>& tasks,
                       Report& report) {
  DCAC_ASSIGN_OR_RETURN(const Tree tree, WalkTree(options.file, {.excludes = options.excludes}));
  for (const TreeEntry& entry : tree.entries) {
    const std::string path = JoinPath(options.file, entry.path);
    if (entry.type == TreeEntry::Type::kFolder) continue;
    if (entry.type == TreeEntry::Type::kFile) {
      puts.push_back({path, FolderPrefix(options.key) + entry.path});
      tasks.push_back({.file = path, .bytes = entry.identity.size});
    } else if (entry.type == TreeEntry::Type::kLink) {
      report.Failure(path, absl::InvalidArgumentError("is a symbolic link, expected a file"));
    } else {
      report.Failure(path, entry.status);
    }
  }
  return absl::OkStatus();
}

int RunPut(const PutCommandOptions& options) {
  if (options.format.shape && !options.format.dtype) {
    return ReportUsageError("--shape is given without --dtype, expected both");
  }
  if (options.recursive && options.file == kStandardStream)
    return ReportUsageError("-r is given with -, expected a folder");
  const std::string notes_path = JoinPath(options.file, kUploadNotesName);
  if (options.resume) {
    if (const absl::Status status = CheckReadableAgain(notes_path, "--resume"); !status.ok()) {
      return ReportOtherError(std::string(status.message()));
    }
  }
  const absl::StatusOr<client::Client> client = ConnectToServer(options.run.server, {.retry = kPatientRetry});
  if (!client.ok()) return ReportServerFailure(options.run.server, client.status(), options.run.json);
  const client::Store store(*client);
  std::optional<UploadNotes> notes;
  if (options.resume) notes.emplace(notes_path);
  ProgressBar progress(!options.run.quiet && !options.run.json, ProgressBar::Direction::kCompress);
  const PutContext context{store, options, progress, notes ? &*notes : nullptr};
  Report report({.json = options.run.json, .quiet = options.run.quiet}, progress);
  std::vector<PutTask> puts;
  std::vector<FileTask> tasks;
  if (!options.recursive) {
    puts.push_back({options.file, options.key});
    tasks.push_back({.file = options.file, .bytes = std::nullopt});
  } else if (const absl::Status status = FindFiles(options, puts, tasks, report); !status.ok()) {
    report.Failure(options.file, status);
  }
  RunOverTasks(
      options.run,
      {.direction = ProgressBar::Direction::kCompress, .memory = CompressMemory(options.encode.segment_bytes)}, tasks,
      [&](std::size_t index, const FileRun& run) { return PutFile(context, puts[index].file, puts[index].key, run); },
      progress, report);
  return report.exit_code();
}

}  // namespace

void AddPutCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("put", "Compress FILE and keep it under KEY in the store of a server");
  auto options = std::make_shared<PutCommandOptions>();
  options->run.server.codec = CodecPlace::kClient;  // what the server gets is the archive
  command->add_option("FILE", options->file, "A file, - for stdin; with -r, a folder")->required();
  command->add_option("KEY", options->key, "Its key; with -r, what the keys begin with: KEY/path/below/folder")
      ->required();
  AddWorkOptions(*command, options->run);
  AddServerOptions(*command, options->run.server)->required();
  CLI::Option* const recursive =
      command->add_flag("-r,--recursive", options->recursive, "All files below the folder, several at once");
  command->add_option("--exclude", options->excludes, "With -r, a shell pattern of what to leave out; may be repeated")
      ->allow_extra_args(false)
      ->needs(recursive);
  command
      ->add_flag("--resume", options->resume,
                 "With -r, skip files that are stored already with the same content, whatever options they were "
                 "compressed with (--ttl and --pin hold for them, too), and go on with uploads of an earlier run with "
                 "--resume that ended early")
      ->needs(recursive);
  const std::map<std::string, std::int64_t> units = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3600'000}, {"d", 24 * 3600'000}};
  command->add_option("--ttl", options->ttl_ms, "How long it is kept, such as 90s, 1h or 7d; for ever unless told")
      ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::UNIT_REQUIRED, "TIME"));
  command->add_flag("--if-absent", options->if_absent,
                    "Only where there is nothing under the key; with -r, files that are there already are skipped");
  command->add_flag("--pin", options->pin, "Not to be evicted when the store is full");
  AddEncodeOptions(*command, options->encode);
  AddInputFormat(*command, options->format);
  command->callback([options, &action] { action = [options] { return RunPut(*options); }; });
}

}  // namespace dcac::cli
