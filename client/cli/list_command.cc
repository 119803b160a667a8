#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/archive_transfer.h"
#include "client/cli/commands.h"
#include "client/cli/directory_run.h"
#include "client/cli/file_run.h"
#include "client/cli/options.h"
#include "core/base/status_macros.h"
#include "core/files/archive_file.h"
#include "dcac/frame_info.h"

namespace dcac::cli {
namespace {

absl::StatusOr<std::vector<std::byte>> ReadAll(files::ByteSource& source) {
  std::vector<std::byte> data;
  while (true) {
    const std::size_t before = data.size();
    data.resize(before + files::kChunkBytes);
    DCAC_ASSIGN_OR_RETURN(const std::size_t n, files::ReadFully(source, std::span(data).subspan(before)));
    data.resize(before + n);
    if (n < files::kChunkBytes) return data;
  }
}

// Everything about one archive.
struct Listing {
  ArchiveContent content;
  std::vector<FrameInfo> frames;
  std::uint64_t stored_bytes = 0;
};

absl::StatusOr<Listing> Inspect(const files::RandomSource& file) {
  DCAC_ASSIGN_OR_RETURN(const files::ArchiveFile archive, files::ArchiveFile::Open(file));
  Listing listing;
  listing.stored_bytes = archive.archive_bytes();
  listing.content.kind = archive.head().kind;
  for (const files::ArchiveFile::Frame& frame : archive.frames()) {
    DCAC_ASSIGN_OR_RETURN(FrameInfo info, dcac::Inspect(archive.Access(frame)));
    CountFrame(archive.head().pieces[frame.piece], info.spec, listing.content);
    listing.frames.push_back(std::move(info));
  }
  return listing;
}

absl::StatusOr<Listing> InspectFile(const std::string& file) {
  DCAC_ASSIGN_OR_RETURN(files::FileSource input, OpenInput(file));
  if (input.size()) return Inspect(files::RandomFile(input));
  DCAC_ASSIGN_OR_RETURN(const std::vector<std::byte> archive, ReadAll(input));
  return Inspect(files::RandomMemory(archive));
}

void PrintSegments(const std::vector<SegmentInfo>& segments, std::string& text) {
  const auto range = [](std::uint64_t begin, std::uint64_t end) { return absl::StrCat(begin, ":", end); };
  for (const SegmentInfo& segment : segments) {
    absl::StrAppend(&text, "\n  items ", range(segment.item_begin, segment.item_end), " planes ",
                    range(segment.plane_begin, segment.plane_end), " rows ", range(segment.row_begin, segment.row_end));
    absl::StrAppend(&text, " ", segment.raw_bytes, " => ", segment.stored_bytes, " bytes, ", segment.method);
  }
}

absl::Status ListFile(const RunOptions& options, const std::string& file, const FileRun& run) {
  DCAC_ASSIGN_OR_RETURN(const Listing listing, InspectFile(file));
  std::map<std::string, int> methods;
  std::size_t segments = 0;
  for (const FrameInfo& frame : listing.frames) {
    segments += frame.segments.size();
    for (const SegmentInfo& segment : frame.segments) ++methods[segment.method];
  }
  const std::uint64_t raw_bytes = listing.content.raw_bytes;
  Json json = {{"file", run.name}};
  AppendContent(listing.content, json);
  json.update({{"raw_bytes", raw_bytes},
               {"compressed_bytes", listing.stored_bytes},
               {"ratio", Ratio(raw_bytes, listing.stored_bytes)},
               {"segments", segments},
               {"segments_by_method", methods}});
  if (listing.frames.size() == 1) json["digest"] = DigestToHex(listing.frames.front().digest);
  std::string text = absl::StrCat(run.name, ": ", ContentText(listing.content), ", ", raw_bytes, " => ",
                                  listing.stored_bytes, " bytes, ratio ", RatioText(raw_bytes, listing.stored_bytes));
  absl::StrAppend(&text, ", ", segments, " segments");
  if (options.verbose) {
    for (const FrameInfo& frame : listing.frames) PrintSegments(frame.segments, text);
  }
  run.report.Result(json, text);
  return absl::OkStatus();
}

struct ListOptions {
  RunOptions run;
  DirectoryOptions directories;
};

int RunList(const ListOptions& options) {
  if (const std::optional<std::string> wrong = CheckDirectoryOptions(options.directories, options.run, nullptr)) {
    return ReportUsageError(*wrong);
  }
  const FileRunSettings settings{
      .direction = ProgressBar::Direction::kDecompress, .data_to_stdout = false, .memory = nullptr};
  const auto list = [&](const std::string& file, const FileRun& run) { return ListFile(options.run, file, run); };
  return options.directories.recursive ? RunOverArchives(options.run, options.directories, settings, list)
                                       : RunOverFiles(options.run, settings, list);
}

}  // namespace

void AddListCommand(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("list", "Show what archives hold, without decoding; -v: segment by segment");
  auto options = std::make_shared<ListOptions>();
  AddRunOptions(*command, options->run);
  AddDirectoryOptions(*command, options->directories);
  command->callback([options, &action] { action = [options] { return RunList(*options); }; });
}

}  // namespace dcac::cli
