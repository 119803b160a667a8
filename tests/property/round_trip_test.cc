// decode(encode(x)) = x over shapes, types, contents and options; streams,
// slices and Inspect agree with the whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "dcac/codec.h"
#include "tests/testing/random.h"
#include "tests/testing/tensors.h"

namespace dcac {
namespace {

using testing::Content;
using testing::Random;
using Data = std::vector<std::byte>;

void ExpectRoundTrip(const TensorSpec& spec, const Data& data, const EncodeOptions& options, const char* content) {
  SCOPED_TRACE(testing::Describe(spec, options) + " " + content);
  const auto frame = Compress(spec, data, options);
  ASSERT_TRUE(frame.ok()) << frame.status();
  const auto tensor = Decompress(*frame);
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ(tensor->spec, spec);
  ASSERT_TRUE(tensor->data == data);
  Data into(data.size(), std::byte{0xA5});
  const auto restored = DecompressInto(*frame, into);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(*restored, spec);
  ASSERT_TRUE(into == data);
  if (options.segment_bytes >= EncodeOptions::kDefaultSegmentBytes) {
    EXPECT_LE(frame->size(), MaxFrameBytes(data.size()));
  }
}

class EveryTypeTest : public ::testing::TestWithParam<DType> {};

// Each content in each mode at a shape that has all classes of samples, several
// planes and items.
TEST_P(EveryTypeTest, EveryContentInEveryModeRoundTrips) {
  Random random(1 + static_cast<std::uint64_t>(GetParam()));
  for (Content content : testing::AllContents()) {
    for (Mode mode : testing::AllModes()) {
      EncodeOptions options;
      options.mode = mode;
      const TensorSpec spec{GetParam(), {2, 5, 9 + random.Below(20), 9 + random.Below(20)}};
      ExpectRoundTrip(spec, testing::MakeData(random, spec, content), options, testing::ContentName(content));
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(EveryTypeTest, AnyShapeContentAndOptionsRoundTrip) {
  Random random(100 + static_cast<std::uint64_t>(GetParam()));
  for (std::uint64_t round = 0; round < 200 * testing::RoundsFactor(); ++round) {
    TensorSpec spec{GetParam(), testing::MakeShape(random, 6000)};
    spec.layout = testing::MakeLayout(random, spec.shape.size());
    const Content content = random.Of(testing::AllContents());
    const Data data = testing::MakeData(random, spec, content);
    ExpectRoundTrip(spec, data, testing::MakeOptions(random), testing::ContentName(content));
    if (HasFatalFailure()) return;
  }
}

TEST_P(EveryTypeTest, EveryLayoutRoundTrips) {
  Random random(300 + static_cast<std::uint64_t>(GetParam()));
  const std::vector<std::vector<std::uint64_t>> shapes = {{},           {17},           {5, 40},        {3, 9, 11},
                                                          {2, 4, 7, 6}, {40, 3, 1, 8},  {1, 1, 100, 3}, {2, 0, 5},
                                                          {3, 70, 1},   {2, 2, 2, 5, 9}};
  for (Layout layout : AllLayouts()) {
    for (const auto& shape : shapes) {
      const TensorSpec spec{GetParam(), shape, layout};
      if (!TensorBytes(spec).ok()) continue;
      const Content content = random.Of(testing::AllContents());
      EncodeOptions options;
      options.segment_bytes = EncodeOptions::kMinSegmentBytes;
      ExpectRoundTrip(spec, testing::MakeData(random, spec, content), options, testing::ContentName(content));
      if (HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, EveryTypeTest, ::testing::ValuesIn(testing::AllDTypes()),
                         [](const auto& param_info) { return std::string(DTypeName(param_info.param)); });

// Planes of so many samples take other paths: sent means, skewed waves, several
// lanes.
TEST(RoundTripTest, LargerPlanesOfEveryType) {
  Random random(2);
  for (DType dtype : testing::AllDTypes()) {
    for (Mode mode : testing::AllModes()) {
      EncodeOptions options;
      options.mode = mode;
      const TensorSpec spec{dtype, {6, 50, 70}};
      const Content content = random.OneIn(2) ? Content::kReluLike : Content::kCorrelated;
      ExpectRoundTrip(spec, testing::MakeData(random, spec, content), options, testing::ContentName(content));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(RoundTripTest, RowsBeyondTheWidthLimit) {
  Random random(3);
  for (std::uint64_t width : {65535, 65536, 65537, 70001}) {
    const TensorSpec spec{DType::kI16, {2, width}};
    ExpectRoundTrip(spec, testing::MakeData(random, spec, Content::kSmooth), {}, "smooth");
  }
}

TEST(RoundTripTest, EveryRankOfOneSampleAndOfNone) {
  Random random(4);
  for (DType dtype : testing::AllDTypes()) {
    for (std::size_t rank = 0; rank <= TensorSpec::kMaxRank; ++rank) {
      TensorSpec spec{dtype, std::vector<std::uint64_t>(rank, 1)};
      ExpectRoundTrip(spec, testing::MakeData(random, spec, Content::kRandomBits), {}, "one");
      for (std::size_t axis = 0; axis < rank; ++axis) {
        spec.shape.assign(rank, 1000);
        spec.shape[axis] = 0;
        if (rank <= 6) ExpectRoundTrip(spec, {}, {}, "none");
      }
    }
  }
}

TEST(RoundTripTest, RepetitionBetweenPlanesAndItemsPaysOff) {
  Random random(5);
  const TensorSpec spec{DType::kBF16, {1, 6, 40, 40}};
  const Data item = testing::MakeData(random, spec, Content::kRandomBits);
  Data twice = item;
  twice.insert(twice.end(), item.begin(), item.end());
  const auto one = Compress(spec, item), two = Compress({DType::kBF16, {2, 6, 40, 40}}, twice);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_LT(two->size(), one->size() * 11 / 10);  // one is stored, the planes of two are modelled
}

TEST(CompressTest, RefusesWrongArguments) {
  const TensorSpec spec{DType::kU8, {4}};
  const Data data(4);
  const auto code = [&](const TensorSpec& s, const Data& d, const EncodeOptions& options) {
    return Compress(s, d, options).status().code();
  };
  const auto with = [](auto change) {
    EncodeOptions options;
    change(options);
    return options;
  };
  EXPECT_EQ(code(spec, data, {}), absl::StatusCode::kOk);
  const auto invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(code(spec, Data(3), {}), invalid);
  EXPECT_EQ(code(spec, Data(5), {}), invalid);
  EXPECT_EQ(code({static_cast<DType>(0), {4}}, data, {}), invalid);
  EXPECT_EQ(code({DType::kU8, {4}, static_cast<Layout>(0)}, data, {}), invalid);
  EXPECT_EQ(code({DType::kU8, std::vector<std::uint64_t>(9, 1)}, Data(1), {}), invalid);
  EXPECT_EQ(code(spec, data, with([](EncodeOptions& o) { o.level = 0; })), invalid);
  EXPECT_EQ(code(spec, data, with([](EncodeOptions& o) { o.level = 10; })), invalid);
  EXPECT_EQ(code(spec, data, with([](EncodeOptions& o) { o.segment_bytes = 4095; })), invalid);
  EXPECT_EQ(code(spec, data, with([](EncodeOptions& o) { o.segment_bytes = (16u << 20) + 1; })), invalid);
  EXPECT_EQ(code(spec, data, with([](EncodeOptions& o) { o.max_references = -1; })), invalid);
  EXPECT_EQ(code(spec, data, with([](EncodeOptions& o) { o.max_references = 17; })), invalid);
  EXPECT_EQ(code(spec, data, with([](EncodeOptions& o) { o.window = -1; })), invalid);
  EXPECT_EQ(code(spec, data, with([](EncodeOptions& o) { o.mode = static_cast<Mode>(3); })), invalid);
  EXPECT_EQ(code(spec, data, with([](EncodeOptions& o) { o.similarity = static_cast<Similarity>(3); })), invalid);
}

// The axes of a slice, of a tensor of rank 4.
struct SliceAxes {
  std::uint64_t items, planes, rows;
};

SliceAxes SliceAxesOf(const TensorSpec& spec) {
  const auto& shape = spec.shape;
  switch (spec.layout) {
    case Layout::kNhwc:
      return {shape[0], shape[3], shape[1]};
    case Layout::kTokens:
      return {shape[0] * shape[1], shape[3], shape[2]};
    case Layout::kHeads:
      return {shape[0], shape[1] * shape[3], shape[2]};
    case Layout::kFlat:
      return {shape[0] * shape[1] * shape[2] * shape[3], 1, 1};
    default:
      return {shape[0], shape[1], shape[2]};
  }
}

// Item, plane and row of a sample of a tensor of rank 4, by its place.
SliceAxes PlaceOf(const TensorSpec& spec, std::uint64_t index) {
  const auto& shape = spec.shape;
  const std::uint64_t d = index % shape[3], c = index / shape[3] % shape[2], b = index / shape[3] / shape[2] % shape[1],
                      a = index / shape[3] / shape[2] / shape[1];
  switch (spec.layout) {
    case Layout::kNhwc:
      return {a, d, b};
    case Layout::kTokens:
      return {a * shape[1] + b, d, c};
    case Layout::kHeads:
      return {a, b * shape[3] + d, c};
    case Layout::kFlat:
      return {index, 0, 0};
    default:
      return {a, b, c};
  }
}

// A tensor of several segments, its frame and a part of it by hand.
struct Coded {
  TensorSpec spec;
  Data data, frame;

  // In the order of the tensor, which is that of the part too.
  Data Part(const Slice& s) const {
    Data part;
    for (std::uint64_t index = 0; index < data.size() / SampleBytes(spec.dtype); ++index) {
      const SliceAxes at = PlaceOf(spec, index);
      if (at.items < s.item_begin || at.items >= s.item_end || at.planes < s.plane_begin || at.planes >= s.plane_end ||
          at.rows < s.row_begin || at.rows >= s.row_end)
        continue;
      const auto* begin = data.data() + index * SampleBytes(spec.dtype);
      part.insert(part.end(), begin, begin + SampleBytes(spec.dtype));
    }
    return part;
  }
};

Coded MakeCoded(Random& random, const std::vector<std::uint64_t>& shape, Layout layout, std::uint64_t segment_bytes) {
  Coded coded;
  coded.spec = {random.Of(testing::AllDTypes()), shape, layout};
  coded.data = testing::MakeData(random, coded.spec, Content::kReluLike);
  EncodeOptions options;
  options.segment_bytes = segment_bytes;
  options.mode = Mode::kIntra;
  coded.frame = *Compress(coded.spec, coded.data, options);
  return coded;
}

// Shapes whose grids cut items, planes and rows.
std::vector<std::vector<std::uint64_t>> GridShapes() {
  return {{19, 3, 10, 11}, {2, 5, 60, 31}, {3, 2, 150, 90}, {1, 40, 40, 40}};
}

void CheckSlices(Random& random, const Coded& coded) {
  const auto info = Inspect(coded.frame);
  ASSERT_TRUE(info.ok()) << info.status();
  const SliceAxes axes = SliceAxesOf(coded.spec);
  for (int round = 0; round < 12; ++round) {
    Slice s;
    const auto range = [&](std::uint64_t extent, std::uint64_t& begin, std::uint64_t& end) {
      if (random.OneIn(4)) return;  // all of the axis
      begin = random.Below(extent);
      end = begin + 1 + random.Below(extent - begin + 2);  // beyond the end is cut
    };
    range(axes.items, s.item_begin, s.item_end);
    range(axes.planes, s.plane_begin, s.plane_end);
    range(axes.rows, s.row_begin, s.row_end);
    if (coded.spec.layout == Layout::kHeads && s.plane_end != Slice::kAll) {
      const std::uint64_t head = coded.spec.shape[3];
      s.plane_begin -= s.plane_begin % head;
      s.plane_end = s.plane_begin + head * (1 + random.Below(3));
    }
    std::uint64_t touched = 0;
    const std::uint64_t components = coded.spec.dtype == DType::kC64 || coded.spec.dtype == DType::kC128 ? 2 : 1;
    for (const SegmentInfo& g : info->segments) {
      touched += g.item_begin < s.item_end && s.item_begin < g.item_end && g.plane_begin / components < s.plane_end &&
                 s.plane_begin < g.plane_end / components && g.row_begin < s.row_end && s.row_begin < g.row_end;
    }
    const auto part = DecompressSlice(coded.frame, s);
    ASSERT_TRUE(part.ok()) << part.status();
    EXPECT_TRUE(part->tensor.data == coded.Part(s))
        << testing::Describe(coded.spec, {}) << " slice " << s.item_begin << ":" << s.item_end << " " << s.plane_begin
        << ":" << s.plane_end << " " << s.row_begin << ":" << s.row_end;
    EXPECT_EQ(part->decoded_segments, touched);
    EXPECT_EQ(part->tensor.spec.dtype, coded.spec.dtype);
    EXPECT_EQ(*TensorBytes(part->tensor.spec), part->tensor.data.size());
  }
}

TEST(SliceTest, EqualsThePartOfTheWholeAndDecodesOnlyTouchedSegments) {
  Random random(6);
  for (Layout layout : AllLayouts()) {
    for (const auto& shape : GridShapes()) {
      const Coded coded = MakeCoded(random, shape, layout, 4096);
      ASSERT_GE(Inspect(coded.frame)->segments.size(), 2u);
      CheckSlices(random, coded);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(SliceTest, HeadsAreWhole) {
  Random random(11);
  const Coded coded = MakeCoded(random, {2, 5, 30, 8}, Layout::kHeads, 4096);
  Slice slice;
  slice.plane_begin = 8, slice.plane_end = 24;
  const auto part = DecompressSlice(coded.frame, slice);
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->tensor.spec, (TensorSpec{coded.spec.dtype, {2, 2, 30, 8}, Layout::kHeads}));
  slice.plane_begin = 9;
  EXPECT_EQ(DecompressSlice(coded.frame, slice).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SliceTest, OneRowOfALargeFrameTouchesOneSegment) {
  Random random(7);
  const Coded coded = MakeCoded(random, {4, 2, 150, 90}, Layout::kNchw, 4096);
  Slice s;
  s.item_begin = 2, s.item_end = 3, s.plane_begin = 1, s.plane_end = 2, s.row_begin = 77, s.row_end = 78;
  const auto part = DecompressSlice(coded.frame, s);
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->decoded_segments, 1u);
}

TEST(SliceTest, RefusesEmptyReversedAndOutsideRanges) {
  Random random(8);
  const Coded coded = MakeCoded(random, {2, 3, 8, 8}, Layout::kNchw, 4096);
  const auto code = [&](auto change) {
    Slice s;
    change(s);
    return DecompressSlice(coded.frame, s).status().code();
  };
  const auto invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(code([](Slice& s) { s.item_begin = s.item_end = 1; }), invalid);
  EXPECT_EQ(code([](Slice& s) { s.plane_begin = 2, s.plane_end = 1; }), invalid);
  EXPECT_EQ(code([](Slice& s) { s.row_begin = 8; }), invalid);
  EXPECT_EQ(code([](Slice& s) { s.item_begin = 2; }), invalid);
  EXPECT_EQ(code([](Slice& s) { s.plane_begin = Slice::kAll; }), invalid);
  const auto empty = Compress({DType::kU8, {2, 0, 8, 8}}, {});
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(DecompressSlice(*empty, {}).status().code(), invalid);
}

TEST(InspectTest, AgreesWithTheFrameAndItsTensor) {
  Random random(9);
  for (int round = 0; round < 40; ++round) {
    TensorSpec spec{random.Of(testing::AllDTypes()), testing::MakeShape(random, 20000)};
    spec.layout = testing::MakeLayout(random, spec.shape.size());
    const Data data = testing::MakeData(random, spec, random.Of(testing::AllContents()));
    EncodeOptions options = testing::MakeOptions(random);
    options.mode = Mode::kIntra;
    const auto frame = Compress(spec, data, options);
    ASSERT_TRUE(frame.ok());
    const auto info = Inspect(*frame);
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(info->spec, spec);
    EXPECT_EQ(info->version, 1);
    EXPECT_EQ(info->raw_bytes, data.size());
    EXPECT_EQ(info->frame_bytes, frame->size());
    EXPECT_EQ(info->digest, ComputeDigest(data));
    std::uint64_t raw = 0;
    for (std::size_t i = 0; i < info->segments.size(); ++i) {
      const SegmentInfo& segment = info->segments[i];
      EXPECT_LT(segment.item_begin, segment.item_end);
      EXPECT_LT(segment.plane_begin, segment.plane_end);
      EXPECT_LT(segment.row_begin, segment.row_end);
      const std::vector<std::string> methods = {"stored", "zstd", "model", "recoded", "words", "repeats"};
      EXPECT_TRUE(std::find(methods.begin(), methods.end(), segment.method) != methods.end()) << segment.method;
      if (i + 1 < info->segments.size()) {
        EXPECT_EQ(segment.frame_offset + segment.stored_bytes, info->segments[i + 1].frame_offset);
      }
      raw += segment.raw_bytes;
    }
    EXPECT_EQ(raw, data.size());
  }
}

// Pushes `data` in pieces of random sizes, pulling in between.
template <typename Coder>
Data Feed(Random& random, Coder& coder, const Data& data, bool bounded = false) {
  Data out;
  const auto pull = [&] {
    const Data more = coder.Pull();
    out.insert(out.end(), more.begin(), more.end());
  };
  for (std::size_t at = 0; at < data.size();) {
    const std::size_t size =
        std::min<std::size_t>(data.size() - at, random.OneIn(4) ? random.Below(3) : random.Below(3000));
    const std::span<const std::byte> piece(data.data() + at, size);
    absl::Status status;
    if constexpr (std::is_same_v<Coder, FrameDecoder>) {
      status = bounded ? coder.PushBounded(piece) : coder.Push(piece);
      while (status.ok() && coder.has_backlog()) {
        pull();
        status = coder.PushBounded({});
      }
    } else {
      status = coder.Push(piece);
    }
    EXPECT_TRUE(status.ok()) << status;
    if (!status.ok()) return out;
    at += size;
    if (random.OneIn(3)) pull();
  }
  EXPECT_TRUE(coder.Finish().ok());
  pull();
  return out;
}

TEST(StreamTest, RandomPiecesGiveTheBytesOfOneCall) {
  Random random(10);
  for (int round = 0; round < 60; ++round) {
    TensorSpec spec{random.Of(testing::AllDTypes()), testing::MakeShape(random, 12000)};
    spec.layout = testing::MakeLayout(random, spec.shape.size());
    const Data data = testing::MakeData(random, spec, random.Of(testing::AllContents()));
    EncodeOptions options = testing::MakeOptions(random);
    options.segment_bytes = 4096;
    SCOPED_TRACE(testing::Describe(spec, options));
    const auto frame = Compress(spec, data, options);
    ASSERT_TRUE(frame.ok());
    auto encoder = FrameEncoder::Create(spec, options);
    ASSERT_TRUE(encoder.ok());
    ASSERT_TRUE(Feed(random, *encoder, data) == *frame);
    EXPECT_EQ(encoder->raw_bytes(), data.size());
    EXPECT_EQ(encoder->frame_bytes(), frame->size());
    EXPECT_EQ(encoder->digest(), ComputeDigest(data));
    for (bool bounded : {false, true}) {
      FrameDecoder decoder;
      ASSERT_TRUE(Feed(random, decoder, *frame, bounded) == data);
      EXPECT_TRUE(decoder.done());
      EXPECT_EQ(*decoder.spec(), spec);
      EXPECT_EQ(decoder.raw_bytes(), data.size());
      EXPECT_EQ(decoder.frame_bytes(), frame->size());
    }
  }
}

TEST(StreamTest, SamplesComeOutBeforeTheFrameIsComplete) {
  Random random(11);
  const Coded coded = MakeCoded(random, {20, 2, 40, 40}, Layout::kNchw, 4096);
  FrameDecoder decoder;
  Data out;
  std::size_t pieces_with_output = 0;
  for (std::size_t at = 0; at < coded.frame.size(); at += 500) {
    ASSERT_TRUE(
        decoder.Push(std::span(coded.frame).subspan(at, std::min<std::size_t>(500, coded.frame.size() - at))).ok());
    const Data more = decoder.Pull();
    pieces_with_output += !more.empty();
    out.insert(out.end(), more.begin(), more.end());
    ASSERT_TRUE(std::equal(out.begin(), out.end(), coded.data.begin()));
  }
  EXPECT_TRUE(decoder.done());
  EXPECT_GE(pieces_with_output, 3u);
}

TEST(StreamTest, TheEncoderRefusesTooMuchAndTooLittle) {
  const TensorSpec spec{DType::kU8, {100}};
  auto encoder = FrameEncoder::Create(spec);
  ASSERT_TRUE(encoder.ok());
  EXPECT_TRUE(encoder->Push(Data(60)).ok());
  EXPECT_EQ(encoder->Finish().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(encoder->Push(Data(40)).code(),
            absl::StatusCode::kInvalidArgument);  // the error stays
  auto other = FrameEncoder::Create(spec);
  EXPECT_EQ(other->Push(Data(101)).code(), absl::StatusCode::kInvalidArgument);
  auto third = FrameEncoder::Create(spec);
  EXPECT_TRUE(third->Push(Data(100)).ok());
  EXPECT_TRUE(third->Finish().ok());
  EXPECT_TRUE(third->Finish().ok());
  EXPECT_EQ(third->Push(Data(1)).code(), absl::StatusCode::kInvalidArgument);
}

TEST(StreamTest, TheDecoderRefusesTruncatedAndFollowedFrames) {
  const Data frame = *Compress({DType::kU8, {100}}, Data(100));
  FrameDecoder truncated;
  EXPECT_TRUE(truncated.Push(std::span(frame).first(frame.size() - 1)).ok());
  EXPECT_EQ(truncated.Finish().code(), absl::StatusCode::kDataLoss);
  FrameDecoder followed;
  EXPECT_TRUE(followed.Push(frame).ok());
  EXPECT_TRUE(followed.Finish().ok());
  EXPECT_EQ(followed.Push(Data(1)).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(followed.Finish().code(), absl::StatusCode::kDataLoss);
  Data longer = frame;
  longer.push_back(std::byte{0});
  EXPECT_EQ(Decompress(longer).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Decompress({}).status().code(), absl::StatusCode::kDataLoss);
}

TEST(DecompressIntoTest, RefusesMemoryOfAnotherSize) {
  const Data frame = *Compress({DType::kU16, {50}}, Data(100));
  for (const std::size_t size : {0, 50, 99, 101}) {
    Data tensor(size);
    EXPECT_EQ(DecompressInto(frame, tensor).status().code(), absl::StatusCode::kInvalidArgument) << size;
  }
  Data tensor(100);
  EXPECT_EQ(DecompressInto(std::span(frame).first(20), tensor).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DecompressInto(frame, tensor, {.max_tensor_bytes = 99}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(StreamTest, CancellingStopsBothDirections) {
  Random random(12);
  const Coded coded = MakeCoded(random, {4, 2, 40, 40}, Layout::kNchw, 4096);
  std::atomic<bool> cancelled{true};
  FrameDecoder decoder;
  decoder.CancelOn(&cancelled);
  EXPECT_EQ(decoder.Push(coded.frame).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(decoder.Finish().code(), absl::StatusCode::kCancelled);
  auto encoder = FrameEncoder::Create(coded.spec);
  encoder->CancelOn(&cancelled);
  EXPECT_EQ(encoder->Push(coded.data).code(), absl::StatusCode::kCancelled);
}

// The bound is attacked with what does not compress, at sizes where every
// varint of the frame grows.
TEST(MaxFrameBytesTest, HoldsForIncompressibleDataOfAllSizes) {
  Random random(13);
  const auto check = [&](const TensorSpec& spec) {
    const Data data = testing::MakeData(random, spec, Content::kRandomBits);
    const auto frame = Compress(spec, data);
    ASSERT_TRUE(frame.ok()) << frame.status();
    EXPECT_LE(frame->size(), MaxFrameBytes(data.size())) << testing::Describe(spec, {});
  };
  for (DType dtype : {DType::kU8, DType::kF16, DType::kF32}) {
    for (std::uint64_t size = 0; size < 300; ++size) check({dtype, {size}});
    for (std::uint64_t size : {16383, 16384, 16385, 70000}) {
      check({dtype, {size}});
      check({dtype, {size, 1, 1, 1}});
      check({dtype, {1, size, 1, 1}});
      check({dtype, {1, 1, size, 1}});
    }
    for (std::uint64_t extent : {1, 2, 3}) {
      for (std::size_t rank = 0; rank <= 8; ++rank) check({dtype, std::vector<std::uint64_t>(rank, extent)});
    }
  }
  for (int round = 0; round < 150; ++round) check({random.Of(testing::AllDTypes()), testing::MakeShape(random, 3000)});
}

TEST(MaxFrameBytesTest, HoldsForHighRanksOfEveryExtent) {
  Random random(14);
  for (std::uint64_t large : {127, 128, 129, 255, 16383, 16384}) {
    for (std::size_t axis = 0; axis < 8; ++axis) {
      TensorSpec spec{DType::kU8, std::vector<std::uint64_t>(8, 1)};
      spec.shape[axis] = large;
      const Data data = testing::MakeData(random, spec, Content::kRandomBits);
      const auto frame = Compress(spec, data);
      ASSERT_TRUE(frame.ok());
      EXPECT_LE(frame->size(), MaxFrameBytes(data.size())) << ShapeToString(spec.shape);
    }
  }
}

TEST(MaxFrameBytesTest, HoldsForEmptyTensorsWithLargeExtents) {
  Random random(15);
  for (int round = 0; round < 3000; ++round) {
    TensorSpec spec{random.Of(testing::AllDTypes()), {}};
    const std::size_t rank = 1 + random.Below(8);
    int bits = 58;
    for (std::size_t axis = 0; axis < rank; ++axis) {
      const int taken =
          random.OneIn(2) ? std::min(bits, 7) : static_cast<int>(random.Below(static_cast<std::uint64_t>(bits) + 1));
      spec.shape.push_back(std::uint64_t{1} << taken);
      bits -= taken;
    }
    spec.shape[random.Below(rank)] = 0;
    const auto frame = Compress(spec, {});
    ASSERT_TRUE(frame.ok()) << frame.status();
    EXPECT_LE(frame->size(), MaxFrameBytes(0)) << ShapeToString(spec.shape);
    const auto tensor = Decompress(*frame);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(tensor->spec, spec);
  }
}

TEST(MaxFrameBytesTest, HoldsForSegmentsFrom64KiB) {
  Random random(16);
  const TensorSpec spec{DType::kU8, {12, 300, 100}};
  const Data data = testing::MakeData(random, spec, Content::kRandomBits);
  for (std::uint64_t segment_bytes = 65536; segment_bytes <= (1u << 20); segment_bytes *= 2) {
    EncodeOptions options;
    options.segment_bytes = segment_bytes;
    options.mode = Mode::kIntra;
    const auto frame = Compress(spec, data, options);
    ASSERT_TRUE(frame.ok());
    EXPECT_LE(frame->size(), MaxFrameBytes(data.size())) << segment_bytes;
  }
}

}  // namespace
}  // namespace dcac
