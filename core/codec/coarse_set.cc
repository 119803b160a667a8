#include "core/codec/coarse_set.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/exact_math.h"
#include "core/base/phase_timer.h"
#include "core/base/scratch.h"
#include "core/base/status_macros.h"
#include "core/codec/frequent_samples.h"
#include "core/codec/lane_decoder.h"
#include "core/codec/lane_samples.h"
#include "core/kernels/coarse.h"

namespace dcac {
namespace {

constexpr size_t kSamplesPerStatistic = 64, kMinStatistics = 1024, kMaxStatistics = 4096;
constexpr double kEscapeTokenBits = 8, kExactBits = 100;  // what escapes and exact codes cost, about
constexpr double kMaxEscapes = 0.005, kMaxEscapesAtAll = 0.02;
// Maps that are tried: by how much of an octave's steps, as a power of two, the one below it has fewer.  With 0 steps
// are proportional to samples, with 1 all of the same size; where errors are proportional to the root of what is
// predicted, 0.5 makes all of them alike.
constexpr std::array<double, 4> kSlopes = {0, 0.34, 0.5, 0.6};
// Octaves that have codes: with those above the greatest sample few, for which encoders are faster, or as many as can
// be.
constexpr std::array<size_t, 2> kMostOctaves = {kFewCoarseOctaves - 4, kMaxCoarseOctaves};
constexpr size_t kSamplesPerTrial = 512, kMinTrials = 256, kMaxTrials = 512;
constexpr double kMaxNegativeShare = 0.02;

size_t BytesOf(SampleKind kind) {
  return static_cast<size_t>(SampleBits(kind)) / 8;
}

// Of the upper 16 bits.
int MantissaBits(SampleKind kind) {
  return SampleMap::MantissaBits(LaneKindOf(kind));
}

// Codes and details of a whole set.
struct CoarseScratch {
  Scratch<uint8_t> codes;
  Scratch<std::byte> details;
};

// How often octaves of samples occur that are not 0 and have a finite magnitude.
struct Magnitudes {
  std::array<uint32_t, kMaxCoarseOctaves> counts{};
  size_t total = 0;
  std::array<int, 2> greatest = {-1, -1};  // octaves of samples above and below 0
};

Magnitudes CollectMagnitudes(SampleKind kind, size_t plane_samples, const std::vector<const std::byte*>& planes) {
  const size_t bytes = BytesOf(kind);
  const int mantissa_bits = MantissaBits(kind), infinity = (0x8000 >> mantissa_bits) - 1;
  Magnitudes result;
  const size_t limit = std::clamp(planes.size() * plane_samples / kSamplesPerStatistic, kMinStatistics, kMaxStatistics);
  VisitSpread(planes, plane_samples, bytes, limit, [&](const std::byte* sample) {
    const uint32_t upper = static_cast<uint32_t>(LoadLittleEndian(sample + bytes - 2, 2));
    const int octave = static_cast<int>((upper & 0x7fff) >> mantissa_bits);
    if ((upper & 0x7fff) == 0 || octave == infinity) return;
    ++result.counts[static_cast<size_t>(octave)];
    ++result.total;
    int& greatest = result.greatest[upper >> 15];
    greatest = std::max(greatest, octave);
  });
  return result;
}

// Steps of octaves as powers of two, from the greatest octave down: as many octaves as there are codes for.
std::vector<int> StepBitsOf(const Magnitudes& magnitudes, int mantissa_bits, size_t most, double slope, double first) {
  std::vector<int> result;
  const int fewest = std::max(0, mantissa_bits - kMaxCoarseDetailBits);
  const int top = std::max(magnitudes.greatest[0], magnitudes.greatest[1]);
  int codes = 254;
  for (int octave = top; octave >= 0 && result.size() < most; --octave) {
    const double wanted = std::floor(first - slope * (top - octave) + 0.5);
    const int bits = std::clamp(static_cast<int>(wanted), fewest, mantissa_bits);
    const int signs = (octave <= magnitudes.greatest[0] ? 1 : 0) + (octave <= magnitudes.greatest[1] ? 1 : 0);
    codes -= signs << bits;
    if (codes < 0) break;
    result.push_back(bits);
  }
  return result;
}

double EscapeShare(const Magnitudes& magnitudes, size_t least) {
  const uint64_t escapes = std::accumulate(magnitudes.counts.begin(),
                                           magnitudes.counts.begin() + static_cast<ptrdiff_t>(least), uint64_t{0});
  return static_cast<double>(escapes) / static_cast<double>(magnitudes.total);
}

// The map of given slope, as fine as leaves few enough samples without a code.
std::optional<CoarseMap> MapOf(const Magnitudes& magnitudes, int mantissa_bits, size_t most_octaves, double slope) {
  const int top = std::max(magnitudes.greatest[0], magnitudes.greatest[1]);
  for (int halves = 2 * mantissa_bits; halves >= 0; --halves) {
    const std::vector<int> bits = StepBitsOf(magnitudes, mantissa_bits, most_octaves, slope, 0.5 * halves);
    const int least = top + 1 - static_cast<int>(bits.size());
    const double share = EscapeShare(magnitudes, static_cast<size_t>(least));
    if (bits.empty() || share > (halves == 0 ? kMaxEscapesAtAll : kMaxEscapes)) continue;
    // Codes below the zero for negative samples, all others for positive ones.
    int negative = 0;
    for (int octave = least; octave <= magnitudes.greatest[1]; ++octave) {
      negative += 1 << bits[static_cast<size_t>(top - octave)];
    }
    CoarseMap map(mantissa_bits, negative, least);
    while (!map.is_complete()) {
      const int octave = std::min(map.end, top);
      map.AddOctave(mantissa_bits - bits[static_cast<size_t>(top - octave)]);
    }
    return map;
  }
  return std::nullopt;
}

// The upper 16 bits of samples, and of those above them, to the left and to the right of these.
struct Neighbours {
  static constexpr size_t kPlaces = 4;
  enum Place : size_t { kSample, kAbove, kLeft, kRight };

  size_t count = 0;
  std::vector<uint16_t> upper;  // of all places one after the other
};

Neighbours CollectNeighbours(const PlaneSet& set, const std::vector<const std::byte*>& planes) {
  const size_t bytes = BytesOf(set.kind), width = static_cast<size_t>(set.shape.width);
  const size_t samples = set.shape.samples(), plane_samples = static_cast<size_t>(set.shape.plane_samples());
  const size_t trials = std::min(samples, std::clamp(samples / kSamplesPerTrial, kMinTrials, kMaxTrials));
  const SpreadIndices spread(trials, samples);
  Neighbours result;
  std::vector<const std::byte*> found;
  found.reserve(trials);
  for (size_t i = 0; i < trials; ++i) {
    const size_t plane = spread[i] / plane_samples, at = spread[i] % plane_samples, column = at % width;
    if (at >= width && column != 0 && column + 1 != width) found.push_back(planes[plane] + (at + 1) * bytes - 2);
  }
  result.count = found.size();
  result.upper.resize(Neighbours::kPlaces * result.count);
  const std::array<size_t, Neighbours::kPlaces> before = {0, width * bytes, (width + 1) * bytes, (width - 1) * bytes};
  for (size_t i = 0; i < result.count; ++i) {
    for (size_t place = 0; place < Neighbours::kPlaces; ++place) {
      result.upper[place * result.count + i] = static_cast<uint16_t>(LoadLittleEndian(found[i] - before[place], 2));
    }
  }
  return result;
}

// What codes of a map take, about, of samples that the row above predicts.
class MapTrial {
 public:
  explicit MapTrial(Neighbours neighbours)
      : neighbours_(std::move(neighbours)),
        codes_(neighbours_.upper.size() + kCoarsePadding),
        details_(neighbours_.upper.size() + kCoarsePadding) {
    for (size_t i = 0; i < distance_bits_.size(); ++i) {
      distance_bits_[i] = static_cast<float>(Log2(static_cast<double>(i + 1)));
    }
  }

  struct Result {
    double bits = 0;
    double known = 0;  // as in CoarsePlan
  };
  Result Try(const CoarseMap& map) {
    const CoarseTables tables(map, 2);
    CoarseBitWriter details{details_.data()};
    uint16_t* low = nullptr;
    const std::byte* const samples = reinterpret_cast<const std::byte*>(neighbours_.upper.data());
    SplitCoarse(tables, samples, neighbours_.upper.size(), codes_.data(), details, low);
    std::array<float, 256> detail_bits;
    for (size_t code = 0; code < 256; ++code) {
      detail_bits[code] = static_cast<float>(std::popcount(static_cast<unsigned>(tables.detail_mask[code])));
    }
    detail_bits[static_cast<size_t>(map.escape())] = 16;
    float bits = 0;
    size_t known = 0, all = 0;
    for (size_t i = 0; i < neighbours_.count; ++i) {
      const uint8_t code = codes_[i];
      const auto at = [&](Neighbours::Place place) { return int{codes_[place * neighbours_.count + i]}; };
      const int guess = (2 * at(Neighbours::kAbove) + at(Neighbours::kLeft) + at(Neighbours::kRight) + 2) >> 2;
      const size_t distance = static_cast<size_t>(std::abs(code - guess));
      bits += distance_bits_[distance] + detail_bits[code];
      all += code != map.zero ? 1 : 0;
      known += distance <= 1 && tables.detail_mask[code] != 0 ? 1 : 0;
    }
    return {bits, all == 0 ? 0.0 : static_cast<double>(known) / static_cast<double>(all)};
  }

  bool HasSigns() const {
    size_t negative = 0, all = 0;
    for (size_t i = 0; i < neighbours_.count; ++i) {
      negative += neighbours_.upper[i] >> 15;
      all += neighbours_.upper[i] != 0 ? 1 : 0;
    }
    return static_cast<double>(negative) > kMaxNegativeShare * static_cast<double>(all);
  }

 private:
  Neighbours neighbours_;
  std::vector<uint8_t> codes_;
  std::vector<std::byte> details_;
  std::array<float, 256> distance_bits_;
};

// Gives samples that are frequent a code of their own, where that saves bits.
void ChooseExact(SampleKind kind, size_t plane_samples, const std::vector<const std::byte*>& planes, CoarseMap& map) {
  const size_t bytes = BytesOf(kind);
  const int low_bits = bytes == 4 ? 16 : 0;
  const auto code_of = [&](uint32_t sample) { return sample == 0 ? map.zero : map.CodeOf(sample >> low_bits); };
  const auto fine_bits = [&](uint32_t sample) {
    const int code = code_of(sample);
    const bool has_step = code != map.zero && code != map.escape();
    return (has_step ? map.StepOf(code).detail_bits : 0) + low_bits;
  };
  const FrequentSamples found = FindFrequentSamples(planes, plane_samples, bytes, fine_bits);
  for (const FrequentSample& frequent : found.samples) {
    const int code = code_of(frequent.sample);
    if (map.num_exact == kMaxCoarseExact || code == map.zero || code == map.escape()) continue;
    const auto end = map.exact.begin() + static_cast<ptrdiff_t>(map.num_exact);
    if (std::any_of(map.exact.begin(), end, [&](const CoarseExact& e) { return e.code == code; })) continue;
    const int bits = fine_bits(frequent.sample);
    const double saved = static_cast<double>(bits) * static_cast<double>(frequent.count);
    const double lost =
        (8.0 * static_cast<double>(bytes) + kEscapeTokenBits - bits) * static_cast<double>(frequent.neighbours);
    const double times = static_cast<double>(planes.size() * plane_samples) / static_cast<double>(found.total);
    if ((saved - lost) * times > kExactBits) map.exact[map.num_exact++] = {static_cast<uint8_t>(code), frequent.sample};
  }
}

// Calls visit(i) for each code that is an escape.
template <typename Visit>
void ForEachEscape(const CoarseMap& map, const uint8_t* codes, size_t count, Visit visit) {
  const uint8_t *at = codes, *const end = codes + count;
  while (at < end && (at = static_cast<const uint8_t*>(std::memchr(at, map.escape(), static_cast<size_t>(end - at))))) {
    visit(static_cast<size_t>(at++ - codes));
  }
}

absl::Status WrongSize(const char* what, size_t found, size_t expected) {
  return absl::DataLossError(absl::StrCat("plane set has ", found, " bytes of ", what, ", expected ", expected));
}

class CoarseJoiner {
 public:
  CoarseJoiner(SampleKind kind, const CoarseMap& map, size_t plane_samples, const LaneStreams& streams,
               SetAccount* account)
      : bytes_(BytesOf(kind)),
        tables_(map, bytes_),
        plane_samples_(plane_samples),
        streams_(streams),
        account_(account) {}

  absl::Status Join(const uint8_t* codes, const std::vector<std::byte*>& planes) {
    CoarseReader rest{streams_.details, streams_.low};
    size_t next_escape = 0;
    for (size_t p = 0; p < planes.size(); ++p, codes += plane_samples_) {
      const size_t first_bit = rest.detail_bits, first_low = rest.low_bytes, first_escape = next_escape;
      JoinCoarse(tables_, codes, plane_samples_, rest, planes[p]);
      ForEachEscape(map(), codes, plane_samples_, [&](size_t i) {
        const size_t at = next_escape++ * bytes_;
        if (at + bytes_ <= streams_.escapes.size()) {
          std::memcpy(planes[p] + i * bytes_, streams_.escapes.data() + at, bytes_);
        }
      });
      if (account_ == nullptr) continue;
      Count(p, rest.detail_bits - first_bit + 8 * (rest.low_bytes - first_low), next_escape - first_escape);
    }
    if (const size_t size = (rest.detail_bits + 7) / 8; streams_.details.size() != size)
      return WrongSize("details", streams_.details.size(), size);
    if (const int used = static_cast<int>(rest.detail_bits % 8);
        used != 0 && std::to_integer<int>(streams_.details.back()) >> used != 0) {
      return absl::DataLossError("details: bits after the last one are not 0");
    }
    if (streams_.low.size() != rest.low_bytes) return WrongSize("lower halves", streams_.low.size(), rest.low_bytes);
    if (streams_.escapes.size() != next_escape * bytes_)
      return WrongSize("escapes", streams_.escapes.size(), next_escape * bytes_);
    return absl::OkStatus();
  }

 private:
  void Count(size_t plane, size_t rest_bits, size_t escapes) {
    const double detail_bits = static_cast<double>(rest_bits);
    const double escape_bits = 8.0 * static_cast<double>(escapes * bytes_);
    account_->plane_bits[plane] += detail_bits + escape_bits;
    SampleCount& residuals = account_->samples[static_cast<size_t>(SampleCoding::kResidual)];
    SampleCount& as_they_are = account_->samples[static_cast<size_t>(SampleCoding::kEscape)];
    residuals.bits += detail_bits;
    residuals.samples -= escapes;
    as_they_are.bits += escape_bits;
    as_they_are.samples += escapes;
  }

  const CoarseMap& map() const { return tables_.map; }

  size_t bytes_;
  CoarseTables tables_;
  size_t plane_samples_;
  const LaneStreams& streams_;
  SetAccount* account_;
};

}  // namespace

std::optional<CoarsePlan> PlanCoarse(const PlaneSet& set, const std::vector<const std::byte*>& planes) {
  const size_t plane_samples = static_cast<size_t>(set.shape.plane_samples());
  const Magnitudes magnitudes = CollectMagnitudes(set.kind, plane_samples, planes);
  if (magnitudes.total == 0) return std::nullopt;
  const FloatEnvironment environment;
  MapTrial trial(CollectNeighbours(set, planes));
  std::optional<CoarsePlan> best;
  double least_bits = 0;
  for (size_t i = 0; i < kMostOctaves.size() && !best; ++i) {
    for (const double slope : kSlopes) {
      const auto map = MapOf(magnitudes, MantissaBits(set.kind), kMostOctaves[i], slope);
      if (!map) continue;
      const MapTrial::Result result = trial.Try(*map);
      if (best && result.bits >= least_bits) continue;
      best = CoarsePlan{*map, false, result.known};
      least_bits = result.bits;
    }
  }
  if (!best) return best;
  best->has_signs = trial.HasSigns();
  ChooseExact(set.kind, plane_samples, planes, best->map);
  return best;
}

EncodedLaneSet EncodeCoarseSet(const PlaneSet& set, const CoarseMap& map, const std::vector<const std::byte*>& planes,
                               EncodeCodes encode) {
  const size_t plane_samples = static_cast<size_t>(set.shape.plane_samples()), bytes = BytesOf(set.kind);
  const size_t samples = planes.size() * plane_samples;
  const ScratchLease<CoarseScratch> scratch;
  ScratchLease<Scratch<uint16_t>> low_memory;
  uint8_t* const codes = scratch->codes.Get(samples + kCoarsePadding);
  std::byte* const first_detail = scratch->details.Get(samples + kCoarsePadding);
  uint16_t* const first_low = bytes == 4 ? low_memory->Get(samples + kCoarsePadding) : nullptr;
  const CoarseTables tables(map, bytes);
  CoarseBitWriter details{first_detail};
  uint16_t* low = first_low;
  Bytes escapes;
  std::vector<const std::byte*> code_planes;
  {
    const PhaseTimer timer(Phase::kModel);
    for (size_t p = 0; p < planes.size(); ++p) {
      uint8_t* const plane_codes = codes + p * plane_samples;
      SplitCoarse(tables, planes[p], plane_samples, plane_codes, details, low);
      ForEachEscape(map, plane_codes, plane_samples, [&](size_t i) {
        AppendBytes({planes[p] + i * bytes, bytes}, escapes);
      });
      code_planes.push_back(reinterpret_cast<const std::byte*>(plane_codes));
    }
  }
  PlaneSet coarse = set;
  coarse.kind = SampleKind::kU8;
  EncodedLaneSet result = encode(coarse, code_planes);
  result.model.coarse = map;
  result.escapes = std::move(escapes);
  result.details.assign(first_detail, details.Finish());
  if (bytes == 4) {
    result.low = std::as_bytes(std::span(first_low, low));
    result.low_memory = std::move(low_memory);
  }
  return result;
}

absl::Status DecodeCoarseSet(SampleKind kind, const SetShape& shape, const LaneModel& model, const LaneStreams& streams,
                             const std::vector<std::byte*>& planes, SetAccount* account) {
  const size_t plane_samples = static_cast<size_t>(shape.plane_samples());
  const ScratchLease<CoarseScratch> scratch;
  uint8_t* const codes = scratch->codes.Get(planes.size() * plane_samples);
  std::vector<std::byte*> code_planes;
  for (size_t p = 0; p < planes.size(); ++p) {
    code_planes.push_back(reinterpret_cast<std::byte*>(codes + p * plane_samples));
  }
  LaneStreams of_codes;
  of_codes.words = streams.words;
  DCAC_RETURN_IF_ERROR(DecodeLaneSet(SampleKind::kU8, shape, model, of_codes, code_planes, account));
  return CoarseJoiner(kind, *model.coarse, plane_samples, streams, account).Join(codes, planes);
}

}  // namespace dcac
