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
#include "core/files/archive.h"
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

struct Listing {
  files::ArchiveHead head;
  FrameInfo frame;
  std::uint64_t stored_bytes = 0;
};

absl::StatusOr<Listing> Inspect(std::span<const std::byte> archive) {
  DCAC_ASSIGN_OR_RETURN(std::optional<files::ParsedArchiveHead> parsed, files::ParseArchiveHead(archive));
  if (!parsed) {
    return absl::DataLossError(absl::StrCat("ends within the archive head, after ", archive.size(), " bytes"));
  }
  Listing listing{.head = std::move(parsed->head), .frame = {}, .stored_bytes = archive.size()};
  DCAC_ASSIGN_OR_RETURN(listing.frame, dcac::Inspect(archive.subspan(parsed->head_bytes)));
  return listing;
}

absl::StatusOr<Listing> InspectFile(const std::string& file) {
  DCAC_ASSIGN_OR_RETURN(files::FileSource input, OpenInput(file));
  if (file == kStandardStream || !input.size()) {
    DCAC_ASSIGN_OR_RETURN(const std::vector<std::byte> archive, ReadAll(input));
    return Inspect(archive);
  }
  DCAC_ASSIGN_OR_RETURN(const files::MappedFile mapped, files::MappedFile::Map(input));
  return Inspect(mapped.bytes());
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
  const FrameInfo& frame = listing.frame;
  std::map<std::string, int> methods;
  for (const SegmentInfo& segment : frame.segments) ++methods[segment.method];
  const Json json = {{"file", run.name},
                     {"kind", files::ArchiveKindName(listing.head.kind)},
                     {"dtype", DTypeName(frame.spec.dtype)},
                     {"shape", frame.spec.shape},
                     {"raw_bytes", frame.raw_bytes},
                     {"compressed_bytes", listing.stored_bytes},
                     {"ratio", Ratio(frame.raw_bytes, listing.stored_bytes)},
                     {"segments", frame.segments.size()},
                     {"segments_by_method", methods},
                     {"digest", DigestToHex(frame.digest)}};
  std::string text = absl::StrCat(run.name, ": ", std::string(files::ArchiveKindName(listing.head.kind)), " ",
                                  std::string(DTypeName(frame.spec.dtype)), " ", ShapeToString(frame.spec.shape), " ");
  absl::StrAppend(&text, frame.raw_bytes, " => ", listing.stored_bytes, " bytes, ratio ",
                  RatioText(frame.raw_bytes, listing.stored_bytes), ", ", frame.segments.size(), " segments");
  if (options.verbose) PrintSegments(frame.segments, text);
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
