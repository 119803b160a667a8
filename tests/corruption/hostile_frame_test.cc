// Frames whose headers and segments claim what is not there: refused before memory is spent on the claim.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "core/codec/lane_model.h"
#include "core/codec/plane_kinds.h"
#include "core/codec/rans.h"
#include "core/codec/segment_codec.h"
#include "core/codec/set_model.h"
#include "core/kernels/lane_rans.h"
#include "dcac/codec.h"
#include "tests/testing/counted_memory.h"
#include "tests/testing/frame_surgery.h"
#include "tests/testing/random.h"

namespace dcac {
namespace {

using testing::AssembleFrame;
using testing::HeaderOf;
using testing::PeakOf;
using Data = std::vector<std::byte>;

constexpr std::size_t kKilo = 1024, kMega = 1024 * kKilo;

// All readers refuse the frame with one of the codes and little memory.
void ExpectRefused(const Data& frame, std::vector<absl::StatusCode> codes, const DecodeLimits& limits = {},
                   std::size_t memory = 256 * kKilo) {
  const auto check = [&](const char* reader, auto read) {
    absl::Status status;
    const std::size_t peak = PeakOf([&] { status = read(); });
    EXPECT_TRUE(std::find(codes.begin(), codes.end(), status.code()) != codes.end()) << reader << ": " << status;
    EXPECT_LE(peak, memory + 4 * frame.size()) << reader << ": " << status;
  };
  check("Decompress", [&] { return Decompress(frame, limits).status(); });
  check("Inspect", [&] { return Inspect(frame, limits).status(); });
  check("DecompressSlice", [&] { return DecompressSlice(frame, {}, limits).status(); });
  check("FrameDecoder", [&] {
    FrameDecoder decoder(limits);
    for (std::size_t at = 0; at < frame.size(); at += 7) {
      const absl::Status status =
          decoder.Push(std::span(frame).subspan(at, std::min<std::size_t>(7, frame.size() - at)));
      if (!status.ok()) return status;
    }
    return decoder.Finish();
  });
}

constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;
constexpr auto kDataLoss = absl::StatusCode::kDataLoss;

TEST(HostileHeaderTest, TensorsBeyondTheLimit) {
  const std::uint64_t large = std::uint64_t{1} << 62;
  ExpectRefused(AssembleFrame(HeaderOf(1, {large}, {1, 1, 1}), {}, {}), {kExhausted});
  ExpectRefused(AssembleFrame(HeaderOf(7, {1 << 20, 1 << 20, 1 << 20}, {1, 1, 1}), {}, {}), {kExhausted});
  ExpectRefused(AssembleFrame(HeaderOf(1, {large, 1, 1, 1}, {1, 1, 1}), {}, {}), {kExhausted});
}

TEST(HostileHeaderTest, TheTensorLimitIsExact) {
  const DecodeLimits limits{.max_tensor_bytes = 1000, .max_slab_bytes = 1000};
  ExpectRefused(*Compress({DType::kU8, {1001}}, Data(1001)), {kExhausted}, limits);
  EXPECT_TRUE(Decompress(*Compress({DType::kU8, {1000}}, Data(1000)), limits).ok());
}

TEST(HostileHeaderTest, TheSlabLimitIsExact) {
  const Data frame = *Compress({DType::kU8, {1000}}, Data(1000));
  ExpectRefused(frame, {kExhausted}, {.max_slab_bytes = 999});
  EXPECT_TRUE(Decompress(frame, {.max_slab_bytes = 1000}).ok());
}

TEST(HostileHeaderTest, SlabsBeyondTheLimit) {
  // Many bands of several planes: a slab is all of them.
  ExpectRefused(AssembleFrame(HeaderOf(1, {2, 1 << 20, 256}, {1, 2, 1}), {}, {}), {kExhausted});
}

TEST(HostileHeaderTest, ExtentsThatOverflow) {
  ExpectRefused(AssembleFrame(HeaderOf(1, {1 << 30, 1 << 30, 1 << 30}, {1, 1, 1}), {}, {}), {kDataLoss});
  ExpectRefused(AssembleFrame(HeaderOf(7, {~std::uint64_t{0}}, {1, 1, 1}), {}, {}), {kDataLoss});
  ExpectRefused(AssembleFrame(HeaderOf(1, {0, ~std::uint64_t{0}}, {}), {}, {}), {kDataLoss});
  ExpectRefused(AssembleFrame(HeaderOf(1, std::vector<std::uint64_t>(8, 1 << 16), {1, 1, 1}), {}, {}), {kDataLoss});
}

TEST(HostileHeaderTest, StepsOutOfRange) {
  const std::uint64_t huge = ~std::uint64_t{0};
  for (std::vector<std::uint64_t> steps : std::vector<std::vector<std::uint64_t>>{
           {0, 1, 1}, {1, 0, 1}, {1, 1, 0}, {huge, 1, 1}, {1, huge, 1}, {1, 1, huge}, {2, 1, 1}}) {
    ExpectRefused(AssembleFrame(HeaderOf(1, {4, 4, 4, 4}, steps), {}, {}), {kDataLoss});
  }
}

TEST(HostileHeaderTest, SegmentsBeyondTheLimit) {
  ExpectRefused(AssembleFrame(HeaderOf(1, {1 << 11, 1 << 16}, {1, 1, 1 << 11}), {}, {}), {kDataLoss});
}

TEST(HostileHeaderTest, MoreSegmentsThanTheIndexHasBytes) {
  // 2^40 segments of a byte, just within the default limit of tensors.
  ExpectRefused(AssembleFrame(HeaderOf(1, {std::uint64_t{1} << 40, 1, 1, 1}, {1, 1, 1}), {}, {}), {kDataLoss});
  const Data zero = {std::byte{0}, std::byte{0}};
  ExpectRefused(AssembleFrame(HeaderOf(1, {std::uint64_t{1} << 40, 1, 1, 1}, {1, 1, 1}), {zero, zero, zero}, {}),
                {kDataLoss});
}

TEST(HostileSegmentTest, SizesBeyondTheSegment) {
  const Data header = AssembleFrame(HeaderOf(1, {1, 1, 100, 100}, {1, 1, 100}), {}, {});
  const std::size_t header_bytes = header.size() - 24;
  for (std::uint64_t size : {std::uint64_t{0}, std::uint64_t{10002}, ~std::uint64_t{0}, std::uint64_t{1} << 40}) {
    Data frame(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(header_bytes));
    AppendVarint(size, frame);
    FrameDecoder decoder;
    EXPECT_EQ(decoder.Push(frame).code(), kDataLoss) << "before the body arrives";
    frame.resize(frame.size() + 64);
    ExpectRefused(frame, {kDataLoss});
  }
}

TEST(HostileSegmentTest, ASizeThatNeverArrivesTakesNoMemory) {
  const Data whole = AssembleFrame(HeaderOf(1, {1, 1, 200, 60000}, {1, 1, 200}), {}, {});
  Data frame(whole.begin(), whole.end() - 24);
  AppendVarint(12000001, frame);
  FrameDecoder decoder;
  const std::size_t peak = PeakOf([&] {
    EXPECT_TRUE(decoder.Push(frame).ok());
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(decoder.Push(Data(10)).ok());
  });
  EXPECT_LE(peak, 64 * kKilo);
  EXPECT_EQ(decoder.Finish().code(), kDataLoss);
}

// The work of a push does not grow with the segments before it.
TEST(HostileSegmentTest, ManySegmentsAndAnIndexInSingleBytes) {
  const std::size_t num_segments = 1500;
  const Data zeros(num_segments);
  const Data frame = AssembleFrame(HeaderOf(1, {num_segments, 1, 1, 1}, {1, 1, 1}),
                                   std::vector<Data>(num_segments, {std::byte{0}, std::byte{0}}), ComputeDigest(zeros));
  FrameDecoder decoder;
  const std::size_t before = testing::Allocations();
  for (const std::byte& byte : frame) ASSERT_TRUE(decoder.Push(std::span(&byte, 1)).ok());
  EXPECT_TRUE(decoder.Finish().ok());
  EXPECT_LE(testing::Allocations() - before, 10 * frame.size());
  EXPECT_TRUE(decoder.Pull() == zeros);
}

TEST(HostileSegmentTest, EveryMethodWithNothingBehindIt) {
  for (int method = 0; method < 256; ++method) {
    const Data body = {static_cast<std::byte>(method)};
    const Data frame = AssembleFrame(HeaderOf(2, {4, 4, 4}, {1, 4, 4}), {body}, {});
    const auto code = Decompress(frame).status().code();
    EXPECT_EQ(code, method <= 5 ? kDataLoss : absl::StatusCode::kUnimplemented) << method;
  }
}

TEST(HostileSegmentTest, ZstdStridesAndSizes) {
  for (int stride : {0, 2, 3, 4, 5, 255}) {
    const Data body = {std::byte{1}, static_cast<std::byte>(stride), std::byte{0x28}};
    EXPECT_EQ(Decompress(AssembleFrame(HeaderOf(1, {4, 4}, {1, 1, 4}), {body}, {})).status().code(), kDataLoss)
        << stride;
  }
}

absl::StatusCode CodeOfBody(DType dtype, std::initializer_list<int> bytes) {
  Data body;
  for (int byte : bytes) body.push_back(static_cast<std::byte>(byte));
  return Decompress(AssembleFrame(HeaderOf(static_cast<int>(dtype), {2, 2}, {1, 1, 2}), {body}, {})).status().code();
}

// Of no use without the first check: a wrong digest alone is kDataLoss.
TEST(HostileSegmentTest, RecodedTypes) {
  const Data samples(8);
  const Data body = {std::byte{3}, std::byte{1}, std::byte{0}, {}, {}, {}, {}};
  const Data frame = AssembleFrame(HeaderOf(4, {2, 2}, {1, 1, 2}), {body}, ComputeDigest(samples));
  ASSERT_TRUE(Decompress(frame).ok()) << "i16 as u8";
  for (DType dtype : AllDTypes()) {
    for (int target : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 255})
      EXPECT_EQ(CodeOfBody(dtype, {3, target}), kDataLoss) << DTypeName(dtype) << " as " << target;
  }
}

TEST(HostileSegmentTest, MethodsWithinMethods) {
  const int u8 = 1, i32 = 9;
  EXPECT_EQ(CodeOfBody(DType::kI32, {3, u8, 3, u8, 0, 1, 2, 3, 4}), kDataLoss) << "recoded in recoded";
  EXPECT_EQ(CodeOfBody(DType::kI64, {3, i32, 4, 0, 5, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4}), kDataLoss) << "words in recoded";
  EXPECT_EQ(CodeOfBody(DType::kI32, {4, 0, 1, 0}), kDataLoss) << "words of 32 bits";
  EXPECT_EQ(CodeOfBody(DType::kI64, {4, 0, 2, 4, 0, 0}), kDataLoss) << "words in words";
  EXPECT_EQ(CodeOfBody(DType::kI32, {5, 0, 1, 1, 1, 5, 1, 1, 1, 0, 0, 1, 2, 3, 4}), kDataLoss) << "repeats in repeats";
  EXPECT_EQ(CodeOfBody(DType::kI32, {3, u8, 5, 0, 1, 1, 1, 0, 1}), kDataLoss) << "repeats in recoded";
  EXPECT_EQ(CodeOfBody(DType::kI64, {4, 0, 8, 5, 0, 1, 1, 1, 0, 1, 2, 3, 4}), kDataLoss) << "repeats in words";
  EXPECT_EQ(CodeOfBody(DType::kI64, {4, 2, 6, 3, u8, 0, 1, 2, 3, 4, 3, u8, 0, 1, 2, 3, 4}), kDataLoss) << "form";
  EXPECT_EQ(CodeOfBody(DType::kI64, {4, 0, 200, 1, 3, u8}), kDataLoss) << "size of the high words";
  EXPECT_EQ(CodeOfBody(DType::kI64, {4, 0, 0}), kDataLoss) << "no words";
  // Recoded words are what an encoder writes.
  Data samples(32);
  for (std::size_t i = 0; i < 4; ++i) samples[8 * i] = static_cast<std::byte>(i + 1), samples[8 * i + 4] = std::byte{7};
  Data body;
  for (int byte : {4, 0, 7, 3, u8, 0, 7, 7, 7, 7, 3, u8, 0, 1, 2, 3, 4}) body.push_back(static_cast<std::byte>(byte));
  const auto tensor = Decompress(
      AssembleFrame(HeaderOf(static_cast<int>(DType::kI64), {2, 2}, {1, 1, 2}), {body}, ComputeDigest(samples)));
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_TRUE(tensor->data == samples);
}

TEST(HostileSegmentTest, UnknownSegmentLayoutsAreUnimplemented) {
  for (int layout : {0, 4, 255}) {
    const Data body = {std::byte{2}, static_cast<std::byte>(layout), std::byte{0}};
    EXPECT_EQ(Decompress(AssembleFrame(HeaderOf(1, {4, 4}, {1, 1, 4}), {body}, {})).status().code(),
              absl::StatusCode::kUnimplemented);
  }
}

// A valid model segment of zeros: planes coded in a set, no word of entropy-coded data.
Data ZeroModelBody(int planes, int height, int width) {
  SetModel model;
  model.planes.resize(static_cast<std::size_t>(planes));
  model.lanes_log2 = 0;
  model.cluster = {0};
  model.fixed_center = {false};
  model.center = {0};
  model.num_tokens = 1;
  model.tables = {{1}};
  RangeEncoder side;
  EncodePlaneCodings(side, DType::kU8, std::vector<PlaneCoding>(static_cast<std::size_t>(planes)));
  EncodeSetModel(side, SampleKind::kU8, {planes, height, width}, std::vector<int>(static_cast<std::size_t>(planes), -1),
                 model);
  EXPECT_FALSE(side.failed());
  const Bytes side_bytes = side.Finish();
  Data body = {std::byte{2}, std::byte{1}};
  AppendVarint(side_bytes.size(), body);
  AppendBytes(side_bytes, body);
  AppendVarint(4, body);
  AppendLittleEndian(kRansLow, 4, body);
  return body;
}

// Likewise of lanes, every plane with a reference: states, but no words.
Data ZeroLaneBody(int planes, int height, int width) {
  LaneModel model;
  model.planes.resize(static_cast<std::size_t>(planes));
  while (!CanBeLaneGroups(planes, width, model.group_planes)) ++model.group_planes;
  for (int p = 0; p < planes; ++p) {
    if (model.GroupBegin(p) > 0) model.planes[static_cast<std::size_t>(p)].references = {{model.GroupBegin(p) - 1, 1}};
  }
  model.cluster = {0};
  model.fixed_center = {false};
  model.center = {0};
  model.num_tokens = 1;
  model.tables = {{1}};
  RangeEncoder side;
  EncodePlaneCodings(side, DType::kU8, std::vector<PlaneCoding>(static_cast<std::size_t>(planes)));
  EncodeLaneModel(side, SampleKind::kU8, {planes, height, width},
                  std::vector<int>(static_cast<std::size_t>(planes), -1), model);
  EXPECT_FALSE(side.failed());
  const Bytes side_bytes = side.Finish();
  Data body = {std::byte{2}, std::byte{3}};
  AppendVarint(side_bytes.size(), body);
  AppendBytes(side_bytes, body);
  AppendVarint(kLaneStateBytes, body);
  for (std::size_t lane = 0; lane < kRansLanes; ++lane) AppendLittleEndian(kLaneStateLow, 4, body);
  return body;
}

using MakeBody = Data (*)(int planes, int height, int width);

std::size_t PeakOfZeros(MakeBody make_body, std::uint64_t planes, std::uint64_t height, std::uint64_t width) {
  const Data zeros(planes * height * width);
  const Data body = make_body(static_cast<int>(planes), static_cast<int>(height), static_cast<int>(width));
  const Data frame =
      AssembleFrame(HeaderOf(1, {planes, height, width}, {1, planes, height}), {body}, ComputeDigest(zeros));
  absl::StatusOr<Tensor> tensor;
  const std::size_t peak = PeakOf([&] { tensor = Decompress(frame); });
  EXPECT_TRUE(!tensor.ok() || tensor->data == zeros);
  std::printf("%llu planes of %llu x %llu: frame %zu bytes, raw %zu, most memory %zu = %.1f x raw%s\n",
              static_cast<unsigned long long>(planes), static_cast<unsigned long long>(height),
              static_cast<unsigned long long>(width), frame.size(), zeros.size(), peak,
              static_cast<double>(peak) / static_cast<double>(zeros.size()), tensor.ok() ? "" : " (refused)");
  return peak;
}

// The memory of a decoder is bounded by a multiple of the segment, whatever its planes are.
TEST(HostileSegmentTest, MemoryIsAMultipleOfTheSegment) {
  for (MakeBody make_body : {&ZeroModelBody, &ZeroLaneBody}) {
    EXPECT_LE(PeakOfZeros(make_body, 16, 256, 256), 32 * kMega);
    EXPECT_LE(PeakOfZeros(make_body, 1, 1024, 1024), 32 * kMega);
    EXPECT_LE(PeakOfZeros(make_body, 1, 1, 65536), 4 * kMega);
    EXPECT_LE(PeakOfZeros(make_body, 65536, 4, 4), 64 * kMega);
  }
  for (MakeBody make_body : {&ZeroModelBody, &ZeroLaneBody}) {
    EXPECT_LE(PeakOfZeros(make_body, 1 << 20, 1, 1), 8 * kMega) << "planes that are not modelled";
  }
}

// Random bytes as model segments: mostly refused early; never more memory than the segment's multiple.
TEST(HostileSegmentTest, RandomModelBodiesAreRefusedInBoundedMemory) {
  testing::Random random(1);
  for (int round = 0; round < 3000; ++round) {
    const int dtype = random.Int(1, 7);
    Data body = {std::byte{2}, random.OneIn(2) ? std::byte{1} : std::byte{3}};
    const std::size_t side = random.Below(60);
    AppendVarint(side, body);
    for (std::size_t i = 0; i < side + random.Below(40); ++i)
      body.push_back(static_cast<std::byte>(random.OneIn(2) ? 0 : random.Bits()));
    const std::vector<std::uint64_t> shape = {1 + random.Below(8), 1 + random.Below(30), 1 + random.Below(30)};
    const Data frame = AssembleFrame(HeaderOf(dtype, shape, {1, shape[0], shape[1]}), {body}, {});
    absl::Status status;
    const std::size_t peak = PeakOf([&] { status = Decompress(frame).status(); });
    ASSERT_FALSE(status.ok());
    ASSERT_TRUE(status.code() == kDataLoss || status.code() == absl::StatusCode::kUnimplemented) << status;
    ASSERT_LE(peak, 4 * kMega);
  }
}

}  // namespace
}  // namespace dcac
