#include "core/codec/coarse_set.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
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

constexpr size_t kStatisticsSamples = 8192, kGuesses = 2048;
// Codes per octave, as powers of two: the first that leaves few enough samples without a code.
constexpr int kFinestOctave = 4, kCoarsestOctave = 2;
constexpr double kEscapeTokenBits = 8, kExactBits = 100;  // what escapes and exact codes cost, about
constexpr double kMaxEscapes = 0.01, kMaxEscapesAtAll = 0.02;
// Fewer guesses that are near make a set rough, with and without references; on real feature maps codes take 0 to 4 %
// less than whole samples below that, and up to 14 % more above it.
constexpr size_t kRoughPercent = 38, kRoughPercentAlone = 48, kMaxNegativePercent = 2;

size_t BytesOf(SampleKind kind) {
  return static_cast<size_t>(SampleBits(kind)) / 8;
}

// Of the upper 16 bits.
int MantissaBits(SampleKind kind) {
  return SampleMap::MantissaBits(LaneKindOf(kind));
}

// Codes of a whole set, and its details one a byte.
struct CoarseScratch {
  Scratch<uint8_t> codes, details;
  Scratch<uint16_t> low;
};

// How often magnitudes of samples occur that are not +0 and have a finite one, of each sign, in steps of the finest
// codes.
struct Magnitudes {
  std::array<std::vector<uint32_t>, 2> counts;
  size_t total = 0;
};

int FinestDetailBits(SampleKind kind) {
  return MantissaBits(kind) - kFinestOctave;
}

Magnitudes CollectMagnitudes(SampleKind kind, size_t plane_samples, const std::vector<const std::byte*>& planes) {
  const size_t bytes = BytesOf(kind);
  const uint32_t infinity = 0x7fffu >> MantissaBits(kind) << MantissaBits(kind);
  Magnitudes result;
  for (auto& counts : result.counts) counts.resize(size_t{0x8000} >> FinestDetailBits(kind));
  VisitSpread(planes, plane_samples, bytes, kStatisticsSamples, [&](const std::byte* sample) {
    const uint32_t upper = static_cast<uint32_t>(LoadLittleEndian(sample + bytes - 2, 2));
    const uint32_t magnitude = upper & 0x7fff;
    if (magnitude == 0 || magnitude >= infinity) return;
    ++result.counts[upper >> 15][magnitude >> FinestDetailBits(kind)];
    ++result.total;
  });
  return result;
}

// The number of codes of a sign up to the greatest magnitude and a little beyond it: not all samples were looked at.
int CodesOf(const std::vector<uint32_t>& counts, int octave_bits) {
  const auto last = std::find_if(counts.rbegin(), counts.rend(), [](uint32_t count) { return count != 0; });
  if (last == counts.rend()) return 0;
  const int coarser = kFinestOctave - octave_bits, most = static_cast<int>(counts.size()) >> coarser;
  const int greatest = static_cast<int>(counts.rend() - last) - 1;
  return std::min((greatest >> coarser) + 1 + (1 << (octave_bits - 1)), most);
}

// The map of given precision that reaches from the greatest magnitudes of either sign as far down as there are codes.
CoarseMap MapOf(const Magnitudes& magnitudes, int mantissa_bits, int octave_bits) {
  CoarseMap map;
  map.detail_bits = mantissa_bits - octave_bits;
  const int most = 0x8000 >> map.detail_bits;
  const int positive = CodesOf(magnitudes.counts[0], octave_bits);
  const int negative = CodesOf(magnitudes.counts[1], octave_bits);
  int least = negative == 0 ? positive - 254 : (positive + negative - 254 + 1) / 2;
  // Codes below the zero for negative samples, all others for positive ones.
  map.zero = std::clamp(negative - std::max(least, 0), 0, kMaxCoarseZero);
  least = std::clamp(least, 0, most - std::max(map.positive(), map.negative()));
  map.least = static_cast<uint32_t>(least);
  return map;
}

double EscapeShare(const CoarseMap& map, const Magnitudes& magnitudes, int octave_bits) {
  const int finer = kFinestOctave - octave_bits;
  uint64_t coded = 0;
  for (size_t sign = 0; sign < 2; ++sign) {
    const std::vector<uint32_t>& counts = magnitudes.counts[sign];
    const size_t codes = static_cast<size_t>(sign == 0 ? map.positive() : map.negative());
    const size_t end = std::min(counts.size(), (map.least + codes) << finer);
    for (size_t i = size_t{map.least} << finer; i < end; ++i) coded += counts[i];
  }
  return static_cast<double>(magnitudes.total - coded) / static_cast<double>(magnitudes.total);
}

// What the row above makes of samples.
class SampleGuesses {
 public:
  SampleGuesses(const PlaneSet& set, const std::vector<const std::byte*>& planes)
      : set_(set),
        planes_(planes),
        bytes_(BytesOf(set.kind)),
        width_(static_cast<size_t>(set.shape.width)),
        plane_samples_(static_cast<size_t>(set.shape.plane_samples())),
        shift_(23 - MantissaBits(set.kind)) {}

  struct Guess {
    double value, error;
    std::optional<double> item_error;  // with what the same guess lacks in the item before
  };

  // Nothing for samples that are 0 or have no three samples above them.
  std::optional<Guess> At(size_t index) const {
    const size_t plane = index / plane_samples_, at = index % plane_samples_, column = at % width_;
    if (at < width_ || column == 0 || column + 1 == width_) return std::nullopt;
    const std::byte* const sample = planes_[plane] + at * bytes_;
    Guess guess{Value(sample), ErrorAt(sample), std::nullopt};
    if (guess.value == 0) return std::nullopt;
    if (const int before = set_.same_channel[plane]; before >= 0) {
      guess.item_error = guess.error - ErrorAt(planes_[static_cast<size_t>(before)] + at * bytes_);
    }
    return guess;
  }

 private:
  // In some unit.
  double Value(const std::byte* sample) const {
    const uint32_t upper = static_cast<uint32_t>(LoadLittleEndian(sample + bytes_ - 2, 2));
    return static_cast<double>(std::bit_cast<float>((upper & 0x7fff) << shift_ | upper >> 15 << 31));
  }
  double ErrorAt(const std::byte* sample) const {
    const std::byte* const above = sample - width_ * bytes_;
    return Value(sample) - (2 * Value(above) + Value(above - bytes_) + Value(above + bytes_)) / 4;
  }

  const PlaneSet& set_;
  const std::vector<const std::byte*>& planes_;
  size_t bytes_, width_, plane_samples_;
  int shift_;
};

bool IsNear(double value, double error) {
  return 4 * std::abs(error) < std::abs(value);
}

// Gives samples that are frequent a code of their own, where that saves bits.
void ChooseExact(SampleKind kind, size_t plane_samples, const std::vector<const std::byte*>& planes, CoarseMap& map) {
  const size_t bytes = BytesOf(kind);
  const int low_bits = bytes == 4 ? 16 : 0, fine_bits = map.detail_bits + low_bits;
  const FrequentSamples found = FindFrequentSamples(planes, plane_samples, bytes, fine_bits);
  for (const FrequentSample& frequent : found.samples) {
    const int code = frequent.sample == 0 ? map.zero : map.CodeOf(frequent.sample >> low_bits);
    if (map.num_exact == kMaxCoarseExact || code == map.zero || code == map.escape()) continue;
    const auto end = map.exact.begin() + static_cast<ptrdiff_t>(map.num_exact);
    if (std::any_of(map.exact.begin(), end, [&](const CoarseExact& e) { return e.code == code; })) continue;
    const double saved = static_cast<double>(fine_bits) * static_cast<double>(frequent.count);
    const double lost =
        (8.0 * static_cast<double>(bytes) + kEscapeTokenBits - fine_bits) * static_cast<double>(frequent.neighbours);
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

  absl::Status Join(const uint8_t* codes, const std::vector<std::byte*>& planes, CoarseScratch& scratch) {
    std::vector<size_t> counts(planes.size());
    size_t total = 0;
    for (size_t p = 0; p < planes.size(); ++p) {
      counts[p] = CountCoarseDetails(map(), codes + p * plane_samples_, plane_samples_);
      total += counts[p];
    }
    if (const size_t size = PackedFieldBytes(total, map().detail_bits); streams_.details.size() != size)
      return WrongSize("details", streams_.details.size(), size);
    if (const int used = static_cast<int>(total * static_cast<size_t>(map().detail_bits) % 8);
        used != 0 && std::to_integer<int>(streams_.details.back()) >> used != 0) {
      return absl::DataLossError("details: bits after the last one are not 0");
    }
    if (bytes_ == 4 && streams_.low.size() != 2 * total)
      return WrongSize("lower halves", streams_.low.size(), 2 * total);
    uint8_t* details = scratch.details.Get(total + 2 * kCoarsePadding);
    UnpackFields(streams_.details.data(), total, map().detail_bits, details);
    const std::byte* low = streams_.low.data();
    size_t next_escape = 0;
    for (size_t p = 0; p < planes.size(); ++p, codes += plane_samples_) {
      const std::byte* const padded_low = PaddedLow(low, counts[p], scratch);
      JoinCoarse(tables_, codes, plane_samples_, details, padded_low, planes[p]);
      details += counts[p];
      const size_t first_escape = next_escape;
      ForEachEscape(map(), codes, plane_samples_, [&](size_t i) {
        const size_t at = next_escape++ * bytes_;
        if (at + bytes_ <= streams_.escapes.size()) {
          std::memcpy(planes[p] + i * bytes_, streams_.escapes.data() + at, bytes_);
        }
      });
      if (account_ != nullptr) Count(p, counts[p], next_escape - first_escape);
    }
    if (streams_.escapes.size() != next_escape * bytes_)
      return WrongSize("escapes", streams_.escapes.size(), next_escape * bytes_);
    return absl::OkStatus();
  }

 private:
  // The next lower halves, where kernels may read beyond them.
  const std::byte* PaddedLow(const std::byte*& low, size_t count, CoarseScratch& scratch) const {
    if (bytes_ != 4) return nullptr;
    const std::byte* const begin = std::exchange(low, low + 2 * count);
    const std::byte* const end = streams_.low.data() + streams_.low.size();
    if (static_cast<size_t>(end - low) >= 2 * kCoarsePadding) return begin;
    uint16_t* copy = scratch.low.Get(count + kCoarsePadding);
    if (count > 0) std::memcpy(copy, begin, 2 * count);
    return reinterpret_cast<const std::byte*>(copy);
  }

  void Count(size_t plane, size_t details, size_t escapes) {
    const double detail_bits = static_cast<double>(details) * (map().detail_bits + (bytes_ == 4 ? 16 : 0));
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

bool IsRough(const PlaneSet& set, const std::vector<const std::byte*>& planes, bool has_references) {
  const size_t samples = set.shape.samples(), limit = std::min(samples, kGuesses);
  if (limit == 0) return false;
  const FloatEnvironment environment;  // subnormal samples count
  const SampleGuesses guesses(set, planes);
  const SpreadIndices spread(limit, samples);
  size_t total = 0, negative = 0, near = 0, item_total = 0, item_near = 0;
  for (size_t i = 0; i < limit; ++i) {
    const auto guess = guesses.At(spread[i]);
    if (!guess) continue;
    ++total;
    negative += guess->value < 0 ? 1 : 0;
    near += IsNear(guess->value, guess->error) ? 1 : 0;
    if (!guess->item_error) continue;
    ++item_total;
    item_near += IsNear(guess->value, *guess->item_error) ? 1 : 0;
  }
  if (total == 0) return false;
  if (!has_references) return near * 100 < total * kRoughPercentAlone;
  // Of samples with signs references may tell much where those around tell little: codes, which know magnitudes by
  // their logarithms, jump where a sign changes.
  return negative * 100 < total * kMaxNegativePercent && near * 100 < total * kRoughPercent &&
         item_near * 100 <= item_total * kRoughPercent;
}

std::optional<CoarseMap> ChooseCoarseMap(const PlaneSet& set, const std::vector<const std::byte*>& planes) {
  const size_t plane_samples = static_cast<size_t>(set.shape.plane_samples());
  const Magnitudes magnitudes = CollectMagnitudes(set.kind, plane_samples, planes);
  if (magnitudes.total == 0) return std::nullopt;
  for (int octave_bits = kFinestOctave; octave_bits >= kCoarsestOctave; --octave_bits) {
    const int mantissa_bits = MantissaBits(set.kind);
    if (mantissa_bits - octave_bits > kMaxCoarseDetailBits) break;
    CoarseMap map = MapOf(magnitudes, mantissa_bits, octave_bits);
    const double share = EscapeShare(map, magnitudes, octave_bits);
    const bool is_last = octave_bits == kCoarsestOctave || mantissa_bits - octave_bits == kMaxCoarseDetailBits;
    if (share > (is_last ? kMaxEscapesAtAll : kMaxEscapes)) continue;
    ChooseExact(set.kind, plane_samples, planes, map);
    return map;
  }
  return std::nullopt;
}

EncodedLaneSet EncodeCoarseSet(const PlaneSet& set, const CoarseMap& map, const std::vector<const std::byte*>& planes,
                               const LaneEncoderOptions& options) {
  const size_t plane_samples = static_cast<size_t>(set.shape.plane_samples()), bytes = BytesOf(set.kind);
  const size_t samples = planes.size() * plane_samples;
  const ScratchLease<CoarseScratch> scratch;
  ScratchLease<Scratch<uint16_t>> low_memory;
  uint8_t* const codes = scratch->codes.Get(samples + kCoarsePadding);
  CoarseDetails next{scratch->details.Get(samples + kCoarsePadding),
                     bytes == 4 ? low_memory->Get(samples + kCoarsePadding) : nullptr};
  const CoarseDetails first = next;
  Bytes escapes;
  std::vector<const std::byte*> code_planes;
  {
    const PhaseTimer timer(Phase::kModel);
    for (size_t p = 0; p < planes.size(); ++p) {
      uint8_t* const plane_codes = codes + p * plane_samples;
      const size_t count = SplitCoarse(map, bytes, planes[p], plane_samples, plane_codes, next);
      next.details += count;
      if (bytes == 4) next.low += count;
      ForEachEscape(map, plane_codes, plane_samples, [&](size_t i) {
        AppendBytes({planes[p] + i * bytes, bytes}, escapes);
      });
      code_planes.push_back(reinterpret_cast<const std::byte*>(plane_codes));
    }
  }
  PlaneSet coarse = set;
  coarse.kind = SampleKind::kU8;
  EncodedLaneSet result = EncodeLaneSet(coarse, code_planes, options);
  result.model.coarse = map;
  result.escapes = std::move(escapes);
  const size_t total = static_cast<size_t>(next.details - first.details);
  result.details.resize(PackedFieldBytes(total, map.detail_bits) + kCoarsePadding);
  PackFields(first.details, total, map.detail_bits, result.details.data());
  result.details.resize(PackedFieldBytes(total, map.detail_bits));
  if (bytes == 4) {
    result.low = std::as_bytes(std::span(first.low, total));
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
  return CoarseJoiner(kind, *model.coarse, plane_samples, streams, account).Join(codes, planes, *scratch);
}

}  // namespace dcac
