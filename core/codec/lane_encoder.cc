#include "core/codec/lane_encoder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <span>
#include <utility>

#include "core/base/exact_math.h"
#include "core/base/phase_timer.h"
#include "core/codec/context_builder.h"
#include "core/codec/frequent_samples.h"
#include "core/codec/interval_builder.h"
#include "core/codec/lane_raster.h"
#include "core/codec/lane_references.h"
#include "core/codec/lane_samples.h"
#include "core/codec/lane_search.h"
#include "core/codec/lane_streams.h"
#include "core/codec/lane_tables.h"
#include "core/kernels/dot.h"
#include "core/kernels/lane_search.h"
#include "core/kernels/lane_source.h"

namespace dcac {
namespace {

constexpr size_t kStatisticsSamples = 4096, kFewStatisticsSamples = 1024;
constexpr size_t kSentMeanSamples = 600;                   // planes of so many samples have their mean sent
constexpr double kBaseQuantile = 0.004;                    // share of the nonzero floats that may be escapes
constexpr double kOtherEscapeBits = 28, kExactBits = 100;  // costs of escapes beside exact samples, and of these
constexpr double kNarrowModeShare = 0.04, kWideModeShare = 0.01;
constexpr size_t kSamplesPerSquare = 4;  // of the number of cells
constexpr double kFixedCenterBits = 2;
constexpr size_t kThresholdSamples = 1 << 14, kFewThresholdSamples = 1 << 13;
// Symbols are counted in tables that take turns, for equal ones in a row would wait for each other; apart by no
// multiple of 4096 bytes, which would look like the same addresses.
constexpr size_t kCountPadding = 272;
constexpr int kByteErrorPrior = 8;
constexpr size_t kMostKeptPositions = 1 << 22;     // whose analysis is kept: four bytes of each
constexpr size_t kCellBlock = 4096;                // samples whose tokens are counted together
constexpr size_t kErrorPositions = 1 << 14;        // of a band, that expected errors are fitted to a part of
constexpr size_t kFewBandRows = 6, kBandRows = 8;  // at least; two are above what is used

// Every n-th of `count`, about `limit` of them.
size_t StepOf(size_t count, size_t limit) {
  return count / limit + 1;
}

using ByteCounts = std::array<uint32_t, 256>;

// How often bytes occur among every step-th of `all`.
ByteCounts CountBytes(const uint8_t* bytes, size_t all, size_t step) {
  constexpr size_t kTables = 4;  // equal bytes in a row would wait for each other
  std::array<ByteCounts, kTables> tables{};
  size_t i = 0;
  for (; i + (kTables - 1) * step < all; i += kTables * step) {
    for (size_t t = 0; t < kTables; ++t) ++tables[t][bytes[i + t * step]];
  }
  for (; i < all; i += step) ++tables[0][bytes[i]];
  for (size_t t = 1; t < kTables; ++t) {
    for (size_t byte = 0; byte < 256; ++byte) tables[0][byte] += tables[t][byte];
  }
  return tables[0];
}

template <typename T>
T Quantile(std::vector<T>& values, double share) {
  const size_t at = std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(at), values.end());
  return values[at];
}

template <typename Lanes>
class LaneSetEncoder {
 public:
  using Value = typename Lanes::Value;
  using Code = typename Lanes::Code;

  LaneSetEncoder(const PlaneSet& set, const std::vector<const std::byte*>& planes, const LaneEncoderOptions& options)
      : set_(set),
        planes_(planes),
        options_(options),
        kind_(LaneKindOf(set.kind)),
        map_(kind_, kNarrow ? 0 : ChooseBase()) {}

  EncodedLaneSet Encode() {
    {
      const PhaseTimer timer(Phase::kModel);
      LoadCodes();
      DescribeSamples();
      const LaneValues values(kind_, map_, kNarrow ? 1.0f : PowerOfTwo(model_.unit_exponent));
      FitLaneSpatial(codes_, values, options_, model_);
      if constexpr (kBytes) SetByteTaps();
      if (options_.max_references > 0 || (!kBytes && options_.own_taps)) {
        const PhaseTimer search_timer(Phase::kSearch);
        SearchLaneReferences(set_, codes_, values, options_, model_);
        ChooseGroups(HasReferences());
      }
      if constexpr (kBytes) SetByteTerms();
      FitToBand();
    }
    EncodedLaneSet result;
    Tokenize(result);
    if constexpr (kNarrow) {
      if (model_.has_intervals) EncodeIntervals(result);
    }
    if constexpr (!kBytes) {
      if (!model_.has_intervals) EncodeTokens(result);
    }
    if (set_.kind == SampleKind::kF32) CollectLowHalves(result);
    result.model = std::move(model_);
    return result;
  }

 private:
  static constexpr bool kBytes = std::is_same_v<Lanes, ByteLanes>;
  static constexpr bool kNarrow = kBytes || std::is_same_v<Lanes, NarrowLanes>;

  size_t num_planes() const { return planes_.size(); }
  size_t plane_samples() const { return static_cast<size_t>(set_.shape.plane_samples()); }
  size_t num_samples() const { return num_planes() * plane_samples(); }
  // How many are looked at where a few tell enough.
  size_t StatisticsSamples() const { return std::clamp(num_samples() / 16, kFewStatisticsSamples, kStatisticsSamples); }

  // A sample as the model sees it: of binary32 the upper half.
  uint32_t SampleAt(size_t plane, size_t at) const {
    const std::byte* data = planes_[plane];
    if (kNarrow) return std::to_integer<uint32_t>(data[at]);
    return static_cast<uint32_t>(
        LoadLittleEndian(set_.kind == SampleKind::kF32 ? data + 4 * at + 2 : data + 2 * at, 2));
  }

  template <typename Visit>
  void VisitSpread(Visit visit) const {
    const size_t step = StepOf(num_samples() - 1, StatisticsSamples());
    for (size_t i = 0; i < num_samples(); i += step) visit(i / plane_samples(), i % plane_samples());
  }

  // The power of two below almost all magnitudes; as biased binary32 exponent.
  int ChooseBase() const {
    if (!IsFloat(kind_)) return 0;
    std::vector<int> exponents;
    VisitSpread([&](size_t plane, size_t at) {
      if (const auto exponent = BiasedExponent(kind_, SampleAt(plane, at))) exponents.push_back(*exponent);
    });
    return exponents.empty() ? SampleMap::MinBaseExponent(kind_) : Quantile(exponents, kBaseQuantile);
  }

  void LoadCodes() {
    model_.interlaced = !kBytes && options_.interlaced && set_.shape.width >= 4;
    model_.has_intervals = kBytes || (kNarrow && options_.intervals && !model_.has_fillers(set_.shape.width));
    model_.num_taps = kBytes ? static_cast<int>(kByteTaps) : model_.interlaced ? 6 : options_.num_taps;
    if (set_.kind == SampleKind::kF32) ChooseExact();
    const size_t halves = model_.interlaced ? 2 : 1;
    codes_.planes = num_planes();
    codes_.interlaced = model_.interlaced;
    codes_.width = static_cast<size_t>(set_.shape.width);
    codes_.columns = (codes_.width + halves - 1) / halves;
    codes_.rows = static_cast<size_t>(set_.shape.height) * halves;
    if constexpr (kBytes) {
      if (kind_ == SampleKind::kU8 && CountAdjacent(0) == num_planes()) {  // samples are their codes
        codes_.codes = reinterpret_cast<const Code*>(planes_[0]);
        return;
      }
    }
    Code* codes = scratch().source.Get(codes_.planes * codes_.plane_samples());
    codes_.codes = codes;
    for (size_t first = 0; first < num_planes();) {
      const size_t count = CountAdjacent(first);
      LoadPlanes({planes_[first], count * static_cast<size_t>(set_.shape.height), codes_.width, model_.interlaced},
                 codes + first * codes_.plane_samples());
      first += count;
    }
  }

  // Planes from `first` on that follow each other in memory: they are one with more rows.
  size_t CountAdjacent(size_t first) const {
    const size_t plane_bytes = plane_samples() * SampleBytes();
    size_t count = 1;
    while (first + count < num_planes() && planes_[first + count] == planes_[first] + count * plane_bytes) ++count;
    return count;
  }

  size_t SampleBytes() const { return kNarrow ? 1 : set_.kind == SampleKind::kF32 ? 4 : 2; }

  void LoadPlanes(const LaneSource& source, Code* codes) {
    if constexpr (kNarrow) {
      LoadLaneCodes(source, kind_ == SampleKind::kI8 ? 0x80 : 0, codes);
    } else {
      WideSamples samples;
      samples.sample_bytes = SampleBytes();
      samples.is_float = IsFloat(kind_);
      samples.sign = kind_ == SampleKind::kI16 ? 0x8000 : 0;
      samples.is_half = kind_ == SampleKind::kF16;
      samples.mantissa_bits = SampleMap::MantissaBits(kind_);
      samples.base = map_.base_exponent();
      samples.end = map_.EndExponent();
      samples.exact = exact_;
      if (!LoadLaneCodes(source, samples, codes)) model_.has_escape = true;
    }
  }

  // Samples of binary32 whose lower halves are better not sent, even if others like them become escapes.
  void ChooseExact() {
    const FrequentSamples found = FindFrequentSamples(planes_, plane_samples(), 4, [](uint32_t) { return 16; });
    for (const FrequentSample& frequent : found.samples) {
      const uint16_t upper = static_cast<uint16_t>(frequent.sample >> 16);
      const auto code = map_.ToCode(upper);
      if (model_.exact.size() == ExactHalves::kMax || !code || exact_.Has(upper)) continue;
      const double saved = 16.0 * static_cast<double>(frequent.count);
      const double lost = kOtherEscapeBits * static_cast<double>(frequent.neighbours);
      if ((saved - lost) * static_cast<double>(num_samples()) < kExactBits * static_cast<double>(found.total)) continue;
      const uint16_t low = static_cast<uint16_t>(frequent.sample);
      exact_.Add(upper, low);
      model_.exact.push_back({*code, low});
    }
  }

  // Planes whose rows have min_columns columns together.  Some more, if all steps are full then and no plane is the
  // worse for being in a group with those before it, or rows are whole vectors then and few planes are the worse.
  size_t PlanesOfRows(bool have_references) const {
    const size_t planes = (static_cast<size_t>(options_.min_columns) + codes_.columns - 1) / codes_.columns;
    const auto in_multiples = [&](size_t whole, size_t of_plane, size_t max_planes) {
      constexpr size_t kMaxColumns = 512;
      const size_t multiple = whole / std::gcd(whole, of_plane);
      const size_t more = (planes + multiple - 1) / multiple * multiple;
      return more * codes_.columns <= kMaxColumns && more <= max_planes ? more : planes;
    };
    if (kNarrow && !have_references) {
      return in_multiples(kRansLanes, codes_.columns * codes_.rows, num_planes());
    }
    if (kBytes || !options_.whole_vectors) return planes;
    constexpr size_t kFewOf = 16;
    return in_multiples(kScratchAlignment / sizeof(Value), codes_.columns, num_planes() / kFewOf);
  }

  void ChooseGroups(bool have_references) {
    model_.group_planes = static_cast<int>(std::clamp<size_t>(PlanesOfRows(have_references), 1, num_planes()));
    const int planes = set_.shape.planes;
    while (model_.group_planes < planes &&
           !CanBeLaneGroups(planes, static_cast<int>(codes_.columns), model_.group_planes)) {
      ++model_.group_planes;
    }
  }

  bool HasReferences() const {
    return std::any_of(model_.planes.begin(), model_.planes.end(),
                       [](const LanePlane& plane) { return !plane.references.empty(); });
  }

  void DescribeSamples() {
    model_.base_exponent = map_.base_exponent();
    model_.table_bits = kNarrow ? kNarrowTableBits : 11;
    ChooseGroups(options_.max_references > 0);
    model_.planes.resize(num_planes());
    model_.sends_means = (!kBytes || options_.weighted) && plane_samples() >= kSentMeanSamples;
    if (kBytes && !options_.weighted) {
      EstimateRange();
    } else {
      FindRange();
    }
    FindMode();
    if (!kNarrow) FindUnit();
    model_.shift = std::max(0, BitWidth(static_cast<uint32_t>(model_.high_code - model_.low_code)) - 14);
  }

  // Of some of the samples: byte lanes have predictions and contexts of it only.
  void EstimateRange() {
    const size_t step = StepOf(num_samples() - 1, StatisticsSamples()) | 1;
    int32_t low = 255, high = 0, sum = 0, count = 0;
    for (size_t i = 0; i < num_samples(); i += step, ++count) {
      const int32_t code = codes_.codes[i];
      low = std::min(low, code);
      high = std::max(high, code);
      sum += code;
    }
    model_.low_code = low;
    model_.high_code = high;
    model_.mean = (sum + count / 2) / count;
    for (LanePlane& plane : model_.planes) plane.mean = model_.mean;
  }

  // Least and greatest code, and the means.
  void FindRange() {
    // Of all planes at once where their own means are not wanted.
    const size_t parts = model_.sends_means ? num_planes() : 1;
    const size_t count = codes_.planes * codes_.plane_samples() / parts;
    int32_t low = INT32_MAX, high = INT32_MIN;
    std::vector<double> sums(parts, 0.0);
    for (size_t part = 0; part < parts; ++part) {
      const Code* codes = codes_.codes + part * count;
      const LaneCodeRange range = RangeOfLaneCodes(count, codes);
      low = std::min(low, range.low);
      high = std::max(high, range.high);
      if constexpr (kNarrow) {
        sums[part] = static_cast<double>(range.sum);
      } else {
        float* values = scratch().value.Get(count);
        StoreLaneValues({1, 1, count, count, count}, LaneValues::WideValuesOf(kind_), codes, values, nullptr);
        sums[part] = double{SumOfValues(values, count)};
      }
    }
    model_.low_code = low;
    model_.high_code = high;
    double total = 0;
    for (double sum : sums) total += sum;
    const int drop = std::max(0, BitWidth(static_cast<uint32_t>(high - low)) - 8);
    const auto code_of = [&](double mean) {
      const int32_t code =
          kNarrow ? static_cast<int32_t>(std::floor(mean + 0.5)) : map_.NearestCode(static_cast<float>(mean));
      return low + ((std::clamp(code, low, high) - low) >> drop << drop);
    };
    model_.mean = code_of(total / static_cast<double>(codes_.planes * codes_.plane_samples()));
    for (size_t plane = 0; plane < num_planes(); ++plane) {
      model_.planes[plane].mean =
          model_.sends_means ? code_of(sums[plane] / static_cast<double>(codes_.plane_samples())) : model_.mean;
    }
  }

  // The most frequent code, if its share is large enough to be worth a token.
  void FindMode() {
    const size_t step = StepOf(num_samples() - 1, StatisticsSamples());
    size_t best = 0, all = 0;
    const auto consider = [&](int32_t code, size_t count) {
      all += count;
      if (count <= best || code == kLaneEscapeCode) return;
      best = count;
      model_.mode_code = code;
    };
    if constexpr (kNarrow) {
      const ByteCounts counts = CountBytes(codes_.codes, num_samples(), step);
      for (size_t code = 0; code < counts.size(); ++code) consider(static_cast<int32_t>(code), counts[code]);
    } else {
      std::vector<int32_t> spread;
      spread.reserve(StatisticsSamples() + 1);
      for (size_t i = 0; i < num_samples(); i += step) spread.push_back(codes_.codes[i]);
      std::sort(spread.begin(), spread.end());
      for (size_t i = 0; i < spread.size();) {
        size_t end = i;
        while (end < spread.size() && spread[end] == spread[i]) ++end;
        consider(spread[i], end - i);
        i = end;
      }
    }
    const double share = kNarrow ? kNarrowModeShare : kWideModeShare;
    model_.has_mode = static_cast<double>(best) > share * static_cast<double>(all);
  }

  // A 32nd of the median magnitude.
  void FindUnit() {
    std::vector<uint32_t> magnitudes;  // bit patterns of positive binary32 order like their values
    const size_t step = StepOf(num_samples() - 1, StatisticsSamples());
    for (size_t i = 0; i < num_samples(); i += step) {
      const int32_t code = codes_.codes[i];
      if (code != 0 && code != kLaneEscapeCode)
        magnitudes.push_back(std::bit_cast<uint32_t>(map_.ToValue(code)) & 0x7fffffffu);
    }
    if (magnitudes.empty()) return;
    model_.unit_exponent = std::clamp(static_cast<int>(Quantile(magnitudes, 0.5) >> 23) - 127 - 5, -100, 100);
  }

  // The shared taps as those of byte lanes, which know no range of codes either.
  void SetByteTaps() {
    const LaneTapWeights& spatial = model_.spatial[0];
    constexpr int kDropped = kLaneTapBits - kByteTapBits, kOne = 1 << kByteTapBits;
    ByteWeights weights;
    int32_t positive = 0, negative = 0;
    for (size_t t = 0; t < kByteTaps; ++t) {
      weights.weight[t] = (spatial.tap[t] + (1 << (kDropped - 1))) >> kDropped;
      (weights.weight[t] < 0 ? negative : positive) += weights.weight[t];
    }
    if (positive > kMaxByteWeights || negative < -kMaxByteWeights) {
      weights.weight = {kOne / 2, kOne / 4, kOne / 4, 0};
    } else {
      const int32_t unit = spatial.unit * kOne / 8 + kOne / 2;  // weights of the unit are eighths; sums are rounded
      const ByteBaseRange range = BaseRangeOf(weights);
      weights.base = std::clamp(model_.mean * MeanWeight(weights) + unit, range.low, range.high);
    }
    ByteTaps taps;
    taps.value = weights;
    if (options_.weighted) taps.activity.emplace();
    model_.bytes = taps;
  }

  // As many as leave almost all innovations within their bytes.
  int ChooseInnovationBits() const {
    constexpr std::array<double, kMaxInnovationBits> kMostBeyond = {0.012, 0.004};  // with one bit, with two
    const ByteWeights& taps = model_.bytes->value;
    const size_t columns = codes_.columns, first = 2 * columns;
    const size_t samples = StatisticsSamples() / 2;
    const SpreadIndices places(samples, num_samples());
    const ByteBases bases(taps, model_.mean);
    std::array<size_t, kMaxInnovationBits> beyond{};
    size_t plane = 0, plane_end = 0;
    int32_t base = 0;
    for (size_t k = 0; k < samples; ++k) {
      const size_t place = places[k];
      for (; place >= plane_end; ++plane, plane_end += plane_samples()) base = bases.Of(model_.planes[plane].mean);
      if (place - (plane_end - plane_samples()) <= first) continue;
      const Code* const code = codes_.codes + place;
      const Code* const row = code - columns;
      const int32_t sum = base + taps.weight[0] * row[0] + taps.weight[1] * row[-1] + taps.weight[2] * row[1] +
                          taps.weight[3] * *(code - first);
      const int32_t innovation = *code - std::max(sum >> kByteTapBits, 0);
      for (int bits = 1; bits <= kMaxInnovationBits; ++bits) {
        beyond[static_cast<size_t>(bits - 1)] += std::abs(innovation) > 127 >> bits ? 1 : 0;
      }
    }
    int bits = kMaxInnovationBits;
    while (bits > 0) {
      const size_t i = static_cast<size_t>(bits - 1);
      if (static_cast<double>(beyond[i]) <= kMostBeyond[i] * static_cast<double>(samples)) break;
      --bits;
    }
    return bits;
  }

  // What was found of the planes, as byte lanes have it.
  void SetByteTerms() {
    model_.low_code = 0;
    model_.high_code = 255;
    if (!model_.has_terms()) return;
    model_.innovation_bits = ChooseInnovationBits();
    for (LanePlane& plane : model_.planes) SetByteWeights(plane);
  }

  static void SetByteWeights(LanePlane& plane) {
    std::vector<LaneReference>& references = plane.references;
    const auto magnitude = [](const LaneReference& reference) { return std::abs(reference.weight); };
    for (auto next = references.begin(); next != references.end(); ++next) {  // stable, and in need of no memory
      const auto is_smaller = [&](const LaneReference& reference) { return magnitude(reference) < magnitude(*next); };
      std::rotate(std::find_if(references.begin(), next, is_smaller), next, next + 1);
    }
    // The greatest with the least.
    if (references.size() > 2) std::swap(references[1], references.back());
    const auto pair_at = [&](size_t r) {
      return std::span(references.data() + r, std::min<size_t>(2, references.size() - r));
    };
    int32_t most = 0;
    for (size_t r = 0; r < references.size(); r += 2) {
      int32_t sum = 0;
      for (const LaneReference& reference : pair_at(r)) sum += magnitude(reference);
      most = std::max(most, sum);
    }
    int shift = kLaneTermBits - kByteTapBits;
    plane.has_coarse_weights = most >> shift > kMaxBytePairWeight - 1;
    if (plane.has_coarse_weights) ++shift;
    for (size_t r = 0; r < references.size(); r += 2) {
      int32_t sum = 0;
      for (LaneReference& reference : pair_at(r)) {
        reference.weight = (reference.weight + (1 << (shift - 1))) >> shift;
        sum += magnitude(reference);
      }
      if (sum <= kMaxBytePairWeight) continue;
      for (LaneReference& reference : pair_at(r)) reference.weight = reference.weight * kMaxBytePairWeight / sum;
    }
  }

  // ---- Everything that is fitted to predictions, on a band of rows of all planes ----

  void FitToBand() {
    if (kBytes && !model_.bytes->activity) {
      model_.error_prior = kByteErrorPrior;
    } else {
      const size_t min_rows = options_.analyses_once ? kFewBandRows : kBandRows;
      ChooseBand(std::min(options_.sample_positions, kErrorPositions), min_rows);
      FitErrors();
    }
    keeps_analysis_ =
        !kBytes && kNarrow && model_.has_intervals && options_.analyses_once && num_samples() <= kMostKeptPositions;
    ChooseBand(keeps_analysis_ ? num_samples() : options_.sample_positions, kBandRows);
    ChooseBins();
  }

  // Of so many samples, but of `min_rows` at least.
  void ChooseBand(size_t samples, size_t min_rows) {
    const size_t halves = model_.interlaced ? 2 : 1;
    const size_t row_samples = num_planes() * static_cast<size_t>(set_.shape.width);
    const size_t height = static_cast<size_t>(set_.shape.height);
    const size_t band = std::clamp<size_t>(samples / row_samples, std::min(height, min_rows), height);
    band_begin_ = (height - band) / 2 * halves;
    band_shape_ = {set_.shape.planes, static_cast<int>(band), set_.shape.width};
    // Small planes need no fewer rows, but not all of them, where none refers to others.
    const size_t planes_of_group = static_cast<size_t>(model_.group_planes);
    const size_t of_group = planes_of_group * static_cast<size_t>(band_shape_.plane_samples());
    num_groups_ = (num_planes() + planes_of_group - 1) / planes_of_group;
    const bool wants_all = keeps_analysis_ || model_.has_terms();
    band_groups_ = wants_all ? num_groups_ : std::clamp<size_t>(samples / of_group, 1, num_groups_);
  }

  // At most; those of rows above the first that are not used among them.
  size_t BandSamples() const {
    const size_t planes = std::min(num_planes(), band_groups_ * static_cast<size_t>(model_.group_planes));
    return planes * static_cast<size_t>(band_shape_.plane_samples());
  }

  // Calls visit(raster, analysis, codes) after the analysis of each group of the band.
  template <typename Visit>
  void AnalyseBand(Visit visit) {
    const LaneTables tables = MakeLaneTables(kind_, model_);
    LaneRaster<Lanes> raster(map_, band_shape_, model_, scratch());
    LaneReferencePlanes<Lanes> references(band_shape_, model_, scratch().innovations);
    const SpreadIndices groups(band_groups_, num_groups_);
    // Of all groups, or of one at a time.
    const size_t planes = static_cast<size_t>(model_.group_planes);
    const size_t room = planes * raster.plane_columns() * raster.rows() + 2 * kRansLanes;
    const size_t all = keeps_analysis_ ? band_groups_ * room : room;
    uint8_t* const bytes = scratch().bytes.Get(2 * all);
    Code* const centers = scratch().centers.Get(all);
    Code* const codes = kBytes ? nullptr : scratch().band_raster.Get(all);
    analysed_.clear();
    for (size_t k = 0; k < band_groups_; ++k) {
      raster.Begin(static_cast<int>(groups[k]) * model_.group_planes);
      references.Sum(raster);
      const size_t at = keeps_analysis_ ? k * room : 0;
      AnalysedGroup analysed;
      analysed.positions = raster.group().positions;
      analysed.step = raster.group().step;
      analysed.analysis.position = bytes + at;
      analysed.analysis.activity = bytes + all + at;
      analysed.analysis.center = centers + at;
      analysed.codes = LoadGroup(raster, band_begin_, codes + at);
      AnalyseLaneGroup(tables, raster.group(), analysed.analysis);
      visit(raster, analysed.analysis, analysed.codes);
      if (keeps_analysis_) analysed_.push_back(analysed);
    }
  }

  // Values of a group, from raster row `row_begin` of its planes on; returns its codes, with 64 more that are 0:
  // they go to `out`, which has room for two steps more, but those of byte lanes, which are values.
  Code* LoadGroup(LaneRaster<Lanes>& raster, size_t row_begin, Code* out) const {
    const LaneGroup<Lanes>& group = raster.group();
    const size_t width = raster.plane_columns();
    const LaneRows rows{static_cast<size_t>(raster.planes()), raster.rows(), width, codes_.plane_samples(),
                        group.columns};
    const Code* codes = codes_.Plane(static_cast<size_t>(raster.first())) + row_begin * width;
    if constexpr (kBytes) {
      out = group.value;
      CopyLaneCodes(rows, codes, out);
    } else if constexpr (kNarrow) {
      StoreLaneValues(rows, codes, group.value, out);
    } else {
      StoreLaneValues(rows, LaneValues::WideValuesOf(kind_), codes, group.value, out);
    }
    std::fill_n(out + group.positions, kRansLanes, Code{});
    return out;
  }

  // In units of the model: steps, or as values.
  static float ToFloat(Value v) { return kNarrow && !kBytes ? static_cast<float>(v) / 64.0f : static_cast<float>(v); }

  float SigmaScale() const { return kNarrow ? 1.0f : 1.0f / PowerOfTwo(model_.unit_exponent); }

  // The first position of a band's group that the rows above the band do not spoil.
  size_t FirstPosition(const LaneGroup<Lanes>& group) const {
    const size_t skip = 2 * (model_.interlaced ? 2 : 1) * group.columns;
    return group.positions > 2 * skip ? skip : group.columns;
  }

  bool IsFiller(const LaneGroup<Lanes>& group, size_t p) const {
    return group.filler != nullptr && group.filler[p % group.period] != 0;
  }

  // What the expected error of a position is made of, then its error, in units of the model; of each class.
  static constexpr size_t kErrorFeatures = 7;
  struct ErrorRows {
    std::array<float*, kErrorFeatures + 1> row{};
    float* expected = nullptr;
    float* weight = nullptr;
    Code* center = nullptr;
    size_t count = 0;
  };

  // The prior of errors and the weights of what they are expected from.
  void FitErrors() {
    const size_t total = BandSamples();
    const size_t step = StepOf(total, options_.fit_samples) | 1;
    const size_t room = (total / step + 2 * num_planes() + kRansLanes) / kRansLanes * kRansLanes;
    float* rows = scratch().fits.Get(kLaneClasses * (kErrorFeatures + 3) * room);
    Code* centers = scratch().fit_centers.Get(kLaneClasses * room);
    for (size_t c = 0; c < kLaneClasses; ++c) {
      for (float*& row : error_rows_[c].row) row = std::exchange(rows, rows + room);
      error_rows_[c].expected = std::exchange(rows, rows + room);
      error_rows_[c].weight = std::exchange(rows, rows + room);
      error_rows_[c].center = centers + c * room;
      error_rows_[c].count = 0;
    }
    size_t offset = 0;
    AnalyseBand([&](LaneRaster<Lanes>& raster, const LaneAnalysis<Lanes>& analysis, const Code*) {
      CollectErrors(raster.group(), analysis, step, offset);
    });
    double sum = 0;
    size_t count = 0;
    for (size_t c = 0; c < model_.num_classes(); ++c) {
      const ErrorRows& of_class = error_rows_[c];
      sum += std::accumulate(of_class.row.back(), of_class.row.back() + of_class.count, 0.0);
      count += of_class.count;
    }
    const double mean = count == 0 ? 0 : sum / static_cast<double>(count);
    model_.error_prior = static_cast<int>(kBytes ? mean : std::clamp(mean * 4, 0.0, double{kMaxLaneErrorPrior}));
    for (size_t c = 0; c < model_.num_classes(); ++c) FitSigma(room, c);
  }

  void CollectErrors(const LaneGroup<Lanes>& group, const LaneAnalysis<Lanes>& analysis, size_t step, size_t& offset) {
    const float scale = SigmaScale();
    size_t at = FirstPosition(group) + offset;
    for (; at < group.positions; at += step) {
      // Anywhere within the step: in none with the columns.
      const size_t p =
          std::min(group.positions - 1, at + (uint64_t{static_cast<uint32_t>(at) * 2654435761u} * step >> 32));
      if (IsFiller(group, p)) continue;
      ErrorRows& rows = error_rows_[model_.interlaced ? p / group.columns & 1 : 0];
      const size_t n = rows.count++;
      const Value* const error = group.error + p;  // those before the first row are there, too
      if constexpr (kBytes) {
        const Value* const errors = error - group.columns;
        rows.row[0][n] = ToFloat(errors[0]);
        rows.row[1][n] = (ToFloat(errors[-1]) + ToFloat(errors[1])) / 2;
        rows.row[2][n] = rows.row[3][n] = 0.0f;
      } else {
        for (size_t t = 0; t < kLaneErrors; ++t) {
          rows.row[t][n] = options_.errors ? ToFloat(*(error - group.error_distance[t])) * scale : 0.0f;
        }
      }
      const Value* above = group.value + p - group.columns;
      const float left = ToFloat(above[-1]), here = ToFloat(above[0]), right = ToFloat(above[1]);
      rows.row[4][n] = (std::max({left, here, right}) - std::min({left, here, right})) * scale;
      rows.row[5][n] = 1.0f;
      rows.row[6][n] = group.has_references ? ToFloat(group.reference_activity[p]) * scale : 0.0f;
      rows.row[7][n] = ToFloat(*error) * scale;
      rows.center[n] = analysis.center[p];
    }
    offset = at - group.positions;
  }

  // Twice: errors that are expected to be large may be off by more.
  void FitSigma(size_t stride, size_t c) {
    ErrorRows& rows = error_rows_[c];
    if (rows.count == 0) return;
    const size_t padded = (rows.count + kDotLanes - 1) / kDotLanes * kDotLanes;
    for (float* row : rows.row) std::fill(row + rows.count, row + padded, 0.0f);
    std::array<double, kErrorFeatures> ridge;
    ridge.fill(1e-4);
    RowEquations::Solution solution = RowEquations::Solve(rows.row[0], stride, kErrorFeatures, padded, ridge.data());
    std::fill_n(rows.expected, padded, 0.0f);
    for (size_t i = 0; i < kErrorFeatures; ++i) {
      AddWeighted(static_cast<float>(solution[i]), rows.row[i], padded, rows.expected);
    }
    for (size_t i = 0; i < padded; ++i) rows.weight[i] = 1.0f / (std::max(rows.expected[i], 0.0f) + 1.0f);
    for (float* row : rows.row) MultiplyRows(row, rows.weight, padded, row);
    solution = RowEquations::Solve(rows.row[0], stride, kErrorFeatures, padded, ridge.data());
    if constexpr (kBytes) return SetByteActivity(rows, solution);
    const auto weight = [&](size_t i, double fraction) {
      const double scaled = std::isnan(solution[i]) ? 0 : solution[i] * fraction;
      return static_cast<int32_t>(
          std::floor(std::clamp(scaled, -double{kMaxLaneSigmaWeight}, double{kMaxLaneSigmaWeight}) + 0.5));
    };
    LaneSigmaWeights& sigma = model_.sigma[c];
    for (size_t t = 0; t < kLaneErrors; ++t) sigma.error[t] = weight(t, 1 << kLaneSigmaBits);
    sigma.range = weight(4, 1 << kLaneSigmaBits);
    sigma.unit = weight(5, 16);
    sigma.reference = weight(6, 1 << kLaneSigmaBits);
  }

  // The activity of byte lanes, so that most of them are among those which have bins of their own.
  void SetByteActivity(const ErrorRows& rows, RowEquations::Solution solution) {
    for (double& weight : solution) weight = std::isnan(weight) ? 0 : weight;
    constexpr float kMost = 14, kShare = 0.7f;
    constexpr size_t kSamples = 1024;
    std::vector<float> expected;
    const size_t step = StepOf(rows.count, kSamples);
    for (size_t i = 0; i < rows.count; i += step) {
      float sum = 0;
      for (size_t f = 0; f < kErrorFeatures; ++f) sum += static_cast<float>(solution[f]) * rows.row[f][i];
      expected.push_back(sum / rows.weight[i]);
    }
    const double most = std::max(0.25, double{Quantile(expected, kShare)});
    const std::array<double, kByteTaps> weight = {solution[0], solution[1], solution[4], solution[6]};
    double positive = 1e-3, negative = 1e-3;
    for (const double w : weight) (w < 0 ? negative : positive) += std::abs(w);
    const double limit = kMaxByteWeights - 2;  // for rounding
    const double scale = std::min({kMost / most * (1 << kByteActivityBits), limit / positive, limit / negative});
    ByteWeights& result = *model_.bytes->activity;
    for (size_t t = 0; t < kByteTaps; ++t) {
      result.weight[t] = static_cast<int32_t>(std::floor(weight[t] * scale + 0.5));
    }
    const ByteBaseRange range = BaseRangeOf(result);
    result.base = static_cast<int32_t>(std::floor(std::clamp(solution[5] * scale, range.low + 1.0, range.high - 1.0)));
  }

  // The expected errors of the positions of FitErrors, times their weights.
  void ExpectErrors(size_t c) {
    const LaneSigmaWeights& sigma = model_.sigma[c];
    ErrorRows& rows = error_rows_[c];
    std::fill_n(rows.expected, rows.count, 0.0f);
    const auto add = [&](size_t feature, float weight) {
      AddWeighted(weight, rows.row[feature], rows.count, rows.expected);
    };
    for (size_t t = 0; t < kLaneErrors; ++t) add(t, static_cast<float>(sigma.error[t]) / 64.0f);
    add(4, static_cast<float>(sigma.range) / 64.0f);
    add(5, static_cast<float>(sigma.unit) / 16.0f);
    add(6, static_cast<float>(sigma.reference) / 64.0f);
  }

  // ---- Bins, cells, contexts ----

  // Positions of the band that stand for samples.
  struct Band {
    uint8_t *position = nullptr, *activity = nullptr;
    Code *center = nullptr, *code = nullptr;
    size_t size = 0;
  };

  void ChooseBins() {
    // Positions: from a little below the least code on.
    if constexpr (kBytes) {
      model_.position_base = 0;
    } else if constexpr (kNarrow) {
      model_.position_shift = 1;
      model_.position_base = model_.low_code * 16 - 64;
    } else {
      model_.position_shift = std::max(0, BitWidth(static_cast<uint32_t>(model_.high_code - model_.low_code)) - 8);
      model_.position_base = model_.low_code - (1 << model_.position_shift >> 1);
      ChooseActivityBase();
    }
    const Band band = CollectBand();
    if (band.size == 0) {
      model_.cluster = {0};
      model_.fixed_center = {false};
      model_.center = {model_.low_code};
      model_.tables.assign(1, {});
      return;
    }
    int rows = options_.position_bins, columns = options_.activity_bins;
    const auto squared = [](int n) { return static_cast<size_t>(n) * static_cast<size_t>(n); };
    while (squared(rows * columns) > num_samples() / kSamplesPerSquare + 1 && rows * columns > 4) {
      --(rows > columns ? rows : columns);
    }
    ByteCounts positions = CountBytes(band.position, band.size, ThresholdStep(band.size));
    if constexpr (kBytes) ChoosePositionBase(band, positions);
    model_.position_thresholds = Thresholds(positions, rows);
    model_.activity_thresholds = Thresholds(CountBytes(band.activity, band.size, ThresholdStep(band.size)), columns);
    ChooseShift(band);
    ChooseCells(band);
  }

  // So that as many positions as possible are among those which have bins of their own.  `counts`: how often
  // positions occur, before and after.
  void ChoosePositionBase(const Band& band, ByteCounts& counts) {
    constexpr size_t kFine = 16;
    uint32_t within = std::accumulate(counts.begin(), counts.begin() + kFine, 0u), most = within;
    uint8_t base = 0;
    for (size_t next = 1; next + kFine <= counts.size(); ++next) {
      within += counts[next + kFine - 1] - counts[next - 1];
      if (within <= most) continue;
      most = within;
      base = static_cast<uint8_t>(next);
    }
    model_.position_base = base;
    for (size_t i = 0; i < band.size; ++i) band.position[i] = static_cast<uint8_t>(band.position[i] - base);
    std::rotate(counts.begin(), counts.begin() + base, counts.end());
  }

  // So that the least expected errors are just above 0.
  void ChooseActivityBase() {
    const float scale = SigmaScale();
    std::vector<int32_t> activities;
    for (size_t c = 0; c < model_.num_classes(); ++c) {
      ExpectErrors(c);
      const ErrorRows& rows = error_rows_[c];
      for (size_t i = 0; i < rows.count; ++i) {
        const float expected = rows.expected[i] / rows.weight[i] / scale;
        if (!(expected > 0)) continue;
        int32_t activity = static_cast<int32_t>(std::bit_cast<uint32_t>(expected) >> 19);
        if (IsFloat(kind_)) {
          const float center = std::max(std::abs(map_.ToValue(rows.center[i])), PowerOfTwo(-63));
          activity -= static_cast<int32_t>(std::bit_cast<uint32_t>(center) >> 23 << 4);
        }
        activities.push_back(activity);
      }
    }
    model_.activity_base = activities.empty() ? 0 : Quantile(activities, 0.02) - 4;
  }

  static constexpr size_t kBandBlock = 64;  // positions

  // Of what is analysed, about as much as wanted, as much of each plane: blocks of positions in a row.
  Band CollectBand() {
    const size_t samples =
        (codes_.columns * (model_.interlaced ? 2 : 1)) * static_cast<size_t>(band_shape_.height) * num_planes();
    const size_t blocks = samples / kBandBlock + 1;
    const size_t count = std::clamp<size_t>(options_.context_positions / kBandBlock, 1, blocks);
    const SpreadIndices wanted(count, blocks);
    Band band;
    // Each group may end with a part of a block.
    const size_t room = std::min(samples, (count + num_groups_ + 2) * kBandBlock) + kRansLanes;
    band.position = scratch().band_bytes.Get(2 * room);
    band.activity = band.position + room;
    band.center = scratch().band_codes.Get(2 * room);
    band.code = band.center + room;
    size_t seen = 0, taken = 0;  // blocks
    AnalyseBand([&](LaneRaster<Lanes>& raster, const LaneAnalysis<Lanes>& analysis, const Code* codes) {
      const LaneGroup<Lanes>& group = raster.group();
      const size_t begin = FirstPosition(group);
      for (size_t p = begin; p < group.positions; p += kBandBlock, ++seen) {
        if (wanted[taken] != seen) continue;
        ++taken;
        CollectPositions(group, analysis, codes, p, std::min(kBandBlock, group.positions - p), band);
      }
    });
    return band;
  }

  void CollectPositions(const LaneGroup<Lanes>& group, const LaneAnalysis<Lanes>& analysis, const Code* codes,
                        size_t begin, size_t count, Band& band) const {
    const auto append = [&](size_t first, auto n) {
      std::copy_n(analysis.position + first, n, band.position + band.size);
      std::copy_n(analysis.activity + first, n, band.activity + band.size);
      std::copy_n(analysis.center + first, n, band.center + band.size);
      std::copy_n(codes + first, n, band.code + band.size);
    };
    if (group.filler == nullptr) {
      if (count == kBandBlock) {
        append(begin, std::integral_constant<size_t, kBandBlock>());  // no calls
      } else {
        append(begin, count);
      }
      band.size += count;
      return;
    }
    for (size_t p = begin, c = begin % group.period; p < begin + count; ++p, c = c + 1 == group.period ? 0 : c + 1) {
      append(p, size_t{1});
      if (group.filler[c] == 0) ++band.size;
    }
  }

  // Of the `count` positions of a band.
  static size_t ThresholdStep(size_t count) {
    return std::max<size_t>(count / kThresholdSamples, count < kFewThresholdSamples ? 1 : 3) | 1;
  }

  static std::vector<uint8_t> Thresholds(const ByteCounts& counts, int bins) {
    const size_t size = std::accumulate(counts.begin(), counts.end(), size_t{0});
    std::vector<uint8_t> thresholds;
    size_t below = 0;
    int bin = 1;
    for (size_t byte = 0; byte < 255 && bin < bins; ++byte) {
      below += counts[byte];
      if (kBytes && ByteThreshold(ByteThresholdNumber(static_cast<uint8_t>(byte))) != byte) continue;
      const size_t wanted = size * static_cast<size_t>(bin) / static_cast<size_t>(bins);
      if (below < wanted || below == 0 || below == size) continue;
      thresholds.push_back(static_cast<uint8_t>(byte));
      while (bin < bins && size * static_cast<size_t>(bin) / static_cast<size_t>(bins) <= below) ++bin;
    }
    return thresholds;
  }

  bool IsSpecial(int32_t code) const {
    return code == kLaneEscapeCode || (model_.has_mode && code == model_.mode_code);
  }

  void ChooseShift(const Band& band) {
    if constexpr (!kNarrow) {
      std::vector<uint32_t> magnitudes;
      const size_t step = StepOf(band.size, StatisticsSamples());
      for (size_t i = 0; i < band.size; i += step) {
        if (IsSpecial(band.code[i])) continue;
        magnitudes.push_back(static_cast<uint32_t>(std::abs(band.code[i] - band.center[i])));
      }
      if (magnitudes.empty()) return;
      const uint32_t third = Quantile(magnitudes, 1.0 / 3);
      if (third > 1) model_.shift = std::max(model_.shift, BitWidth(third) - 1 - 3);
    }
  }

  // What a table costs beside its estimate: the code of the first ones has to learn, or, where counts are those of
  // samples, what chance seems to save by it, per multiple of them.
  static constexpr float kLearntTableBits = kNarrow ? 60 : 100, kSampledTableBits = kNarrow ? 32 : 48;

  void ChooseCells(const Band& band) {
    const size_t rows = model_.position_bins(), columns = model_.activity_bins(), cells = rows * columns;
    LaneTables tables = MakeLaneTables(kind_, model_);
    const bool has_centers = !kBytes || model_.bytes->activity;
    if (has_centers) {
      ChooseCenters(band, tables);
      SetCenters(model_.center, tables);
    }
    // A band stands for the whole.
    const size_t times = std::max<size_t>(1, num_samples() / band.size);
    CellCounts moving = CountCells(band, tables, false, times);
    model_.fixed_center.assign(cells, false);
    if (options_.fixed_centers && has_centers) {
      const CellCounts fixed = CountCells(band, tables, true, times);
      const std::array<uint32_t, kMaxLaneTokens> raw_bits = RawBitsOfTokens();
      for (size_t cell = 0; cell < cells; ++cell) {
        if (CellBits(moving, cell, raw_bits) - CellBits(fixed, cell, raw_bits) <= kFixedCenterBits) continue;
        model_.fixed_center[cell] = true;
        std::copy_n(fixed.Row(cell), kMaxLaneTokens, &moving.At(cell, 0));
      }
    }
    const float sampled_bits = kSampledTableBits * static_cast<float>(times - 1);
    const size_t most =
        model_.has_intervals ? std::min(options_.max_contexts, kMaxIntervalContexts) : options_.max_contexts;
    Clusters clusters = ClusterCells(moving, static_cast<int>(columns), most, std::max(most, options_.max_all_pairs),
                                     std::max(kLearntTableBits, sampled_bits));
    model_.cluster = std::move(clusters.cluster);
    model_.tables = std::move(clusters.tables);
  }

  // How often tokens occur in each cell, times `times`; of residuals from the centers of position bins where they are
  // `fixed`.
  CellCounts CountCells(const Band& band, const LaneTables& tables, bool fixed, size_t times) {
    constexpr size_t kTables = 2;
    const size_t stride =
        tables.EndOfCellNumbers(model_.position_bins(), model_.activity_bins()) * kMaxLaneTokens + kCountPadding;
    uint32_t* counts = scratch().counts.Get(kTables * stride);
    std::fill_n(counts, kTables * stride, 0u);
    LaneSymbols symbols;
    symbols.symbol = scratch().symbols.Get(kCellBlock);
    symbols.raw_bits = symbols.narrow_raw = scratch().raw_bits.Get(kCellBlock);
    symbols.raw = scratch().raw.Get(kCellBlock);
    for (size_t begin = 0; begin < band.size; begin += kCellBlock) {
      const size_t count = std::min(kCellBlock, band.size - begin);
      TokenizeLaneCells(tables, {band.position + begin, band.activity + begin, band.center + begin}, band.code + begin,
                        count, fixed, symbols);
      size_t i = 0;
      for (; i + kTables <= count; i += kTables) {
        for (size_t t = 0; t < kTables; ++t) ++counts[t * stride + symbols.symbol[i + t]];
      }
      for (; i < count; ++i) ++counts[symbols.symbol[i]];
    }
    const size_t rows = model_.position_bins(), columns = model_.activity_bins();
    CellCounts result(rows * columns, kMaxLaneTokens);
    for (size_t cell = 0; cell < rows * columns; ++cell) {
      const uint32_t* const from = counts + tables.CellNumber(cell / columns, cell % columns) * kMaxLaneTokens;
      uint32_t* const to = &result.At(cell, 0);
      for (size_t token = 0; token < kMaxLaneTokens; ++token) {
        to[token] = (from[token] + from[stride + token]) * static_cast<uint32_t>(times);
      }
    }
    return result;
  }

  std::array<uint32_t, kMaxLaneTokens> RawBitsOfTokens() const {
    std::array<uint32_t, kMaxLaneTokens> bits{};
    const size_t first = static_cast<size_t>(model_.first_residual_token());
    for (size_t token = first; token < kMaxLaneTokens; ++token) {
      bits[token] = static_cast<uint32_t>(LaneRawBits(static_cast<int>(token - first), model_.shift));
    }
    return bits;
  }

  // Of tokens and their raw bits.
  static double CellBits(const CellCounts& counts, size_t cell, const std::array<uint32_t, kMaxLaneTokens>& raw_bits) {
    uint64_t raw = 0;
    for (size_t token = 0; token < kMaxLaneTokens; ++token) raw += uint64_t{counts.Row(cell)[token]} * raw_bits[token];
    return counts.CellBits(cell) + static_cast<double>(raw);
  }

  static size_t RowOf(const LaneTables& tables, uint8_t position) { return tables.position_bins.of_byte[position]; }

  // The median code of each position bin.
  void ChooseCenters(const Band& band, const LaneTables& tables) {
    const size_t rows = model_.position_bins(), step = StepOf(band.size, 2 * StatisticsSamples());
    model_.center.assign(rows, model_.low_code);
    if constexpr (kNarrow) {
      constexpr size_t kTables = 2;
      std::vector<ByteCounts> counts(kTables * rows);
      for (size_t i = 0, n = 0; i < band.size; i += step, ++n) {
        ++counts[n % kTables * rows + RowOf(tables, band.position[i])][band.code[i]];
      }
      for (size_t row = 0; row < rows; ++row) {
        for (size_t code = 0; code < 256; ++code) counts[row][code] += counts[rows + row][code];
        if (model_.has_mode) counts[row][static_cast<size_t>(model_.mode_code)] = 0;
        const uint32_t total = std::accumulate(counts[row].begin(), counts[row].end(), 0u);
        if (total == 0) continue;
        int32_t code = 0;
        for (uint32_t below = counts[row][0]; below <= total / 2; below += counts[row][static_cast<size_t>(code)])
          ++code;
        model_.center[row] = code;
      }
    } else {
      std::vector<std::vector<int32_t>> codes(rows);
      for (size_t i = 0; i < band.size; i += step) {
        if (!IsSpecial(band.code[i])) codes[RowOf(tables, band.position[i])].push_back(band.code[i]);
      }
      for (size_t row = 0; row < rows; ++row) {
        if (!codes[row].empty()) model_.center[row] = Quantile(codes[row], 0.5);
      }
    }
  }

  // ---- The whole set ----

  void Tokenize(EncodedLaneSet& result) {
    const PhaseTimer timer(Phase::kTokens);
    const LaneTables tables = MakeLaneTables(kind_, model_);
    active_.clear();
    if constexpr (kNarrow && !kBytes) {
      if (keeps_analysis_) return TokenizeAnalysis(tables);
    }
    LaneRaster<Lanes> raster(map_, set_.shape, model_, scratch());
    LaneReferencePlanes<Lanes> references(set_.shape, model_, scratch().innovations);
    size_t capacity = 0;
    for (int first = 0; first < set_.shape.planes; first += raster.planes()) {
      raster.Begin(first);
      const LaneGroup<Lanes>& group = raster.group();
      const size_t steps = (group.positions + group.step - 1) / group.step;
      if (first == 0) {
        const size_t groups =
            (num_planes() + static_cast<size_t>(raster.planes()) - 1) / static_cast<size_t>(raster.planes());
        // The last group may be narrower and need more steps for its positions, but never more than this.
        capacity = kRansLanes * (groups * steps + group.positions);
        symbols_.symbol = scratch().symbols.Get(capacity);
        if constexpr (kNarrow) {
          symbols_.narrow_raw = scratch().raw_bits.Get(capacity);
        } else {
          symbols_.raw = scratch().raw.Get(capacity);
          symbols_.raw_bits = scratch().raw_bits.Get(capacity);
        }
      }
      references.Sum(raster);
      Code* const memory = kBytes ? nullptr : scratch().centers.Get(group.positions + 2 * kRansLanes);
      Code* const codes = LoadGroup(raster, 0, memory);
      const size_t begin = active_.size() * kRansLanes;
      LaneSymbols symbols;
      symbols.symbol = symbols_.symbol + begin;
      if constexpr (kNarrow) {
        symbols.narrow_raw = symbols_.narrow_raw + begin;
      } else {
        symbols.raw = symbols_.raw + begin;
        symbols.raw_bits = symbols_.raw_bits + begin;
      }
      if constexpr (kBytes) {
        TokenizeLaneGroup(tables, group, symbols);
      } else {
        TokenizeLaneGroup(tables, group, codes, symbols);
      }
      FinishSteps(group.positions, group.step, symbols.symbol);
      if constexpr (!kNarrow) {
        if (model_.has_escape) CollectEscapes(raster, codes, result);
      }
    }
  }

  // Of groups whose analysis was kept.
  void TokenizeAnalysis(const LaneTables& tables) {
    size_t steps = 0;
    for (const AnalysedGroup& group : analysed_) steps += (group.positions + group.step - 1) / group.step;
    symbols_.symbol = scratch().symbols.Get(kRansLanes * steps);
    for (const AnalysedGroup& group : analysed_) {
      uint16_t* const symbols = symbols_.symbol + active_.size() * kRansLanes;
      TokenizeAnalysedGroup(tables, group.analysis, group.codes, group.positions, group.step, symbols);
      FinishSteps(group.positions, group.step, symbols);
    }
  }

  // How many positions the next steps have, and symbols of lanes that have none.
  void FinishSteps(size_t positions, size_t step, uint16_t* symbols) {
    const size_t steps = (positions + step - 1) / step, of_last = positions - (steps - 1) * step;
    active_.insert(active_.end(), steps - 1, static_cast<uint8_t>(step));
    active_.push_back(static_cast<uint8_t>(of_last));
    const auto finish = [&](size_t i, size_t active) {
      uint16_t* const of_step = symbols + i * kRansLanes;
      std::fill(of_step + active, of_step + kRansLanes, uint16_t{0});  // of any entry that there is
    };
    if (step < kRansLanes) {
      for (size_t i = 0; i + 1 < steps; ++i) finish(i, step);
    }
    finish(steps - 1, of_last);
  }

  // `codes` has room for 64 more.
  void CollectEscapes(const LaneRaster<Lanes>& raster, const Code* codes, EncodedLaneSet& result) {
    const size_t positions = raster.group().positions;
    for (size_t begin = 0; begin < positions; begin += kRansLanes) {
      unsigned escapes = 0;
      for (size_t i = 0; i < kRansLanes; ++i) escapes += IsEscape(codes[begin + i]) ? 1 : 0;
      if (escapes == 0) continue;
      for (size_t p = begin; p < std::min(positions, begin + kRansLanes); ++p) {
        if (IsEscape(codes[p])) CollectEscape(raster, p, result);
      }
    }
  }

  static bool IsEscape(Code code) { return static_cast<int32_t>(code) == kLaneEscapeCode; }

  void CollectEscape(const LaneRaster<Lanes>& raster, size_t p, EncodedLaneSet& result) {
    const auto [in_group, sample] = raster.PlaceOf(p);
    const size_t plane = static_cast<size_t>(raster.first()) + in_group;
    const uint32_t upper = SampleAt(plane, sample);
    AppendLittleEndian(upper, 2, result.escapes);
    if (exact_.Has(static_cast<uint16_t>(upper))) AppendBytes({planes_[plane] + 4 * sample, 2}, result.escapes);
  }

  const uint32_t* CountSymbols(size_t size, size_t every) {
    constexpr size_t kTables = 4;
    const size_t stride = size + kCountPadding;
    uint32_t* counts = scratch().counts.Get(kTables * stride);
    std::fill_n(counts, kTables * stride, 0u);
    std::array<uint32_t*, kTables> tables;
    for (size_t t = 0; t < kTables; ++t) tables[t] = counts + t * stride;
    constexpr size_t kAtOnce = 16, kStepsAhead = 4, kLine = 64 / sizeof(uint16_t);
    const uint16_t* symbol = symbols_.symbol;
    for (size_t step = 0; step < active_.size(); step += every, symbol += every * kRansLanes) {
      // There are more symbols than caches near by hold, and steps that are left out make others hard to foresee.
      const size_t step_ahead = std::min(step + kStepsAhead * every, active_.size() - 1);
      const uint16_t* const ahead = symbols_.symbol + step_ahead * kRansLanes;
      for (size_t i = 0; i < kRansLanes; i += kLine) __builtin_prefetch(ahead + i);
      const size_t active = active_[step];
      size_t i = 0;
      for (; i + kAtOnce <= active; i += kAtOnce) {
        for (size_t k = 0; k < kAtOnce; ++k) ++tables[k % kTables][symbol[i + k]];
      }
      for (; i < active; ++i) ++counts[symbol[i]];
    }
    for (size_t t = 1; t < kTables; ++t) {
      for (size_t i = 0; i < size; ++i) counts[i] += counts[t * stride + i];
    }
    return counts;
  }

  void EncodeTokens(EncodedLaneSet& result) {
    const PhaseTimer timer(Phase::kEntropy);
    const size_t contexts = model_.tables.size();
    const uint32_t* counts = CountSymbols((contexts + 1) * kMaxLaneTokens, 1);
    size_t used = static_cast<size_t>(model_.first_residual_token()) + 1;
    for (size_t context = 0; context < contexts; ++context) {
      for (size_t token = kMaxLaneTokens; token > used; --token) {
        if (counts[context * kMaxLaneTokens + token - 1] != 0) used = token;
      }
    }
    model_.num_tokens = static_cast<int>(used);
    const std::vector<uint8_t> raw_bits = LaneTokenRawBits(model_);
    std::vector<uint64_t> entries((contexts + 1) * kMaxLaneTokens, 0);
    for (size_t context = 0; context < contexts; ++context) {
      const uint32_t* row = counts + context * kMaxLaneTokens;
      std::vector<uint32_t> of_context(row, row + used);
      if (std::all_of(of_context.begin(), of_context.end(), [](uint32_t n) { return n == 0; })) of_context[0] = 1;
      model_.tables[context] = TableWeights(of_context, used);
      BuildEncodeEntries(LaneSlotRanges(model_.tables[context], model_.table_bits),
                         kNarrow ? std::span(raw_bits) : std::span<const uint8_t>(), model_.table_bits,
                         entries.data() + context * kMaxLaneTokens);
    }
    BuildEncodeEntries(FillerSlotRanges(model_), {}, model_.table_bits, entries.data() + contexts * kMaxLaneTokens);
    LaneSteps steps;
    steps.active = active_;
    steps.symbols = symbols_.symbol;
    const LaneRawStage stage{symbols_.raw, symbols_.raw_bits};
    if constexpr (kNarrow) {
      steps.raw = symbols_.narrow_raw;
    } else {
      steps.raw_stages = std::span(&stage, 1);
    }
    const size_t bound = LaneStreamBound(active_.size() * (kNarrow ? 1 : 2));
    std::byte* buffer = result.words_memory->Get(bound);
    result.words = EncodeLaneSteps(steps, entries.data(), model_.table_bits, std::span(buffer, bound));
  }

  void EncodeIntervals(EncodedLaneSet& result) {
    const PhaseTimer timer(Phase::kEntropy);
    const size_t contexts = model_.tables.size();
    const uint32_t* counts = CountSymbols(NumIntervalEntries(contexts), options_.count_every);
    model_.intervals.resize(contexts);
    for (size_t context = 0; context < contexts; ++context) {
      model_.intervals[context] =
          ChooseIntervals({.residual = std::span<const uint32_t, 256>(counts + 256 * context, 256),
                           .has_mode = model_.has_mode,
                           .mode = counts[ModeEntries(contexts) + context],
                           .are_sampled = options_.count_every > 1});
    }
    const size_t bound = IntervalStreamBound(active_.size());
    std::byte* buffer = result.words_memory->Get(bound);
    IntervalCode* const code = scratch().code.Get(1);
    code->Build(IntervalsOf(model_));
    result.words = EncodeIntervalSteps(active_, symbols_.symbol, *code, std::span(buffer, bound));
  }

  void CollectLowHalves(EncodedLaneSet& result) {
    uint16_t* low = result.low_memory->Get(num_samples() + kLowPadding);
    size_t count = 0;
    for (const std::byte* plane : planes_) {
      count += PackLowHalves(plane, plane_samples(), exact_, low + count);
    }
    result.low = std::as_bytes(std::span(low, count));
  }

  struct EncoderScratch : LaneScratch<Value> {
    Scratch<Code> centers;
    Scratch<uint16_t> symbols, raw;
    Scratch<uint8_t> raw_bits;
    Scratch<Code> source, fit_centers, band_raster, band_codes;
    Scratch<float> fits;
    Scratch<uint8_t> band_bytes;
    Scratch<uint32_t> counts;
    Scratch<IntervalCode> code;
  };
  EncoderScratch& scratch() { return *scratch_; }

  ScratchLease<EncoderScratch> scratch_;
  const PlaneSet& set_;
  const std::vector<const std::byte*>& planes_;
  const LaneEncoderOptions& options_;
  SampleKind kind_;
  SampleMap map_;
  LaneModel model_;
  ExactHalves exact_;  // those of the model
  LaneCodes<Lanes> codes_;
  std::array<ErrorRows, kLaneClasses> error_rows_;
  SetShape band_shape_;
  size_t band_begin_ = 0, band_groups_ = 0, num_groups_ = 0;  // what of the planes is analysed
  // Groups of all positions, where their symbols are made of what is analysed for contexts.
  struct AnalysedGroup {
    size_t positions = 0, step = 0;
    LaneAnalysis<Lanes> analysis;
    const Code* codes = nullptr;
  };
  bool keeps_analysis_ = false;
  std::vector<AnalysedGroup> analysed_;
  std::vector<uint8_t> active_;
  LaneSymbols symbols_;
};

}  // namespace

EncodedLaneSet EncodeLaneSet(const PlaneSet& set, const std::vector<const std::byte*>& planes,
                             const LaneEncoderOptions& options) {
  const FloatEnvironment environment;
  if (IsNarrow(set.kind) && options.bytes) return LaneSetEncoder<ByteLanes>(set, planes, options).Encode();
  if (IsNarrow(set.kind)) return LaneSetEncoder<NarrowLanes>(set, planes, options).Encode();
  return LaneSetEncoder<WideLanes>(set, planes, options).Encode();
}

}  // namespace dcac
