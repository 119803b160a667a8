#include "proto/wire/convert.h"

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace dcac::wire {
namespace {

// Equal numbers let an enum cross with a cast, in either direction.
template <typename Ours, typename Theirs>
constexpr bool SameNumber(Ours ours, Theirs theirs) {
  return static_cast<int>(ours) == static_cast<int>(theirs);
}

static_assert(SameNumber(DType::kU8, v1::DATA_TYPE_U8) && SameNumber(DType::kI8, v1::DATA_TYPE_I8));
static_assert(SameNumber(DType::kU16, v1::DATA_TYPE_U16) && SameNumber(DType::kI16, v1::DATA_TYPE_I16));
static_assert(SameNumber(DType::kF16, v1::DATA_TYPE_F16) && SameNumber(DType::kBF16, v1::DATA_TYPE_BF16));
static_assert(SameNumber(DType::kF32, v1::DATA_TYPE_F32) && SameNumber(DType::kF64, v1::DATA_TYPE_F64));
static_assert(SameNumber(DType::kU32, v1::DATA_TYPE_U32) && SameNumber(DType::kI32, v1::DATA_TYPE_I32));
static_assert(SameNumber(DType::kU64, v1::DATA_TYPE_U64) && SameNumber(DType::kI64, v1::DATA_TYPE_I64));
static_assert(SameNumber(DType::kF8E4M3, v1::DATA_TYPE_F8E4M3) && SameNumber(DType::kF8E5M2, v1::DATA_TYPE_F8E5M2));
static_assert(SameNumber(DType::kBool, v1::DATA_TYPE_BOOL));
static_assert(SameNumber(DType::kC64, v1::DATA_TYPE_C64) && SameNumber(DType::kC128, v1::DATA_TYPE_C128));
static_assert(SameNumber(Layout::kNchw, v1::LAYOUT_NCHW) && SameNumber(Layout::kNhwc, v1::LAYOUT_NHWC));
static_assert(SameNumber(Layout::kTokens, v1::LAYOUT_TOKENS) && SameNumber(Layout::kHeads, v1::LAYOUT_HEADS));
static_assert(SameNumber(Layout::kFlat, v1::LAYOUT_FLAT));
static_assert(SameNumber(Mode::kLs, v1::MODE_UNSPECIFIED) && SameNumber(Mode::kDcac, v1::MODE_DCAC));
static_assert(SameNumber(Mode::kIntra, v1::MODE_INTRA));
static_assert(SameNumber(Similarity::kBits, v1::SIMILARITY_UNSPECIFIED));
static_assert(SameNumber(Similarity::kDifference, v1::SIMILARITY_DIFFERENCE));
static_assert(SameNumber(Similarity::kCorrelation, v1::SIMILARITY_CORRELATION));

// What is told of a frame of more stays within a message.
constexpr std::size_t kMaxSegmentsOfInfo = 16384;

absl::Status UnknownValue(std::string_view field, int value) {
  return absl::InvalidArgumentError(
      absl::StrCat(absl::string_view(field.data(), field.size()), ": unknown value ", value));
}

void ToProto(const SegmentInfo& info, v1::SegmentInfo* message) {
  message->set_item_begin(info.item_begin);
  message->set_item_end(info.item_end);
  message->set_plane_begin(info.plane_begin);
  message->set_plane_end(info.plane_end);
  message->set_row_begin(info.row_begin);
  message->set_row_end(info.row_end);
  message->set_frame_offset(info.frame_offset);
  message->set_stored_bytes(info.stored_bytes);
  message->set_raw_bytes(info.raw_bytes);
  message->set_method(info.method);
}

}  // namespace

void ToProto(const TensorSpec& spec, v1::TensorSpec* message) {
  message->set_dtype(static_cast<v1::DataType>(spec.dtype));
  message->set_layout(static_cast<v1::Layout>(spec.layout));
  message->mutable_shape()->Assign(spec.shape.begin(), spec.shape.end());
}

void ToProto(const EncodeOptions& options, v1::EncodeOptions* message) {
  message->set_level(options.level);
  message->set_mode(static_cast<v1::Mode>(options.mode));
  message->set_segment_bytes(options.segment_bytes);
  if (options.max_references) message->set_max_references(*options.max_references);
  message->set_window(options.window);
  message->set_similarity(static_cast<v1::Similarity>(options.similarity));
  message->set_previous_item(options.previous_item);
  message->set_rope_choice(static_cast<v1::RopeChoice>(options.rope_choice));
  if (options.rope_choice != RopeChoice::kGiven) return;
  message->mutable_rope()->set_head_dim(options.rope.head_dim);
  message->mutable_rope()->set_rotary_dim(options.rope.rotary_dim);
  message->mutable_rope()->set_theta(options.rope.theta);
  message->mutable_rope()->set_interleaved(options.rope.interleaved);
}

void ToProto(const FrameInfo& info, v1::FrameInfo* message) {
  ToProto(info.spec, message->mutable_spec());
  message->set_version(static_cast<std::uint32_t>(info.version));
  message->set_raw_bytes(info.raw_bytes);
  message->set_stored_bytes(info.frame_bytes);
  message->set_digest(ToProto(info.digest));
  for (std::size_t i = 0; i < std::min(info.segments.size(), kMaxSegmentsOfInfo); ++i) {
    ToProto(info.segments[i], message->add_segments());
  }
  message->set_num_segments(info.segments.size());
  message->set_mode(info.mode);
  message->set_references_per_plane(info.references_per_plane);
}

std::string ToProto(const Digest& digest) {
  return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
}

absl::StatusOr<TensorSpec> FromProto(const v1::TensorSpec& message) {
  if (!v1::DataType_IsValid(message.dtype()) || message.dtype() == v1::DATA_TYPE_UNSPECIFIED) {
    return UnknownValue("spec.dtype", message.dtype());
  }
  if (!v1::Layout_IsValid(message.layout()) || message.layout() == v1::LAYOUT_UNSPECIFIED) {
    return UnknownValue("spec.layout", message.layout());
  }
  if (static_cast<std::size_t>(message.shape_size()) > TensorSpec::kMaxRank) {
    return absl::InvalidArgumentError(
        absl::StrCat("spec.shape: ", message.shape_size(), " axes exceed ", TensorSpec::kMaxRank));
  }
  TensorSpec spec;
  spec.dtype = static_cast<DType>(message.dtype());
  spec.layout = static_cast<Layout>(message.layout());
  spec.shape.assign(message.shape().begin(), message.shape().end());
  return spec;
}

absl::StatusOr<EncodeOptions> FromProto(const v1::EncodeOptions& message) {
  if (!v1::Mode_IsValid(message.mode())) return UnknownValue("options.mode", message.mode());
  if (!v1::Similarity_IsValid(message.similarity())) return UnknownValue("options.similarity", message.similarity());
  EncodeOptions options;
  if (message.has_level()) options.level = message.level();
  options.mode = static_cast<Mode>(message.mode());
  if (message.has_segment_bytes()) options.segment_bytes = message.segment_bytes();
  if (message.has_max_references()) options.max_references = message.max_references();
  options.window = message.window();
  options.similarity = static_cast<Similarity>(message.similarity());
  if (message.has_previous_item()) options.previous_item = message.previous_item();
  if (!v1::RopeChoice_IsValid(message.rope_choice())) return UnknownValue("options.rope_choice", message.rope_choice());
  options.rope_choice = static_cast<RopeChoice>(message.rope_choice());
  const v1::Rope& rope = message.rope();
  options.rope = {rope.head_dim(), rope.rotary_dim(), rope.theta(), rope.interleaved()};
  return options;
}

absl::StatusOr<Digest> DigestFromProto(std::string_view bytes) {
  Digest digest;
  if (bytes.size() != digest.size()) {
    return absl::InvalidArgumentError(absl::StrCat("digest: ", bytes.size(), " bytes instead of ", digest.size()));
  }
  std::ranges::copy(AsBytes(bytes), digest.begin());
  return digest;
}

std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace dcac::wire
