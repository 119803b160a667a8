#include "core/codec/segment_summary.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/codec/lane_segment.h"
#include "core/codec/model_side.h"
#include "core/codec/recode.h"
#include "core/codec/repeats.h"
#include "core/codec/row_decoder.h"
#include "core/codec/segment_shape.h"

namespace dcac {
namespace {

constexpr size_t kRecodedHeadBytes = 2;  // method and type
constexpr size_t kModelHeadBytes = 12;   // method, layout, size of the side information; most
static_assert(kSummaryHeadBytes >= 1 + kMaxRepeatsBytes + kRecodedHeadBytes + kModelHeadBytes);

const char* MethodName(SegmentMethod method) {
  switch (method) {
    case SegmentMethod::kStored:
      return "stored";
    case SegmentMethod::kZstd:
      return "zstd";
    case SegmentMethod::kModel:
      return "model";
    case SegmentMethod::kRecoded:
      return "recoded";
    case SegmentMethod::kWords:
      return "words";
    case SegmentMethod::kRepeats:
      return "repeats";
  }
  return "unknown";
}

// Whether a body may be right within another one, as decoders have it.
bool MayContain(SegmentMethod outer, SegmentMethod inner) {
  const bool is_simple =
      inner == SegmentMethod::kStored || inner == SegmentMethod::kZstd || inner == SegmentMethod::kModel;
  return is_simple || (outer == SegmentMethod::kRepeats && inner != SegmentMethod::kRepeats);
}

// Reads the front of a body of repeats, and gives that of the body after them.
absl::StatusOr<ByteSpan> ReadRepeatsHead(const SegmentShape& shape, ByteSpan body_front, Repeats& repeats) {
  ByteReader reader(body_front.subspan(1));
  DCAC_RETURN_IF_ERROR(ReadRepeats(reader, shape, repeats));
  return body_front.subspan(1 + reader.position());
}

// Reads what precedes the side information of a model body.
absl::Status ReadModelHead(ByteReader& reader, uint8_t& layout, uint64_t& side_bytes) {
  DCAC_RETURN_IF_ERROR(reader.ReadByte("layout id", layout));
  if (layout != kWaveLayout && layout != kRowLayout && layout != kLaneLayout)
    return absl::UnimplementedError(absl::StrCat("segment layout is ", layout, ", this build knows 1 .. 3"));
  return reader.ReadVarint("size of the side information", side_bytes);
}

void SummarizeModel(const ModelSide& side, SegmentInfo& info) {
  for (const PlaneCoding& coding : side.codings) CountPlanes(coding.kind, 1, info.planes);
  for (const ModelledSet& modelled : side.sets) {
    for (const PlaneModel& plane : modelled.model.planes) {
      info.references += plane.references.size();
      info.terms += plane.terms.size();
    }
  }
  info.mode = info.planes.difference > 0 ? ModeName(Mode::kDcac)
              : info.terms > 0           ? ModeName(Mode::kLs)
                                         : ModeName(Mode::kIntra);
  info.references += info.planes.difference + info.planes.duplicate;
}

// Own weights of a plane's taps are terms, too, as its unit is; what makes the mode are references.
void SummarizeLanes(const LaneSide& side, SegmentInfo& info) {
  for (const PlaneCoding& coding : side.codings) CountPlanes(coding.kind, 1, info.planes);
  for (const LaneSet& lanes : side.sets) {
    for (const LanePlane& plane : lanes.model.planes) {
      info.references += plane.references.size();
      info.terms += plane.references.size() + (plane.unit != 0 ? 1 : 0);
      for (const auto& taps : plane.own) {
        info.terms += static_cast<uint64_t>(std::count_if(taps.begin(), taps.end(), [](int32_t w) { return w != 0; }));
      }
    }
  }
  info.mode = info.references > 0 ? ModeName(Mode::kLs) : ModeName(Mode::kIntra);
  info.references += info.planes.duplicate;
}

void SummarizeRows(const RowModel& model, SegmentInfo& info) {
  for (const RowCoding& row : model.rows) info.row_references += row.references.size();
  info.mode = info.row_references > 0 ? ModeName(Mode::kLs) : ModeName(Mode::kIntra);
}

absl::Status SummarizeModelBody(const SegmentShape& shape, ByteReader reader, SegmentInfo& info) {
  uint8_t layout = 0;
  DCAC_RETURN_IF_ERROR(ReadModelHead(reader, layout, info.side_bytes));
  ByteSpan side_bytes;
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("side information", info.side_bytes, side_bytes));
  if (shape.in_token_order()) {  // the planes of the model, if it has any, are not those of the tensor
    info.planes.whole = static_cast<uint64_t>(shape.all_planes());
    if (layout != kRowLayout || !IsModelled(shape.dtype)) return absl::OkStatus();
    DCAC_ASSIGN_OR_RETURN(const RowModel model, ParseRowModel(RowShapeOf(shape), side_bytes));
    SummarizeRows(model, info);
    return absl::OkStatus();
  }
  if (layout == kRowLayout) return absl::DataLossError("segment of rows, expected planes: the layout has no tokens");
  if (layout == kLaneLayout) {
    DCAC_ASSIGN_OR_RETURN(const LaneSide side, ParseLaneSide(shape, side_bytes));
    SummarizeLanes(side, info);
    return absl::OkStatus();
  }
  DCAC_ASSIGN_OR_RETURN(const ModelSide side, ParseModelSide(shape, side_bytes));
  SummarizeModel(side, info);
  return absl::OkStatus();
}

// Of a body within a recoded one.
absl::Status SummarizeRecoded(const SegmentShape& shape, ByteSpan body_front, SegmentInfo& info) {
  ByteReader reader(body_front.subspan(1));
  uint8_t number = 0;
  ByteSpan inner;
  DCAC_RETURN_IF_ERROR(reader.ReadByte("recoded type", number));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("recoded samples", reader.remaining(), inner));
  SegmentShape recoded = shape;
  recoded.dtype = static_cast<DType>(number);
  DCAC_ASSIGN_OR_RETURN(const SegmentMethod method, MethodOfBody(inner));
  if (!IsRecoding(shape.dtype, recoded.dtype) || !MayContain(SegmentMethod::kRecoded, method))
    return absl::DataLossError(absl::StrCat("recoded as type ", number, " by method ", static_cast<int>(method)));
  return SummarizeBody(recoded, inner, info);
}

// Of the body after the repeats.
absl::Status SummarizeRepeats(const SegmentShape& shape, ByteSpan body_front, SegmentInfo& info) {
  Repeats repeats;
  DCAC_ASSIGN_OR_RETURN(const ByteSpan inner, ReadRepeatsHead(shape, body_front, repeats));
  DCAC_ASSIGN_OR_RETURN(const SegmentMethod method, MethodOfBody(inner));
  if (!MayContain(SegmentMethod::kRepeats, method)) return absl::DataLossError("repeats within another method");
  return SummarizeBody(WithoutRepeats(shape, repeats), inner, info);
}

int Rank(std::string_view mode) {
  return mode == ModeName(Mode::kLs) ? 3 : mode == ModeName(Mode::kDcac) ? 2 : mode == ModeName(Mode::kIntra) ? 1 : 0;
}

}  // namespace

void CountPlanes(PlaneKind kind, uint64_t count, PlaneCounts& counts) {
  switch (kind) {
    case PlaneKind::kNormal:
      counts.normal += count;
      break;
    case PlaneKind::kDifference:
      counts.difference += count;
      break;
    case PlaneKind::kConstant:
      counts.constant += count;
      break;
    case PlaneKind::kDuplicate:
      counts.duplicate += count;
      break;
    case PlaneKind::kUpsampled2:
    case PlaneKind::kUpsampled4:
    case PlaneKind::kUpsampled8:
      counts.upsampled += count;
  }
}

PlaneCounts& PlaneCounts::operator+=(const PlaneCounts& other) {
  normal += other.normal;
  difference += other.difference;
  constant += other.constant;
  duplicate += other.duplicate;
  upsampled += other.upsampled;
  whole += other.whole;
  return *this;
}

absl::StatusOr<size_t> SummaryBytes(const SegmentShape& shape, ByteSpan body_front, uint64_t body_bytes) {
  DCAC_ASSIGN_OR_RETURN(const SegmentMethod method, MethodOfBody(body_front));
  if (method == SegmentMethod::kRepeats) {
    Repeats repeats;
    DCAC_ASSIGN_OR_RETURN(const ByteSpan inner, ReadRepeatsHead(shape, body_front, repeats));
    const size_t head_bytes = body_front.size() - inner.size();
    if (head_bytes >= body_bytes || !MayContain(method, MethodOfBody(inner).value_or(method))) {
      return head_bytes;  // SummarizeBody refuses it
    }
    DCAC_ASSIGN_OR_RETURN(const size_t bytes, SummaryBytes(shape, inner, body_bytes - head_bytes));
    return head_bytes + bytes;
  }
  if (method == SegmentMethod::kRecoded && body_front.size() > kRecodedHeadBytes && body_bytes > kRecodedHeadBytes) {
    const ByteSpan inner = body_front.subspan(kRecodedHeadBytes);
    if (!MayContain(method, MethodOfBody(inner).value_or(method)))
      return kRecodedHeadBytes;  // SummarizeBody refuses it
    DCAC_ASSIGN_OR_RETURN(const size_t bytes, SummaryBytes(shape, inner, body_bytes - kRecodedHeadBytes));
    return kRecodedHeadBytes + bytes;
  }
  if (method != SegmentMethod::kModel) return 1;
  ByteReader reader(body_front.subspan(1));
  uint8_t layout = 0;
  uint64_t side_bytes = 0;
  DCAC_RETURN_IF_ERROR(ReadModelHead(reader, layout, side_bytes));
  const size_t head_bytes = 1 + reader.position();
  if (head_bytes > body_bytes || side_bytes > body_bytes - head_bytes) {
    return absl::DataLossError(
        absl::StrCat("side information of ", side_bytes, " bytes in a body of ", body_bytes, " bytes"));
  }
  return head_bytes + static_cast<size_t>(side_bytes);
}

absl::Status SummarizeBody(const SegmentShape& shape, ByteSpan body_front, SegmentInfo& info) {
  DCAC_ASSIGN_OR_RETURN(const SegmentMethod method, MethodOfBody(body_front));
  info.method = info.sample_method = MethodName(method);
  info.dtype = shape.dtype;
  if (method == SegmentMethod::kRecoded || method == SegmentMethod::kRepeats) {
    const auto summarize = method == SegmentMethod::kRecoded ? SummarizeRecoded : SummarizeRepeats;
    DCAC_RETURN_IF_ERROR(summarize(shape, body_front, info));
    info.method = MethodName(method);
    return absl::OkStatus();
  }
  if (method == SegmentMethod::kModel) return SummarizeModelBody(shape, ByteReader(body_front.subspan(1)), info);
  info.planes.whole = static_cast<uint64_t>(shape.all_planes());
  return absl::OkStatus();
}

void SummarizeSegments(FrameInfo& info) {
  uint64_t referring = 0, references = 0;  // planes, or rows where those refer to each other
  for (const SegmentInfo& segment : info.segments) {
    const bool has_rows = segment.row_references > 0;
    referring += has_rows ? (segment.item_end - segment.item_begin) * (segment.row_end - segment.row_begin)
                          : segment.planes.all();
    references += has_rows ? segment.row_references : segment.references;
    if (Rank(segment.mode) > Rank(info.mode)) info.mode = segment.mode;
  }
  info.references_per_plane = referring > 0 ? static_cast<double>(references) / static_cast<double>(referring) : 0;
}

}  // namespace dcac
