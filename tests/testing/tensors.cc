#include "tests/testing/tensors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

namespace dcac::testing {
namespace {

struct Axes {
  std::uint64_t items = 1, planes = 1, height = 1, width = 1;
};

Axes AxesOf(const std::vector<std::uint64_t>& shape) {
  Axes axes;
  const std::size_t rank = shape.size();
  if (rank >= 1) axes.width = shape[rank - 1];
  if (rank >= 2) axes.height = shape[rank - 2];
  if (rank >= 3) axes.planes = shape[rank - 3];
  for (std::size_t axis = 0; axis + 3 < rank; ++axis) axes.items *= shape[axis];
  return axes;
}

// binary16 of a value, truncated.
std::uint32_t HalfOf(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value), sign = bits >> 31 << 15;
  const int exponent = static_cast<int>(bits >> 23 & 255) - 112;
  if (exponent >= 31) return sign | 0x7c00;
  if (exponent <= 0) return exponent < -10 ? sign : sign | ((bits & 0x7fffff) | 0x800000) >> (14 - exponent);
  return sign | static_cast<std::uint32_t>(exponent) << 10 | (bits & 0x7fffff) >> 13;
}

// A value of about unit magnitude as sample.
std::uint32_t SampleOf(DType dtype, double value) {
  const auto integer = [&](double scale, double offset, double low, double high) {
    return static_cast<std::uint32_t>(
        static_cast<std::int32_t>(std::clamp(std::floor(value * scale + offset), low, high)));
  };
  switch (dtype) {
    case DType::kU8:
      return integer(40, 60, 0, 255);
    case DType::kI8:
      return integer(30, 0, -128, 127) & 0xff;
    case DType::kU16:
      return integer(5000, 9000, 0, 65535);
    case DType::kI16:
      return integer(4000, 0, -32768, 32767) & 0xffff;
    case DType::kF16:
      return HalfOf(static_cast<float>(value));
    case DType::kBF16:
      return std::bit_cast<std::uint32_t>(static_cast<float>(value)) >> 16;
    case DType::kF32:
      return std::bit_cast<std::uint32_t>(static_cast<float>(value));
    default:
      break;
  }
  return 0;
}

bool IsFloatType(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32;
}

std::uint32_t WidthMask(DType dtype) {
  return SampleBytes(dtype) == 4 ? ~0u : (1u << 8 * SampleBytes(dtype)) - 1;
}

// A float without a code, whatever the base: -0, an infinity, a NaN of any
// payload or a subnormal.
std::uint32_t EscapeOf(Random& random, DType dtype) {
  const int mantissa_bits = dtype == DType::kF16 ? 10 : dtype == DType::kBF16 ? 7 : 23;
  const std::uint32_t mantissa_mask = (1u << mantissa_bits) - 1;
  const std::uint32_t sign = (WidthMask(dtype) >> 1) + 1;
  const std::uint32_t exponents = (sign - 1) & ~mantissa_mask;
  const std::uint32_t mantissa = static_cast<std::uint32_t>(random.Bits()) & mantissa_mask;
  switch (random.Below(5)) {
    case 0:
      return sign;
    case 1:
      return exponents | (random.OneIn(2) ? sign : 0);
    case 2:
      return exponents | mantissa | (random.OneIn(2) ? sign : 0);
    default:
      return std::max(1u, mantissa) | (random.OneIn(2) ? sign : 0);
  }
}

std::uint32_t ExtremeOf(Random& random, DType dtype) {
  if (!IsFloatType(dtype)) {
    const std::uint32_t ends[] = {0, 1, WidthMask(dtype), WidthMask(dtype) >> 1, (WidthMask(dtype) >> 1) + 1};
    return ends[random.Below(5)];
  }
  const double magnitude =
      std::pow(10.0, dtype == DType::kF16 ? random.Uniform() * 12 - 7.5 : random.Uniform() * 78 - 40);
  return SampleOf(dtype, random.OneIn(2) ? magnitude : -magnitude);
}

// One value for each sample, planes of an item related to each other.
std::vector<double> CorrelatedPlanes(Random& random, const Axes& axes, double noise) {
  constexpr std::size_t kHidden = 3;
  const std::size_t plane = axes.height * axes.width;
  std::vector<double> hidden(kHidden * plane), values;
  for (std::size_t h = 0; h < kHidden; ++h) {
    const double fy = random.Uniform() * 0.7, fx = random.Uniform() * 0.7, phase = random.Uniform() * 6;
    for (std::size_t y = 0, i = h * plane; y < axes.height; ++y) {
      for (std::size_t x = 0; x < axes.width; ++x, ++i) {
        hidden[i] = std::sin(fy * static_cast<double>(y) + phase) * std::cos(fx * static_cast<double>(x)) +
                    0.3 * random.Normal();
      }
    }
  }
  values.reserve(axes.items * axes.planes * plane);
  for (std::uint64_t p = 0; p < axes.items * axes.planes; ++p) {
    const double weights[kHidden] = {random.Normal(), random.Normal(), random.Normal()};
    for (std::size_t i = 0; i < plane; ++i) {
      double value = noise * random.Normal();
      for (std::size_t h = 0; h < kHidden; ++h) value += weights[h] * hidden[h * plane + i];
      values.push_back(value);
    }
  }
  return values;
}

std::vector<std::uint32_t> MakeSamples(Random& random, DType dtype, const Axes& axes, Content content) {
  const std::size_t plane = axes.height * axes.width;
  const std::size_t planes = axes.items * axes.planes;
  std::vector<std::uint32_t> samples(planes * plane);
  if (samples.empty()) return samples;  // of planes without samples there may be any number
  const auto from = [&](const std::vector<double>& values) {
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = SampleOf(dtype, values[i]);
  };
  const auto each = [&](auto sample) {
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = sample();
  };
  if (!IsFloatType(dtype) && content == Content::kEscapes) content = Content::kExtremes;
  switch (content) {
    case Content::kNoise:
      each([&] { return SampleOf(dtype, random.Uniform() * 2 - 1); });
      break;
    case Content::kRandomBits:
      each([&] { return static_cast<std::uint32_t>(random.Bits()) & WidthMask(dtype); });
      break;
    case Content::kConstant: {
      const std::uint32_t value = random.OneIn(2) ? 0 : static_cast<std::uint32_t>(random.Bits()) & WidthMask(dtype);
      each([&] { return value; });
      break;
    }
    case Content::kReluLike: {
      std::vector<double> values = CorrelatedPlanes(random, axes, 0.2);
      for (double& value : values) value = std::max(0.0, value);
      from(values);
      break;
    }
    case Content::kSmooth: {
      const double fp = random.Uniform(), fy = random.Uniform() * 0.3, fx = random.Uniform() * 0.3;
      for (std::size_t p = 0, i = 0; p < planes; ++p) {
        for (std::size_t at = 0; at < plane; ++at, ++i) {
          const double y = static_cast<double>(at / axes.width), x = static_cast<double>(at % axes.width);
          samples[i] = SampleOf(dtype, std::sin(fp * static_cast<double>(p) + fy * y) * std::cos(fx * x));
        }
      }
      break;
    }
    case Content::kCorrelated:
      from(CorrelatedPlanes(random, axes, 0.05));
      break;
    case Content::kDuplicates: {
      const std::vector<double> values = CorrelatedPlanes(random, axes, 0.2);
      for (std::size_t p = 0; p < planes; ++p) {
        const std::size_t source = random.Below(p + 1);
        const double scale = random.OneIn(2) ? 1 : 1.5;
        for (std::size_t i = 0; i < plane; ++i)
          samples[p * plane + i] = SampleOf(dtype, scale * values[source * plane + i]);
      }
      break;
    }
    case Content::kUpsampled: {
      const std::vector<double> values = CorrelatedPlanes(random, axes, 0.2);
      for (std::size_t p = 0; p < planes; ++p) {
        const std::size_t scale = std::size_t{1} << random.Below(4);
        for (std::size_t y = 0; y < axes.height; ++y) {
          for (std::size_t x = 0; x < axes.width; ++x) {
            samples[p * plane + y * axes.width + x] =
                SampleOf(dtype, values[p * plane + y / scale * scale * axes.width + x / scale * scale]);
          }
        }
      }
      break;
    }
    case Content::kMargins: {
      const std::vector<double> values = CorrelatedPlanes(random, axes, 0.2);
      const std::size_t above = random.Below(axes.height), left = random.OneIn(2) ? random.Below(axes.width) : 0;
      const std::size_t below = std::min(axes.height - 1, above + axes.height / 2);
      const std::size_t right = std::min(axes.width - 1, left + axes.width / 2);
      for (std::size_t p = 0, i = 0; p < planes; ++p) {
        for (std::size_t y = 0; y < axes.height; ++y) {
          for (std::size_t x = 0; x < axes.width; ++x, ++i) {
            samples[i] = SampleOf(dtype, values[p * plane + std::clamp(y, above, below) * axes.width +
                                                (left == 0 ? x : std::clamp(x, left, right))]);
          }
        }
      }
      break;
    }
    case Content::kVideo: {
      std::vector<double> values = CorrelatedPlanes(random, axes, 0.2);
      const std::size_t item = axes.planes * plane;
      for (std::size_t i = item; i < values.size(); ++i) {
        if (!random.OneIn(6)) values[i] = values[i - item] + (random.OneIn(3) ? 0.1 * random.Normal() : 0);
      }
      from(values);
      break;
    }
    case Content::kSpecials:
      from(CorrelatedPlanes(random, axes, 0.2));
      if (IsFloatType(dtype)) {
        for (std::uint32_t& sample : samples) {
          if (random.OneIn(10)) sample = EscapeOf(random, dtype);
        }
      }
      break;
    case Content::kExtremes:
      each([&] { return ExtremeOf(random, dtype); });
      break;
    case Content::kEscapes:
      each([&] { return EscapeOf(random, dtype); });
      break;
    case Content::kSparse:
      each([&] { return random.OneIn(20) ? SampleOf(dtype, random.Normal()) : 0; });
      break;
  }
  return samples;
}

// The type that makes the samples of another: itself, where MakeSamples knows it.
DType CarrierOf(Random& random, DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return DType::kU8;
    case DType::kF8E4M3:
    case DType::kF8E5M2:
      return DType::kI8;
    case DType::kU32:
    case DType::kI32:
    case DType::kU64:
    case DType::kI64:
      return random.Of(std::vector<DType>{DType::kU8, DType::kI8, DType::kI16, DType::kF32});
    case DType::kF64:
    case DType::kC128:
      return random.Of(std::vector<DType>{DType::kI8, DType::kBF16, DType::kF32});
    case DType::kC64:
      return DType::kF32;
    default:
      return dtype;
  }
}

// A sample of a type from one of its carrier.  Of wide types, half of the tensors use the whole width.
std::function<std::uint64_t(std::uint32_t)> Converter(Random& random, DType dtype, DType carrier) {
  const bool whole_width = random.OneIn(2);
  if (dtype == DType::kBool && !whole_width) return [](std::uint32_t sample) { return std::uint64_t{sample & 1}; };
  if (dtype == carrier || SampleBytes(dtype) == 1 || dtype == DType::kC64) {
    return [](std::uint32_t sample) { return std::uint64_t{sample}; };
  }
  const std::uint64_t low = whole_width ? (std::uint64_t{1} << random.Below(40)) - 1 : 0;
  return [&random, dtype, carrier, low](std::uint32_t sample) {
    const std::int64_t value = carrier == DType::kI8    ? static_cast<std::int8_t>(sample)
                               : carrier == DType::kI16 ? static_cast<std::int16_t>(sample)
                                                        : std::int64_t{sample};
    std::uint64_t bits = static_cast<std::uint64_t>(value);
    if (dtype == DType::kF64 || dtype == DType::kC128) {
      const double wide = carrier == DType::kF32    ? std::bit_cast<float>(sample)
                          : carrier == DType::kBF16 ? std::bit_cast<float>(sample << 16)
                                                    : static_cast<double>(value);
      bits = std::bit_cast<std::uint64_t>(wide);
    } else if (low != 0) {
      bits *= low;
    }
    return bits ^ (random.Bits() & low);
  };
}

}  // namespace

const std::vector<DType>& AllDTypes() {
  static const std::vector<DType> all(dcac::AllDTypes().begin(), dcac::AllDTypes().end());
  return all;
}

const std::vector<Mode>& AllModes() {
  static const std::vector<Mode> all = {Mode::kLs, Mode::kDcac, Mode::kIntra};
  return all;
}

const std::vector<Content>& AllContents() {
  static const std::vector<Content> all = {
      Content::kNoise,      Content::kRandomBits, Content::kConstant,  Content::kReluLike, Content::kSmooth,
      Content::kCorrelated, Content::kDuplicates, Content::kUpsampled, Content::kMargins,  Content::kVideo,
      Content::kSpecials,   Content::kExtremes,   Content::kEscapes,   Content::kSparse};
  return all;
}

const char* ContentName(Content content) {
  static const char* const names[] = {"noise",      "random bits", "constant",  "relu-like", "smooth",
                                      "correlated", "duplicates",  "upsampled", "margins",   "video",
                                      "specials",   "extremes",    "escapes",   "sparse"};
  return names[static_cast<int>(content)];
}

std::vector<std::byte> MakeData(Random& random, const TensorSpec& spec, Content content) {
  const std::size_t components = spec.dtype == DType::kC64 || spec.dtype == DType::kC128 ? 2 : 1;
  Axes axes = AxesOf(spec.shape);
  axes.width *= components;
  const DType carrier = CarrierOf(random, spec.dtype);
  const std::vector<std::uint32_t> samples = MakeSamples(random, carrier, axes, content);
  const std::size_t bytes = SampleBytes(spec.dtype) / components;
  const auto convert = Converter(random, spec.dtype, carrier);
  std::vector<std::byte> data;
  data.reserve(samples.size() * bytes);
  for (std::uint32_t carried : samples) {
    const std::uint64_t sample = convert(carried);
    for (std::size_t b = 0; b < bytes; ++b) data.push_back(static_cast<std::byte>(sample >> (8 * b)));
  }
  return data;
}

Layout MakeLayout(Random& random, std::size_t rank) {
  if (random.OneIn(2)) return Layout::kNchw;
  std::vector<Layout> layouts = {Layout::kFlat};
  if (rank >= 2) layouts.push_back(Layout::kTokens);
  if (rank >= 3) layouts.insert(layouts.end(), {Layout::kNhwc, Layout::kHeads});
  return random.Of(layouts);
}

std::vector<std::uint64_t> MakeShape(Random& random, std::uint64_t max_samples) {
  const auto sized = [&](std::uint64_t limit) {  // small extents are as likely as large ones
    const int bits = std::bit_width(std::max<std::uint64_t>(1, limit));
    return std::min(limit, 1 + random.Below(std::uint64_t{1} << random.Int(0, bits)));
  };
  std::vector<std::uint64_t> shape;
  std::uint64_t left = max_samples;
  const auto add = [&](std::uint64_t extent) {
    shape.insert(shape.begin(), extent);
    left /= std::max<std::uint64_t>(1, extent);
  };
  switch (random.Below(8)) {
    case 0:  // any rank, any extents
      for (int rank = random.Int(0, 8); rank > 0; --rank) add(sized(std::max<std::uint64_t>(1, left)));
      break;
    case 1:  // empty
      for (int rank = random.Int(1, 8); rank > 0; --rank) add(random.OneIn(2) ? 0 : random.Below(1000));
      shape[random.Below(shape.size())] = 0;
      break;
    case 2:  // tall
      add(1 + random.Below(2));
      add(sized(left));
      break;
    case 3:  // wide
      add(sized(left));
      add(1 + random.Below(2));
      break;
    case 4:  // many small planes
      add(1 + random.Below(6));
      add(1 + random.Below(6));
      add(std::max<std::uint64_t>(1, left));
      break;
    default:  // feature maps, batches
      add(1 + random.Below(40));
      add(1 + random.Below(40));
      add(std::max<std::uint64_t>(1, std::min<std::uint64_t>(left, 1 + random.Below(24))));
      if (random.OneIn(2)) add(std::max<std::uint64_t>(1, std::min<std::uint64_t>(left, 1 + random.Below(4))));
      break;
  }
  return shape;
}

EncodeOptions MakeOptions(Random& random) {
  EncodeOptions options;
  options.mode = random.Of(AllModes());
  if (random.OneIn(2)) options.level = random.Int(EncodeOptions::kMinLevel, EncodeOptions::kMaxLevel);
  if (random.OneIn(2)) options.segment_bytes = EncodeOptions::kMinSegmentBytes + random.Below(20000);
  if (random.OneIn(2)) options.max_references = random.Int(0, 16);
  if (random.OneIn(2)) options.window = random.Int(0, 12);
  options.similarity = static_cast<Similarity>(random.Below(3));
  options.previous_item = !random.OneIn(3);
  return options;
}

std::string Describe(const TensorSpec& spec, const EncodeOptions& options) {
  return std::string(DTypeName(spec.dtype)) + ShapeToString(spec.shape) + " " + std::string(LayoutName(spec.layout)) +
         " mode " + std::string(ModeName(options.mode)) + " level " + std::to_string(options.level) +
         " segment_bytes " + std::to_string(options.segment_bytes) + " max_references " +
         (options.max_references ? std::to_string(*options.max_references) : "-") + " window " +
         std::to_string(options.window) + " similarity " + std::string(SimilarityName(options.similarity)) +
         " previous_item " + (options.previous_item ? "1" : "0");
}

}  // namespace dcac::testing
