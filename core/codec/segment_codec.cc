#include "core/codec/segment_codec.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/exact_math.h"
#include "core/base/phase_timer.h"
#include "core/base/scratch.h"
#include "core/base/status_macros.h"
#include "core/codec/lane_segment.h"
#include "core/codec/model_side.h"
#include "core/codec/plane_kinds.h"
#include "core/codec/recode.h"
#include "core/codec/repeats.h"
#include "core/codec/row_decoder.h"
#include "core/codec/row_encoder.h"
#include "core/codec/segment_account.h"
#include "core/codec/segment_samples.h"
#include "core/codec/segment_shape.h"
#include "core/codec/set_decoder.h"
#include "core/codec/set_encoder.h"
#include "core/kernels/shuffle.h"

namespace dcac {
namespace {

SetInput MakeSetInput(const SegmentShape& shape, const std::vector<PlaneCoding>& codings, const PlaneSet& set,
                      const std::vector<uint32_t>& samples) {
  SetInput input;
  input.kind = set.kind;
  input.shape = set.shape;
  input.same_channel = set.same_channel;
  input.item_begin = set.item_begin;
  input.samples.reserve(set.shape.samples());
  const size_t scale = static_cast<size_t>(ScaleOf(set.plane_kind));
  const size_t width = static_cast<size_t>(shape.width), height = static_cast<size_t>(shape.height);
  for (int p : set.planes) {
    const uint32_t* plane = samples.data() + static_cast<size_t>(p) * shape.plane_samples();
    const uint32_t* source =
        samples.data() + static_cast<size_t>(codings[static_cast<size_t>(p)].source) * shape.plane_samples();
    for (size_t y = 0; y < height; y += scale) {
      for (size_t x = 0; x < width; x += scale) {
        const size_t at = y * width + x;
        input.samples.push_back(
            set.plane_kind != PlaneKind::kDifference
                ? plane[at]
                : SampleMap(set.kind, 1)
                      .ToSample(static_cast<int32_t>(static_cast<uint32_t>(OrderedInteger(shape.dtype, plane[at])) -
                                                     static_cast<uint32_t>(OrderedInteger(shape.dtype, source[at])))));
      }
    }
  }
  return input;
}

SetEncoderOptions SetOptions(const EncodeOptions& options) {
  SetEncoderOptions result;
  result.use_terms = options.mode == Mode::kLs && options.max_references.value_or(1) > 0;
  if (options.level >= EncodeOptions::kMaxLevel) {
    result.search.max_references = kMaxReferences;
    result.search.max_terms = 28;
    result.search.neighbour_references = 4;
  }
  result.search.window = options.window;
  result.search.previous_item = options.previous_item;
  if (options.max_references) result.search.max_references = *options.max_references;
  return result;
}

// The model body of planes coded as `codings` say; empty if a parameter has no code.
Bytes EncodePlanes(const SegmentShape& shape, const std::vector<uint32_t>& samples,
                   const std::vector<PlaneCoding>& codings, const EncodeOptions& options) {
  RangeEncoder side;
  EncodePlaneCodings(side, shape.dtype, codings);
  Bytes streams;
  for (PlaneKind kind : kSetKinds) {
    const PlaneSet set = CollectSet(shape, codings, kind);
    if (set.planes.empty()) continue;
    const SetInput input = MakeSetInput(shape, codings, set, samples);
    const EncodedSet encoded = EncodeSet(input, SetOptions(options));
    EncodeSetModel(side, set.kind, set.shape, set.same_channel, encoded.model);
    AppendVarint(encoded.entropy_coded.size(), streams);
    if (!IsNarrow(set.kind)) AppendVarint(encoded.raw_bits.size(), streams);
    AppendBytes(encoded.entropy_coded, streams);
    AppendBytes(encoded.raw_bits, streams);
  }
  Bytes body;
  if (side.failed()) return body;
  const Bytes side_bytes = side.Finish();
  AppendByte(static_cast<uint8_t>(SegmentMethod::kModel), body);
  AppendByte(kWaveLayout, body);
  AppendVarint(side_bytes.size(), body);
  AppendBytes(side_bytes, body);
  AppendBytes(streams, body);
  return body;
}

// The planes that the plane model sees: in token order one for each head, its rows the tokens.
SegmentShape ModelShape(SegmentShape shape) {
  if (!shape.in_token_order()) return shape;
  shape.planes /= shape.head_features;
  shape.width = std::exchange(shape.head_features, 0);
  return shape;
}

// Transposes, item by item, rows x columns runs of `run` samples.  Between token order, where tokens are rows and heads
// columns, and the order of ModelShape, where heads are rows.
std::vector<uint32_t> TransposeRuns(std::vector<uint32_t> samples, int items, int rows, int columns, int run) {
  if (rows == 1 || columns == 1) return samples;
  std::vector<uint32_t> result;
  result.reserve(samples.size());
  for (int item = 0; item < items; ++item) {
    for (int column = 0; column < columns; ++column) {
      for (int row = 0; row < rows; ++row) {
        const ptrdiff_t at = ((ptrdiff_t{item} * rows + row) * columns + column) * run;
        result.insert(result.end(), samples.begin() + at, samples.begin() + at + run);
      }
    }
  }
  return result;
}

std::vector<uint32_t> ToModelOrder(const SegmentShape& shape, std::vector<uint32_t> samples) {
  if (!shape.in_token_order()) return samples;
  return TransposeRuns(std::move(samples), shape.items, shape.height, shape.planes / shape.head_features,
                       shape.head_features);
}

std::vector<uint32_t> FromModelOrder(const SegmentShape& shape, std::vector<uint32_t> samples) {
  if (!shape.in_token_order()) return samples;
  return TransposeRuns(std::move(samples), shape.items, shape.planes / shape.head_features, shape.height,
                       shape.head_features);
}

// Whether tokens may be coded as rows: narrower ones cost more than they gain.
bool CanBeRows(const SegmentShape& shape) {
  return shape.in_token_order() && static_cast<size_t>(shape.planes) >= kMinRowColumns;
}

// Empty if a parameter has no code.
Bytes EncodeRowBody(const SegmentShape& shape, ByteSpan packed, const EncodeOptions& options) {
  const Bytes rows = EncodeRows(RowShapeOf(shape), WidenSamples(shape, packed), options);
  Bytes body;
  if (rows.empty()) return body;
  AppendByte(static_cast<uint8_t>(SegmentMethod::kModel), body);
  AppendByte(kRowLayout, body);
  AppendBytes(rows, body);
  return body;
}

absl::Status DecodeRowBody(const SegmentShape& shape, ByteReader& reader, std::span<std::byte> packed,
                           SegmentAccount* account) {
  if (!shape.in_token_order()) return absl::DataLossError("segment of rows, expected planes: the layout has no tokens");
  std::vector<uint32_t> samples;
  DCAC_RETURN_IF_ERROR(DecodeRows(RowShapeOf(shape), reader, samples, account));
  NarrowSamples(shape, samples, packed);
  return absl::OkStatus();
}

Bytes EncodePlaneBody(const SegmentShape& packed_shape, ByteSpan packed, const EncodeOptions& options) {
  const SegmentShape shape = ModelShape(packed_shape);
  const std::vector<uint32_t> samples = ToModelOrder(packed_shape, WidenSamples(shape, packed));
  const std::vector<PlaneCoding> codings = ClassifyPlanes(shape, samples, options.previous_item);
  Bytes body = EncodePlanes(shape, samples, codings, options);
  if (options.mode == Mode::kDcac) {
    std::vector<PlaneCoding> with_differences = codings;
    ChooseDifferences(shape, samples, options, with_differences);
    Bytes other = EncodePlanes(shape, samples, with_differences, options);
    if (body.empty() || (!other.empty() && other.size() < body.size())) body = std::move(other);
  }
  return body;
}

// Rebuilds the planes of a segment, in ascending order, from what was coded of them.
class PlaneAssembler {
 public:
  PlaneAssembler(const SegmentShape& shape, const std::vector<PlaneCoding>& codings)
      : shape_(shape), codings_(codings) {}

  // Puts the coded samples of a set where the planes are; Finish turns them into planes.
  void PutSet(const PlaneSet& set, std::vector<uint32_t> coded) {
    const size_t scale = static_cast<size_t>(ScaleOf(set.plane_kind));
    if (scale == 1 && set.planes.size() == codings_.size()) {
      samples_ = std::move(coded);
      return;
    }
    MakeRoom();
    const size_t coded_width = static_cast<size_t>(set.shape.width);
    for (size_t i = 0; i < set.planes.size(); ++i) {
      const uint32_t* from = coded.data() + i * static_cast<size_t>(set.shape.plane_samples());
      uint32_t* to = Plane(set.planes[i]);
      if (scale == 1) {
        std::copy_n(from, shape_.plane_samples(), to);
        continue;
      }
      for (size_t y = 0; y < static_cast<size_t>(shape_.height); ++y) {
        for (size_t x = 0; x < static_cast<size_t>(shape_.width); ++x)
          *to++ = from[(y / scale) * coded_width + x / scale];
      }
    }
  }

  std::vector<uint32_t> Finish() {
    MakeRoom();
    for (size_t p = 0; p < codings_.size(); ++p) {
      const PlaneCoding& coding = codings_[p];
      uint32_t* plane = Plane(static_cast<int>(p));
      if (coding.kind == PlaneKind::kConstant) {
        std::fill_n(plane, shape_.plane_samples(), coding.value);
      } else if (coding.kind == PlaneKind::kDuplicate) {
        std::copy_n(Plane(coding.source), shape_.plane_samples(), plane);
      } else if (coding.kind == PlaneKind::kDifference) {
        AddPlane(Plane(coding.source), plane);
      }
    }
    return std::move(samples_);
  }

 private:
  void MakeRoom() { samples_.resize(codings_.size() * shape_.plane_samples()); }
  uint32_t* Plane(int plane) { return samples_.data() + static_cast<size_t>(plane) * shape_.plane_samples(); }

  void AddPlane(const uint32_t* source, uint32_t* plane) const {
    for (size_t i = 0; i < shape_.plane_samples(); ++i) {
      const uint32_t sum = static_cast<uint32_t>(OrderedInteger(shape_.dtype, source[i])) + plane[i];
      plane[i] = SampleOfOrderedInteger(shape_.dtype, static_cast<int32_t>(sum));
    }
  }

  const SegmentShape& shape_;
  const std::vector<PlaneCoding>& codings_;
  std::vector<uint32_t> samples_;
};

absl::Status DecodePlaneBody(const SegmentShape& packed_shape, ByteReader& reader, std::span<std::byte> packed,
                             SegmentAccount* account) {
  const FloatEnvironment environment;
  const SegmentShape shape = ModelShape(packed_shape);
  uint64_t side_size = 0;
  ByteSpan side_bytes;
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("size of the side information", side_size));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("side information", side_size, side_bytes));
  DCAC_ASSIGN_OR_RETURN(const ModelSide side, ParseModelSide(shape, side_bytes));
  if (account != nullptr) {
    account->side_bytes += side_size;
    AccountForPlaneCodings(side.codings, *account);
  }
  PlaneAssembler assembler(shape, side.codings);
  for (const ModelledSet& modelled : side.sets) {
    const PlaneSet& set = modelled.set;
    uint64_t entropy_size = 0, raw_size = 0;
    ByteSpan entropy_coded, raw_bits;
    DCAC_RETURN_IF_ERROR(reader.ReadVarint("size of entropy-coded data", entropy_size));
    if (!IsNarrow(set.kind)) DCAC_RETURN_IF_ERROR(reader.ReadVarint("size of raw bits", raw_size));
    DCAC_RETURN_IF_ERROR(reader.ReadSpan("entropy-coded data", entropy_size, entropy_coded));
    DCAC_RETURN_IF_ERROR(reader.ReadSpan("raw bits", raw_size, raw_bits));
    std::vector<uint32_t> coded;
    SetAccount set_account;
    DCAC_RETURN_IF_ERROR(DecodeSet(set.kind, set.shape, modelled.model, entropy_coded, raw_bits, coded,
                                   account != nullptr ? &set_account : nullptr));
    if (account != nullptr) AccountForSet(modelled, set_account, *account);
    assembler.PutSet(set, std::move(coded));
  }
  if (reader.remaining() != 0)
    return absl::DataLossError(absl::StrCat("model segment has ", reader.remaining(), " bytes too many"));
  NarrowSamples(shape, FromModelOrder(packed_shape, assembler.Finish()), packed);
  return absl::OkStatus();
}

absl::Status DecodeModelBody(const SegmentShape& shape, ByteReader& reader, std::span<std::byte> packed,
                             SegmentAccount* account) {
  if (!IsModelled(shape.dtype)) {
    return absl::DataLossError(
        absl::StrCat("model segment of ", std::string(DTypeName(shape.dtype)), ", which has no model"));
  }
  uint8_t layout = 0;
  DCAC_RETURN_IF_ERROR(reader.ReadByte("layout id", layout));
  if (account != nullptr) account->layout = layout;
  switch (layout) {
    case kWaveLayout:
      return DecodePlaneBody(shape, reader, packed, account);
    case kRowLayout:
      return DecodeRowBody(shape, reader, packed, account);
    case kLaneLayout:
      return DecodeLaneBody(shape, reader, PackedPlanes(shape, packed), account);
    default:
      return absl::UnimplementedError(absl::StrCat("segment layout is ", layout, ", this build knows 1 .. 3"));
  }
}

// Of zstd.  The strong ones are slow and only tried where the fast one comes near.
constexpr int kFastLevel = 1, kMiddleLevel = 5, kStrongLevel = 9;

using ZstdCompressor = std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)>;

// What a thread keeps to use zstd: to make a context takes longer than to code a small segment.
struct ZstdScratch {
  ZstdCompressor fast_compressor{nullptr, ZSTD_freeCCtx};  // of the strong level it would be large
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> decompressor{nullptr, ZSTD_freeDCtx};
  Scratch<std::byte> shuffled;
};

// Empty if zstd fails or does not get below `limit` bytes.
Bytes EncodeZstdBody(ByteSpan packed, size_t stride, int level, size_t limit) {
  const PhaseTimer timer(Phase::kEntropy);
  const ScratchLease<ZstdScratch> scratch;
  ZstdCompressor strong_compressor(nullptr, ZSTD_freeCCtx);
  ZstdCompressor& compressor = level == kFastLevel ? scratch->fast_compressor : strong_compressor;
  if (!compressor) compressor.reset(ZSTD_createCCtx());
  if (!compressor) return {};
  std::byte* const shuffled = stride == 1 ? nullptr : scratch->shuffled.Get(packed.size());
  if (stride != 1) ShuffleBytes(packed.data(), packed.size() / stride, stride, shuffled);
  const ByteSpan bytes = stride == 1 ? packed : ByteSpan(shuffled, packed.size());
  // What is too large fails, before all of it is compressed.
  Bytes body(2 + std::min(ZSTD_compressBound(packed.size()), std::max<size_t>(limit, 2) - 2));
  body[0] = static_cast<std::byte>(SegmentMethod::kZstd);
  body[1] = static_cast<std::byte>(stride);
  ZSTD_CCtx_setParameter(compressor.get(), ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(compressor.get(), ZSTD_c_contentSizeFlag, 0);
  const size_t size = ZSTD_compress2(compressor.get(), body.data() + 2, body.size() - 2, bytes.data(), bytes.size());
  if (ZSTD_isError(size) || size + 2 >= limit) return {};
  body.resize(size + 2);
  return body;
}

absl::Status DecodeZstdBody(const SegmentShape& shape, ByteReader& reader, std::span<std::byte> packed) {
  uint8_t stride = 0;
  ByteSpan compressed;
  DCAC_RETURN_IF_ERROR(reader.ReadByte("shuffle stride", stride));
  if (stride == 0 || stride > SampleBytes(shape.dtype)) {
    return absl::DataLossError(
        absl::StrCat("shuffle stride is ", stride, " for samples of ", SampleBytes(shape.dtype), " bytes"));
  }
  if (packed.size() % stride != 0)
    return absl::DataLossError(absl::StrCat("shuffle stride ", stride, " does not divide ", packed.size()));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("zstd frame", reader.remaining(), compressed));
  if (ZSTD_findFrameCompressedSize(compressed.data(), compressed.size()) != compressed.size()) {
    return absl::DataLossError("the zstd data is not one whole frame");
  }
  const PhaseTimer timer(Phase::kEntropy);
  const ScratchLease<ZstdScratch> scratch;
  if (!scratch->decompressor) scratch->decompressor.reset(ZSTD_createDCtx());
  if (!scratch->decompressor) return absl::ResourceExhaustedError("out of memory");
  std::byte* const shuffled = stride == 1 ? packed.data() : scratch->shuffled.Get(packed.size());
  const size_t size =
      ZSTD_decompressDCtx(scratch->decompressor.get(), shuffled, packed.size(), compressed.data(), compressed.size());
  if (ZSTD_isError(size)) return absl::DataLossError(absl::StrCat("zstd: ", ZSTD_getErrorName(size)));
  if (size != packed.size())
    return absl::DataLossError(absl::StrCat("zstd frame holds ", size, " bytes, expected ", packed.size()));
  if (stride != 1) UnshuffleBytes(shuffled, packed.size() / stride, stride, packed.data());
  return absl::OkStatus();
}

Bytes StoredBody(ByteSpan packed) {
  Bytes body;
  body.reserve(1 + packed.size());
  AppendByte(static_cast<uint8_t>(SegmentMethod::kStored), body);
  AppendBytes(packed, body);
  return body;
}

// The smallest of the bodies offered; while there is none below its size, the stored one, which is made at the end.
class SmallestBody {
 public:
  explicit SmallestBody(const SegmentSamples& samples)
      : samples_(samples), size_(static_cast<size_t>(MaxBodyBytes(samples.size()))) {}

  size_t size() const { return size_; }
  void Offer(Bytes body) {
    if (body.empty() || body.size() >= size_) return;
    best_ = std::move(body);
    size_ = best_.size();
  }
  Bytes Take() { return best_.empty() ? StoredBody(samples_.packed()) : std::move(best_); }

 private:
  const SegmentSamples& samples_;
  Bytes best_;
  size_t size_;
};

bool CanModel(const SegmentShape& packed_shape) {
  const SegmentShape shape = ModelShape(packed_shape);
  return IsModelled(shape.dtype) && shape.plane_samples() >= kMinModelledSamples &&
         shape.width <= static_cast<int>(kMaxWidth);
}

// zstd finds repetitions in the whole segment: not where the coding of an item may not refer to earlier ones.
bool CanUseZstd(const SegmentShape& shape, const EncodeOptions& options) {
  return options.previous_item || shape.items == 1;
}

constexpr size_t kSmallBytes = 1 << 17;  // of a segment
constexpr size_t kFewPieces = 4, kShortPiece = 2048;

// What zstd makes of a few pieces, taken for all of the samples.
size_t EstimateZstd(const SegmentSamples& samples, size_t stride, size_t pieces, size_t piece_bytes) {
  constexpr size_t kAlignment = 16;
  size_t coded = 0;
  Bytes room;
  const size_t share = samples.size() / pieces;
  for (size_t piece = 0; piece < pieces; ++piece) {
    // In other parts of planes each, whose margins differ from the rest: shares of them may be whole planes.
    const size_t place = (share - piece_bytes) * (piece * 5 % 8) / 8;
    const size_t begin = (share * piece + place) / kAlignment * kAlignment;
    const Bytes body = EncodeZstdBody(samples.Piece(begin, piece_bytes, room), stride, kFastLevel, piece_bytes);
    coded += body.empty() ? piece_bytes : body.size();
  }
  return coded * samples.size() / (pieces * piece_bytes);
}

// Whether many of some samples are in runs of equal ones, other than the value that most runs have, which lanes code in
// next to nothing: margins of pictures are such, and zstd is good at them.  Takes a fraction of the time of
// EstimateZstd.
template <size_t kBytes>
bool HasRuns(const SegmentSamples& all) {
  constexpr size_t kPieces = 32, kPieceSamples = 64, kRun = 4;
  constexpr size_t kManyRuns = kPieces * kPieceSamples / 16;
  const size_t samples = all.size() / kBytes;
  if (samples < kPieces * kPieceSamples) return false;
  std::vector<uint64_t> runs;
  Bytes room;
  for (size_t piece = 0; piece < kPieces; ++piece) {
    const size_t begin = (samples - kPieceSamples) * piece / (kPieces - 1) * kBytes;
    const std::byte* sample = all.Piece(begin, kPieceSamples * kBytes, room).data();
    for (const std::byte* const end = sample + (kPieceSamples - kRun) * kBytes; sample != end; sample += kBytes) {
      if (std::memcmp(sample, sample + kBytes, kRun * kBytes) != 0) continue;
      std::memcpy(&runs.emplace_back(0), sample, kBytes);
    }
  }
  if (runs.size() < kManyRuns) return false;
  uint64_t most = 0;
  size_t votes = 0;
  for (uint64_t run : runs) {
    if (votes == 0) most = run;
    run == most ? ++votes : --votes;
  }
  return runs.size() - static_cast<size_t>(std::count(runs.begin(), runs.end(), most)) >= kManyRuns;
}

bool HasRuns(size_t sample_bytes, const SegmentSamples& samples) {
  switch (sample_bytes) {
    case 1:
      return HasRuns<1>(samples);
    case 2:
      return HasRuns<2>(samples);
    default:
      return HasRuns<4>(samples);
  }
}

// Whether what lies in some places lay a little before them, too.  Takes next to no time.
bool HasPeriods(const SegmentSamples& samples) {
  constexpr size_t kPlaces = 4, kBytes = 16, kBefore = 512;
  if (samples.size() < kPlaces * (kBefore + kBytes)) return false;
  Bytes room;
  for (size_t place = 1; place <= kPlaces; ++place) {
    const size_t begin = (samples.size() - kBytes) * place / kPlaces - kBefore;
    const ByteSpan piece = samples.Piece(begin, kBefore + kBytes, room);
    const auto here = piece.begin() + kBefore;
    if (std::search(piece.begin(), here, here, piece.end()) == here) return false;
  }
  return true;
}

// Whether zstd seems to stay below `limit` bytes for all of the samples.  Pieces are short where little time may be
// spent, for the segment is small, and where zstd would have to be very good.  Much in such samples is empty, and a few
// pieces see nothing or all of it: more are asked before all of a large segment is coded.
bool SeemsToStayBelow(const SegmentSamples& samples, size_t stride, size_t limit) {
  constexpr size_t kMany = 32, kLongBytes = 16384, kLargeBytes = 1 << 20;
  const size_t size = samples.size();
  if (limit < size / 32) return true;  // what pieces take at least would count for more
  if (size >= kLargeBytes) {
    return EstimateZstd(samples, stride, kFewPieces, kShortPiece) < limit + limit / 16 &&
           EstimateZstd(samples, stride, kMany, kShortPiece) < limit;
  }
  const bool is_short = size < kSmallBytes || limit < size / 8 * 3;
  const size_t piece_bytes = is_short ? kShortPiece : kLongBytes;
  return size < 2 * kFewPieces * piece_bytes || EstimateZstd(samples, stride, kFewPieces, piece_bytes) < limit;
}

// Whether it is worth while to ask SeemsToStayBelow, which takes long where little time may be spent.  What repeats in
// another way than in runs, as patterns do, has to be very obvious, and in small segments to be hard for lanes.
bool MayRepeat(const SegmentSamples& samples, size_t stride, size_t limit) {
  const size_t size = samples.size();
  if (HasRuns(stride, samples) || HasPeriods(samples)) return true;
  if (size < kFewPieces * kShortPiece) return true;
  if (size < kSmallBytes && limit < size / 2) return false;
  const auto seems_below = [&](size_t pieces, size_t most) {
    return EstimateZstd(samples, stride, pieces, kShortPiece) < most;
  };
  const size_t pieces = std::clamp<size_t>(size >> 18, 1, kFewPieces);
  // Where one piece is no smaller than lanes are, more would hardly say otherwise.
  return (pieces == 1 || seems_below(1, limit)) && seems_below(pieces, limit - limit / 4);
}

bool UsesLanes(const SegmentShape& shape, const EncodeOptions& options) {
  return options.level <= kMaxLaneLevel && options.mode != Mode::kDcac && !shape.in_token_order() && CanModel(shape);
}

// Empty if the segment is none for lanes.
Bytes EncodeLaneSamples(const SegmentSamples& samples, const EncodeOptions& options) {
  constexpr std::byte kHead[] = {static_cast<std::byte>(SegmentMethod::kModel), std::byte{kLaneLayout}};
  return EncodeLaneBody(samples, options, kHead);
}

// Levels that promise speed; of these, those that promise most.
constexpr int kLastFastLevel = 5, kLastFastestLevel = 3;

// Beside lanes; returns whether the fast level comes near.  The lower levels promise speed, which trials of a strong
// level that lead to nothing cost.
bool OfferZstd(const SegmentSamples& samples, size_t stride, int level, SmallestBody& best) {
  const size_t near = best.size() + best.size() / 16;
  const size_t limit = level <= kLastFastLevel ? best.size() : near;
  if (level <= kLastFastLevel && !MayRepeat(samples, stride, best.size())) return false;
  // zstd finds more in the whole than in pieces, but what little it may gain then is not worth its time at all levels.
  const bool must_gain = samples.size() >= kSmallBytes && level <= kLastFastestLevel;
  if (!SeemsToStayBelow(samples, stride, must_gain ? best.size() : near)) return false;
  const ByteSpan packed = samples.packed();
  Bytes fast = EncodeZstdBody(packed, stride, kFastLevel, limit);
  if (fast.empty()) return false;
  best.Offer(std::move(fast));  // at times smaller than that of a strong level
  if (level > kLastFastestLevel) {
    best.Offer(EncodeZstdBody(packed, stride, level < kLastFastLevel ? kMiddleLevel : kStrongLevel, best.size()));
  }
  return true;
}

// The smallest body of a method that codes the samples as they are.
Bytes EncodeSamples(const SegmentSamples& samples, const EncodeOptions& options) {
  const SegmentShape& shape = samples.shape();
  SmallestBody best(samples);
  if (UsesLanes(shape, options)) {
    Bytes lanes = EncodeLaneSamples(samples, options);
    if (!lanes.empty()) {
      best.Offer(std::move(lanes));
      if (!CanUseZstd(shape, options)) return best.Take();
      for (size_t stride : {SampleBytes(shape.dtype), size_t{1}}) {
        const bool is_near = OfferZstd(samples, stride, options.level, best);
        if (stride == 1 || (!is_near && options.level <= kLastFastLevel)) break;  // samples as they are seldom win
      }
      return best.Take();
    }
  }
  const ByteSpan packed = samples.packed();
  const bool rows = IsModelled(shape.dtype) && CanBeRows(shape);
  if (rows) best.Offer(EncodeRowBody(shape, packed, options));
  // Planes find nothing in floats of tokens that rows do not; integers may have few values, which planes do better.
  if (CanModel(shape) && !(rows && IsFloat(KindOf(shape.dtype)))) {
    best.Offer(EncodePlaneBody(shape, packed, options));
  }
  if (!CanUseZstd(shape, options)) return best.Take();
  for (size_t stride : {SampleBytes(shape.dtype), size_t{1}}) {
    if (!EncodeZstdBody(packed, stride, kFastLevel, best.size() + best.size() / 2).empty())
      best.Offer(EncodeZstdBody(packed, stride, kStrongLevel, best.size()));
    if (stride == 1) break;
  }
  return best.Take();
}

SegmentShape WithDType(SegmentShape shape, DType dtype) {
  shape.dtype = dtype;
  return shape;
}

Bytes EncodeRecodedBody(const SegmentShape& shape, DType target, ByteSpan packed, const EncodeOptions& options) {
  Bytes body;
  AppendByte(static_cast<uint8_t>(SegmentMethod::kRecoded), body);
  AppendByte(static_cast<uint8_t>(target), body);
  const Bytes recoded = RecodeSamples(shape.dtype, target, packed);
  AppendBytes(EncodeSamples({WithDType(shape, target), recoded}, options), body);
  return body;
}

// Low words of which zstd makes little are noise to the plane model too, which takes far longer to find out.
bool IsNoise(ByteSpan words) {
  return EncodeZstdBody(words, 4, kFastLevel, words.size() - words.size() / 16).empty();
}

Bytes EncodeAllSamples(const SegmentSamples& samples, const EncodeOptions& options);

Bytes EncodeWordsBody(const SegmentShape& shape, bool differences, ByteSpan packed, const EncodeOptions& options) {
  const Words words = SplitWords(shape.dtype, differences, packed);
  const Bytes high = EncodeAllSamples({WithDType(shape, DType::kI32), words.high}, options);
  const Bytes low = IsNoise(words.low) ? StoredBody(words.low)
                                       : EncodeAllSamples({WithDType(shape, DType::kU32), words.low}, options);
  Bytes body;
  AppendByte(static_cast<uint8_t>(SegmentMethod::kWords), body);
  AppendByte(differences ? 1 : 0, body);
  AppendVarint(high.size(), body);
  AppendBytes(high, body);
  AppendBytes(low, body);
  return body;
}

// How deep a body may be within others: what an encoder writes.
enum class Nesting { kSegment, kRepeats, kWords, kRecoded };

absl::Status DecodeBody(const SegmentShape& shape, ByteSpan body, Nesting nesting, std::span<std::byte> packed,
                        SegmentAccount* account = nullptr);

absl::Status DecodeRecodedBody(const SegmentShape& shape, ByteReader& reader, Nesting nesting,
                               std::span<std::byte> packed, SegmentAccount* account) {
  if (nesting == Nesting::kRecoded) return absl::DataLossError("a recoded segment within a recoded one");
  uint8_t number = 0;
  ByteSpan body;
  DCAC_RETURN_IF_ERROR(reader.ReadByte("recoded type", number));
  const DType target = static_cast<DType>(number);
  if (!IsRecoding(shape.dtype, target)) {
    return absl::DataLossError(
        absl::StrCat("samples of ", std::string(DTypeName(shape.dtype)), " recoded as type ", number));
  }
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("recoded samples", reader.remaining(), body));
  Bytes recoded(packed.size() / SampleBytes(shape.dtype) * SampleBytes(target));
  DCAC_RETURN_IF_ERROR(DecodeBody(WithDType(shape, target), body, Nesting::kRecoded, recoded, account));
  RestoreSamples(shape.dtype, target, recoded, packed);
  return absl::OkStatus();
}

// The two halves are of the same planes: their bits are not told apart.
absl::Status DecodeWordsBody(const SegmentShape& shape, ByteReader& reader, Nesting nesting,
                             std::span<std::byte> packed) {
  const bool is_within = nesting != Nesting::kSegment && nesting != Nesting::kRepeats;
  if (is_within || SampleBytes(shape.dtype) != 8) {
    return absl::DataLossError(absl::StrCat("words of samples of ", std::string(DTypeName(shape.dtype)),
                                            is_within ? " within another method" : ""));
  }
  uint8_t differences = 0;
  uint64_t high_size = 0;
  ByteSpan high, low;
  DCAC_RETURN_IF_ERROR(reader.ReadByte("form of words", differences));
  if (differences > 1) return absl::DataLossError(absl::StrCat("form of words is ", differences, ", expected 0 or 1"));
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("size of high words", high_size));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("high words", high_size, high));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("low words", reader.remaining(), low));
  Words words{differences != 0, Bytes(packed.size() / 2), Bytes(packed.size() / 2)};
  DCAC_RETURN_IF_ERROR(DecodeBody(WithDType(shape, DType::kI32), high, Nesting::kWords, words.high));
  DCAC_RETURN_IF_ERROR(DecodeBody(WithDType(shape, DType::kU32), low, Nesting::kWords, words.low));
  JoinWords(shape.dtype, words, packed);
  return absl::OkStatus();
}

absl::Status DecodeRepeatsBody(const SegmentShape& shape, ByteReader& reader, Nesting nesting,
                               std::span<std::byte> packed, SegmentAccount* account) {
  if (nesting != Nesting::kSegment) return absl::DataLossError("repeats within another method");
  Repeats repeats;
  ByteSpan body;
  DCAC_RETURN_IF_ERROR(ReadRepeats(reader, shape, repeats));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("samples without repeats", reader.remaining(), body));
  const SegmentShape left = WithoutRepeats(shape, repeats);
  const auto kept = std::make_unique_for_overwrite<std::byte[]>(left.bytes());
  const std::span<std::byte> kept_bytes(kept.get(), left.bytes());
  DCAC_RETURN_IF_ERROR(DecodeBody(left, body, Nesting::kRepeats, kept_bytes, account));
  PutBackRepeats(shape, repeats, kept_bytes, packed);
  return absl::OkStatus();
}

absl::Status DecodeBody(const SegmentShape& shape, ByteSpan body, Nesting nesting, std::span<std::byte> packed,
                        SegmentAccount* account) {
  DCAC_ASSIGN_OR_RETURN(const SegmentMethod method, MethodOfBody(body));
  ByteReader reader(body.subspan(1));
  switch (method) {
    case SegmentMethod::kStored:
      if (reader.remaining() != packed.size()) {
        return absl::DataLossError(
            absl::StrCat("stored segment has ", reader.remaining(), " bytes, expected ", packed.size()));
      }
      std::copy(body.begin() + 1, body.end(), packed.begin());
      return absl::OkStatus();
    case SegmentMethod::kZstd:
      return DecodeZstdBody(shape, reader, packed);
    case SegmentMethod::kModel:
      return DecodeModelBody(shape, reader, packed, account);
    case SegmentMethod::kRecoded:
      return DecodeRecodedBody(shape, reader, nesting, packed, account);
    case SegmentMethod::kWords:
      return DecodeWordsBody(shape, reader, nesting, packed);
    case SegmentMethod::kRepeats:
      return DecodeRepeatsBody(shape, reader, nesting, packed, account);
  }
  return absl::InternalError("unreachable segment method");
}

// Where it is not so there is no type for all of them either.
bool CanRecodeEachPlane(const SegmentSamples& samples) {
  for (size_t p = 0; p < samples.num_planes(); ++p) {
    if (!ChooseRecoding(samples.shape().dtype, samples.plane(p))) return false;
  }
  return true;
}

// As they are, or as samples of another type, or in words; repeats among them.
Bytes EncodeAllSamples(const SegmentSamples& samples, const EncodeOptions& options) {
  const SegmentShape& shape = samples.shape();
  const bool is_wide = SampleBytes(shape.dtype) == 8;
  if (!is_wide && !CanRecodeEachPlane(samples)) return EncodeSamples(samples, options);
  const ByteSpan packed = samples.packed();
  const std::optional<DType> target = ChooseRecoding(shape.dtype, packed);
  if (!target && !is_wide) return EncodeSamples(samples, options);
  SmallestBody best(samples);
  if (target) best.Offer(EncodeRecodedBody(shape, *target, packed, options));
  const bool differences = is_wide && CanUseZstd(shape, options) && DifferencesFitLowWords(shape.dtype, packed);
  if (is_wide && (!target || (differences && !CanModel(WithDType(shape, *target)))))
    best.Offer(EncodeWordsBody(shape, differences, packed, options));
  // Whatever the above came to: no larger than what anybody gets who shuffles the bytes.
  if (is_wide && CanUseZstd(shape, options)) best.Offer(EncodeZstdBody(packed, 8, kStrongLevel, best.size()));
  return best.Take();
}

Bytes EncodeRepeatsBody(const SegmentSamples& samples, const Repeats& repeats, const EncodeOptions& options) {
  const SegmentShape left = WithoutRepeats(samples.shape(), repeats);
  auto kept = std::make_unique_for_overwrite<std::byte[]>(left.bytes());
  LeaveOutRepeats(samples, repeats, std::span(kept.get(), left.bytes()));
  Bytes body;
  AppendByte(static_cast<uint8_t>(SegmentMethod::kRepeats), body);
  AppendRepeats(repeats, body);
  AppendBytes(EncodeAllSamples({left, std::move(kept)}, options), body);
  return body;
}

bool IsLaneBody(ByteSpan body) {
  return body.size() >= 2 && body[0] == static_cast<std::byte>(SegmentMethod::kModel) &&
         body[1] == std::byte{kLaneLayout};
}

}  // namespace

Bytes EncodeSegmentBody(const SegmentSamples& samples, const EncodeOptions& options) {
  if (const Repeats repeats = FindRepeats(samples); !repeats.empty()) {
    return EncodeRepeatsBody(samples, repeats, options);
  }
  return EncodeAllSamples(samples, options);
}

absl::Status CheckLevel(int level) {
  if (level >= EncodeOptions::kMinLevel && level <= EncodeOptions::kMaxLevel) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("level is ", level, ", expected ", EncodeOptions::kMinLevel, " .. ", EncodeOptions::kMaxLevel));
}

absl::StatusOr<SegmentMethod> MethodOfBody(ByteSpan body) {
  uint8_t method = 0;
  ByteReader reader(body);
  DCAC_RETURN_IF_ERROR(reader.ReadByte("segment method", method));
  if (method > static_cast<uint8_t>(SegmentMethod::kRepeats)) {
    return absl::UnimplementedError(absl::StrCat("segment method is ", method, ", this build knows 0 .. 5"));
  }
  return static_cast<SegmentMethod>(method);
}

absl::Status DecodeSegmentBody(const SegmentShape& shape, ByteSpan body, std::span<std::byte> packed,
                               SegmentAccount* account) {
  return DecodeBody(shape, body, Nesting::kSegment, packed, account);
}

absl::Status DecodeSegmentPlanes(const SegmentShape& shape, ByteSpan body, const PlaneMemory& planes,
                                 SegmentAccount* account) {
  const size_t plane_bytes = shape.plane_bytes(), count = static_cast<size_t>(shape.all_planes());
  if (planes.stride == plane_bytes)
    return DecodeSegmentBody(shape, body, std::span(planes.data, shape.bytes()), account);
  if (IsLaneBody(body)) {
    if (account != nullptr) account->layout = kLaneLayout;
    ByteReader reader(body.subspan(2));
    return DecodeLaneBody(shape, reader, planes, account);
  }
  const auto packed = std::make_unique_for_overwrite<std::byte[]>(shape.bytes());
  DCAC_RETURN_IF_ERROR(DecodeSegmentBody(shape, body, std::span(packed.get(), shape.bytes()), account));
  for (size_t p = 0; p < count; ++p) std::memcpy(planes.plane(p), packed.get() + p * plane_bytes, plane_bytes);
  return absl::OkStatus();
}

}  // namespace dcac
