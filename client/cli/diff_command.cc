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

// Coordinates of the sample that is the `index`-th among the bytes of an array.
std::vector<std::uint64_t> Coordinates(std::uint64_t index, const std::vector<std::uint64_t>& shape,
                                       bool fortran_order) {
  std::vector<std::uint64_t> coordinates(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::size_t axis = fortran_order ? i : shape.size() - 1 - i;
    coordinates[axis] = index % shape[axis];
    index /= shape[axis];
  }
  return coordinates;
}

// The samples of a part in the other order: of C order for an array of Fortran order, and the other way round.  Holds
// the whole array.
class TransposedSource final : public files::ByteSource {
 public:
  static absl::StatusOr<std::unique_ptr<files::ByteSource>> Create(files::ByteSource& source, const NamedPart& part) {
    DCAC_ASSIGN_OR_RETURN(std::vector<std::byte> samples, files::ReadAll(source));
    return std::unique_ptr<files::ByteSource>(new TransposedSource(part, std::move(samples)));
  }

  // `out`: whole samples.
  absl::StatusOr<std::size_t> Read(std::span<std::byte> out) override {
    const std::size_t sample_bytes = SampleBytes(part_.dtype);
    std::size_t written = 0;
    for (; written + sample_bytes <= out.size() && next_ * sample_bytes < samples_.size(); ++next_) {
      const std::uint64_t offset = StoredIndex(next_) * sample_bytes;
      if (offset + sample_bytes > samples_.size()) return written;  // became shorter
      std::copy_n(samples_.begin() + static_cast<std::ptrdiff_t>(offset), sample_bytes,
                  out.begin() + static_cast<std::ptrdiff_t>(written));
      written += sample_bytes;
    }
    return written;
  }

 private:
  TransposedSource(const NamedPart& part, std::vector<std::byte> samples) : part_(part), samples_(std::move(samples)) {}

  // Where the sample is stored that is the `index`-th of the other order.
  std::uint64_t StoredIndex(std::uint64_t index) const {
    const std::vector<std::uint64_t> coordinates = Coordinates(index, part_.shape, !part_.fortran_order);
    std::uint64_t stored = 0;
    for (std::size_t i = 0; i < coordinates.size(); ++i) {
      const std::size_t axis = part_.fortran_order ? coordinates.size() - 1 - i : i;
      stored = stored * part_.shape[axis] + coordinates[axis];
    }
    return stored;
  }

  const NamedPart& part_;
  const std::vector<std::byte> samples_;
  std::uint64_t next_ = 0;
};

std::string TypeText(const NamedPart& part) {
  if (!part.is_tensor) return absl::StrCat(part.bytes, " bytes");
  return absl::StrCat(std::string(DTypeName(part.dtype)), " ", ShapeToString(part.shape));
}

// Errors are reported for the first file, so the second must be named.
absl::Status NameSecond(const Pair& pair, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(pair.second, ": ", std::string(status.message())));
}

absl::StatusOr<SampleDifference> CompareSamples(const Pair& pair, const NamedParts& first, const NamedPart& first_part,
                                                const NamedParts& second, const NamedPart& second_part) {
  DCAC_ASSIGN_OR_RETURN(const std::unique_ptr<files::ByteSource> first_source, first.Source(first_part));
  absl::StatusOr<std::unique_ptr<files::ByteSource>> second_source = second.Source(second_part);
  if (second_source.ok() && first_part.fortran_order != second_part.fortran_order) {
    second_source = TransposedSource::Create(**second_source, second_part);
  }
  if (!second_source.ok()) return NameSecond(pair, second_source.status());
  SampleComparison comparison(first_part.dtype);
  std::vector<std::byte> a(files::kChunkBytes), b(files::kChunkBytes);  // whole samples
  for (std::uint64_t rest = first_part.bytes; rest > 0;) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(rest, a.size()));
    DCAC_ASSIGN_OR_RETURN(const std::size_t a_size, files::ReadFully(*first_source, std::span(a).first(size)));
    const absl::StatusOr<std::size_t> b_size = files::ReadFully(**second_source, std::span(b).first(size));
    if (!b_size.ok()) return NameSecond(pair, b_size.status());
    const absl::Status shorter = absl::AbortedError("became shorter while it was read");
    if (a_size != size) return shorter;
    if (*b_size != size) return NameSecond(pair, shorter);
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
    if (!second.ok()) return NameSecond(pair_, second.status());
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
    DCAC_ASSIGN_OR_RETURN(const SampleDifference difference, CompareSamples(pair_, first, a, second, b));
    if (difference.differing_samples == 0) {
      Report(a, "equal", {}, absl::StrCat("equal, ", TypeText(a)));
      return absl::OkStatus();
    }
    const std::uint64_t samples = a.bytes / SampleBytes(a.dtype);
    const std::vector<std::uint64_t> at = Coordinates(*difference.first_index, a.shape, a.fortran_order);
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

// What a folder holds, by relative path.  What cannot be compared is reported.
absl::StatusOr<std::map<std::string, TreeEntry::Type>> TypesInFolder(const std::string& root, Report& report) {
  const absl::StatusOr<Tree> tree = WalkTree(root);
  if (!tree.ok()) {
    return absl::Status(tree.status().code(), absl::StrCat(root, ": ", std::string(tree.status().message())));
  }
  std::map<std::string, TreeEntry::Type> types;
  for (const TreeEntry& entry : tree->entries) {
    if (entry.type == TreeEntry::Type::kFailed) {
      report.Failure(JoinPath(root, entry.path), entry.status);
    } else {
      types.emplace(entry.path, entry.type);
    }
  }
  return types;
}

// The two folders' entries of the same path go together.  One that has none of its path goes with its archive, or as an
// archive with its original, in the other folder.
absl::StatusOr<std::vector<Pair>> PairsOfFolders(const std::string& first, const std::string& second, Report& report) {
  using Types = std::map<std::string, TreeEntry::Type>;
  DCAC_ASSIGN_OR_RETURN(const Types in_first, TypesInFolder(first, report));
  DCAC_ASSIGN_OR_RETURN(const Types in_second, TypesInFolder(second, report));
  const auto partner_of = [](const std::string& path, TreeEntry::Type type, const Types& others) -> std::string {
    if (others.contains(path)) return path;
    if (type != TreeEntry::Type::kFile) return "";
    const std::string_view extension = kArchiveExtension;
    std::vector<std::string> candidates = {path + kArchiveExtension};
    if (path.ends_with(extension)) candidates.push_back(path.substr(0, path.size() - extension.size()));
    for (const std::string& candidate : candidates) {
      const auto found = others.find(candidate);
      if (found != others.end() && found->second == TreeEntry::Type::kFile) return candidate;
    }
    return "";
  };
  // Sorted by the path that is shown.
  std::map<std::pair<std::string, std::string>, Pair> pairs;
  const auto add = [&](const std::string& a, const std::string& b) {
    pairs[{a.empty() ? b : a, b}] = {.first = a.empty() ? "" : JoinPath(first, a),
                                     .second = b.empty() ? "" : JoinPath(second, b)};
  };
  for (const auto& [path, type] : in_first) add(path, partner_of(path, type, in_second));
  for (const auto& [path, type] : in_second) add(partner_of(path, type, in_first), path);
  std::vector<Pair> result;
  for (auto& [names, pair] : pairs) result.push_back(std::move(pair));
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
    absl::StatusOr<std::vector<Pair>> found = PairsOfFolders(files[0], files[1], report);
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
      "Compare two files, tensor by tensor, each an archive or an original; what lies around the tensors is not "
      "compared; exit status 0: equal, 1: different");
  auto options = std::make_shared<DiffOptions>();
  AddRunOptions(*command, options->run);
  AddInputFormat(*command, options->format);
  command->add_flag("-r,--recursive", options->recursive,
                    "FILE are two folders: compare all that they hold; a file and its archive go together");
  command->callback([options, &action] { action = [options] { return RunDiff(*options); }; });
}

}  // namespace dcac::cli
