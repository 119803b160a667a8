#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
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
#include "client/cli/exit_code.h"
#include "client/cli/file_run.h"
#include "client/cli/named_parts.h"
#include "client/cli/options.h"
#include "client/cli/sample_compare.h"
#include "core/base/status_macros.h"

namespace dcac::cli {
namespace {

struct DiffOptions {
  RunOptions run;
  files::InputFormat format;
  bool recursive = false;
};

// One of the two things that are compared, by name.
struct Pair {
  std::string first, second;  // paths; empty: there is none
};

// Row-major coordinates of the sample `index`.
std::vector<std::uint64_t> Coordinates(std::uint64_t index, const std::vector<std::uint64_t>& shape) {
  std::vector<std::uint64_t> coordinates(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    coordinates[axis] = index % shape[axis];
    index /= shape[axis];
  }
  return coordinates;
}

std::string TypeText(const NamedPart& part) {
  if (!part.is_tensor) return absl::StrCat(part.bytes, " bytes");
  return absl::StrCat(std::string(DTypeName(part.dtype)), " ", ShapeToString(part.shape));
}

absl::StatusOr<SampleDifference> CompareSamples(const NamedParts& first, const NamedPart& first_part,
                                                const NamedParts& second, const NamedPart& second_part) {
  DCAC_ASSIGN_OR_RETURN(const std::optional<Digest> first_digest, first.FindDigest(first_part));
  DCAC_ASSIGN_OR_RETURN(const std::optional<Digest> second_digest, second.FindDigest(second_part));
  if (first_digest && first_digest == second_digest) return SampleDifference{};
  DCAC_ASSIGN_OR_RETURN(const std::unique_ptr<files::ByteSource> first_source, first.Source(first_part));
  DCAC_ASSIGN_OR_RETURN(const std::unique_ptr<files::ByteSource> second_source, second.Source(second_part));
  SampleComparison comparison(first_part.dtype);
  std::vector<std::byte> a(files::kChunkBytes), b(files::kChunkBytes);  // whole samples
  for (std::uint64_t rest = first_part.bytes; rest > 0;) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(rest, a.size()));
    DCAC_ASSIGN_OR_RETURN(const std::size_t a_size, files::ReadFully(*first_source, std::span(a).first(size)));
    DCAC_ASSIGN_OR_RETURN(const std::size_t b_size, files::ReadFully(*second_source, std::span(b).first(size)));
    if (a_size != size || b_size != size) return absl::AbortedError("became shorter while it was read");
    comparison.Add(std::span(a).first(size), std::span(b).first(size));
    rest -= size;
  }
  return comparison.difference();
}

class FileDiff {
 public:
  FileDiff(const DiffOptions& options, const Pair& pair, const FileRun& run)
      : options_(options), pair_(pair), run_(run) {}

  // Whether the files differ.
  absl::StatusOr<bool> Compare() {
    DCAC_ASSIGN_OR_RETURN(const std::unique_ptr<NamedParts> first, NamedParts::Open(pair_.first, options_.format));
    absl::StatusOr<std::unique_ptr<NamedParts>> second = NamedParts::Open(pair_.second, options_.format);
    if (!second.ok()) {
      return absl::Status(second.status().code(),
                          absl::StrCat(pair_.second, ": ", std::string(second.status().message())));
    }
    const std::vector<const NamedPart*> partners = FindPartners(first->parts(), (*second)->parts());
    for (std::size_t i = 0; i < partners.size(); ++i) {
      const NamedPart& part = first->parts()[i];
      if (partners[i] == nullptr) {
        Report(part, "only_in_first", {}, absl::StrCat("only in ", pair_.first));
        continue;
      }
      DCAC_RETURN_IF_ERROR(CompareParts(*first, part, **second, *partners[i]));
    }
    for (const NamedPart& part : (*second)->parts()) {
      if (std::find(partners.begin(), partners.end(), &part) == partners.end()) {
        Report(part, "only_in_second", {}, absl::StrCat("only in ", pair_.second));
      }
    }
    return differs_;
  }

 private:
  // For each part of one file the part of the other with the same name; the n-th where names repeat.  A tensor without
  // a name is the same as the only one of the other file.
  static std::vector<const NamedPart*> FindPartners(const std::vector<NamedPart>& first,
                                                    const std::vector<NamedPart>& second) {
    const auto is_nameless = [](const std::vector<NamedPart>& parts) { return parts[0].name.empty(); };
    if (first.size() == 1 && second.size() == 1 && (is_nameless(first) || is_nameless(second))) return {&second[0]};
    std::multimap<std::string_view, const NamedPart*> by_name;
    for (const NamedPart& part : second) by_name.emplace(part.name, &part);
    std::vector<const NamedPart*> partners;
    for (const NamedPart& part : first) {
      const auto found = by_name.lower_bound(part.name);
      const bool is_found = found != by_name.end() && found->first == part.name;
      partners.push_back(is_found ? found->second : nullptr);
      if (is_found) by_name.erase(found);
    }
    return partners;
  }

  absl::Status CompareParts(const NamedParts& first, const NamedPart& a, const NamedParts& second, const NamedPart& b) {
    if (a.is_tensor != b.is_tensor || a.dtype != b.dtype || a.shape != b.shape) {
      Report(a, "different", {{"other_dtype", DTypeName(b.dtype)}, {"other_shape", b.shape}},
             absl::StrCat(TypeText(a), " and ", TypeText(b)));
      return absl::OkStatus();
    }
    DCAC_ASSIGN_OR_RETURN(const SampleDifference difference, CompareSamples(first, a, second, b));
    if (difference.differing_samples == 0) {
      Report(a, "equal", {}, absl::StrCat("equal, ", TypeText(a)));
      return absl::OkStatus();
    }
    const std::uint64_t samples = a.bytes / SampleBytes(a.dtype);
    const std::vector<std::uint64_t> at = Coordinates(*difference.first_index, a.shape);
    Json json = {{"samples", samples},
                 {"differing_samples", difference.differing_samples},
                 {"first_difference", at},
                 {"max_abs_difference", nullptr}};
    std::string text = absl::StrCat(difference.differing_samples, " of ", samples, a.is_tensor ? " samples" : " bytes",
                                    " differ, the first at ", ShapeToString(at));
    if (difference.max_abs_difference && a.is_tensor) {
      json["max_abs_difference"] = *difference.max_abs_difference;
      absl::StrAppend(&text, ", by at most ", *difference.max_abs_difference);
    }
    Report(a, "different", json, text);
    return absl::OkStatus();
  }

  void Report(const NamedPart& part, const char* outcome, const Json& details, const std::string& text) {
    const bool is_equal = std::string_view(outcome) == "equal";
    if (!is_equal) differs_ = true;
    if (is_equal && !options_.run.verbose && !options_.run.json) return;
    Json json = {{"file", pair_.first}, {"other", pair_.second}, {"tensor", part.name}, {"outcome", outcome}};
    if (part.is_tensor) json["dtype"] = DTypeName(part.dtype);
    json["shape"] = part.shape;
    if (!details.is_null()) json.update(details);
    const std::string name = part.name.empty() ? "" : absl::StrCat(OneLine(part.name), ": ");
    run_.report.Result(json, absl::StrCat(OneLine(pair_.first), " ", OneLine(pair_.second), ": ", name, text));
  }

  const DiffOptions& options_;
  const Pair& pair_;
  const FileRun& run_;
  bool differs_ = false;
};

// A difference between what is no pair of files: types, targets of links, something that is missing.
void ReportEntry(const Pair& pair, const char* outcome, const std::string& text, const FileRun& run) {
  const std::string& shown = pair.first.empty() ? pair.second : pair.first;
  Json json = {{"file", nullptr}, {"other", nullptr}, {"outcome", outcome}};
  if (!pair.first.empty()) json["file"] = pair.first;
  if (!pair.second.empty()) json["other"] = pair.second;
  run.report.Result(json, absl::StrCat(OneLine(shown), ": ", text));
}

std::string LinkTarget(const std::string& path) {
  std::string target(PATH_MAX, '\0');
  target.resize(static_cast<std::size_t>(std::max<ssize_t>(::readlink(path.c_str(), target.data(), target.size()), 0)));
  return target;
}

// Whether the two differ.
absl::StatusOr<bool> ComparePair(const DiffOptions& options, const Pair& pair, const FileRun& run) {
  if (pair.second.empty() || pair.first.empty()) {
    const bool in_first = pair.second.empty();
    ReportEntry(pair, in_first ? "only_in_first" : "only_in_second",
                in_first ? "only in the first folder" : "only in the second folder", run);
    return true;
  }
  if (!options.recursive) return FileDiff(options, pair, run).Compare();
  struct stat first, second;
  if (::lstat(pair.first.c_str(), &first) != 0) return absl::ErrnoToStatus(errno, "cannot look at it");
  if (::lstat(pair.second.c_str(), &second) != 0) return absl::ErrnoToStatus(errno, "cannot look at the other");
  const bool same_type = (first.st_mode & S_IFMT) == (second.st_mode & S_IFMT);
  if (same_type && S_ISREG(first.st_mode)) return FileDiff(options, pair, run).Compare();
  if (same_type && (!S_ISLNK(first.st_mode) || LinkTarget(pair.first) == LinkTarget(pair.second))) return false;
  ReportEntry(pair, "different", same_type ? "links to something else" : "is of another type", run);
  return true;
}

// What the two folders hold, by path; `x` and its archive `x.dcac` are the same.
absl::StatusOr<std::vector<Pair>> PairsOfFolders(const std::string& first, const std::string& second) {
  std::map<std::string, Pair> pairs;
  for (std::string Pair::*side : {&Pair::first, &Pair::second}) {
    const std::string& root = side == &Pair::first ? first : second;
    absl::StatusOr<Tree> tree = WalkTree(root);
    if (!tree.ok()) {
      return absl::Status(tree.status().code(), absl::StrCat(root, ": ", std::string(tree.status().message())));
    }
    for (const TreeEntry& entry : tree->entries) {
      std::string name = entry.path;
      const std::string_view extension = kArchiveExtension;
      if (entry.type == TreeEntry::Type::kFile && name.ends_with(extension))
        name.resize(name.size() - extension.size());
      std::string& path = pairs[name].*side;
      // Beside its source lies its archive: the source it is, then.
      if (path.empty() || path.ends_with(extension)) path = JoinPath(root, entry.path);
    }
  }
  std::vector<Pair> result;
  for (auto& [name, pair] : pairs) result.push_back(std::move(pair));
  return result;
}

int RunDiff(const DiffOptions& options) {
  const std::vector<std::string>& files = options.run.files;
  if (files.size() != 2) return ReportUsageError(absl::StrCat(files.size(), " files are given, expected two"));
  if (std::find(files.begin(), files.end(), kStandardStream) != files.end()) {
    return ReportUsageError("stdin is given, expected two files");
  }
  ProgressBar progress(false, ProgressBar::Direction::kDecompress);
  Report report({.json = options.run.json, .quiet = options.run.quiet}, progress);
  std::vector<Pair> pairs = {{files[0], files[1]}};
  if (options.recursive) {
    absl::StatusOr<std::vector<Pair>> found = PairsOfFolders(files[0], files[1]);
    if (!found.ok()) {
      report.Failure("diff", found.status());
      return report.exit_code();
    }
    pairs = *std::move(found);
  }
  std::vector<FileTask> tasks;
  for (const Pair& pair : pairs) tasks.push_back({.file = pair.first.empty() ? pair.second : pair.first, .bytes = {}});
  std::atomic<bool> differs{false};
  RunOverTasks(
      options.run, {}, tasks,
      [&](std::size_t index, const FileRun& run) -> absl::Status {
        DCAC_ASSIGN_OR_RETURN(const bool pair_differs, ComparePair(options, pairs[index], run));
        if (pair_differs) differs = true;
        return absl::OkStatus();
      },
      progress, report);
  if (report.exit_code() != kExitOk) return report.exit_code();
  return differs ? kExitFailed : kExitOk;
}

}  // namespace

void AddDiffCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "diff",
      "Compare two files, tensor by tensor, each an archive or an original; exit status 0: equal, 1: different");
  auto options = std::make_shared<DiffOptions>();
  AddRunOptions(*command, options->run);
  AddInputFormat(*command, options->format);
  command->add_flag("-r,--recursive", options->recursive,
                    "FILE are two folders: compare all that they hold; a file and its archive go together");
  command->callback([options, &action] { action = [options] { return RunDiff(*options); }; });
}

}  // namespace dcac::cli
