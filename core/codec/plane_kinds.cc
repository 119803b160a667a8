#include "core/codec/plane_kinds.h"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <unordered_map>
#include <utility>

#include "core/base/exact_math.h"
#include "core/base/hash.h"
#include "core/codec/sample_map.h"
#include "core/codec/segment_samples.h"
#include "core/codec/upsampling.h"

namespace dcac {
namespace {

// Samples of a plane, `sample_bytes` each, as they lie in memory.
class PlaneView {
 public:
  PlaneView(const SegmentSamples& samples, size_t plane)
      : width_(static_cast<size_t>(samples.shape().width)),
        height_(static_cast<size_t>(samples.shape().height)),
        sample_bytes_(SampleBytes(samples.shape().dtype)),
        bytes_(samples.shape().plane_bytes()),
        data_(samples.plane(plane).data()) {}

  uint32_t first() const { return static_cast<uint32_t>(LoadLittleEndian(data_, static_cast<int>(sample_bytes_))); }
  uint64_t Hash() const { return HashOf({data_, bytes_}); }
  // Of some of the samples: equal planes have equal ones.
  uint64_t RoughHash() const {
    constexpr size_t kRuns = 4, kRunBytes = 64;
    if (bytes_ < 2 * kRuns * kRunBytes) return Hash();
    std::array<std::byte, kRuns * kRunBytes> runs;
    for (size_t run = 0; run < kRuns; ++run)
      std::memcpy(runs.data() + run * kRunBytes, data_ + bytes_ / kRuns * run + bytes_ / (2 * kRuns), kRunBytes);
    return HashOf(runs);
  }
  bool IsConstant() const {
    // Most are not, and begin and end differently.
    return SameSample(data_, data_ + bytes_ - sample_bytes_) &&
           std::memcmp(data_, data_ + sample_bytes_, bytes_ - sample_bytes_) == 0;
  }
  bool operator==(const PlaneView& other) const { return std::memcmp(data_, other.data_, bytes_) == 0; }

  bool IsUpsampled(size_t scale) const { return dcac::IsUpsampled({height_, width_, sample_bytes_}, scale, data_); }

 private:
  bool SameSample(const std::byte* a, const std::byte* b) const {
    for (size_t i = 0; i < sample_bytes_; ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }

  size_t width_, height_, sample_bytes_, bytes_;
  const std::byte* data_;
};

// The first plane with a hash: a table with open addressing, for one of nodes takes longer than all planes of a small
// segment.
class FirstPlanes {
 public:
  struct Entry {
    uint64_t hash = 0;
    uint32_t plane = kNone;
    bool is_read = false;

    bool is_empty() const { return plane == kNone; }
  };

  explicit FirstPlanes(size_t num_planes) : entries_(std::bit_ceil(2 * num_planes + 1)) {}

  void Clear() { std::fill(entries_.begin(), entries_.end(), Entry()); }
  // That of the hash, or the empty one where it belongs.
  Entry& Find(uint64_t hash) {
    for (size_t i = static_cast<size_t>(hash);; ++i) {
      Entry& entry = entries_[i & (entries_.size() - 1)];
      if (entry.is_empty() || entry.hash == hash) return entry;
    }
  }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};

  std::vector<Entry> entries_;
};

// The greatest scale at which a plane is upsampled; kNormal: none.  What is upsampled by 4 is so by 2.
PlaneKind UpsampledKind(const PlaneView& plane) {
  PlaneKind found = PlaneKind::kNormal;
  for (PlaneKind kind : {PlaneKind::kUpsampled2, PlaneKind::kUpsampled4, PlaneKind::kUpsampled8}) {
    if (!plane.IsUpsampled(static_cast<size_t>(ScaleOf(kind)))) break;
    found = kind;
  }
  return found;
}

// Estimated bits of a plane under a simple coder: the median-edge prediction of LOCO-I and the static entropy of the
// residual classes in four contexts of the neighbours' residuals.
double EstimatePlaneBits(const SegmentShape& shape, const std::vector<int32_t>& plane) {
  constexpr size_t kContexts = 4, kClasses = 68;
  std::array<std::array<uint32_t, kClasses>, kContexts> counts{};
  const int width = shape.width;
  std::vector<uint32_t> above(static_cast<size_t>(width), 0);
  double raw_bits = 0;
  for (int y = 0; y < shape.height; ++y) {
    uint32_t left = 0;
    for (int x = 0; x < width; ++x) {
      const size_t at = static_cast<size_t>(y * width + x);
      const int64_t w = x > 0 ? plane[at - 1] : y > 0 ? plane[at - static_cast<size_t>(width)] : 0;
      const int64_t n = y > 0 ? plane[at - static_cast<size_t>(width)] : w;
      const int64_t nw = x > 0 && y > 0 ? plane[at - static_cast<size_t>(width) - 1] : n;
      const int64_t predicted = nw >= std::max(w, n)   ? std::min(w, n)
                                : nw <= std::min(w, n) ? std::max(w, n)
                                                       : w + n - nw;
      const int64_t residual = plane[at] - predicted;
      const uint64_t magnitude = static_cast<uint64_t>(residual < 0 ? -residual : residual);
      const uint32_t size = static_cast<uint32_t>(std::bit_width(magnitude));
      const uint32_t activity = left + above[static_cast<size_t>(x)];
      const size_t context = activity == 0 ? 0 : activity <= 3 ? 1 : activity <= 6 ? 2 : 3;
      ++counts[context][2 * size + (residual < 0 ? 1 : 0)];
      raw_bits += size > 1 ? size - 1 : 0;
      left = above[static_cast<size_t>(x)] = size;
    }
  }
  double bits = raw_bits;
  for (const auto& context : counts) {
    uint64_t total = 0;
    for (uint32_t count : context) {
      total += count;
      bits -= CountLog2Count(count);
    }
    bits += CountLog2Count(total);
  }
  return bits;
}

double DifferenceSum(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  uint64_t sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<uint64_t>(std::abs(int64_t{a[i]} - b[i]));
  return static_cast<double>(sum);
}

// 1 - |correlation coefficient|.
double Dissimilarity(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  double sum_a = 0, sum_b = 0, aa = 0, bb = 0, ab = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    sum_a += x;
    sum_b += y;
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  const double n = static_cast<double>(a.size());
  const double variance = (aa - sum_a * sum_a / n) * (bb - sum_b * sum_b / n);
  return variance > 0 ? 1 - std::abs(ab - sum_a * sum_b / n) / std::sqrt(variance) : 1;
}

std::vector<int32_t> DifferenceOf(DType dtype, const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  const SampleMap map(DifferenceKindOf(dtype), 1);
  std::vector<int32_t> difference(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const uint32_t wrapped = static_cast<uint32_t>(a[i]) - static_cast<uint32_t>(b[i]);
    difference[i] = *map.ToCode(wrapped & (SampleBytes(dtype) == 4 ? ~0u : (1u << (8 * SampleBytes(dtype))) - 1));
  }
  return difference;
}

template <typename Coder>
void CodePlaneCodings(Coder& coder, DType dtype, std::vector<PlaneCoding>& codings) {
  const int sample_bits = static_cast<int>(8 * SampleBytes(dtype));
  std::array<std::array<AdaptiveBit, kNumPlaneKinds>, kNumPlaneKinds> kind_state;
  AdaptiveBit same_value_state;
  uint32_t previous_kind = 0, previous_value = 0;
  for (size_t p = 0; p < codings.size() && !coder.failed(); ++p) {
    PlaneCoding& coding = codings[p];
    uint32_t kind = 0;
    for (; kind + 1 < kNumPlaneKinds; ++kind) {
      bool more = static_cast<uint32_t>(coding.kind) != kind;
      coder.Bit(kind_state[previous_kind][kind], more);
      if (!more) break;
    }
    coding.kind = static_cast<PlaneKind>(kind);
    previous_kind = kind;
    if (coding.kind == PlaneKind::kConstant) {
      bool same = coding.value == previous_value;
      coder.Bit(same_value_state, same);
      if (same) {
        coding.value = previous_value;
      } else {
        CodeDirect(coder, sample_bits, coding.value);
      }
      previous_value = coding.value;
    } else if (coding.kind == PlaneKind::kDuplicate || coding.kind == PlaneKind::kDifference) {
      if constexpr (!Coder::kEncodes) {
        if (p == 0) coder.Fail();
      }
      uint32_t source = static_cast<uint32_t>(coding.source);
      CodeUniform(coder, static_cast<uint32_t>(p), source);
      coding.source = static_cast<int>(source);
    }
  }
}

}  // namespace

std::vector<uint32_t> WidenSamples(const SegmentShape& shape, ByteSpan packed) {
  const int bytes = static_cast<int>(SampleBytes(shape.dtype));
  std::vector<uint32_t> samples(packed.size() / static_cast<size_t>(bytes));
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] = static_cast<uint32_t>(LoadLittleEndian(packed.data() + i * static_cast<size_t>(bytes), bytes));
  }
  return samples;
}

namespace {

// For a constant number of bytes the loop becomes one over vectors.
template <size_t kBytes>
void NarrowTo(const std::vector<uint32_t>& samples, std::byte* packed) {
  for (size_t i = 0; i < samples.size(); ++i) {
    for (size_t b = 0; b < kBytes; ++b) packed[i * kBytes + b] = static_cast<std::byte>(samples[i] >> (8 * b));
  }
}

}  // namespace

void NarrowSamples(const SegmentShape& shape, const std::vector<uint32_t>& samples, std::span<std::byte> packed) {
  switch (SampleBytes(shape.dtype)) {
    case 1:
      return NarrowTo<1>(samples, packed.data());
    case 2:
      return NarrowTo<2>(samples, packed.data());
    default:
      return NarrowTo<4>(samples, packed.data());
  }
}

std::vector<PlaneCoding> ClassifyPlanes(const SegmentShape& shape, const std::vector<uint32_t>& samples,
                                        bool previous_item) {
  SegmentShape wide = shape;
  wide.dtype = DType::kU32;
  return ClassifyPlanes({wide, std::as_bytes(std::span(samples))}, previous_item);
}

std::vector<PlaneCoding> ClassifyPlanes(const SegmentSamples& samples, bool previous_item) {
  constexpr size_t kGrainBytes = 1 << 16;
  const size_t num_planes = samples.num_planes();
  std::vector<PlaneCoding> codings(num_planes);
  std::vector<uint64_t> rough_hashes(num_planes);
  const auto view = [&](size_t p) { return PlaneView(samples, p); };
  const size_t grain = kGrainBytes * num_planes / (samples.size() + 1) + 1;
  tbb::parallel_for(tbb::blocked_range<size_t>(0, num_planes, grain), [&](const tbb::blocked_range<size_t>& range) {
    for (size_t p = range.begin(); p < range.end(); ++p) {
      const PlaneView plane = view(p);
      if (plane.IsConstant()) {
        codings[p] = {PlaneKind::kConstant, plane.first(), 0};
      } else {
        rough_hashes[p] = plane.RoughHash();
        codings[p].kind = UpsampledKind(plane);
      }
    }
  });
  // The first planes with a hash; all of a plane is read only where a part of it equals that of an earlier one.
  FirstPlanes alike(num_planes);
  std::unordered_map<uint64_t, size_t> equal;
  for (size_t p = 0; p < num_planes; ++p) {
    if (!previous_item && p % static_cast<size_t>(samples.shape().planes) == 0) {
      alike.Clear();
      equal.clear();
    }
    if (codings[p].kind == PlaneKind::kConstant) continue;
    FirstPlanes::Entry& first = alike.Find(rough_hashes[p]);
    if (first.is_empty()) {
      first = {rough_hashes[p], static_cast<uint32_t>(p)};
      continue;
    }
    if (!std::exchange(first.is_read, true)) equal.try_emplace(view(first.plane).Hash(), size_t{first.plane});
    const auto [same, is_new] = equal.try_emplace(view(p).Hash(), p);
    if (!is_new && view(p) == view(same->second))
      codings[p] = {PlaneKind::kDuplicate, 0, static_cast<int>(same->second)};
  }
  return codings;
}

void ChooseDifferences(const SegmentShape& shape, const std::vector<uint32_t>& samples, const EncodeOptions& options,
                       std::vector<PlaneCoding>& codings) {
  constexpr int kDefaultWindow = 8;
  constexpr double kSideBits = 8;  // of naming the plane
  const int window = options.window > 0 ? options.window : kDefaultWindow;
  const int num_planes = shape.all_planes();
  std::vector<int> normal;  // planes that may be predicted or predict
  for (int p = 0; p < num_planes; ++p) {
    if (codings[static_cast<size_t>(p)].kind == PlaneKind::kNormal) normal.push_back(p);
  }
  std::vector<std::vector<int32_t>> ordered(static_cast<size_t>(num_planes));
  for (int p : normal) {
    const size_t size = static_cast<size_t>(shape.height) * static_cast<size_t>(shape.width);
    for (size_t i = 0; i < size; ++i) {
      ordered[static_cast<size_t>(p)].push_back(
          OrderedInteger(shape.dtype, samples[static_cast<size_t>(p) * size + i]));
    }
  }
  tbb::parallel_for(size_t{0}, normal.size(), [&](size_t at) {
    const FloatEnvironment environment;
    const int p = normal[at];
    const auto& plane = ordered[static_cast<size_t>(p)];
    std::vector<int> near;
    for (size_t i = at; i > 0 && near.size() < static_cast<size_t>(window); --i) {
      const bool same_item = normal[i - 1] / shape.planes == p / shape.planes;
      if (same_item || options.previous_item) near.push_back(normal[i - 1]);
    }
    const int same_channel = p - shape.planes;
    if (options.previous_item && same_channel >= 0 && !ordered[static_cast<size_t>(same_channel)].empty() &&
        std::find(near.begin(), near.end(), same_channel) == near.end()) {
      near.push_back(same_channel);
    }
    int best = -1;
    double best_measure = std::numeric_limits<double>::infinity();
    for (int other : near) {
      const auto& candidate = ordered[static_cast<size_t>(other)];
      const double measure = options.similarity == Similarity::kBits
                                 ? EstimatePlaneBits(shape, DifferenceOf(shape.dtype, plane, candidate))
                             : options.similarity == Similarity::kDifference ? DifferenceSum(plane, candidate)
                                                                             : Dissimilarity(plane, candidate);
      if (measure < best_measure) {
        best_measure = measure;
        best = other;
      }
    }
    if (best < 0) return;
    const double with = EstimatePlaneBits(shape, DifferenceOf(shape.dtype, plane, ordered[static_cast<size_t>(best)]));
    if (with + kSideBits < EstimatePlaneBits(shape, plane))
      codings[static_cast<size_t>(p)] = {PlaneKind::kDifference, 0, best};
  });
}

void EncodePlaneCodings(RangeEncoder& coder, DType dtype, const std::vector<PlaneCoding>& codings) {
  std::vector<PlaneCoding> copy = codings;
  CodePlaneCodings(coder, dtype, copy);
}

std::vector<PlaneCoding> DecodePlaneCodings(RangeDecoder& coder, DType dtype, int num_planes) {
  std::vector<PlaneCoding> codings(static_cast<size_t>(num_planes));
  CodePlaneCodings(coder, dtype, codings);
  return codings;
}

}  // namespace dcac
