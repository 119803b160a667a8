#include "client/cli/explain/page.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/explain/page_template.h"

namespace dcac::cli {
namespace {

constexpr std::string_view kDataMark = "@DATA@";

// JSON that may stand in a script element: without a '<' nothing in it can end the element or begin a comment.
std::string DumpForPage(const Json& json) {
  std::string text;
  for (char c : json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

// A plane of a chart: one or more planes of an explanation.
struct Bin {
  std::uint64_t samples = 0;
  double bits = 0, plain_bits = 0;
  PlaneCounts parts;
  std::map<std::pair<std::size_t, std::uint64_t>, PlaneReference> references;  // by bin and items back; sums over uses
};

std::vector<Bin> MakeBins(const FrameExplanation& explanation, std::uint64_t planes_per_bin) {
  std::vector<Bin> bins;
  for (const PlaneExplanation& plane : explanation.planes) {
    bins.resize(static_cast<std::size_t>(plane.plane_begin / planes_per_bin) + 1);
    Bin& bin = bins.back();
    bin.samples += plane.samples;
    bin.bits += plane.bits;
    bin.plain_bits += plane.bits_without_references;
    bin.parts += plane.parts;
    for (const PlaneReference& reference : plane.references) {
      const std::size_t from = static_cast<std::size_t>(reference.plane_begin / planes_per_bin);
      PlaneReference& sum = bin.references[{from, reference.items_back}];
      const double uses = static_cast<double>(reference.uses);
      sum.uses += reference.uses;
      sum.weight += uses * reference.weight;
      sum.strength += uses * reference.strength;
    }
  }
  return bins;
}

char KindLetter(const PlaneCounts& parts) {
  const std::uint64_t all = parts.all();
  if (parts.normal == all) return 'n';
  if (parts.difference == all) return 'd';
  if (parts.constant == all) return 'c';
  if (parts.duplicate == all) return 'e';
  if (parts.upsampled == all) return 'u';
  return parts.whole == all ? 'w' : 'm';
}

// In thousandths.
std::int64_t MilliBitsPerSample(double bits, std::uint64_t samples) {
  return samples > 0 ? static_cast<std::int64_t>(1000 * bits / static_cast<double>(samples) + 0.5) : 0;
}

std::int64_t Hundredths(double value) {
  return static_cast<std::int64_t>(100 * value + (value < 0 ? -0.5 : 0.5));
}

void AppendReferences(std::size_t to, const Bin& bin, Json& flat) {
  constexpr std::size_t kMost = 24;
  std::vector<std::pair<std::pair<std::size_t, std::uint64_t>, PlaneReference>> references(bin.references.begin(),
                                                                                           bin.references.end());
  std::stable_sort(references.begin(), references.end(),
                   [](const auto& a, const auto& b) { return a.second.strength > b.second.strength; });
  for (std::size_t i = 0; i < std::min(references.size(), kMost); ++i) {
    const auto& [place, sum] = references[i];
    const double uses = static_cast<double>(sum.uses);
    for (const std::int64_t number : {static_cast<std::int64_t>(to), static_cast<std::int64_t>(place.first),
                                      static_cast<std::int64_t>(place.second), Hundredths(sum.weight / uses),
                                      Hundredths(sum.strength / uses), static_cast<std::int64_t>(sum.uses)}) {
      flat.push_back(number);
    }
  }
}

void AddPlanes(const FrameExplanation& explanation, Json& detail) {
  const std::uint64_t num_planes = explanation.planes.empty() ? 0 : explanation.planes.back().plane_end;
  const std::uint64_t group = explanation.planes.empty() ? 1 : explanation.planes[0].plane_end;
  const std::uint64_t groups = (num_planes + group - 1) / group;
  const std::uint64_t planes_per_bin =
      group * std::max<std::uint64_t>(1, (groups + ExplainPage::kMaxPlanes - 1) / ExplainPage::kMaxPlanes);
  Json bits = Json::array(), plain = Json::array(), references = Json::array();
  std::string kinds;
  PlaneCounts parts;
  const std::vector<Bin> bins = MakeBins(explanation, planes_per_bin);
  for (std::size_t i = 0; i < bins.size(); ++i) {
    bits.push_back(MilliBitsPerSample(bins[i].bits, bins[i].samples));
    if (explanation.compared) plain.push_back(MilliBitsPerSample(bins[i].plain_bits, bins[i].samples));
    kinds += KindLetter(bins[i].parts);
    parts += bins[i].parts;
    AppendReferences(i, bins[i], references);
  }
  Json named = Json::array();
  for (const auto& [name, count] : NamedCounts(parts)) {
    if (count > 0) named.push_back({name, count});
  }
  detail.update({{"n", num_planes},
                 {"g", planes_per_bin},
                 {"b", std::move(bits)},
                 {"w", std::move(plain)},
                 {"k", kinds},
                 {"r", std::move(references)},
                 {"kinds", std::move(named)}});
}

void AddSegments(const FrameExplanation& explanation, Json& detail) {
  Json segments = Json::array();
  std::map<std::string, std::size_t> methods;
  for (const SegmentExplanation& segment : explanation.segments) {
    const SegmentInfo& info = segment.info;
    ++methods[MethodText(info)];
    if (segments.size() == ExplainPage::kMaxSegments) continue;
    Json row = {info.item_begin, info.item_end, info.plane_begin, info.plane_end,
                info.row_begin,  info.row_end,  info.raw_bytes,   info.stored_bytes};
    row.push_back(explanation.compared ? Json(segment.stored_bytes_without_references) : Json());
    row.insert(row.end(), {MethodText(info), info.mode, info.references, info.side_bytes});
    segments.push_back(std::move(row));
  }
  detail["segments"] = std::move(segments);
  detail["segment_count"] = explanation.segments.size();
  detail["methods"] = absl::StrJoin(methods, "; ", absl::PairFormatter(": "));
}

Json MakeDetail(const FrameExplanation& explanation) {
  Json detail = Json::object();
  AddPlanes(explanation, detail);
  AddSegments(explanation, detail);
  Json codings = Json::array();
  for (std::size_t i = 0; i < explanation.samples.size(); ++i) {
    const SampleCount& count = explanation.samples[i];
    if (count.samples > 0)
      codings.push_back({SampleCodingName(static_cast<SampleCoding>(i)), count.samples, count.bits});
  }
  detail["codings"] = std::move(codings);
  const RowExplanation& rows = explanation.rows;
  Json distances = Json::array();
  for (const RowReference& distance : rows.references) distances.push_back({distance.distance, distance.rows});
  detail["rows"] = {
      {"rows", rows.rows}, {"referring", rows.referring}, {"repeated", rows.repeated}, {"distances", distances}};
  return detail;
}

}  // namespace

void ExplainPage::Add(const ExplainedTensor& tensor) {
  const FrameExplanation& explanation = tensor.explanation;
  const FrameInfo& info = explanation.info;
  const Json summary = {{"name", tensor.name},
                        {"file", tensor.file},
                        {"dtype", TypeText(tensor)},
                        {"shape", info.spec.shape},
                        {"layout", LayoutName(info.spec.layout)},
                        {"mode", info.mode},
                        {"samples", NumSamples(info.spec)},
                        {"refs", info.references_per_plane},
                        {"raw", info.raw_bytes},
                        {"stored", info.frame_bytes},
                        {"plain", explanation.compared ? Json(explanation.frame_bytes_without_references) : Json()},
                        {"side", explanation.side_bytes},
                        {"other", explanation.other_bytes}};
  Row row;
  row.summary = DumpForPage(summary);
  row.summary.pop_back();
  row.detail = DumpForPage(MakeDetail(explanation));
  row.stored_bytes = info.frame_bytes;
  detail_bytes_ += row.detail.size();
  rows_.push_back(std::move(row));
  raw_bytes_ += info.raw_bytes;
  stored_bytes_ += info.frame_bytes;
  plain_bytes_ += explanation.frame_bytes_without_references;
  side_bytes_ += explanation.side_bytes;
  sample_bits_ += explanation.sample_bits;
  compared_ = compared_ && explanation.compared;
  ++tensors_;
  for (const SegmentExplanation& segment : explanation.segments) planes_ += segment.info.planes.all();
  segments_ += explanation.segments.size();
  // Rarely: each time costs a sort.
  if (detail_bytes_ > 2 * kMaxDetailBytes || rows_.size() >= 2 * kMaxTensors) KeepWithinBounds();
}

void ExplainPage::AddNote(std::string note) {
  if (notes_.size() < kMaxNotes) {
    notes_.push_back(std::move(note));
  } else {
    ++untold_notes_;
  }
}

// The largest tensors keep their rows and details.
void ExplainPage::KeepWithinBounds() {
  std::stable_sort(rows_.begin(), rows_.end(),
                   [](const Row& a, const Row& b) { return a.stored_bytes > b.stored_bytes; });
  if (rows_.size() > kMaxTensors) rows_.resize(kMaxTensors);
  detail_bytes_ = 0;
  for (Row& row : rows_) {
    if (detail_bytes_ + row.detail.size() > kMaxDetailBytes) std::string().swap(row.detail);
    detail_bytes_ += row.detail.size();
  }
}

std::string ExplainPage::Render(std::string_view subject) {
  KeepWithinBounds();
  std::vector<std::string> notes = notes_;
  if (untold_notes_ > 0) notes.push_back(absl::StrCat(untold_notes_, " more remarks are left out."));
  if (rows_.size() < tensors_) {
    notes.push_back(
        absl::StrCat("The ", rows_.size(), " largest of ", tensors_, " tensors are in the table; the sums count all."));
  }
  const auto without_detail =
      std::count_if(rows_.begin(), rows_.end(), [](const Row& row) { return row.detail.empty(); });
  if (without_detail > 0) {
    notes.push_back(absl::StrCat("To keep the page small, the ", without_detail,
                                 " smallest tensors of the table come without planes and segments."));
  }
  const Json head = {{"subject", subject},
                     {"notes", notes},
                     {"totals",
                      {{"raw", raw_bytes_},
                       {"stored", stored_bytes_},
                       {"plain", compared_ && tensors_ > 0 ? Json(plain_bytes_) : Json()},
                       {"side", side_bytes_},
                       {"bits", sample_bits_},
                       {"tensors", tensors_},
                       {"files", files_},
                       {"planes", planes_},
                       {"segments", segments_}}}};
  std::string data = DumpForPage(head);
  data.pop_back();
  data += ",\"tensors\":[";
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    absl::StrAppend(&data, i > 0 ? "," : "", row.summary, ",\"detail\":", row.detail.empty() ? "null" : row.detail,
                    "}");
  }
  data += "]}";
  const std::string_view page = kPageTemplate;
  const std::size_t mark = page.find(kDataMark);
  return absl::StrCat(std::string(page.substr(0, mark)), data, std::string(page.substr(mark + kDataMark.size())));
}

}  // namespace dcac::cli
