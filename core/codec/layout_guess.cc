#include "dcac/layout_guess.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/exact_math.h"
#include "core/codec/recode.h"
#include "core/format/geometry.h"

namespace dcac {
namespace {

// Along the channels of a token or of a pixel there is no neighbourhood: below this, and with fewer features than
// that, maps are more likely than tokens.
constexpr uint64_t kMinFeatures = 16;
// Larger last axes are the features of whole tokens, not of heads.
constexpr uint64_t kMaxHeadFeatures = 256;
// Pairs of samples that are looked at, per axis.
constexpr uint64_t kMaxPairs = 1 << 16;

// Samples as values; what has none counts as 0.  Of complex samples the real parts.
class Values {
 public:
  Values(DType dtype, ByteSpan data)
      : dtype_(ComponentOf(dtype)),
        sample_bytes_(SampleBytes(dtype)),
        data_(data),
        size_(data.size() / sample_bytes_) {}

  uint64_t size() const { return size_; }
  double At(uint64_t i) const {
    const double value = ValueOf(data_.data() + static_cast<size_t>(i) * sample_bytes_);
    return std::abs(value) < 0x1p100 ? value : 0;  // NaNs too
  }

 private:
  // For the frequent types what ValueOfSample returns is a load or little more.
  double ValueOf(const std::byte* sample) const {
    switch (dtype_) {
      case DType::kU8:
        return std::to_integer<uint8_t>(*sample);
      case DType::kI8:
        return static_cast<int8_t>(*sample);
      case DType::kI16:
        return static_cast<int16_t>(LoadLittleEndian(sample, 2));
      case DType::kBF16:
        return double{std::bit_cast<float>(static_cast<uint32_t>(LoadLittleEndian(sample, 2)) << 16)};
      case DType::kF32:
        return double{std::bit_cast<float>(static_cast<uint32_t>(LoadLittleEndian(sample, 4)))};
      case DType::kF16:
        return ValueOfHalf(static_cast<uint32_t>(LoadLittleEndian(sample, 2)));
      default:
        return ValueOfSample(dtype_, LoadLittleEndian(sample, static_cast<int>(SampleBytes(dtype_))));
    }
  }

  // As binary32 its bits are those of the value times 2^-112; infinities and NaNs have none.
  static double ValueOfHalf(uint32_t half) {
    if ((half & 0x7c00) == 0x7c00) return 0;
    return double{std::bit_cast<float>((half & 0x8000) << 16 | (half & 0x7fff) << 13)} * 0x1p112;
  }

  DType dtype_;
  size_t sample_bytes_;
  ByteSpan data_;
  uint64_t size_;
};

// About log2, in 1/1024: the exponent and the upper bits of the mantissa.
int64_t RoughLog2(double value) {
  return static_cast<int64_t>(std::bit_cast<uint64_t>(value) >> 42);
}

// The mean over pairs of samples `distance` apart, both in the same run of `period` samples, of the logarithm of their
// difference.  Nothing without pairs.  `floor` bounds differences from below.
std::optional<double> MeanDifference(const Values& values, uint64_t distance, uint64_t period, double floor) {
  if (distance >= values.size()) return std::nullopt;
  const uint64_t step = std::max<uint64_t>(1, (values.size() - distance) / kMaxPairs) | 1;
  int64_t sum = 0, count = 0;
  for (uint64_t i = distance; i < values.size(); i += step) {
    if (i % period < distance) continue;
    sum += RoughLog2(std::max(floor, std::abs(values.At(i) - values.At(i - distance))));
    ++count;
  }
  if (count == 0) return std::nullopt;
  return static_cast<double>(sum) / static_cast<double>(count) / 1024;
}

double MeanMagnitude(const Values& values) {
  const uint64_t step = values.size() / kMaxPairs | 1;
  double sum = 0;
  uint64_t count = 0;
  for (uint64_t i = 0; i < values.size(); i += step, ++count) sum += std::abs(values.At(i));
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

// Whether samples are alike along two axes, the first of them being the last of the tensor, and not along a third one:
// what maps have along width and height.
bool AreSpatial(double width, double height, double channels) {
  return channels - width > 0.1 + 0.25 * std::abs(width - height) && channels - height > 0.1;
}

Layout GuessByDifferences(const TensorSpec& spec, const Values& values) {
  const size_t rank = spec.shape.size();
  const auto extent = [&](size_t from_last) { return from_last <= rank ? spec.shape[rank - from_last] : 1; };
  const bool may_be_tokens = extent(1) >= kMinFeatures && extent(2) >= 2;
  const double floor = MeanMagnitude(values) * 0x1p-10;
  if (floor <= 0) return Layout::kNchw;
  const uint64_t features = extent(1), plane = extent(1) * extent(2);
  const auto along_last = MeanDifference(values, 1, features, floor);
  const auto along_second = MeanDifference(values, features, plane, floor);
  auto along_third = MeanDifference(values, plane, plane * extent(3), floor);
  if (!along_last || !along_second) return Layout::kNchw;
  if (along_third) {
    // Tokens, too, are a little alike along heads: all the more unlike must be what is along the channels.
    const double spatial = std::max(*along_second, *along_third), unequal = std::abs(*along_second - *along_third);
    if (*along_last - spatial > 0.1 + 0.25 * unequal) return Layout::kNhwc;
  } else {  // what distant samples of a row are to each other stands for the channels
    along_third = MeanDifference(values, features / 2 + 1, features, floor);
  }
  if (!along_third || AreSpatial(*along_last, *along_second, *along_third) || !may_be_tokens) return Layout::kNchw;
  return rank >= 3 && features <= kMaxHeadFeatures ? Layout::kHeads : Layout::kTokens;
}

}  // namespace

Layout GuessLayout(const TensorSpec& spec, std::span<const std::byte> first_samples) {
  const FloatEnvironment environment;
  TensorSpec nchw = spec;
  nchw.layout = Layout::kNchw;
  if (!TensorBytes(nchw).ok()) return Layout::kNchw;
  if (spec.shape.size() < 2) return ExtentsOf(nchw).layout == Layout::kFlat ? Layout::kFlat : Layout::kNchw;
  if (ExtentsOf(nchw).empty()) return Layout::kNchw;
  const size_t sample_bytes = SampleBytes(spec.dtype);
  const size_t bytes = std::min(first_samples.size(), kLayoutGuessBytes);
  return GuessByDifferences(spec, Values(spec.dtype, first_samples.first(bytes - bytes % sample_bytes)));
}

}  // namespace dcac
