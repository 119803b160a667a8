#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/archive_transfer.h"
#include "client/cli/commands.h"
#include "client/cli/directory_run.h"
#include "client/cli/explain/explained_tensor.h"
#include "client/cli/explain/text_table.h"
#include "client/cli/file_run.h"
#include "client/cli/options.h"
#include "core/base/status_macros.h"
#include "core/files/archive_file.h"
#include "core/files/printable.h"
#include "dcac/frame_info.h"

namespace dcac::cli {
namespace {

// One frame of an archive.
struct ListedTensor {
  std::string name;
  bool opaque = false;
  FrameInfo info;
};

struct Listing {
  ArchiveContent content;
  std::vector<ListedTensor> tensors;
  std::uint64_t stored_bytes = 0;
};

absl::StatusOr<Listing> Inspect(const files::RandomSource& file, FrameCoder& coder) {
  DCAC_ASSIGN_OR_RETURN(const files::ArchiveFile archive, files::ArchiveFile::Open(file));
  Listing listing;
  listing.stored_bytes = archive.archive_bytes();
  listing.content.kind = archive.head().kind;
  for (const files::ArchiveFile::Frame& frame : archive.frames()) {
    const files::Piece& piece = archive.head().pieces[frame.piece];
    DCAC_ASSIGN_OR_RETURN(FrameInfo info, coder.Inspect(archive.Access(frame)));
    CountFrame(piece, info.spec, listing.content);
    listing.tensors.push_back({piece.name, piece.kind == files::PieceKind::kOpaque, std::move(info)});
  }
  return listing;
}

absl::StatusOr<Listing> InspectFile(const std::string& file, FrameCoder& coder) {
  DCAC_ASSIGN_OR_RETURN(files::FileSource input, OpenInput(file));
  if (input.size()) return Inspect(files::RandomFile(input), coder);
  DCAC_ASSIGN_OR_RETURN(const std::vector<std::byte> archive, files::ReadAll(input));
  return Inspect(files::RandomMemory(archive), coder);
}

std::map<std::string, int> CountMethods(const std::vector<SegmentInfo>& segments) {
  std::map<std::string, int> methods;
  for (const SegmentInfo& segment : segments) ++methods[segment.method];
  return methods;
}

std::string TypeText(const ListedTensor& tensor) {
  return tensor.opaque ? "bytes" : std::string(DTypeName(tensor.info.spec.dtype));
}

Json TensorToJson(const ListedTensor& tensor) {
  const FrameInfo& info = tensor.info;
  return {{"name", tensor.name},
          {"dtype", TypeText(tensor)},
          {"shape", info.spec.shape},
          {"layout", LayoutName(info.spec.layout)},
          {"mode", info.mode},
          {"references_per_plane", info.references_per_plane},
          {"bits_per_sample", BitsPerSample(info)},
          {"raw_bytes", info.raw_bytes},
          {"compressed_bytes", info.frame_bytes},
          {"ratio", Ratio(info.raw_bytes, info.frame_bytes)},
          {"segments", info.segments.size()},
          {"segments_by_method", CountMethods(info.segments)},
          {"digest", DigestToHex(info.digest)}};
}

std::string TensorsText(const std::vector<ListedTensor>& tensors) {
  using Align = TextTable::Align;
  TextTable table({{"tensor", Align::kLeft},
                   {"type", Align::kLeft},
                   {"shape", Align::kLeft},
                   {"layout", Align::kLeft},
                   {"mode", Align::kLeft},
                   {"refs/plane", Align::kRight},
                   {"bits/sample", Align::kRight},
                   {"raw", Align::kRight},
                   {"stored", Align::kRight},
                   {"ratio", Align::kRight}});
  for (const ListedTensor& tensor : tensors) {
    const FrameInfo& info = tensor.info;
    table.AddRow({tensor.name.empty() ? "-" : files::Printable(tensor.name), TypeText(tensor),
                  ShapeToString(info.spec.shape), std::string(LayoutName(info.spec.layout)),
                  info.mode.empty() ? "-" : info.mode, absl::StrFormat("%.2f", info.references_per_plane),
                  absl::StrFormat("%.3f", BitsPerSample(info)), absl::StrCat(info.raw_bytes),
                  absl::StrCat(info.frame_bytes), RatioText(info.raw_bytes, info.frame_bytes)});
  }
  return table.ToString();
}

std::string SegmentsText(const ListedTensor& tensor) {
  const auto range = [](std::uint64_t begin, std::uint64_t end) { return absl::StrCat(begin, ":", end); };
  using Align = TextTable::Align;
  TextTable table({{"items", Align::kRight},
                   {"planes", Align::kRight},
                   {"rows", Align::kRight},
                   {"raw", Align::kRight},
                   {"stored", Align::kRight},
                   {"method", Align::kLeft},
                   {"mode", Align::kLeft},
                   {"kinds of planes", Align::kLeft}});
  for (const SegmentInfo& segment : tensor.info.segments) {
    table.AddRow({range(segment.item_begin, segment.item_end), range(segment.plane_begin, segment.plane_end),
                  range(segment.row_begin, segment.row_end), absl::StrCat(segment.raw_bytes),
                  absl::StrCat(segment.stored_bytes), MethodText(segment), segment.mode.empty() ? "-" : segment.mode,
                  KindsText(segment.planes)});
  }
  return absl::StrCat("\n  segments of ", tensor.name.empty() ? "the tensor" : files::Printable(tensor.name), ":",
                      table.ToString());
}

Json ListingToJson(const Listing& listing, const std::string& name) {
  std::map<std::string, int> methods;
  std::size_t segments = 0;
  Json tensors = Json::array();
  for (const ListedTensor& tensor : listing.tensors) {
    segments += tensor.info.segments.size();
    for (const auto& [method, count] : CountMethods(tensor.info.segments)) methods[method] += count;
    tensors.push_back(TensorToJson(tensor));
  }
  const std::uint64_t raw_bytes = listing.content.raw_bytes;
  Json json = {{"file", name}};
  AppendContent(listing.content, json);
  json.update({{"raw_bytes", raw_bytes},
               {"compressed_bytes", listing.stored_bytes},
               {"ratio", Ratio(raw_bytes, listing.stored_bytes)},
               {"segments", segments},
               {"segments_by_method", methods}});
  if (listing.tensors.size() == 1) json["digest"] = DigestToHex(listing.tensors.front().info.digest);
  json["tensors"] = std::move(tensors);
  return json;
}

absl::Status ListFile(const RunOptions& options, const std::string& file, const FileRun& run) {
  DCAC_ASSIGN_OR_RETURN(const Listing listing, InspectFile(file, run.coder));
  if (run.report.json()) {
    run.report.Result(ListingToJson(listing, run.name), "");
    return absl::OkStatus();
  }
  const std::uint64_t raw_bytes = listing.content.raw_bytes;
  std::string text = absl::StrCat(OneLine(run.name), ": ", ContentText(listing.content), ", ", raw_bytes, " => ",
                                  listing.stored_bytes, " bytes, ratio ", RatioText(raw_bytes, listing.stored_bytes));
  if (!listing.tensors.empty()) absl::StrAppend(&text, TensorsText(listing.tensors));
  if (options.verbose) {
    for (const ListedTensor& tensor : listing.tensors) absl::StrAppend(&text, SegmentsText(tensor));
  }
  run.report.Result({}, text);
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
  AddServerOptions(*command, options->run.server);
  AddDirectoryOptions(*command, options->directories);
  command->callback([options, &action] { action = [options] { return RunList(*options); }; });
}

}  // namespace dcac::cli
