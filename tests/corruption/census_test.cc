// Census of damage to small frames: every prefix and every flipped bit, as it is and with the checksums made to match
// again, so that the parsers behind them are attacked too.  Counted: detected, harmless, wrong; the last is zero.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "dcac/codec.h"
#include "tests/testing/frame_surgery.h"
#include "tests/testing/random.h"
#include "tests/testing/small_frames.h"
#include "tests/testing/tensors.h"

namespace dcac {
namespace {

using testing::Content;
using testing::FrameParts;
using testing::Random;
using testing::SmallFrames;
using Data = std::vector<std::byte>;
using Sample = testing::SmallFrame;

// A damaged header must not cost more memory or time than this.
DecodeLimits SmallLimits() {
  return {.max_tensor_bytes = 1 << 18, .max_slab_bytes = 1 << 18};
}

struct Count {
  int detected = 0, harmless = 0, wrong = 0;

  void Add(bool ok, bool right) { ++(!ok ? detected : right ? harmless : wrong); }
  void Print(const char* what, const std::string& name) const {
    std::printf("%-9s %-58s detected %6d, harmless %5d, wrong %d\n", what, name.c_str(), detected, harmless, wrong);
  }
};

bool IsDecodingError(const absl::Status& status) {
  return status.code() == absl::StatusCode::kDataLoss || status.code() == absl::StatusCode::kUnimplemented ||
         status.code() == absl::StatusCode::kResourceExhausted;
}

// Feeds a decoder in pieces.  `prefix_right`: whether what came out, even before an error, begins the tensor.
absl::Status StreamDecode(std::span<const std::byte> frame, const Data& data, bool& prefix_right, bool& complete) {
  FrameDecoder decoder(SmallLimits());
  Data out;
  absl::Status status;
  const std::size_t piece = 1 + frame.size() / 5;
  for (std::size_t at = 0; at < frame.size() && status.ok(); at += piece) {
    status = decoder.Push(frame.subspan(at, std::min(piece, frame.size() - at)));
    const Data more = decoder.Pull();
    out.insert(out.end(), more.begin(), more.end());
  }
  if (status.ok()) status = decoder.Finish();
  prefix_right = out.size() <= data.size() && std::equal(out.begin(), out.end(), data.begin());
  complete = out.size() == data.size();
  return status;
}

// Slices of the items, or of the rows where there is one item, and the whole; with the right data of each.
struct Part {
  Slice slice;
  Data data;
};

std::vector<Part> PartsOf(const Sample& sample) {
  std::vector<Part> parts;
  const auto add = [&](Slice slice) {
    const auto part = DecompressSlice(sample.frame, slice);
    if (part.ok()) parts.push_back({slice, part->tensor.data});
  };
  add({});
  for (std::uint64_t i = 0; i < 2; ++i) {
    Slice item, row;
    item.item_begin = i, item.item_end = i + 1;
    row.row_begin = 2 * i, row.row_end = 2 * i + 2;
    add(item);
    add(row);
  }
  return parts;
}

// All readers over one damaged frame.  Without `repaired`, whatever is accepted must be right; with it, only what the
// digest covers must.
void CountReaders(const Sample& sample, const std::vector<Part>& parts, std::span<const std::byte> damaged,
                  bool repaired, Count& count) {
  const auto tensor = Decompress(damaged, SmallLimits());
  if (!tensor.ok()) {
    ASSERT_TRUE(IsDecodingError(tensor.status())) << tensor.status();
  }
  // A repaired header may give the same bytes another shape: the digest is of the bytes.
  count.Add(tensor.ok(), tensor.ok() && (repaired || tensor->spec == sample.spec) && tensor->data == sample.data);

  bool prefix_right = false, complete = false;
  const absl::Status streamed = StreamDecode(damaged, sample.data, prefix_right, complete);
  ASSERT_EQ(streamed.ok(), tensor.ok()) << streamed;
  if (!repaired) {
    ASSERT_TRUE(prefix_right);
  }
  count.Add(streamed.ok(), prefix_right && complete);

  const auto info = Inspect(damaged, SmallLimits());
  if (info.ok()) {
    const std::uint64_t raw = *TensorBytes(info->spec);
    std::uint64_t sum = 0;
    for (const SegmentInfo& segment : info->segments) sum += segment.raw_bytes;
    ASSERT_EQ(sum, raw);
    if (!repaired) {
      count.Add(true, info->spec == sample.spec && info->digest == ComputeDigest(sample.data));
    }
  } else {
    ASSERT_TRUE(IsDecodingError(info.status())) << info.status();
  }

  for (const Part& part : parts) {
    const auto result = DecompressSlice(damaged, part.slice, SmallLimits());
    if (!result.ok()) {
      ASSERT_TRUE(IsDecodingError(result.status()) ||
                  (repaired && result.status().code() == absl::StatusCode::kInvalidArgument))
          << result.status();
      if (!repaired) count.Add(false, false);
      continue;
    }
    ASSERT_EQ(result->tensor.data.size(), *TensorBytes(result->tensor.spec));
    if (!repaired) count.Add(true, result->tensor.data == part.data);
  }
}

TEST(CensusTest, EverySampleIsSmallAndDecodes) {
  std::size_t several_segments = 0;
  std::map<std::string, int> methods;
  for (const Sample& sample : SmallFrames()) {
    EXPECT_LE(sample.frame.size(), 1000u) << sample.name;
    const auto tensor = Decompress(sample.frame, SmallLimits());
    ASSERT_TRUE(tensor.ok()) << sample.name << ": " << tensor.status();
    EXPECT_TRUE(tensor->data == sample.data);
    const auto info = Inspect(sample.frame);
    several_segments += info->segments.size() >= 2;
    if (!info->segments.empty()) ++methods[info->segments[0].method];
  }
  EXPECT_GE(several_segments, 1u);
  EXPECT_GE(methods["stored"], 2);
  EXPECT_GE(methods["zstd"], 2);
  EXPECT_GE(methods["model"], 6);
  EXPECT_GE(methods["repeats"], 2);
}

TEST(CensusTest, EveryPrefixIsRefused) {
  Count total;
  for (const Sample& sample : SmallFrames()) {
    Count count;
    const std::vector<Part> parts = PartsOf(sample);
    for (std::size_t size = 0; size < sample.frame.size(); ++size) {
      CountReaders(sample, parts, std::span(sample.frame).first(size), /*repaired=*/false, count);
      if (HasFatalFailure()) FAIL() << sample.name << " prefix of " << size;
    }
    count.Print("prefixes", sample.name);
    EXPECT_EQ(count.harmless, 0) << sample.name;
    EXPECT_EQ(count.wrong, 0) << sample.name;
  }
}

TEST(CensusTest, EveryBitFlipIsDetectedOrHarmless) {
  for (const Sample& sample : SmallFrames()) {
    Count count;
    const std::vector<Part> parts = PartsOf(sample);
    Data damaged = sample.frame;
    for (std::size_t bit = 0; bit < 8 * damaged.size(); ++bit) {
      damaged[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
      CountReaders(sample, parts, damaged, /*repaired=*/false, count);
      if (HasFatalFailure()) FAIL() << sample.name << " bit " << bit;
      ASSERT_FALSE(Decompress(damaged, SmallLimits()).ok()) << sample.name << " bit " << bit;
      damaged[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    }
    count.Print("flips", sample.name);
    EXPECT_EQ(count.wrong, 0) << sample.name;
  }
}

TEST(CensusTest, EveryBitFlipBehindRepairedChecksumsIsAnErrorOrHarmless) {
  for (const Sample& sample : SmallFrames()) {
    Count count;
    const std::vector<Part> parts = PartsOf(sample);
    const FrameParts layout(sample.frame);
    for (std::size_t bit = 0; bit < 8 * sample.frame.size(); ++bit) {
      Data damaged = sample.frame;
      damaged[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
      layout.RepairChecksums(damaged);
      if (damaged == sample.frame) continue;  // the flip was in a checksum
      CountReaders(sample, parts, damaged, /*repaired=*/true, count);
      if (HasFatalFailure()) FAIL() << sample.name << " bit " << bit;
    }
    count.Print("repaired", sample.name);
    EXPECT_EQ(count.wrong, 0) << sample.name;
  }
}

TEST(CensusTest, RandomDamageBehindRepairedChecksumsIsAnErrorOrHarmless) {
  Random random(2);
  for (const Sample& sample : SmallFrames()) {
    Count count;
    const std::vector<Part> parts = PartsOf(sample);
    const FrameParts layout(sample.frame);
    for (std::uint64_t round = 0; round < 400 * testing::RoundsFactor(); ++round) {
      Data damaged = sample.frame;
      const auto at = [&]() -> std::byte& {
        if (layout.segments().empty() || random.OneIn(8)) return damaged[random.Below(damaged.size())];
        const FrameParts::Segment& segment = random.Of(layout.segments());
        return damaged[segment.body + random.Below(segment.end - segment.body)];
      };
      for (std::uint64_t changes = 1 + random.Below(4); changes > 0; --changes) {
        std::byte& byte = at();
        byte = random.OneIn(2)   ? static_cast<std::byte>(random.Bits())
               : random.OneIn(2) ? std::byte{0xff}
                                 : std::byte{0};
      }
      layout.RepairChecksums(damaged);
      CountReaders(sample, parts, damaged, /*repaired=*/true, count);
      if (HasFatalFailure()) FAIL() << sample.name << " round " << round;
    }
    count.Print("random", sample.name);
    EXPECT_EQ(count.wrong, 0) << sample.name;
  }
}

TEST(CensusTest, SegmentsThatChangePlacesAreDetected) {
  // Two equal items in segments of their own: only the number that the checksum is seeded with tells them apart.
  const Data noise = [] {
    Random random(3);
    return testing::MakeData(random, {DType::kU8, {5000}}, Content::kRandomBits);
  }();
  Data data = noise;
  data.insert(data.end(), noise.rbegin(), noise.rend());
  EncodeOptions options;
  options.segment_bytes = 4096;
  const Data frame = *Compress({DType::kU8, {2, 1, 1, 5000}}, data, options);
  const FrameParts layout(frame);
  ASSERT_EQ(layout.segments().size(), 2u);
  Data swapped(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(layout.header_bytes()));
  for (std::size_t i : {1, 0}) {
    const FrameParts::Segment& s = layout.segments()[i];
    swapped.insert(swapped.end(), frame.begin() + static_cast<std::ptrdiff_t>(s.begin),
                   frame.begin() + static_cast<std::ptrdiff_t>(s.end));
  }
  swapped.insert(swapped.end(), frame.begin() + static_cast<std::ptrdiff_t>(layout.index_begin()), frame.end());
  EXPECT_EQ(Decompress(swapped).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DecompressSlice(swapped, {}).status().code(), absl::StatusCode::kDataLoss);
  layout.RepairChecksums(swapped);  // now the digest is what is left
  EXPECT_EQ(Decompress(swapped).status().code(), absl::StatusCode::kDataLoss);
}

// A read of other segments does not notice damage that it need not see.
TEST(CensusTest, DamageInOneSegmentLeavesTheOthersReadable) {
  const Sample& sample = *std::find_if(SmallFrames().begin(), SmallFrames().end(),
                                       [](const Sample& s) { return Inspect(s.frame)->segments.size() >= 2; });
  const FrameParts layout(sample.frame);
  const auto info = *Inspect(sample.frame);
  for (std::size_t damaged_segment = 0; damaged_segment < layout.segments().size(); ++damaged_segment) {
    Data damaged = sample.frame;
    damaged[layout.segments()[damaged_segment].body] ^= std::byte{1};
    for (std::size_t i = 0; i < info.segments.size(); ++i) {
      const SegmentInfo& s = info.segments[i];
      const Slice slice{s.item_begin, s.item_end, s.plane_begin, s.plane_end, s.row_begin, s.row_end};
      const auto part = DecompressSlice(damaged, slice);
      EXPECT_EQ(part.ok(), i != damaged_segment) << part.status();
      if (part.ok()) {
        EXPECT_TRUE(part->tensor.data == DecompressSlice(sample.frame, slice)->tensor.data);
      }
    }
  }
}

}  // namespace
}  // namespace dcac
