#include "core/codec/lane_segment.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/exact_math.h"
#include "core/base/status_macros.h"
#include "core/codec/coarse_set.h"
#include "core/codec/context_builder.h"
#include "core/codec/lane_account.h"
#include "core/codec/lane_decoder.h"
#include "core/codec/lane_encoder.h"
#include "core/codec/lane_samples.h"
#include "core/codec/lane_streams.h"
#include "core/codec/model_side.h"
#include "core/codec/plane_kinds.h"
#include "core/codec/segment_samples.h"
#include "core/codec/upsampling.h"

namespace dcac {
namespace {

constexpr int kMinSetColumns = 6;
// Of planes that are coded smaller than they are.  Fewer are coded with the others: a model costs more than it gains.
constexpr size_t kMinScaledSamples = 256;
// Rows of rasters for which decoders are faster: a step is predicted by what came two steps before it, or four.
constexpr int kTwoStepColumns = 3 * static_cast<int>(kRansLanes) + 2;
constexpr int kFourStepColumns = 4 * static_cast<int>(kRansLanes) + 2;

// LaneEncoderOptions::count_every of sets of some, of many and of very many samples.
size_t CountEvery(size_t samples, const std::array<size_t, 3>& every) {
  constexpr size_t kSome = 1 << 15, kMany = 1 << 17, kVeryMany = 1 << 18;
  return samples >= kVeryMany ? every[2] : samples >= kMany ? every[1] : samples >= kSome ? every[0] : 1;
}

// `planes`: how many the set has; `plane_samples`: what planes have, few of which do not pay for references.
LaneEncoderOptions OptionsOfLevel(const EncodeOptions& options, SampleKind kind, size_t planes, size_t plane_samples) {
  LaneEncoderOptions lanes;
  const bool narrow = IsNarrow(kind);  // coding a wide sample takes longer anyway: more may be spent on it
  const size_t samples = planes * plane_samples;
  size_t min_reference_samples = 100;
  lanes.previous_item = options.previous_item;
  lanes.window = options.window;
  lanes.fits_twice = options.level <= 4;  // where references and own taps do most, no better
  switch (options.level) {
    case 1:
      lanes.bytes = true;
      lanes.errors = false;
      lanes.min_columns = kFourStepColumns;
      lanes.sample_positions = std::clamp<size_t>(samples / 16, 1 << 13, 1 << 14);
      lanes.fit_samples = 768;
      lanes.max_contexts = kFewestIntervalContexts;
      lanes.max_all_pairs = 10;
      lanes.position_bins = 7;
      lanes.activity_bins = 6;
      if (narrow) lanes.count_every = CountEvery(samples, {4, 16, 16});
      break;
    case 2:
      lanes.bytes = lanes.weighted = true;
      lanes.num_taps = 6;
      lanes.max_references = narrow ? 1 : 0;
      if (narrow) lanes.min_columns = kTwoStepColumns;
      if (narrow) lanes.min_saved_bits = lanes.min_reference_gain = 0.1;
      min_reference_samples = 400;
      if (lanes.window == 0) lanes.window = 32;
      lanes.position_bins = narrow ? 8 : 16;
      lanes.activity_bins = narrow ? 6 : 8;
      if (narrow) {
        lanes.search_samples = 256;
        lanes.fit_samples = std::clamp<size_t>(samples / 64, 768, 1536);
        lanes.sample_positions = std::clamp<size_t>(samples / 4, 1 << 13, 1 << 15);
        lanes.context_positions = 24 << 10;
      }
      if (narrow) lanes.count_every = CountEvery(samples, {2, 4, 8});
      lanes.max_contexts = narrow ? kFewIntervalContexts : 32;
      lanes.max_all_pairs = lanes.max_contexts + (narrow ? 2 : 8);
      lanes.fixed_centers = true;
      break;
    case 3:
      lanes.bytes = lanes.weighted = true;
      lanes.num_taps = narrow || IsFloat(kind) ? 3 : 6;
      if (narrow) lanes.min_columns = kTwoStepColumns;
      lanes.max_references = narrow ? 4 : 5;
      lanes.position_bins = narrow ? 8 : 12;
      lanes.activity_bins = narrow ? 6 : 12;
      min_reference_samples = 400;
      if (lanes.window == 0) lanes.window = narrow ? 64 : 128;
      if (narrow) lanes.search_samples = 384;
      lanes.fit_samples = std::clamp<size_t>(samples / 64, narrow ? 768 : 1024, narrow ? 1536 : 16384);
      lanes.sample_positions = std::clamp<size_t>(samples / 4, 1 << 13, narrow ? 1 << 15 : 1 << 16);
      if (narrow) lanes.context_positions = 24 << 10;
      lanes.max_contexts = narrow ? kFewIntervalContexts : 32;
      lanes.max_all_pairs = lanes.max_contexts + (narrow ? 2 : 8);
      if (narrow) lanes.min_saved_bits = 0.027;
      if (narrow) lanes.count_every = CountEvery(samples, {2, 4, 8});
      lanes.fixed_centers = true;
      break;
    case 4:
      lanes.interlaced = true;
      lanes.position_bins = narrow ? 10 : 12;
      lanes.activity_bins = narrow ? 8 : 12;
      lanes.max_references = narrow ? 6 : 4;
      if (narrow) lanes.min_columns = kTwoStepColumns;
      if (narrow) lanes.min_saved_bits = 0.002;
      lanes.analyses_once = true;
      lanes.max_contexts = 48;
      lanes.max_all_pairs = kMaxIntervalContexts + 8;
      lanes.fixed_centers = true;
      lanes.intervals = true;
      break;
    case 5:
      lanes.interlaced = true;
      lanes.num_taps = 6;
      lanes.max_references = narrow ? 14 : 13;
      if (narrow) lanes.min_saved_bits = 0.0037;
      lanes.position_bins = narrow ? 12 : 16;
      lanes.activity_bins = narrow ? 8 : 16;
      lanes.own_taps = true;
      lanes.max_all_pairs = kMaxIntervalContexts + 8;
      lanes.fixed_centers = true;
      lanes.search_samples = narrow ? 1216 : 2048;
      lanes.fit_samples = narrow ? 6144 : 8192;
      lanes.analyses_once = true;
      lanes.sample_positions = 1 << 19;
      if (!narrow) lanes.context_positions = lanes.sample_positions;
      lanes.intervals = true;
      break;
    default:
      lanes.interlaced = true;
      lanes.num_taps = 6;
      lanes.max_references = options.level == 6 ? (narrow ? 12 : 14) : 16;
      lanes.own_taps = true;
      lanes.fixed_centers = true;
      lanes.min_columns = 66;
      lanes.whole_vectors = false;
      lanes.search_samples = options.level == 6 ? 2048 : 4096;
      lanes.fit_samples = 16384;
      lanes.context_positions = lanes.sample_positions = options.level == 6 ? 1 << 20 : 1 << 24;
      lanes.max_all_pairs = kMaxAllPairs;
      min_reference_samples = 0;
  }
  if (options.level >= 3 && options.level <= 5) lanes.min_reference_gain = 0.04;
  if (options.mode == Mode::kIntra || plane_samples < min_reference_samples) lanes.max_references = 0;
  if (options.max_references) lanes.max_references = std::min(lanes.max_references, *options.max_references);
  return lanes;
}

void LimitContexts(LaneEncoderOptions& lanes, size_t contexts) {
  lanes.max_contexts = contexts;
  lanes.max_all_pairs = contexts + 8;
}

// Of planes of few samples other models hardly gain more, but take longer to fit and to decode.
constexpr size_t kFewPlaneSamples = 100;
void PreferSpeed(LaneEncoderOptions& lanes) {
  lanes.bytes = true;
  lanes.weighted = false;
  lanes.fit_samples = 1024;
  LimitContexts(lanes, kFewIntervalContexts);
  lanes.position_bins = 8;
  lanes.activity_bins = 6;
}

// Codes of floats are a part of these: less is gained of them, of binary32 least, half of which nothing is gained of.
void SpendLessOnCodes(SampleKind samples, int level, LaneEncoderOptions& lanes) {
  const bool is_binary32 = samples == SampleKind::kF32;
  lanes.intervals = true;  // tokens would hardly save more
  if (is_binary32 && level <= 3) lanes.max_references = 0;
  if (is_binary32) lanes.analyses_once = false;
  if (level == 1 && is_binary32) {
    lanes.fits_twice = false;
    lanes.count_every = 8;
  } else if (level == 2 && is_binary32) {
    lanes.context_positions = LaneEncoderOptions().context_positions;
    lanes.min_columns = kFourStepColumns;
    lanes.position_bins = lanes.activity_bins = 8;
    lanes.count_every = 4;
    lanes.sample_positions = 1 << 14;
    lanes.fit_samples = 1024;
    LimitContexts(lanes, kFewestIntervalContexts);
  } else if (level == 3) {
    lanes.search_samples = 256;
    lanes.min_saved_bits = 0.02;
    lanes.fit_samples = std::min<size_t>(lanes.fit_samples, 2048);
    lanes.sample_positions = std::min<size_t>(lanes.sample_positions, 1 << 15);
    lanes.context_positions = lanes.sample_positions;
    if (samples == SampleKind::kF16) LimitContexts(lanes, kMaxIntervalContexts);
    if (!is_binary32) return;
    lanes.position_bins = 12;
    lanes.activity_bins = 8;
    lanes.fit_samples = 1024;
    lanes.count_every = 4;
    LimitContexts(lanes, kFewestIntervalContexts);
  } else if (level == 4) {
    lanes.max_references = std::min(lanes.max_references, is_binary32 ? 1 : 4);
    if (!is_binary32) return;
    lanes.min_saved_bits = 0.01;
    lanes.count_every = 2;
    if (lanes.window == 0) lanes.window = 64;
    lanes.sample_positions = 1 << 14;
    lanes.position_bins = 8;
    lanes.search_samples = 256;
    LimitContexts(lanes, 16);
  } else if (level == 5) {
    lanes.min_columns = kTwoStepColumns;
    lanes.activity_bins = 8;
    lanes.fit_samples = 4096;
    lanes.search_samples = 768;
    lanes.sample_positions = 1 << 18;
    lanes.context_positions = 80 << 10;
    lanes.min_saved_bits = 0.006;
    lanes.max_references = std::min(lanes.max_references, is_binary32 ? 4 : 10);
    lanes.own_taps = false;
    if (!is_binary32) return;
    lanes.min_saved_bits = 0.002;
    if (lanes.window == 0) lanes.window = 64;
    lanes.search_samples = 448;
    lanes.sample_positions = 1 << 15;
    lanes.count_every = 2;
    LimitContexts(lanes, 16);
  } else if (level == 6) {
    lanes.min_columns = LaneEncoderOptions().min_columns;
  }
}

// Levels 2 and 3: of planes of fewer samples byte lanes lose more than references gain, and to find these takes longer
// than the rest.
constexpr size_t kMinByteReferenceSamples = 1100;

// Where byte lanes would lose too much.
void PreferRatio(bool are_codes, LaneEncoderOptions& lanes) {
  lanes.bytes = false;
  lanes.interlaced = lanes.intervals = true;
  lanes.min_columns = LaneEncoderOptions().min_columns;
  lanes.count_every = are_codes ? 4 : 1;
  LimitContexts(lanes, are_codes ? std::min(lanes.max_contexts, kFewIntervalContexts) : 32);
  lanes.position_bins = lanes.activity_bins = 8;
  lanes.analyses_once = true;
  lanes.context_positions = LaneEncoderOptions().context_positions;
}

// Whether planes of 8 bits are nearly those of the item before: innovations need more bits then than byte lanes have.
bool RepeatsItems(const PlaneSet& set, const std::vector<const std::byte*>& planes) {
  constexpr size_t kSamples = 2048;
  const size_t width = static_cast<size_t>(set.shape.width), samples = static_cast<size_t>(set.shape.plane_samples());
  const SpreadIndices places(kSamples, std::max(kSamples, planes.size() * samples));
  int from_above = 0, from_before = 0;  // sums of distances
  for (size_t k = 0; k < kSamples; ++k) {
    const size_t plane = places[k] / samples, at = places[k] % samples;
    if (plane >= planes.size() || at < width) continue;
    const int same = set.same_channel[plane];
    if (same < 0) continue;
    const auto distance = [sample = planes[plane][at]](std::byte other) {
      return std::abs(std::to_integer<int>(sample) - std::to_integer<int>(other));
    };
    from_above += distance(planes[plane][at - width]);
    from_before += distance(planes[static_cast<size_t>(same)][at]);
  }
  return 2 * from_before < from_above;
}

PlaneExtent ExtentOf(const SegmentShape& shape) {
  return {static_cast<size_t>(shape.height), static_cast<size_t>(shape.width), SampleBytes(shape.dtype)};
}

bool HasRoom(const SetShape& shape) {
  return static_cast<int64_t>(shape.planes) * shape.width >= kMinSetColumns;
}

void KeepFewWithTheOthers(const SegmentShape& shape, std::vector<PlaneCoding>& codings) {
  std::array<size_t, kNumPlaneKinds> planes{};
  for (const PlaneCoding& coding : codings) ++planes[static_cast<size_t>(coding.kind)];
  if (planes[static_cast<size_t>(PlaneKind::kNormal)] == 0) return;
  for (PlaneKind kind : kSetKinds) {
    const int scale = ScaleOf(kind);
    const size_t samples = planes[static_cast<size_t>(kind)] * static_cast<size_t>((shape.height + scale - 1) / scale) *
                           static_cast<size_t>((shape.width + scale - 1) / scale);
    if (scale == 1 || samples == 0 || samples >= kMinScaledSamples) continue;
    for (PlaneCoding& coding : codings) {
      if (coding.kind == kind) coding.kind = PlaneKind::kNormal;
    }
  }
}

void AppendStream(ByteSpan stream, Bytes& body) {
  AppendVarint(stream.size(), body);
  AppendBytes(stream, body);
}

// Whether codes of 8 bits are worth while for floats: decoders are faster, but a model of whole samples knows more of
// them where it predicts them well.
bool IsCoarse(const CoarsePlan& plan, SampleKind kind, size_t plane_samples, int level, bool has_references) {
  if (level <= 2 || (level == 3 && kind == SampleKind::kF32)) return true;
  if (level == 3) {
    if (kind == SampleKind::kF16) return plan.known < (plan.has_signs ? 0.125 : 0.25);  // details have more bits
    // Of large planes decoders are three times as fast.
    const double with_signs = plane_samples < kMinByteReferenceSamples ? 0.175 : 0.6;
    return plan.known < (plan.has_signs ? with_signs : 0.35);
  }
  // Of samples with signs references tell more than of codes, whose sizes are those of logarithms around 0.
  const bool needs_signs = plan.has_signs && has_references;
  if (kind == SampleKind::kF32 && level <= 5) return !needs_signs || plan.known < 0.1;
  const double limit = level >= 6 ? 0.13 : kind == SampleKind::kF16 ? 0.28 : 0.32;
  return plan.known < (needs_signs ? 0.08 : limit);
}
constexpr int kLastCoarseLevel = 7;  // no level above has lanes

// Of samples of 8 bits; `samples`: what they are, or are the codes of.
EncodedLaneSet EncodeNarrowSet(const PlaneSet& set, const std::vector<const std::byte*>& planes,
                               const EncodeOptions& options, SampleKind samples) {
  const size_t plane_samples = static_cast<size_t>(set.shape.plane_samples());
  LaneEncoderOptions lanes = OptionsOfLevel(options, set.kind, planes.size(), plane_samples);
  if (IsFloat(samples)) SpendLessOnCodes(samples, options.level, lanes);
  // What few codes promise, they hardly keep.
  if (IsFloat(samples) && plane_samples < 256 && lanes.min_reference_gain > 0) lanes.min_reference_gain = 0.28;
  const bool are_small = plane_samples < kFewPlaneSamples;
  if (are_small && !IsFloat(samples) && (options.level == 2 || options.level == 3)) {
    PreferSpeed(lanes);
  } else if (options.level == 3 || (options.level == 2 && samples != SampleKind::kF32)) {
    const bool may_refer = !are_small && options.mode != Mode::kIntra && options.max_references != 0;
    const bool repeats = may_refer && lanes.previous_item && RepeatsItems(set, planes);
    const bool are_few = plane_samples < kMinByteReferenceSamples;
    if (are_few && !(repeats && IsFloat(samples))) lanes.max_references = 0;
    const bool are_alone = lanes.max_references == 0;
    // Of codes bytes of innovations tell enough: what they do not is a smaller part of samples.
    if (are_alone ? repeats || are_few || samples != SampleKind::kF32 : repeats && !IsFloat(samples)) {
      PreferRatio(IsFloat(samples), lanes);
    }
    // That of the item before at least, even of small planes.
    if (are_alone && repeats) lanes.max_references = lanes.window = 1;
  }
  return EncodeLaneSet(set, planes, lanes);
}

EncodedLaneSet EncodeSet(const PlaneSet& set, const std::vector<const std::byte*>& planes,
                         const EncodeOptions& options) {
  if (IsNarrow(set.kind)) return EncodeNarrowSet(set, planes, options, set.kind);
  const size_t plane_samples = static_cast<size_t>(set.shape.plane_samples());
  const LaneEncoderOptions lanes = OptionsOfLevel(options, set.kind, planes.size(), plane_samples);
  if (IsFloat(set.kind) && options.level <= kLastCoarseLevel) {
    const auto plan = PlanCoarse(set, planes);
    if (plan && IsCoarse(*plan, set.kind, plane_samples, options.level, lanes.max_references > 0)) {
      return EncodeCoarseSet(set, plan->map, planes, [&](const PlaneSet& codes, const auto& code_planes) {
        return EncodeNarrowSet(codes, code_planes, options, set.kind);
      });
    }
  }
  return EncodeLaneSet(set, planes, lanes);
}

// The head, the side information and the streams of each set.
void AppendStreams(ByteSpan head, const Bytes& side, const std::vector<std::pair<SampleKind, EncodedLaneSet>>& sets,
                   Bytes& body) {
  constexpr size_t kMaxVarint = 10;
  size_t size = head.size() + side.size() + kMaxVarint;
  for (const auto& [kind, set] : sets) {
    size += set.words.size() + set.escapes.size() + set.details.size() + set.low.size() + 4 * kMaxVarint;
  }
  body.reserve(size);
  AppendBytes(head, body);
  AppendStream(side, body);
  for (const auto& [kind, set] : sets) {
    AppendStream(set.words, body);
    if (!IsNarrow(kind)) AppendStream(set.escapes, body);
    if (set.model.coarse) AppendStream(set.details, body);
    if (kind == SampleKind::kF32) AppendStream(set.low, body);
  }
}

}  // namespace

Bytes EncodeLaneBody(const SegmentSamples& samples, const EncodeOptions& options, ByteSpan head) {
  const SegmentShape& shape = samples.shape();
  Bytes body;
  if (!LanesKnow(KindOf(shape.dtype))) return body;
  std::vector<PlaneCoding> codings = ClassifyPlanes(samples, options.previous_item);
  KeepFewWithTheOthers(shape, codings);
  RangeEncoder side;
  EncodePlaneCodings(side, shape.dtype, codings);
  std::vector<std::pair<SampleKind, EncodedLaneSet>> sets;
  for (PlaneKind kind : kSetKinds) {
    const PlaneSet set = CollectSet(shape, codings, kind);
    if (set.planes.empty()) continue;
    if (!HasRoom(set.shape)) return body;
    std::vector<const std::byte*> planes;
    std::vector<Bytes> small;
    small.reserve(set.planes.size());
    for (int p : set.planes) {
      const std::byte* plane = samples.plane(static_cast<size_t>(p)).data();
      if (ScaleOf(kind) > 1)
        plane = small.emplace_back(Downsample(ExtentOf(shape), static_cast<size_t>(ScaleOf(kind)), plane)).data();
      planes.push_back(plane);
    }
    auto& [sample_kind, encoded] = sets.emplace_back(set.kind, EncodeSet(set, planes, options));
    EncodeLaneModel(side, sample_kind, set.shape, set.same_channel, encoded.model);
  }
  if (side.failed()) return body;
  AppendStreams(head, side.Finish(), sets, body);
  return body;
}

namespace {

absl::Status ReadStream(const char* what, ByteReader& reader, ByteSpan& stream) {
  uint64_t size = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadVarint(what, size));
  return reader.ReadSpan(what, size, stream);
}

absl::Status DecodeSetInto(const SegmentShape& shape, const PlaneSet& set, const LaneModel& model, ByteReader& reader,
                           const PlaneMemory& memory, SetAccount* account) {
  LaneStreams streams;
  DCAC_RETURN_IF_ERROR(ReadStream("words", reader, streams.words));
  if (!IsNarrow(set.kind)) DCAC_RETURN_IF_ERROR(ReadStream("escapes", reader, streams.escapes));
  if (model.coarse) DCAC_RETURN_IF_ERROR(ReadStream("details", reader, streams.details));
  if (set.kind == SampleKind::kF32) DCAC_RETURN_IF_ERROR(ReadStream("lower halves", reader, streams.low));
  const size_t scale = static_cast<size_t>(ScaleOf(set.plane_kind));
  std::vector<std::byte*> planes;
  planes.reserve(set.planes.size());
  std::vector<Bytes> small;
  if (scale > 1) small.reserve(set.planes.size());
  for (int p : set.planes) {
    std::byte* plane = memory.plane(static_cast<size_t>(p));
    if (scale > 1) {
      const size_t bytes = static_cast<size_t>(set.shape.plane_samples()) * SampleBytes(shape.dtype);
      plane = small.emplace_back(Bytes(bytes)).data();
    }
    planes.push_back(plane);
  }
  const auto decode = model.coarse ? DecodeCoarseSet : DecodeLaneSet;
  DCAC_RETURN_IF_ERROR(decode(set.kind, set.shape, model, streams, planes, account));
  for (size_t i = 0; i < small.size(); ++i) {
    Upsample(ExtentOf(shape), scale, small[i].data(), memory.plane(static_cast<size_t>(set.planes[i])));
  }
  return absl::OkStatus();
}

void FillPlane(uint32_t value, size_t sample_bytes, size_t plane_bytes, std::byte* plane) {
  if (sample_bytes == 1 || value == 0) {
    std::memset(plane, static_cast<int>(value), plane_bytes);
    return;
  }
  for (size_t i = 0; i < sample_bytes; ++i) plane[i] = static_cast<std::byte>(value >> (8 * i));
  for (size_t done = sample_bytes; done < plane_bytes;) {  // twice as much each time
    const size_t count = std::min(done, plane_bytes - done);
    std::memcpy(plane + done, plane, count);
    done += count;
  }
}

// Planes that are constant or copies, in ascending order.
void FillPlanes(const SegmentShape& shape, const std::vector<PlaneCoding>& codings, const PlaneMemory& memory) {
  const size_t bytes = SampleBytes(shape.dtype), plane_bytes = shape.plane_bytes();
  for (size_t p = 0; p < codings.size(); ++p) {
    std::byte* plane = memory.plane(p);
    if (codings[p].kind == PlaneKind::kConstant) {
      FillPlane(codings[p].value, bytes, plane_bytes, plane);
    } else if (codings[p].kind == PlaneKind::kDuplicate) {
      std::memcpy(plane, memory.plane(static_cast<size_t>(codings[p].source)), plane_bytes);
    }
  }
}

}  // namespace

absl::StatusOr<LaneSide> ParseLaneSide(const SegmentShape& shape, ByteSpan side_bytes) {
  if (shape.in_token_order() || !IsModelled(shape.dtype) || !LanesKnow(KindOf(shape.dtype))) {
    return absl::DataLossError(absl::StrCat("segment of lanes, of ", std::string(DTypeName(shape.dtype)),
                                            shape.in_token_order() ? " in token order" : "", ": there are none"));
  }
  // Of a kind that a lane model may not be of: not even its model is read.
  bool has_differences = false;
  auto side = ParseSide<LaneModel>(shape, side_bytes, [&](RangeDecoder& coder, const PlaneSet& set) {
    if (set.plane_kind != PlaneKind::kDifference) {
      return DecodeLaneModel(coder, set.kind, set.shape, set.same_channel);
    }
    has_differences = true;
    coder.Fail();
    return LaneModel();
  });
  if (has_differences) return absl::DataLossError("lanes have no planes of differences");
  return side;
}

absl::Status DecodeLaneBody(const SegmentShape& shape, ByteReader& reader, const PlaneMemory& memory,
                            SegmentAccount* account) {
  const FloatEnvironment environment;
  ByteSpan side_bytes;
  DCAC_RETURN_IF_ERROR(ReadStream("side information", reader, side_bytes));
  DCAC_ASSIGN_OR_RETURN(const LaneSide side, ParseLaneSide(shape, side_bytes));
  if (account != nullptr) {
    account->side_bytes += side_bytes.size();
    AccountForPlaneCodings(side.codings, *account);
  }
  for (const LaneSet& lanes : side.sets) {
    SetAccount set_account;
    DCAC_RETURN_IF_ERROR(
        DecodeSetInto(shape, lanes.set, lanes.model, reader, memory, account != nullptr ? &set_account : nullptr));
    if (account == nullptr) continue;
    account->byte_lanes |= lanes.model.bytes.has_value();
    std::vector<std::vector<ReferenceAccount>> references;
    for (const LanePlane& plane : lanes.model.planes) references.push_back(LaneReferencesOf(lanes.set, plane));
    AccountForSet(lanes.set, set_account, references, *account);
  }
  if (reader.remaining() != 0) {
    return absl::DataLossError(absl::StrCat("model segment has ", reader.remaining(), " bytes too many"));
  }
  FillPlanes(shape, side.codings, memory);
  return absl::OkStatus();
}

}  // namespace dcac
