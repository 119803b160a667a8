#include "client/cli/directory_run.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <filesystem>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/archive_transfer.h"
#include "client/cli/directory_walk.h"
#include "client/cli/folders.h"
#include "client/cli/output.h"
#include "core/base/status_macros.h"

namespace dcac::cli {
namespace {

namespace fs = std::filesystem;

bool Exists(const std::string& path) {
  struct stat info;
  return ::lstat(path.c_str(), &info) == 0;
}

bool IsSameFolder(const std::string& a, const std::string& b) {
  struct stat a_info, b_info;
  return ::stat(a.c_str(), &a_info) == 0 && ::stat(b.c_str(), &b_info) == 0 && a_info.st_dev == b_info.st_dev &&
         a_info.st_ino == b_info.st_ino;
}

absl::Status RemoveFile(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot remove"));
  return absl::OkStatus();
}

absl::StatusOr<std::string> LinkTarget(const std::string& path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  if (size < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot read the link"));
  target.resize(static_cast<std::size_t>(size));
  return target;
}

// Makes `copy` a link to what the link `path` says.
absl::Status CopyLink(const std::string& path, const std::string& copy, bool replace) {
  DCAC_ASSIGN_OR_RETURN(const std::string target, LinkTarget(path));
  if (::symlink(target.c_str(), copy.c_str()) == 0) return absl::OkStatus();
  if (errno != EEXIST) return absl::ErrnoToStatus(errno, absl::StrCat(copy, ": cannot create the link"));
  const absl::StatusOr<std::string> existing = LinkTarget(copy);
  if (existing.ok() && *existing == target) return absl::OkStatus();
  if (!replace) {
    return absl::AlreadyExistsError(absl::StrCat(copy, ": exists already, expected nothing, this link or --force"));
  }
  DCAC_RETURN_IF_ERROR(RemoveFile(copy));
  if (::symlink(target.c_str(), copy.c_str()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat(copy, ": cannot create the link"));
}

absl::StatusOr<std::string> WholePath(const std::string& path) {
  std::error_code error;
  const fs::path whole = fs::canonical(path, error);
  if (error) return absl::ErrnoToStatus(error.value(), "cannot find");
  return whole.string();
}

// The file that the temporary `path` was to become.  Of a name so long that AtomicFile cuts it, not that file: what is
// left of it stays.
std::string TemporaryTarget(const std::string& path) {
  const std::size_t name = path.rfind('/') + 1;
  return path.substr(0, name) + path.substr(name + 1, path.rfind(".dcac-tmp.") - name - 1);
}

// Whether a process has the file open for writing; also where that cannot be told for lack of permissions.
bool IsBeingWritten(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return true;
  // A lease for reading is to be had only while nobody writes; closing the file gives it back.
  const bool is_written = ::fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && (errno == EAGAIN || errno == EACCES);
  ::close(fd);
  return is_written;
}

// Something of a tree that is to be done, or that is known to fail.
struct Job {
  std::string path;  // relative to its root
  FileIdentity source;
  std::string output;
  Journal* journal = nullptr;
  bool is_proven = false;  // by the journal
  absl::Status failure;
};

// The jobs of a run, with what the pipeline needs to know of each.
class JobList {
 public:
  void Add(std::string file, Job job) {
    const bool reads = job.failure.ok() && !job.is_proven;
    tasks_.push_back({.file = std::move(file), .bytes = reads ? job.source.size : 0});
    jobs_.push_back(std::move(job));
  }
  void AddFailure(std::string file, absl::Status status) {
    if (!status.ok()) Add(std::move(file), {.failure = std::move(status)});
  }

  const std::vector<FileTask>& tasks() const { return tasks_; }
  const Job& operator[](std::size_t index) const { return jobs_[index]; }

 private:
  std::vector<FileTask> tasks_;
  std::vector<Job> jobs_;
};

class DirectoryRun {
 public:
  DirectoryRun(const RunOptions& run, const DirectoryOptions& directories, const OutputOptions& output,
               const DirectoryVerb& verb)
      : run_(run), directories_(directories), output_(output), verb_(verb) {}

  int Run() {
    for (const std::string& root : run_.files) jobs_.AddFailure(root, PlanRoot(root));
    ProgressBar progress(!run_.quiet && !run_.json, verb_.run.direction);
    Report report({.json = run_.json, .quiet = run_.quiet}, progress);
    RunOverTasks(
        run_, verb_.run, jobs_.tasks(),
        [this](std::size_t index, const FileRun& run) { return CountOutcome(DoJob(index, run)); }, progress, report);
    Finish(report);
    return report.exit_code();
  }

 private:
  // Where the outputs of the files below `root` go.
  absl::StatusOr<std::string> OutputRoot(const std::string& root) {
    if (!output_.output) return root;
    if (run_.files.size() == 1) return *output_.output;
    DCAC_ASSIGN_OR_RETURN(const std::string whole, WholePath(root));
    const std::string name = fs::path(whole).filename().string();
    if (!root_names_.insert(name).second) {
      return absl::InvalidArgumentError(absl::StrCat("is the second folder called ", name, ", expected one for -o"));
    }
    return JoinPath(*output_.output, name);
  }

  absl::Status PlanRoot(const std::string& root) {
    DCAC_ASSIGN_OR_RETURN(const std::string output_root, OutputRoot(root));
    const bool mirrored = output_.output.has_value();
    if (mirrored && IsSameFolder(root, output_root)) {
      return absl::InvalidArgumentError("is input and output, expected two folders");
    }
    WalkOptions walk{.excludes = directories_.excludes, .skipped_folder = mirrored ? output_root : ""};
    DCAC_ASSIGN_OR_RETURN(const Tree tree, WalkTree(root, walk));
    if (mirrored) {
      DCAC_RETURN_IF_ERROR(MakeRoot(output_root));
    }
    // Another folder's files of the same names are not those that the journal speaks of.
    JournalSettings settings = verb_.settings;
    DCAC_ASSIGN_OR_RETURN(const std::string source, mirrored ? WholePath(root) : std::string("."));
    settings.emplace_back("FILE", source);
    absl::StatusOr<std::unique_ptr<Journal>> journal =
        Journal::Open(output_root, settings, {.resume = directories_.resume, .ignore_settings = output_.force});
    if (!journal.ok()) {
      jobs_.AddFailure(JoinPath(output_root, kJournalName), journal.status());
      return absl::OkStatus();
    }
    journals_.emplace_back(output_root, *std::move(journal));
    const std::size_t first_job = jobs_.tasks().size();
    mirrored ? PlanMirror(root, tree, output_root) : PlanBeside(root, tree);
    return directories_.resume ? RemoveLeftovers(output_root, first_job) : absl::OkStatus();
  }

  // Removes temporaries that a killed run left of the outputs which are planned.  The journal keeps other runs over the
  // folder away, but not those over single files, whose temporaries are alive.
  absl::Status RemoveLeftovers(const std::string& output_root, std::size_t first_job) {
    std::set<std::string> outputs;
    for (std::size_t i = first_job; i < jobs_.tasks().size(); ++i) outputs.insert(jobs_[i].output);
    DCAC_ASSIGN_OR_RETURN(const Tree tree, WalkTree(output_root));
    for (const std::string& leftover : tree.leftovers) {
      const std::string path = JoinPath(output_root, leftover);
      if (!outputs.contains(TemporaryTarget(path)) || IsBeingWritten(path)) continue;
      DCAC_RETURN_IF_ERROR(RemoveFile(path));
    }
    return absl::OkStatus();
  }

  void PlanBeside(const std::string& root, const Tree& tree) {
    for (const TreeEntry& entry : tree.entries) {
      const std::string file = JoinPath(root, entry.path);
      if (entry.type == TreeEntry::Type::kFailed) jobs_.AddFailure(file, entry.status);
      if (entry.type != TreeEntry::Type::kFile) continue;
      if (const std::optional<std::string> output = verb_.output_of(file, false)) AddFile(file, entry, *output);
    }
  }

  void PlanMirror(const std::string& root, const Tree& tree, const std::string& output_root) {
    std::set<std::string> taken;  // by folders and links, whose names stay
    for (const TreeEntry& entry : tree.entries) {
      if (entry.type == TreeEntry::Type::kFolder || entry.type == TreeEntry::Type::kLink) taken.insert(entry.path);
    }
    std::optional<std::string> refused;  // the folder whose mirror is none: what it holds would go somewhere else
    for (const TreeEntry& entry : tree.entries) {
      if (refused && entry.path.starts_with(*refused + "/")) continue;
      const std::string file = JoinPath(root, entry.path), mirror = JoinPath(output_root, entry.path);
      switch (entry.type) {
        case TreeEntry::Type::kFailed:
          jobs_.AddFailure(file, entry.status);
          break;
        case TreeEntry::Type::kFolder:
          if (absl::Status made = MakeFolder(mirror, entry.mode); made.ok()) {
            folders_.emplace_back(mirror, entry.mode);
          } else {
            refused = entry.path;
            jobs_.AddFailure(file, std::move(made));
          }
          break;
        case TreeEntry::Type::kLink:
          jobs_.AddFailure(file, CopyLink(file, mirror, output_.force));
          break;
        case TreeEntry::Type::kFile:
          const std::optional<std::string> output = verb_.output_of(entry.path, true);
          if (!output) break;
          if (taken.insert(*output).second) {
            AddFile(file, entry, JoinPath(output_root, *output));
          } else {
            jobs_.AddFailure(file, absl::AlreadyExistsError(absl::StrCat(
                                       JoinPath(output_root, *output),
                                       ": is the output of another entry too, expected one; rename either")));
          }
          break;
      }
    }
  }

  void AddFile(const std::string& file, const TreeEntry& entry, const std::string& output) {
    Journal* journal = journals_.back().second.get();
    Job job{.path = entry.path, .source = entry.identity, .output = output, .journal = journal, .failure = {}};
    const JournalRecord* record = journal->Find(entry.path);
    // A source that is to be removed is compared even so.
    job.is_proven = record != nullptr && record->source == entry.identity && IdentityOf(output) == record->output &&
                    !output_.remove_source;
    jobs_.Add(file, std::move(job));
  }

  absl::Status DoJob(std::size_t index, const FileRun& run) {
    const Job& job = jobs_[index];
    const std::string& file = jobs_.tasks()[index].file;
    if (!job.failure.ok()) return job.failure;
    if (job.is_proven) {
      ReportUnchanged(job, run, "journal");
      return absl::OkStatus();
    }
    DCAC_RETURN_IF_ERROR(CheckReadableAgain(job.output, "-r"));
    OutputOptions output = output_;
    output.output = job.output;
    if (directories_.resume && !output.force && Exists(job.output)) {
      const JournalRecord* record = job.journal->Find(job.path);
      output.force = record != nullptr && IdentityOf(job.output) == record->output;  // ours; the source changed
      if (!output.force) return Adopt(file, job, run);
    }
    DCAC_RETURN_IF_ERROR(verb_.work(file, output, run));
    return Record(job);
  }

  // An output without record: the run was killed between the two, or it is somebody else's.
  absl::Status Adopt(const std::string& file, const Job& job, const FileRun& run) {
    const absl::Status compared = verb_.compare(file, job.output, run.coder);
    if (absl::IsDataLoss(compared)) {
      return absl::AlreadyExistsError(
          absl::StrCat(job.output, ": exists already and does not hold this file, expected that, no file or --force"));
    }
    DCAC_RETURN_IF_ERROR(compared);
    if (output_.remove_source) {
      DCAC_RETURN_IF_ERROR(RemoveFile(file));
    }
    ReportUnchanged(job, run, "comparison");
    return Record(job);
  }

  void ReportUnchanged(const Job& job, const FileRun& run, const char* proof) {
    ++unchanged_;
    if (!run_.json && !run_.verbose) return;
    run.report.Result({{"file", run.name}, {"output", job.output}, {"unchanged", true}, {"proof", proof}},
                      OneLine(absl::StrCat(run.name, ": was done before, ", job.output, " (", proof, ")")));
  }

  absl::Status Record(const Job& job) {
    const std::optional<FileIdentity> output = IdentityOf(job.output);
    if (!output) return absl::OkStatus();
    const absl::Status status = job.journal->Append({.path = job.path, .source = job.source, .output = *output});
    if (status.ok()) return status;
    return absl::Status(status.code(), absl::StrCat("is done, but its journal: ", std::string(status.message())));
  }

  absl::Status CountOutcome(absl::Status status) {
    if (!status.ok()) ++failed_;
    return status;
  }

  void Finish(Report& report) {
    // From the innermost outwards: a folder that may not be entered hides what is below it.
    for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
      if (::chmod(folder->first.c_str(), folder->second) != 0 && errno != ENOENT) {
        report.Failure(folder->first, absl::ErrnoToStatus(errno, "cannot set permissions"));
      }
    }
    for (const auto& [folder, journal] : journals_) {
      const bool is_kept = verb_.keeps_journal || report.exit_code() != 0;
      const absl::Status status = is_kept ? journal->Sync() : journal->Remove();
      if (!status.ok()) report.Failure(JoinPath(folder, kJournalName), status);
    }
    report.Note(absl::StrCat(jobs_.tasks().size() - failed_ - unchanged_, " files done, ", unchanged_.load(),
                             " were done before, ", failed_.load(), " failed"));
  }

  const RunOptions& run_;
  const DirectoryOptions& directories_;
  const OutputOptions& output_;
  const DirectoryVerb& verb_;
  std::set<std::string> root_names_;
  std::vector<std::pair<std::string, std::unique_ptr<Journal>>> journals_;  // by output folder
  std::vector<std::pair<std::string, unsigned>> folders_;                   // made, and their final permissions
  JobList jobs_;
  std::atomic<std::size_t> unchanged_{0};
  std::atomic<std::size_t> failed_{0};
};

}  // namespace

void AddDirectoryOptions(CLI::App& command, DirectoryOptions& options) {
  command.add_flag("-r,--recursive", options.recursive, "FILE are folders: every file below them");
  command
      .add_option("--exclude", options.excludes,
                  "With -r: leave out what matches this shell pattern, by its name or its path below the folder; may "
                  "be repeated")
      ->allow_extra_args(false);  // the folder after it is no second pattern
}

void AddResumeOption(CLI::App& command, DirectoryOptions& options) {
  command.add_flag("--resume", options.resume,
                   "With -r: go on where a run stopped; files that its journal proves done are not read again");
}

std::optional<std::string> CheckDirectoryOptions(const DirectoryOptions& directories, const RunOptions& run,
                                                 const OutputOptions* output) {
  if (!directories.recursive) {
    if (directories.resume) return "--resume is given without -r, expected both";
    if (!directories.excludes.empty()) return "--exclude is given without -r, expected both";
    return std::nullopt;
  }
  if (std::find(run.files.begin(), run.files.end(), kStandardStream) != run.files.end()) {
    return "-r is given with stdin, expected folders";
  }
  if (output != nullptr && (output->to_stdout || output->output == kStandardStream)) {
    return "-r is given with an output on stdout, expected a folder";
  }
  return std::nullopt;
}

int RunOverDirectories(const RunOptions& run, const DirectoryOptions& directories, const OutputOptions& output,
                       const DirectoryVerb& verb) {
  return DirectoryRun(run, directories, output, verb).Run();
}

int RunOverArchives(const RunOptions& run, const DirectoryOptions& directories, const FileRunSettings& settings,
                    const FileFunction& function) {
  JobList jobs;
  for (const std::string& root : run.files) {
    const absl::StatusOr<Tree> tree = WalkTree(root, {.excludes = directories.excludes, .skipped_folder = ""});
    if (!tree.ok()) {
      jobs.AddFailure(root, tree.status());
      continue;
    }
    for (const TreeEntry& entry : tree->entries) {
      const std::string file = JoinPath(root, entry.path);
      if (entry.type == TreeEntry::Type::kFailed) jobs.AddFailure(file, entry.status);
      if (entry.type != TreeEntry::Type::kFile || !file.ends_with(kArchiveExtension)) continue;
      jobs.Add(file, {.path = entry.path, .source = entry.identity, .output = "", .failure = {}});
    }
  }
  ProgressBar progress(!run.quiet && !run.json, settings.direction);
  Report report({.json = run.json, .quiet = run.quiet}, progress);
  RunOverTasks(
      run, settings, jobs.tasks(),
      [&](std::size_t index, const FileRun& file_run) {
        return jobs[index].failure.ok() ? function(jobs.tasks()[index].file, file_run) : jobs[index].failure;
      },
      progress, report);
  return report.exit_code();
}

}  // namespace dcac::cli
