#include "client/cli/explain/explained_tensor.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/explain/text_table.h"
#include "client/cli/file_run.h"
#include "core/files/printable.h"

namespace dcac::cli {
namespace {

using Align = TextTable::Align;

std::string Fixed(double value, int digits) {
  return absl::StrFormat("%.*f", digits, value);
}

std::string Percent(double part, double whole) {
  return whole > 0 ? absl::StrFormat("%.1f %%", 100 * part / whole) : "-";
}

double PerSample(double bits, std::uint64_t samples) {
  return samples > 0 ? bits / static_cast<double>(samples) : 0;
}

// How much smaller the frame is than without references.
double SavedByReferences(const FrameExplanation& explanation) {
  return static_cast<double>(explanation.frame_bytes_without_references) -
         static_cast<double>(explanation.info.frame_bytes);
}

Json PlaneCountsToJson(const PlaneCounts& counts) {
  Json json = Json::object();
  for (const auto& [name, count] : NamedCounts(counts)) {
    if (count > 0) json[name] = count;
  }
  return json;
}

Json ReferencesToJson(const std::vector<PlaneReference>& references) {
  Json json = Json::array();
  for (const PlaneReference& reference : references) {
    json.push_back({{"plane", reference.plane_begin},
                    {"items_back", reference.items_back},
                    {"uses", reference.uses},
                    {"weight", reference.weight},
                    {"strength", reference.strength}});
  }
  return json;
}

Json PlanesToJson(const FrameExplanation& explanation) {
  Json json = Json::array();
  for (const PlaneExplanation& plane : explanation.planes) {
    Json entry = {{"plane_begin", plane.plane_begin},
                  {"plane_end", plane.plane_end},
                  {"samples", plane.samples},
                  {"bits", plane.bits}};
    if (explanation.compared) entry["bits_without_references"] = plane.bits_without_references;
    entry["kinds"] = PlaneCountsToJson(plane.parts);
    entry["references"] = ReferencesToJson(plane.references);
    json.push_back(std::move(entry));
  }
  return json;
}

Json SampleCountsToJson(const SampleCounts& counts) {
  Json json = Json::object();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i].samples == 0) continue;
    json[std::string(SampleCodingName(static_cast<SampleCoding>(i)))] = {{"samples", counts[i].samples},
                                                                         {"bits", counts[i].bits}};
  }
  return json;
}

Json SegmentsToJson(const FrameExplanation& explanation) {
  Json json = Json::array();
  for (const SegmentExplanation& segment : explanation.segments) {
    const SegmentInfo& info = segment.info;
    Json entry = {{"items", {info.item_begin, info.item_end}},
                  {"planes", {info.plane_begin, info.plane_end}},
                  {"rows", {info.row_begin, info.row_end}},
                  {"frame_offset", info.frame_offset},
                  {"raw_bytes", info.raw_bytes},
                  {"compressed_bytes", info.stored_bytes}};
    if (explanation.compared) entry["compressed_bytes_without_references"] = segment.stored_bytes_without_references;
    entry["method"] = info.method;
    entry["sample_method"] = info.sample_method;
    entry["sample_dtype"] = DTypeName(info.dtype);
    entry["mode"] = info.mode;
    entry["sample_bits"] = segment.sample_bits;
    entry["side_bytes"] = info.side_bytes;
    entry["references"] = info.references;
    entry["terms"] = info.terms;
    entry["kinds"] = PlaneCountsToJson(info.planes);
    entry["codings"] = SampleCountsToJson(segment.samples);
    json.push_back(std::move(entry));
  }
  return json;
}

Json RowsToJson(const RowExplanation& rows) {
  Json distances = Json::array();
  for (const RowReference& distance : rows.references)
    distances.push_back({{"distance", distance.distance}, {"rows", distance.rows}});
  return {{"rows", rows.rows}, {"referring", rows.referring}, {"repeated", rows.repeated}, {"distances", distances}};
}

std::string PlaneText(const PlaneExplanation& plane) {
  return plane.plane_end - plane.plane_begin > 1 ? absl::StrCat(plane.plane_begin, "-", plane.plane_end - 1)
                                                 : absl::StrCat(plane.plane_begin);
}

// "p12 (0.83), p7 (-0.20), p7 of the item before (0.10)".
std::string ReferencesText(const std::vector<PlaneReference>& references) {
  constexpr std::size_t kShown = 6;
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < std::min(references.size(), kShown); ++i) {
    const PlaneReference& reference = references[i];
    std::string part = absl::StrCat("p", reference.plane_begin);
    if (reference.items_back > 0) absl::StrAppend(&part, ", ", reference.items_back, " back");
    // Where only samples around are used, there is no weight to tell.
    const bool around = std::abs(reference.weight) < 0.005;
    parts.push_back(absl::StrCat(part, " (", around ? "around " : "",
                                 Fixed(around ? reference.strength : reference.weight, 2), ")"));
  }
  if (references.size() > kShown) parts.push_back(absl::StrCat(references.size() - kShown, " more"));
  return absl::StrJoin(parts, ", ");
}

std::string SamplesText(const SampleCounts& counts) {
  std::uint64_t all = 0;
  for (const SampleCount& count : counts) all += count.samples;
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i].samples == 0) continue;
    parts.push_back(absl::StrCat(std::string(SampleCodingName(static_cast<SampleCoding>(i))), " ",
                                 Percent(static_cast<double>(counts[i].samples), static_cast<double>(all)), " (",
                                 Fixed(PerSample(counts[i].bits, counts[i].samples), 2), " bits each)"));
  }
  return parts.empty() ? "" : absl::StrCat("\n  samples coded as: ", absl::StrJoin(parts, ", "));
}

std::string RowsText(const RowExplanation& rows) {
  constexpr std::size_t kShown = 8;
  if (rows.rows == 0) return "";
  std::string text = absl::StrCat("\n  rows: ", rows.rows, ", ", rows.referring, " refer to an earlier one, ",
                                  rows.repeated, " repeat one");
  for (std::size_t i = 0; i < std::min(rows.references.size(), kShown); ++i) {
    absl::StrAppend(&text, i == 0 ? "; distances " : ", ", rows.references[i].distance, " (", rows.references[i].rows,
                    " times)");
  }
  return text;
}

}  // namespace

std::string TypeText(const ExplainedTensor& tensor) {
  return tensor.opaque ? "bytes" : std::string(DTypeName(tensor.explanation.info.spec.dtype));
}

std::uint64_t NumSamples(const TensorSpec& spec) {
  return TensorBytes(spec).value_or(0) / SampleBytes(spec.dtype);
}

double BitsPerSample(const FrameInfo& info) {
  return PerSample(8 * static_cast<double>(info.frame_bytes), NumSamples(info.spec));
}

std::vector<std::pair<const char*, std::uint64_t>> NamedCounts(const PlaneCounts& counts) {
  return {{"normal", counts.normal},       {"difference", counts.difference}, {"constant", counts.constant},
          {"duplicate", counts.duplicate}, {"upsampled", counts.upsampled},   {"whole", counts.whole}};
}

std::string MethodText(const SegmentInfo& segment) {
  if (segment.method == segment.sample_method) return segment.method;
  return absl::StrCat(segment.method, " as ", std::string(DTypeName(segment.dtype)), ", ", segment.sample_method);
}

std::string KindsText(const PlaneCounts& counts) {
  std::vector<std::string> parts;
  for (const auto& [name, count] : NamedCounts(counts)) {
    if (count == counts.all()) return count > 0 ? name : "-";
    if (count > 0) parts.push_back(absl::StrCat(name, " ", count));
  }
  return absl::StrJoin(parts, ", ");
}

Json ExplanationToJson(const ExplainedTensor& tensor) {
  const FrameExplanation& explanation = tensor.explanation;
  const FrameInfo& info = explanation.info;
  Json json = {{"file", tensor.file},
               {"tensor", tensor.name},
               {"dtype", TypeText(tensor)},
               {"shape", info.spec.shape},
               {"layout", LayoutName(info.spec.layout)},
               {"mode", info.mode},
               {"raw_bytes", info.raw_bytes},
               {"compressed_bytes", info.frame_bytes},
               {"ratio", Ratio(info.raw_bytes, info.frame_bytes)}};
  if (explanation.compared) json["compressed_bytes_without_references"] = explanation.frame_bytes_without_references;
  json["bits_per_sample"] = BitsPerSample(info);
  json["references_per_plane"] = info.references_per_plane;
  json["sample_bits"] = explanation.sample_bits;
  json["side_bytes"] = explanation.side_bytes;
  json["other_bytes"] = explanation.other_bytes;
  json["codings"] = SampleCountsToJson(explanation.samples);
  json["planes"] = PlanesToJson(explanation);
  if (explanation.rows.rows > 0) json["rows"] = RowsToJson(explanation.rows);
  json["segments"] = SegmentsToJson(explanation);
  return json;
}

std::string TensorsText(const std::vector<ExplainedTensor>& tensors) {
  TextTable table({{"tensor", Align::kLeft},
                   {"type", Align::kLeft},
                   {"shape", Align::kLeft},
                   {"mode", Align::kLeft},
                   {"refs/plane", Align::kRight},
                   {"raw", Align::kRight},
                   {"stored", Align::kRight},
                   {"ratio", Align::kRight},
                   {"bits/sample", Align::kRight},
                   {"without refs", Align::kRight},
                   {"saved", Align::kRight}});
  for (const ExplainedTensor& tensor : tensors) {
    const FrameExplanation& explanation = tensor.explanation;
    const FrameInfo& info = explanation.info;
    const double plain = static_cast<double>(explanation.frame_bytes_without_references);
    table.AddRow({tensor.name.empty() ? "-" : files::Printable(tensor.name), TypeText(tensor),
                  ShapeToString(info.spec.shape), info.mode.empty() ? "-" : info.mode,
                  Fixed(info.references_per_plane, 2), absl::StrCat(info.raw_bytes), absl::StrCat(info.frame_bytes),
                  RatioText(info.raw_bytes, info.frame_bytes), Fixed(BitsPerSample(info), 3),
                  explanation.compared ? Fixed(PerSample(8 * plain, NumSamples(info.spec)), 3) : "-",
                  explanation.compared ? Percent(SavedByReferences(explanation), plain) : "-"});
  }
  return table.ToString();
}

std::string PlanesText(const FrameExplanation& explanation) {
  TextTable table({{"plane", Align::kRight},
                   {"bits/sample", Align::kRight},
                   {"without refs", Align::kRight},
                   {"gain", Align::kRight},
                   {"kind", Align::kLeft},
                   {"references (weight)", Align::kLeft}});
  for (const PlaneExplanation& plane : explanation.planes) {
    const bool compared = explanation.compared;
    table.AddRow({PlaneText(plane), Fixed(PerSample(plane.bits, plane.samples), 3),
                  compared ? Fixed(PerSample(plane.bits_without_references, plane.samples), 3) : "-",
                  compared ? Percent(plane.bits_without_references - plane.bits, plane.bits_without_references) : "-",
                  KindsText(plane.parts), ReferencesText(plane.references)});
  }
  return absl::StrCat(SamplesText(explanation.samples), RowsText(explanation.rows),
                      "\n  bytes: ", Fixed(explanation.sample_bits / 8, 0), " samples, ", explanation.side_bytes,
                      " side information, ", Fixed(explanation.other_bytes, 0), " other",
                      explanation.planes.empty() ? "" : table.ToString());
}

}  // namespace dcac::cli
