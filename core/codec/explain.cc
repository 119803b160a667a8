#include "dcac/explain.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/out_of_memory.h"
#include "core/base/status_macros.h"
#include "core/codec/model_side.h"
#include "core/codec/segment_account.h"
#include "core/codec/segment_codec.h"
#include "core/codec/segment_reader.h"
#include "core/codec/segment_samples.h"
#include "core/codec/segment_shape.h"
#include "core/codec/segment_summary.h"
#include "core/format/frame.h"
#include "dcac/codec.h"

namespace dcac {
namespace {

constexpr size_t kMaxRowReferences = 64;

// What is known of a segment when it has been decoded.
struct CountedSegment {
  SegmentInfo info;
  SegmentAccount account;
  uint64_t body_bytes = 0;
  // Encoded without references.
  SegmentAccount plain_account;
  uint64_t plain_body_bytes = 0;
};

// A level whose segments are of the form of this one.
int LevelOfForm(const SegmentAccount& account) {
  constexpr int kByteLanesLevel = 2;  // of those with references the one that has byte lanes without them, too
  if (account.layout == kWaveLayout) return EncodeOptions::kMaxLevel;
  return account.byte_lanes ? kByteLanesLevel : EncodeOptions::kDefaultLevel;
}

// Of what is coded as a whole nothing is known.
bool MayHaveReferences(const SegmentAccount& account) {
  return account.planes.empty() || account.rows.referring + account.rows.repeated > 0 ||
         std::any_of(account.planes.begin(), account.planes.end(),
                     [](const PlaneAccount& plane) { return !plane.references.empty(); });
}

uint64_t StoredBytes(uint64_t body_bytes) {
  return VarintBytes(body_bytes) + body_bytes + kSegmentChecksumBytes;
}

absl::Status CountSegment(const FrameHeader& header, uint64_t segment, ByteSpan body, const Box& slab,
                          std::byte* slab_data, const ExplainOptions& options, CountedSegment& counted) {
  DCAC_RETURN_IF_ERROR(DecodeSegmentInto(header, segment, body, slab, slab_data, &counted.account));
  const Geometry& geometry = header.geometry;
  const Box box = geometry.SegmentBox(segment);
  const SegmentShape shape = ShapeOfBox(header.spec.dtype, geometry, box);
  counted.info = {box.item_begin, box.item_end, box.plane_begin, box.plane_end, box.row_begin, box.row_end};
  counted.info.raw_bytes = geometry.SegmentBytes(box);
  counted.body_bytes = body.size();
  counted.info.stored_bytes = StoredBytes(body.size());
  DCAC_RETURN_IF_ERROR(InSegment(segment, SummarizeBody(shape, body, counted.info)));
  if (!options.compare) return absl::OkStatus();
  if (!MayHaveReferences(counted.account)) {
    counted.plain_account = counted.account;
    counted.plain_body_bytes = counted.body_bytes;
    return absl::OkStatus();
  }
  Bytes packed(static_cast<size_t>(counted.info.raw_bytes));
  GatherBox(geometry.extents(), slab, box, slab_data, packed.data());
  EncodeOptions intra;
  intra.mode = Mode::kIntra;
  intra.level = options.level.value_or(LevelOfForm(counted.account));
  const Bytes plain = EncodeSegmentBody({shape, packed}, intra);
  counted.plain_body_bytes = plain.size();
  return InSegment(segment, DecodeSegmentBody(shape, plain, packed, &counted.plain_account));
}

// Bits of each plane of a segment, those of the first item first.  Where the coding knows no planes, or others than the
// tensor has, each has an equal share.
std::vector<double> PlaneBits(const SegmentAccount& account, uint64_t body_bytes, size_t num_planes) {
  std::vector<double> bits;
  if (account.planes.size() == num_planes) {
    for (const PlaneAccount& plane : account.planes) bits.push_back(plane.bits);
    return bits;
  }
  double sum = account.planes.empty() ? 8.0 * static_cast<double>(body_bytes - account.side_bytes) : 0;
  for (const PlaneAccount& plane : account.planes) sum += plane.bits;
  bits.assign(num_planes, sum / static_cast<double>(num_planes));
  return bits;
}

// While strengths are sums over the uses.
bool MoreImportant(const PlaneReference& a, const PlaneReference& b) {
  if (a.strength != b.strength) return a.strength > b.strength;
  return std::pair(a.items_back, a.plane_begin) < std::pair(b.items_back, b.plane_begin);
}

}  // namespace

std::string_view SampleCodingName(SampleCoding coding) {
  switch (coding) {
    case SampleCoding::kMode:
      return "mode";
    case SampleCoding::kWest:
      return "west";
    case SampleCoding::kNorth:
      return "north";
    case SampleCoding::kReference:
      return "reference";
    case SampleCoding::kEscape:
      return "escape";
    case SampleCoding::kResidual:
      return "residual";
  }
  return "unknown";
}

struct FrameExplainer::Impl {
  explicit Impl(const ExplainOptions& explain_options) : options(explain_options), decoder(explain_options.limits) {}

  absl::Status Decode(const FrameHeader& header, uint64_t segment, ByteSpan body, const Box& slab,
                      std::byte* slab_data) {
    CountedSegment counted;
    DCAC_RETURN_IF_ERROR(CountSegment(header, segment, body, slab, slab_data, options, counted));
    const std::lock_guard<std::mutex> lock(mutex);
    if (result.planes.empty()) StartPlanes(header.geometry.extents());
    pending.emplace(segment, std::move(counted));
    return absl::OkStatus();
  }

  void StartPlanes(const Extents& extents) {
    row_samples = extents.width;
    const uint64_t most = std::max<uint64_t>(1, options.max_planes);
    group = (extents.planes + most - 1) / most;
    for (uint64_t plane = 0; plane < extents.planes; plane += group) {
      result.planes.emplace_back();
      result.planes.back().plane_begin = plane;
      result.planes.back().plane_end = std::min(plane + group, extents.planes);
    }
  }

  // Adds the segments that were decoded by a call, in their order: sums do not depend on threads.
  void TakePending() {
    for (const auto& [segment, counted] : pending) Add(counted);
    pending.clear();
  }

  void Add(const CountedSegment& counted) {
    SegmentExplanation segment;
    segment.info = counted.info;
    segment.info.frame_offset = segment_bytes;  // of the first segment; Finish adds the header
    segment_bytes += counted.info.stored_bytes;
    index_bytes += VarintBytes(counted.info.stored_bytes);
    segment.samples = counted.account.samples;
    AddPlanes(counted, segment);
    AddRows(counted.account.rows);
    AddSampleCounts(counted.account.samples, result.samples);
    result.sample_bits += segment.sample_bits;
    result.side_bytes += counted.info.side_bytes;
    if (options.compare) {
      segment.stored_bytes_without_references = StoredBytes(counted.plain_body_bytes);
      plain_bytes += segment.stored_bytes_without_references;
      plain_index_bytes += VarintBytes(segment.stored_bytes_without_references);
    }
    result.segments.push_back(std::move(segment));
  }

  void AddPlanes(const CountedSegment& counted, SegmentExplanation& segment) {
    const SegmentInfo& info = counted.info;
    const uint64_t planes_per_item = info.plane_end - info.plane_begin;
    const size_t num_planes = static_cast<size_t>((info.item_end - info.item_begin) * planes_per_item);
    const std::vector<double> bits = PlaneBits(counted.account, counted.body_bytes, num_planes);
    std::vector<double> plain_bits;
    if (options.compare) plain_bits = PlaneBits(counted.plain_account, counted.plain_body_bytes, num_planes);
    for (size_t p = 0; p < num_planes; ++p) {
      PlaneExplanation& plane = PlaneOf(info.plane_begin + p % planes_per_item);
      plane.samples += (info.row_end - info.row_begin) * row_samples;
      plane.bits += bits[p];
      segment.sample_bits += bits[p];
      if (options.compare) plane.bits_without_references += plain_bits[p];
      if (counted.account.planes.size() != num_planes) {
        ++plane.parts.whole;
        continue;
      }
      CountPlanes(counted.account.planes[p].kind, 1, plane.parts);
      for (const ReferenceAccount& reference : counted.account.planes[p].references) {
        const size_t from = static_cast<size_t>(reference.plane);
        AddReference(PlaneOf(info.plane_begin + from % planes_per_item).plane_begin,
                     p / planes_per_item - from / planes_per_item, reference, plane);
      }
    }
  }

  PlaneExplanation& PlaneOf(uint64_t plane) { return result.planes[static_cast<size_t>(plane / group)]; }

  // Weights and strengths are sums until Finish.
  void AddReference(uint64_t plane_begin, uint64_t items_back, const ReferenceAccount& reference,
                    PlaneExplanation& plane) {
    auto at = std::find_if(plane.references.begin(), plane.references.end(), [&](const PlaneReference& known) {
      return known.plane_begin == plane_begin && known.items_back == items_back;
    });
    if (at == plane.references.end()) {
      if (plane.references.size() >= 4 * options.max_references) KeepStrongest(2 * options.max_references, plane);
      at = plane.references.insert(plane.references.end(), {plane_begin, items_back});
    }
    ++at->uses;
    at->weight += reference.weight;
    at->strength += reference.strength;
  }

  static void KeepStrongest(size_t count, PlaneExplanation& plane) {
    std::sort(plane.references.begin(), plane.references.end(), MoreImportant);
    if (plane.references.size() > count) plane.references.resize(count);
  }

  void AddRows(const RowExplanation& rows) {
    result.rows.rows += rows.rows;
    result.rows.referring += rows.referring;
    result.rows.repeated += rows.repeated;
    for (const RowReference& reference : rows.references) row_distances[reference.distance] += reference.rows;
  }

  void FinishRows() {
    std::vector<RowReference>& references = result.rows.references;
    for (const auto& [distance, rows] : row_distances) references.push_back({distance, rows});
    std::stable_sort(references.begin(), references.end(),
                     [](const RowReference& a, const RowReference& b) { return a.rows > b.rows; });
    if (references.size() > kMaxRowReferences) references.resize(kMaxRowReferences);
  }

  FrameExplanation Finish() {
    FrameInfo& info = result.info;
    info.spec = *decoder.spec();
    info.version = kFrameVersion;
    info.raw_bytes = decoder.raw_bytes();
    info.frame_bytes = decoder.frame_bytes();
    info.digest = decoder.digest();
    const uint64_t header_bytes = info.frame_bytes - segment_bytes - index_bytes - kTrailerBytes;
    for (SegmentExplanation& segment : result.segments) {
      segment.info.frame_offset += header_bytes;
      info.segments.push_back(segment.info);
    }
    SummarizeSegments(info);
    for (PlaneExplanation& plane : result.planes) {
      KeepStrongest(options.max_references, plane);
      for (PlaneReference& reference : plane.references) {
        reference.weight /= static_cast<double>(reference.uses);
        reference.strength /= static_cast<double>(reference.uses);
      }
    }
    FinishRows();
    result.other_bytes = static_cast<double>(info.frame_bytes - result.side_bytes) - result.sample_bits / 8;
    result.compared = options.compare;
    if (options.compare) {
      result.frame_bytes_without_references = header_bytes + plain_bytes + plain_index_bytes + kTrailerBytes;
    }
    return std::move(result);
  }

  ExplainOptions options;
  FrameDecoder decoder;
  std::mutex mutex;  // of `pending` and of the start of `result`
  std::map<uint64_t, CountedSegment> pending;
  FrameExplanation result;
  uint64_t group = 1;  // planes of a PlaneExplanation
  uint64_t row_samples = 0;
  uint64_t segment_bytes = 0, index_bytes = 0;
  uint64_t plain_bytes = 0, plain_index_bytes = 0;
  std::map<uint64_t, uint64_t> row_distances;
};

FrameExplainer::FrameExplainer(const ExplainOptions& options) : impl_(std::make_unique<Impl>(options)) {
  impl_->decoder.DecodeSegmentsBy(
      [impl = impl_.get()](const FrameHeader& header, uint64_t segment, ByteSpan body, const Box& slab,
                           std::byte* slab_data) { return impl->Decode(header, segment, body, slab, slab_data); });
}
FrameExplainer::FrameExplainer(FrameExplainer&&) noexcept = default;
FrameExplainer& FrameExplainer::operator=(FrameExplainer&&) noexcept = default;
FrameExplainer::~FrameExplainer() = default;

void FrameExplainer::CancelOn(const std::atomic<bool>* cancelled) {
  impl_->decoder.CancelOn(cancelled);
}

absl::Status FrameExplainer::Push(std::span<const std::byte> data) {
  if (impl_->options.level) DCAC_RETURN_IF_ERROR(CheckLevel(*impl_->options.level));
  return CatchOutOfMemory([&] {
    absl::Status status = impl_->decoder.PushBounded(data);
    while (status.ok()) {
      impl_->TakePending();
      impl_->decoder.Pull();
      if (!impl_->decoder.has_backlog()) return status;
      status = impl_->decoder.PushBounded({});
    }
    return status;
  });
}

absl::StatusOr<FrameExplanation> FrameExplainer::Finish() {
  DCAC_RETURN_IF_ERROR(impl_->decoder.Finish());
  return CatchOutOfMemory([&]() -> absl::StatusOr<FrameExplanation> { return impl_->Finish(); });
}

absl::StatusOr<FrameExplanation> ExplainFrame(std::span<const std::byte> frame, const ExplainOptions& options) {
  FrameExplainer explainer(options);
  DCAC_RETURN_IF_ERROR(explainer.Push(frame));
  return explainer.Finish();
}

absl::StatusOr<FrameExplanation> ExplainTensor(const TensorSpec& spec, std::span<const std::byte> data,
                                               const EncodeOptions& encode_options, const ExplainOptions& options) {
  DCAC_ASSIGN_OR_RETURN(const std::vector<std::byte> frame, Compress(spec, data, encode_options));
  ExplainOptions with_level = options;
  with_level.level = encode_options.level;
  return ExplainFrame(frame, with_level);
}

}  // namespace dcac
