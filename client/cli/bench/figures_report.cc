#include "client/cli/bench/figures_report.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/explain/text_table.h"
#include "client/cli/file_run.h"

namespace dcac::cli {
namespace {

std::string Fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

// Speeds of slow and fast codecs with about as many digits.
std::string SpeedText(double mb_per_s) {
  constexpr double kFast = 100;
  return Fixed(mb_per_s, mb_per_s < kFast ? 1 : 0);
}

void AddRelative(const std::vector<RelativeSpeed>& relative, Json& json) {
  Json compress = Json::object(), decompress = Json::object();
  for (const RelativeSpeed& speed : relative) {
    compress[speed.peer] = speed.compress;
    decompress[speed.peer] = speed.decompress;
  }
  json["compress_relative_speed"] = std::move(compress);
  json["decompress_relative_speed"] = std::move(decompress);
}

// The share that lies in no phase.
double Rest(const PhaseSeconds& shares) {
  double rest = 1;
  for (double share : shares) rest -= share;
  return std::max(rest, 0.0);
}

void AddPhases(const char* key, const std::optional<PhaseSeconds>& shares, Json& json) {
  if (!shares) return;
  for (std::size_t i = 0; i < kNumPhases; ++i) {
    json[key][std::string(PhaseName(static_cast<Phase>(i)))] = (*shares)[i];
  }
  json[key]["rest"] = Rest(*shares);
}

Json ToJson(const FileFigures& file, const CodecFigures& codec) {
  const auto speed = [&](double seconds) { return MegabytesPerSecond(file.raw_bytes, seconds); };
  Json json = {{"file", file.file},
               {"codec", codec.codec},
               {"dtype", DTypeName(file.spec.dtype)},
               {"shape", file.spec.shape},
               {"target", file.target},
               {"raw_bytes", file.raw_bytes},
               {"compressed_bytes", codec.compressed_bytes},
               {"ratio", Ratio(file.raw_bytes, codec.compressed_bytes)},
               {"compress_mb_per_s", speed(codec.compress.median_seconds)},
               {"compress_mb_per_s_best", speed(codec.compress.best_seconds)},
               {"decompress_mb_per_s", speed(codec.decompress.median_seconds)},
               {"decompress_mb_per_s_best", speed(codec.decompress.best_seconds)},
               {"compress_page_faults", codec.compress.page_faults},
               {"decompress_page_faults", codec.decompress.page_faults},
               {"runs", codec.runs},
               {"peak_memory_bytes", nullptr}};
  if (codec.peak_memory_bytes) json["peak_memory_bytes"] = *codec.peak_memory_bytes;
  AddRelative(RelativeSpeeds(file, codec), json);
  AddPhases("compress_phases", codec.compress.phases, json);
  AddPhases("decompress_phases", codec.decompress.phases, json);
  return json;
}

Json ToJson(const GroupFigures& group) {
  Json json = {{"dtype", DTypeName(group.dtype)},
               {"codec", group.codec},
               {"files", group.files},
               {"target", group.target},
               {"raw_bytes", group.raw_bytes},
               {"ratio_geomean", group.ratio},
               {"compress_mb_per_s_median", group.compress_mb_per_s},
               {"decompress_mb_per_s_median", group.decompress_mb_per_s}};
  AddRelative(group.relative, json);
  AddPhases("compress_phases", group.compress_phases, json);
  AddPhases("decompress_phases", group.decompress_phases, json);
  return json;
}

// The columns of both tables that say how fast a codec is next to each peer: compressing / decompressing.
void AddRelativeColumns(const std::vector<RelativeSpeed>& relative, std::vector<TextTable::Column>& columns) {
  for (const RelativeSpeed& speed : relative) columns.emplace_back("x " + speed.peer, TextTable::Align::kRight);
}

void AddRelativeCells(const std::vector<RelativeSpeed>& relative, std::vector<std::string>& cells) {
  for (const RelativeSpeed& speed : relative) {
    cells.push_back(Fixed(speed.compress, 2) + " / " + Fixed(speed.decompress, 2));
  }
}

std::string PhasesText(const std::string& codec, const char* direction, const std::optional<PhaseSeconds>& shares) {
  if (!shares) return "";
  const auto percent = [](double share) { return Fixed(100 * share, 1) + " %"; };
  std::string text = absl::StrCat("\n  ", codec, " ", direction, ":");
  for (std::size_t i = 0; i < kNumPhases; ++i) {
    absl::StrAppend(&text, " ", std::string(PhaseName(static_cast<Phase>(i))), " ", percent((*shares)[i]), ",");
  }
  return absl::StrCat(text, " rest ", percent(Rest(*shares)));
}

std::string ToText(const FileFigures& file) {
  using Align = TextTable::Align;
  const auto speed = [&](const DirectionFigures& direction) {
    return SpeedText(MegabytesPerSecond(file.raw_bytes, direction.median_seconds)) + " (" +
           SpeedText(MegabytesPerSecond(file.raw_bytes, direction.best_seconds)) + ")";
  };
  std::vector<TextTable::Column> columns = {{"codec", Align::kLeft},
                                            {"ratio", Align::kRight},
                                            {"compress MB/s (best)", Align::kRight},
                                            {"decompress MB/s (best)", Align::kRight}};
  AddRelativeColumns(RelativeSpeeds(file, file.codecs.front()), columns);
  columns.emplace_back("peak memory bytes", Align::kRight);
  columns.emplace_back("page faults", Align::kRight);
  TextTable table(std::move(columns));
  std::string phases;
  for (const CodecFigures& codec : file.codecs) {
    std::vector<std::string> cells = {codec.codec, RatioText(file.raw_bytes, codec.compressed_bytes),
                                      speed(codec.compress), speed(codec.decompress)};
    AddRelativeCells(RelativeSpeeds(file, codec), cells);
    cells.push_back(codec.peak_memory_bytes ? std::to_string(*codec.peak_memory_bytes) : "?");
    cells.push_back(Fixed(codec.compress.page_faults, 0) + " / " + Fixed(codec.decompress.page_faults, 0));
    table.AddRow(std::move(cells));
    phases += PhasesText(codec.codec, "compress", codec.compress.phases) +
              PhasesText(codec.codec, "decompress", codec.decompress.phases);
  }
  return absl::StrCat(OneLine(file.file), ": ", std::string(DTypeName(file.spec.dtype)), " ",
                      ShapeToString(file.spec.shape), ", ", file.raw_bytes, " bytes, SIMD target ", file.target,
                      table.ToString(), phases);
}

// Of the groups [begin, end), which are of one type.
std::string ToText(std::vector<GroupFigures>::const_iterator begin, std::vector<GroupFigures>::const_iterator end) {
  using Align = TextTable::Align;
  std::vector<TextTable::Column> columns = {{"codec", Align::kLeft},
                                            {"ratio", Align::kRight},
                                            {"compress MB/s", Align::kRight},
                                            {"decompress MB/s", Align::kRight}};
  AddRelativeColumns(begin->relative, columns);
  TextTable table(std::move(columns));
  std::string phases;
  for (auto group = begin; group != end; ++group) {
    std::vector<std::string> cells = {group->codec, Fixed(group->ratio, 3), SpeedText(group->compress_mb_per_s),
                                      SpeedText(group->decompress_mb_per_s)};
    AddRelativeCells(group->relative, cells);
    table.AddRow(std::move(cells));
    phases += PhasesText(group->codec, "compress", group->compress_phases) +
              PhasesText(group->codec, "decompress", group->decompress_phases);
  }
  return absl::StrCat("all ", std::string(DTypeName(begin->dtype)), ": ", begin->files, " files, ", begin->raw_bytes,
                      " bytes, SIMD target ", begin->target, "; geometric mean of the ratios, median speeds",
                      table.ToString(), phases);
}

}  // namespace

void ReportFile(const FileFigures& file, FileReport& report) {
  if (!report.json()) return report.Result({}, ToText(file));
  for (const CodecFigures& codec : file.codecs) report.Result(ToJson(file, codec), "");
}

void ReportSummary(const std::vector<GroupFigures>& groups, FileReport& report) {
  if (report.json()) {
    for (const GroupFigures& group : groups) report.Result(ToJson(group), "");
    return;
  }
  for (auto begin = groups.begin(); begin != groups.end();) {
    const auto end =
        std::find_if(begin, groups.end(), [&](const GroupFigures& group) { return group.dtype != begin->dtype; });
    report.Result({}, ToText(begin, end));
    begin = end;
  }
}

}  // namespace dcac::cli
