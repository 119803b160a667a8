// Encoder and decoder of lanes against each other.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "core/codec/lane_encoder.h"
#include "core/codec/lane_segment.h"
#include "core/codec/model_side.h"
#include "core/codec/segment_account.h"
#include "core/codec/segment_samples.h"
#include "dcac/simd_target.h"

namespace dcac {
namespace {

EncodeOptions OfLevel(int level) {
  EncodeOptions options;
  options.level = level;
  return options;
}

uint32_t ToSample(DType dtype, double value) {
  const uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  switch (dtype) {
    case DType::kF32:
      return bits;
    case DType::kBF16:
      return bits >> 16;
    case DType::kF16: {
      const uint32_t magnitude = bits & 0x7fffffffu;
      return (bits >> 16 & 0x8000u) | (magnitude < (113u << 23) ? 0u : (magnitude - (112u << 23)) >> 13);
    }
    case DType::kU8:
      return static_cast<uint32_t>(std::lround(std::clamp(value * 20 + 128, 0.0, 255.0)));
    case DType::kI8:
      return static_cast<uint32_t>(std::lround(std::clamp(value * 20, -128.0, 127.0))) & 0xffu;
    case DType::kU16:
      return static_cast<uint32_t>(std::lround(std::clamp(value * 3000 + 32768, 0.0, 65535.0)));
    default:
      return static_cast<uint32_t>(std::lround(std::clamp(value * 3000, -32768.0, 32767.0))) & 0xffffu;
  }
}

void PutSample(DType dtype, uint32_t sample, Bytes& packed) {
  AppendLittleEndian(sample, static_cast<int>(SampleBytes(dtype)), packed);
}

// Planes that are smooth and resemble those of the item before, half of their samples alike if `rectified`.
Bytes SmoothPlanes(const SegmentShape& shape, bool rectified = false) {
  std::mt19937_64 random(static_cast<uint64_t>(shape.width * 1000 + shape.height));
  std::normal_distribution<double> normal;
  Bytes packed;
  for (int item = 0; item < shape.items; ++item) {
    for (int p = 0; p < shape.planes; ++p) {
      for (int y = 0; y < shape.height; ++y) {
        for (int x = 0; x < shape.width; ++x) {
          const double value = std::sin(0.3 * x + p) * std::cos(0.2 * y - p) + 0.1 * normal(random);
          PutSample(shape.dtype, ToSample(shape.dtype, rectified && value < 0 ? 0 : value), packed);
        }
      }
    }
  }
  return packed;
}

Bytes NoiseOf(const SegmentShape& shape, uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes packed(shape.bytes());
  for (std::byte& byte : packed) byte = static_cast<std::byte>(random());
  return packed;
}

absl::Status Decode(const SegmentShape& shape, ByteSpan body, Bytes& packed) {
  packed.assign(shape.bytes(), std::byte{0xa5});
  ByteReader reader(body);
  return DecodeLaneBody(shape, reader, PackedPlanes(shape, packed), nullptr);
}

void ExpectRoundTrip(const SegmentShape& shape, const Bytes& packed, int level) {
  SCOPED_TRACE(testing::Message() << DTypeName(shape.dtype) << " " << shape.items << " x " << shape.planes << " x "
                                  << shape.height << " x " << shape.width << " at level " << level);
  const Bytes body = EncodeLaneBody({shape, packed}, OfLevel(level));
  ASSERT_FALSE(body.empty());
  Bytes back;
  const absl::Status status = Decode(shape, body, back);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(back, packed);
}

class LaneCodecTest : public testing::TestWithParam<DType> {};

INSTANTIATE_TEST_SUITE_P(DTypes, LaneCodecTest,
                         testing::Values(DType::kU8, DType::kI8, DType::kU16, DType::kI16, DType::kF16, DType::kBF16,
                                         DType::kF32),
                         [](const auto& test) { return std::string(DTypeName(test.param)); });

TEST_P(LaneCodecTest, SmoothPlanesComeBackAtEveryLevel) {
  const SegmentShape shape{GetParam(), 2, 9, 12, 31};
  for (int level = 1; level <= kMaxLaneLevel; ++level) {
    ExpectRoundTrip(shape, SmoothPlanes(shape), level);
    ExpectRoundTrip(shape, SmoothPlanes(shape, true), level);
  }
}

// Widths below and above those of steps, groups whose last one is another than the others.
TEST_P(LaneCodecTest, AllShapesComeBack) {
  for (int width : {1, 2, 3, 4, 5, 6, 7, 8, 9, 63, 64, 65, 66, 67, 129, 200}) {
    for (int planes : {6, 7, 131}) {
      if (planes == 131 && width > 9) continue;
      const SegmentShape shape{GetParam(), 1, planes, 16, width};
      for (int level : {1, 3, 5}) ExpectRoundTrip(shape, SmoothPlanes(shape), level);
    }
  }
  for (int height : {1, 2, 3}) {
    const SegmentShape shape{GetParam(), 2, 3, height, 40};
    for (int level : {1, 3, 5}) ExpectRoundTrip(shape, SmoothPlanes(shape), level);
  }
}

TEST_P(LaneCodecTest, AnyBitsComeBack) {
  for (int width : {8, 15}) {
    const SegmentShape shape{GetParam(), 2, 3, 20, width};
    for (int level = 1; level <= kMaxLaneLevel; ++level) {
      ExpectRoundTrip(shape, NoiseOf(shape, static_cast<uint64_t>(level)), level);
    }
  }
}

// Bit patterns of all exponents: -0, subnormal numbers, infinities, NaNs among them, in places of all kinds.
TEST_P(LaneCodecTest, RareSamplesComeBack) {
  for (int width : {20, 21}) {
    const SegmentShape shape{GetParam(), 1, 8, 16, width};
    Bytes packed = SmoothPlanes(shape, true);
    std::mt19937_64 random(9);
    const size_t bytes = SampleBytes(shape.dtype);
    for (size_t i = 0; i < packed.size(); i += bytes * (1 + random() % 9)) {
      const uint32_t exponents = static_cast<uint32_t>(random() % 512) << (8 * bytes - 9 % (8 * bytes));
      const uint32_t sample = random() % 2 == 0 ? exponents : exponents | static_cast<uint32_t>(random() % 2);
      for (size_t b = 0; b < bytes; ++b) packed[i + b] = static_cast<std::byte>(sample >> (8 * b));
    }
    for (int level : {1, 2, 4, 5, 7}) ExpectRoundTrip(shape, packed, level);
  }
}

// Of one sign, of both, of more octaves than there are codes for, nearly all alike.
TEST_P(LaneCodecTest, FloatsOfAnyRangeComeBack) {
  if (!IsFloat(KindOf(GetParam()))) return;
  const SegmentShape shape{GetParam(), 1, 6, 16, 33};
  std::mt19937_64 random(4);
  for (int octaves : {0, 1, 8, 25}) {
    for (int signs : {1, 2, 3}) {
      Bytes packed;
      for (size_t i = 0; i < shape.bytes() / SampleBytes(shape.dtype); ++i) {
        const double magnitude =
            std::exp2(static_cast<double>(random() % (16 * static_cast<size_t>(octaves) + 1)) / 16 - 10);
        const bool is_negative = signs == 2 || (signs == 3 && random() % 2 == 0);
        PutSample(shape.dtype,
                  ToSample(shape.dtype, random() % 3 == 0 ? 0
                                        : is_negative     ? -magnitude
                                                          : magnitude),
                  packed);
      }
      for (int level : {1, 2, 3}) ExpectRoundTrip(shape, packed, level);
    }
  }
}

// As at a clip, of one sign or of both, with samples beside them that differ in their low bits only.
TEST_P(LaneCodecTest, RepeatedSamplesComeBackAndCostLittle) {
  if (!IsFloat(KindOf(GetParam()))) return;
  const SegmentShape shape{GetParam(), 1, 6, 40, 33};
  for (const std::vector<double>& repeated :
       {std::vector<double>{1.7182818}, {-0.3819660, 1.7182818, 0.6931472, 3.14}}) {
    std::mt19937_64 random(4);
    Bytes packed;
    Bytes without;
    for (size_t i = 0; i < shape.bytes() / SampleBytes(shape.dtype); ++i) {
      const double other = static_cast<double>(random() % 100000) / 100000;
      const double choice = random() % 2 == 0 ? repeated[random() % repeated.size()] : other;
      uint32_t sample = ToSample(shape.dtype, choice);
      if (random() % 100 == 0) sample ^= static_cast<uint32_t>(random() % 8);
      PutSample(shape.dtype, sample, packed);
      PutSample(shape.dtype, ToSample(shape.dtype, other), without);
    }
    for (int level : {1, 3, 5}) {
      ExpectRoundTrip(shape, packed, level);
      if (GetParam() != DType::kF32 || repeated.size() > 1) continue;
      EXPECT_LT(EncodeLaneBody({shape, packed}, OfLevel(level)).size(),
                EncodeLaneBody({shape, without}, OfLevel(level)).size() * 3 / 4);
    }
  }
}

// What the decoder says of the body of `packed`.
SegmentAccount AccountOf(const SegmentShape& shape, const Bytes& packed, const Bytes& body) {
  Bytes back(shape.bytes());
  ByteReader reader(body);
  SegmentAccount account;
  EXPECT_TRUE(DecodeLaneBody(shape, reader, PackedPlanes(shape, back), &account).ok());
  EXPECT_EQ(back, packed);
  return account;
}

TEST_P(LaneCodecTest, PlanesOfAllKindsComeBack) {
  const SegmentShape shape{GetParam(), 2, 14, 17, 49};
  Bytes packed = SmoothPlanes(shape);
  const size_t bytes = SampleBytes(shape.dtype);
  const auto plane = [&](int p) {
    return packed.begin() + static_cast<ptrdiff_t>(p) * static_cast<ptrdiff_t>(shape.plane_bytes());
  };
  std::fill(plane(1), plane(2), std::byte{3});
  std::copy(plane(0), plane(1), plane(15));
  std::vector<std::pair<int, int>> upsampled = {{2, 2}, {16, 2}};  // so many that they pay for models of their own
  for (int p = 3; p < 7; ++p) upsampled.emplace_back(p, 4);
  for (int p = 7; p < 14; ++p) upsampled.insert(upsampled.end(), {{p, 8}, {p + 13, 8}});
  for (const auto& [p, scale] : upsampled) {
    const Bytes from(plane(p), plane(p + 1));
    for (int y = 0; y < shape.height; ++y) {
      for (int x = 0; x < shape.width; ++x) {
        const size_t at = static_cast<size_t>(y / scale * scale * shape.width + x / scale * scale) * bytes;
        std::copy_n(from.begin() + static_cast<ptrdiff_t>(at), bytes,
                    plane(p) + static_cast<ptrdiff_t>(bytes) * (y * shape.width + x));
      }
    }
  }
  for (int level = 1; level <= kMaxLaneLevel; ++level) ExpectRoundTrip(shape, packed, level);
  const SegmentAccount account = AccountOf(shape, packed, EncodeLaneBody({shape, packed}, OfLevel(5)));
  EXPECT_EQ(account.planes[1].kind, PlaneKind::kConstant);
  EXPECT_EQ(account.planes[2].kind, PlaneKind::kUpsampled2);
  EXPECT_EQ(account.planes[3].kind, PlaneKind::kUpsampled4);
  EXPECT_EQ(account.planes[7].kind, PlaneKind::kUpsampled8);
  EXPECT_EQ(account.planes[15].kind, PlaneKind::kDuplicate);
}

// A model of its own would cost more than coding them small gains.
TEST_P(LaneCodecTest, FewUpsampledPlanesAreCodedWithTheOthers) {
  const SegmentShape shape{GetParam(), 1, 6, 16, 16};
  Bytes packed = SmoothPlanes(shape);
  const size_t bytes = SampleBytes(shape.dtype), row = 16 * bytes;
  for (size_t at = 0; at < 16 * row; at += bytes)
    std::copy_n(packed.data() + at / (2 * row) * 2 * row + at % row / (2 * bytes) * 2 * bytes, bytes,
                packed.data() + at);
  ExpectRoundTrip(shape, packed, 5);
  const SegmentAccount account = AccountOf(shape, packed, EncodeLaneBody({shape, packed}, OfLevel(5)));
  EXPECT_EQ(account.planes[0].kind, PlaneKind::kNormal);
}

TEST_P(LaneCodecTest, PlanesThatAreAllConstantComeBack) {
  const SegmentShape shape{GetParam(), 1, 4, 8, 8};
  const Bytes packed(shape.bytes(), std::byte{1});
  ExpectRoundTrip(shape, packed, 5);
}

// An item that repeats the one before with little noise is predicted from it.  Several are asked, for what one gains
// depends on the places that fits are made of.
TEST_P(LaneCodecTest, ReferencesAreFound) {
  const SegmentShape item_shape{GetParam(), 1, 8, 16, 64};
  if (IsFloat(KindOf(item_shape.dtype))) return;  // noise of bits is none of values
  SegmentShape shape = item_shape;
  shape.items = 2;
  EncodeOptions intra = OfLevel(5);
  intra.mode = Mode::kIntra;
  size_t with_references = 0, without = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const Bytes item = NoiseOf(item_shape, seed);
    Bytes packed = item;
    std::mt19937_64 random(100 + seed);
    for (size_t i = 0; i < item.size(); ++i) {
      packed.push_back(i % SampleBytes(shape.dtype) == 0 ? item[i] ^ static_cast<std::byte>(random() % 2) : item[i]);
    }
    ExpectRoundTrip(shape, packed, 5);
    with_references += EncodeLaneBody({shape, packed}, OfLevel(5)).size();
    without += EncodeLaneBody({shape, packed}, intra).size();
  }
  EXPECT_LT(with_references, without * 4 / 5);
}

// The first `alike` of 96 planes of 16 x 40 samples repeat the one before with little noise, the last `alike_behind`,
// too; the others are noise.
LaneModel ModelOfAlike(bool bytes, size_t alike, size_t alike_behind, double min_reference_gain) {
  const SegmentShape shape{DType::kU8, 1, 96, 16, 40};
  const PlaneSet set = CollectSet(shape, std::vector<PlaneCoding>(96), PlaneKind::kNormal);
  Bytes packed = NoiseOf(shape, 7);
  std::vector<const std::byte*> planes;
  const size_t samples = shape.plane_samples();
  for (size_t p = 0; p < 96; ++p) {
    std::byte* const plane = packed.data() + p * samples;
    planes.push_back(plane);
    if (p == 0 || (p >= alike && p < 96 - alike_behind)) continue;
    for (size_t i = 0; i < samples; ++i) plane[i] = planes[p - 1][i] ^ (plane[i] & std::byte{1});
  }
  LaneEncoderOptions options;
  options.bytes = options.weighted = bytes;
  options.min_reference_gain = min_reference_gain;
  options.max_references = 4;
  options.window = 20;
  return EncodeLaneSet(set, planes, options).model;
}

// Planes, each with its references, as numbers.
std::vector<std::vector<int>> ReferencesOf(const LaneModel& model) {
  std::vector<std::vector<int>> result;
  for (const LanePlane& plane : model.planes) {
    std::vector<int>& references = result.emplace_back();
    for (const LaneReference& reference : plane.references) {
      references.insert(references.end(), {reference.plane, reference.weight});
    }
  }
  return result;
}

size_t CountReferring(const LaneModel& model) {
  const auto references = ReferencesOf(model);
  return references.size() - static_cast<size_t>(std::count(references.begin(), references.end(), std::vector<int>()));
}

TEST(LaneSearchTest, PlanesAtTheEndTellWhetherReferencesPay) {
  for (bool bytes : {false, true}) {
    EXPECT_EQ(CountReferring(ModelOfAlike(bytes, 40, 0, 0.1)), 0u);
    EXPECT_GE(CountReferring(ModelOfAlike(bytes, 40, 0, 0)), 20u);
  }
}

// Those that are fitted first, at the end, are fitted as if they were not.
TEST(LaneSearchTest, ToAskPlanesAtTheEndChangesNothingWhereReferencesPay) {
  for (bool bytes : {false, true}) {
    const LaneModel model = ModelOfAlike(bytes, 40, 40, 0.1);
    EXPECT_GE(CountReferring(model), 40u);
    EXPECT_EQ(ReferencesOf(model), ReferencesOf(ModelOfAlike(bytes, 40, 40, 0)));
  }
}

// The bits of an account add up to about the size of the body, and all samples are in it.
TEST_P(LaneCodecTest, AccountsAddUp) {
  for (int level : {1, 5, 6}) {
    const SegmentShape shape{GetParam(), 2, 10, 24, 35 + level};
    const Bytes packed = SmoothPlanes(shape, true);
    const Bytes body = EncodeLaneBody({shape, packed}, OfLevel(level));
    const SegmentAccount account = AccountOf(shape, packed, body);
    double bits = 0;
    for (const PlaneAccount& plane : account.planes) bits += plane.bits;
    uint64_t samples = 0;
    for (const SampleCount& count : account.samples) samples += count.samples;
    EXPECT_EQ(samples, shape.bytes() / SampleBytes(shape.dtype));
    const double stream_bits = 8 * static_cast<double>(body.size() - account.side_bytes);
    EXPECT_NEAR(bits + 8 * 256, stream_bits, 0.02 * stream_bits + 64 * 16);
  }
}

TEST_P(LaneCodecTest, EveryTargetWritesTheSameAndReadsTheOthers) {
  // The last one is so large that not all of its tokens are counted.
  const SegmentShape shapes[] = {{GetParam(), 2, 11, 20, 6},
                                 {GetParam(), 2, 6, 20, 30},
                                 {GetParam(), 2, 5, 20, 75},
                                 {GetParam(), 2, 9, 20, 76},
                                 {GetParam(), 1, 24, 75, 75}};
  for (const SegmentShape& shape : shapes) {
    const Bytes packed = SmoothPlanes(shape, shape.width == 30);
    for (int level : {1, 2, 3, 5, 6}) {
      Bytes first;
      for (std::string_view target : SupportedTargets()) {
        SCOPED_TRACE(std::string(target));
        ASSERT_TRUE(ForceTarget(target).ok());
        const Bytes body = EncodeLaneBody({shape, packed}, OfLevel(level));
        if (first.empty()) first = body;
        EXPECT_EQ(body, first);
        Bytes back;
        const absl::Status status = Decode(shape, first, back);
        EXPECT_TRUE(status.ok()) << status;
        EXPECT_EQ(back, packed);
      }
      ASSERT_TRUE(ForceTarget("").ok());
    }
  }
}

TEST_P(LaneCodecTest, TruncatedBodiesAreErrors) {
  const SegmentShape shape{GetParam(), 1, 3, 12, 22};
  for (int level : {1, 5}) {
    const Bytes body = EncodeLaneBody({shape, SmoothPlanes(shape, true)}, OfLevel(level));
    Bytes back;
    for (size_t size = 0; size < body.size(); ++size) {
      EXPECT_EQ(Decode(shape, ByteSpan(body).first(size), back).code(), absl::StatusCode::kDataLoss) << size;
    }
    Bytes longer = body;
    longer.push_back(std::byte{0});
    EXPECT_EQ(Decode(shape, longer, back).code(), absl::StatusCode::kDataLoss);
  }
}

// A changed body is an error or other samples, on every target the same: checksums are what finds the latter.
TEST_P(LaneCodecTest, ChangedBodiesAreErrorsOrOtherSamples) {
  for (int width : {5, 22}) {
    const SegmentShape shape{GetParam(), 2, 4, 8, width};
    for (int level : {1, 5}) {
      const Bytes body = EncodeLaneBody({shape, SmoothPlanes(shape, true)}, OfLevel(level));
      for (size_t at = 0; at < body.size(); ++at) {
        Bytes changed = body;
        changed[at] ^= static_cast<std::byte>(1 << at % 8);
        Bytes back, other;
        const absl::Status status = Decode(shape, changed, back);
        EXPECT_TRUE(status.ok() || absl::IsDataLoss(status)) << status;
        if (at % 16 != 0) continue;
        ASSERT_TRUE(ForceTarget(SupportedTargets().back()).ok());
        const absl::Status on_other = Decode(shape, changed, other);
        ASSERT_TRUE(ForceTarget("").ok());
        EXPECT_EQ(status.ok(), on_other.ok());
        if (status.ok()) {
          EXPECT_EQ(back, other) << at;
        }
      }
    }
  }
}

TEST(LaneSegmentTest, RefusesWhatHasNoLanes) {
  const SegmentShape shape{DType::kU8, 1, 3, 12, 22};
  const Bytes body = EncodeLaneBody({shape, SmoothPlanes(shape)}, OfLevel(5));
  Bytes back;
  SegmentShape tokens{DType::kU8, 1, 22, 12, 1, 22};
  EXPECT_EQ(Decode(tokens, body, back).code(), absl::StatusCode::kDataLoss);
  SegmentShape wide = shape;
  wide.dtype = DType::kI32;
  EXPECT_EQ(Decode(wide, body, back).code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(EncodeLaneBody({wide, Bytes(wide.bytes())}, OfLevel(5)).empty());
  const SegmentShape narrow{DType::kU8, 1, 1, 20, 2};
  EXPECT_TRUE(EncodeLaneBody({narrow, SmoothPlanes(narrow)}, OfLevel(5)).empty());
}

}  // namespace
}  // namespace dcac
