#include "tests/testing/small_frames.h"

#include <algorithm>

#include "tests/testing/random.h"
#include "tests/testing/tensors.h"

namespace dcac::testing {

const std::vector<SmallFrame>& SmallFrames() {
  static const std::vector<SmallFrame> samples = [] {
    std::vector<SmallFrame> result;
    Random random(1);
    const auto add = [&](DType dtype, std::vector<std::uint64_t> shape, Content content, Mode mode, const char* method,
                         int level = EncodeOptions::kMaxLevel) {
      SmallFrame s;
      s.spec = {dtype, std::move(shape)};
      EncodeOptions options;
      options.mode = mode;
      options.level = level;
      options.segment_bytes = 4096;
      // Draws again until the wanted method is the shortest; the encoder may be tuned otherwise, so it need not be
      // found.
      for (int tries = 0; tries < 200; ++tries) {
        s.data = MakeData(random, s.spec, content);
        s.frame = *Compress(s.spec, s.data, options);
        const auto info = Inspect(s.frame);
        if (std::all_of(info->segments.begin(), info->segments.end(),
                        [&](const SegmentInfo& i) { return i.method == method; }))
          break;
      }
      s.name = std::string(DTypeName(dtype)) + ShapeToString(s.spec.shape) + " " + ContentName(content) + " " +
               std::string(ModeName(mode)) + ", " + Inspect(s.frame)->segments.at(0).method + ", " +
               std::to_string(s.frame.size()) + " bytes";
      result.push_back(std::move(s));
    };
    add(DType::kU8, {2, 6, 8}, Content::kRandomBits, Mode::kLs, "stored");
    add(DType::kF32, {3, 5}, Content::kRandomBits, Mode::kLs, "stored");
    add(DType::kU8, {1, 8, 200}, Content::kSparse, Mode::kLs, "zstd");
    add(DType::kI16, {9, 3, 5}, Content::kDuplicates, Mode::kLs, "zstd");
    add(DType::kU8, {2, 20, 24}, Content::kSmooth, Mode::kLs, "model");
    add(DType::kU8, {4, 12, 13}, Content::kUpsampled, Mode::kLs, "model");
    add(DType::kI8, {2, 2, 18, 18}, Content::kSmooth, Mode::kDcac, "model");
    add(DType::kBF16, {2, 12, 12}, Content::kReluLike, Mode::kIntra, "model");
    add(DType::kF16, {3, 12, 12}, Content::kSmooth, Mode::kDcac, "model");
    add(DType::kF32, {2, 14, 14}, Content::kReluLike, Mode::kLs, "model");
    add(DType::kI16, {2, 11, 11}, Content::kSmooth, Mode::kLs, "model");
    add(DType::kF32, {6, 9, 9}, Content::kConstant, Mode::kLs, "model");
    // Of lanes.
    add(DType::kU8, {2, 22, 22}, Content::kSmooth, Mode::kLs, "model", 5);
    add(DType::kU8, {3, 17, 17}, Content::kUpsampled, Mode::kLs, "model", 5);
    add(DType::kI8, {3, 18, 18}, Content::kReluLike, Mode::kLs, "model", 3);
    add(DType::kF16, {2, 15, 15}, Content::kReluLike, Mode::kIntra, "model", 5);
    add(DType::kF32, {1, 15, 16}, Content::kReluLike, Mode::kLs, "model", 5);
    add(DType::kI16, {2, 16, 16}, Content::kSmooth, Mode::kLs, "model", 1);
    add(DType::kU8, {2, 26, 30}, Content::kMargins, Mode::kLs, "repeats", 5);
    add(DType::kBF16, {1, 30, 18}, Content::kMargins, Mode::kIntra, "repeats");
    // Several segments: planes of 8 x 8 equal samples.
    SmallFrame several;
    several.name = "several segments";
    several.spec = {DType::kU8, {3, 1, 64, 64}};
    several.data.resize(3 * 4096);
    for (std::size_t at = 0; at < several.data.size(); ++at) {
      const std::size_t plane = at / 4096, y = at % 4096 / 64, x = at % 64;
      several.data[at] = static_cast<std::byte>((plane + 3) * (y / 8 * 5 + x / 8 * 3) % 32);
    }
    EncodeOptions several_options;
    several_options.segment_bytes = 4096;
    several_options.level = EncodeOptions::kMaxLevel;
    several.frame = *Compress(several.spec, several.data, several_options);
    several.name += ", " + std::to_string(several.frame.size()) + " bytes";
    result.push_back(several);
    SmallFrame empty;
    empty.name = "empty";
    empty.spec = {DType::kF32, {3, 0, 5}};
    empty.frame = *Compress(empty.spec, {});
    result.push_back(empty);
    return result;
  }();
  return samples;
}

}  // namespace dcac::testing
