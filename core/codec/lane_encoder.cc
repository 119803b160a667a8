#include "core/codec/lane_encoder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "core/base/exact_math.h"
#include "core/base/phase_timer.h"
#include "core/codec/context_builder.h"
#include "core/codec/lane_raster.h"
#include "core/codec/lane_references.h"
#include "core/codec/lane_samples.h"
#include "core/codec/lane_search.h"
#include "core/codec/lane_streams.h"
#include "core/codec/lane_tables.h"
#include "core/codec/least_squares.h"

namespace dcac {
namespace {

constexpr size_t kStatisticsSamples = 10000;
constexpr size_t kSentMeanSamples = 600;  // planes of so many samples have their mean sent
constexpr double kBaseQuantile = 0.004;   // share of the nonzero floats that may be escapes
constexpr double kNarrowModeShare = 0.04, kWideModeShare = 0.01;
constexpr size_t kSamplesPerCell = 40;
constexpr double kFixedCenterBits = 2;
constexpr int kSigmaRounds = 2;

// Every n-th of `count`, about `limit` of them.
size_t StepOf(size_t count, size_t limit) {
  return count / limit + 1;
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
      const LaneValues values(kind_, map_, kNarrow ? 1.0f : PowerOfTwo(model_.unit_exponent), codes_);
      FitLaneSpatial(codes_, values, model_);
      if (options_.max_references > 0 || options_.own_taps) {
        const PhaseTimer search_timer(Phase::kSearch);
        SearchLaneReferences(set_, codes_, values, options_, model_);
      }
      FitToBand();
    }
    EncodedLaneSet result;
    Tokenize(result);
    EncodeTokens(result);
    if (set_.kind == SampleKind::kF32) CollectLowHalves(result);
    result.model = std::move(model_);
    return result;
  }

 private:
  static constexpr bool kNarrow = std::is_same_v<Lanes, NarrowLanes>;

  size_t num_planes() const { return planes_.size(); }
  size_t plane_samples() const { return static_cast<size_t>(set_.shape.plane_samples()); }
  size_t num_samples() const { return num_planes() * plane_samples(); }

  // A sample as the model sees it: of binary32 the upper half.
  uint32_t SampleAt(size_t plane, size_t at) const {
    const std::byte* data = planes_[plane];
    if (kNarrow) return std::to_integer<uint32_t>(data[at]);
    return static_cast<uint32_t>(
        LoadLittleEndian(set_.kind == SampleKind::kF32 ? data + 4 * at + 2 : data + 2 * at, 2));
  }

  template <typename Visit>
  void VisitSpread(Visit visit) const {
    const size_t step = StepOf(num_samples() - 1, kStatisticsSamples);
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
    model_.interlaced = options_.interlaced && set_.shape.width >= 4;
    model_.num_taps = model_.interlaced ? 6 : options_.num_taps;
    const size_t halves = model_.interlaced ? 2 : 1;
    codes_.planes = num_planes();
    codes_.interlaced = model_.interlaced;
    codes_.width = static_cast<size_t>(set_.shape.width);
    codes_.columns = (codes_.width + halves - 1) / halves;
    codes_.rows = static_cast<size_t>(set_.shape.height) * halves;
    int32_t* codes = scratch().codes.Get(codes_.planes * codes_.plane_samples());
    codes_.codes = codes;
    for (size_t plane = 0; plane < num_planes(); ++plane) {
      for (size_t row = 0; row < codes_.rows; ++row) {
        const size_t sample = model_.interlaced ? row / 2 * codes_.width + row % 2 : row * codes_.columns;
        for (size_t i = 0; i < codes_.columns; ++i) {
          // A filler is like its neighbour.
          *codes = codes_.IsFiller(row, i) ? codes[-1] : CodeOf(SampleAt(plane, sample + i * halves));
          ++codes;
        }
      }
    }
  }

  int32_t CodeOf(uint32_t sample) {
    if constexpr (kNarrow) return static_cast<int32_t>(kind_ == SampleKind::kI8 ? sample ^ 0x80u : sample);
    const auto code = map_.ToCode(sample);
    if (!code) model_.has_escape = true;
    return code.value_or(kLaneEscapeCode);
  }

  void DescribeSamples() {
    model_.base_exponent = map_.base_exponent();
    model_.table_bits = kNarrow ? 10 : 11;
    const size_t group = (static_cast<size_t>(options_.min_columns) + codes_.columns - 1) / codes_.columns;
    model_.group_planes = static_cast<int>(std::clamp<size_t>(group, 1, num_planes()));
    const int planes = set_.shape.planes;
    while (model_.group_planes < planes &&
           !CanBeLaneGroups(planes, static_cast<int>(codes_.columns), model_.group_planes)) {
      ++model_.group_planes;
    }
    model_.planes.resize(num_planes());
    model_.sends_means = plane_samples() >= kSentMeanSamples;
    FindRange();
    FindMode();
    if (!kNarrow) FindUnit();
    model_.shift = std::max(0, BitWidth(static_cast<uint32_t>(model_.high_code - model_.low_code)) - 14);
  }

  // Least and greatest code, and the means.
  void FindRange() {
    int32_t low = INT32_MAX, high = INT32_MIN;
    std::vector<double> sums(num_planes(), 0.0);
    for (size_t plane = 0; plane < num_planes(); ++plane) {
      const int32_t* codes = codes_.Plane(plane);
      int64_t sum = 0;
      for (size_t i = 0; i < codes_.plane_samples(); ++i) {
        const int32_t code = codes[i] == kLaneEscapeCode ? 0 : codes[i];
        low = std::min(low, code);
        high = std::max(high, code);
        if constexpr (kNarrow) sum += code;
      }
      sums[plane] = static_cast<double>(sum);
      if constexpr (!kNarrow) {
        for (size_t i = 0; i < codes_.plane_samples(); ++i) {
          sums[plane] += double{map_.ToValue(codes[i] == kLaneEscapeCode ? 0 : codes[i])};
        }
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
    std::vector<int32_t> spread;
    const size_t step = StepOf(num_samples() - 1, kStatisticsSamples);
    for (size_t i = 0; i < num_samples(); i += step) spread.push_back(codes_.codes[i]);
    std::sort(spread.begin(), spread.end());
    size_t best = 0;
    for (size_t i = 0; i < spread.size();) {
      size_t end = i;
      while (end < spread.size() && spread[end] == spread[i]) ++end;
      if (end - i > best && spread[i] != kLaneEscapeCode) {
        best = end - i;
        model_.mode_code = spread[i];
      }
      i = end;
    }
    const double share = kNarrow ? kNarrowModeShare : kWideModeShare;
    model_.has_mode = static_cast<double>(best) > share * static_cast<double>(spread.size());
  }

  // A 32nd of the median magnitude.
  void FindUnit() {
    std::vector<uint32_t> magnitudes;  // bit patterns of positive binary32 order like their values
    const size_t step = StepOf(num_samples() - 1, kStatisticsSamples);
    for (size_t i = 0; i < num_samples(); i += step) {
      const int32_t code = codes_.codes[i];
      if (code != 0 && code != kLaneEscapeCode)
        magnitudes.push_back(std::bit_cast<uint32_t>(map_.ToValue(code)) & 0x7fffffffu);
    }
    if (magnitudes.empty()) return;
    model_.unit_exponent = std::clamp(static_cast<int>(Quantile(magnitudes, 0.5) >> 23) - 127 - 5, -100, 100);
  }

  // ---- Everything that is fitted to predictions, on a band of rows of all planes ----

  struct Features {
    NormalEquations::Features f{};
    float error = 0;
    uint8_t c = 0;
  };

  void FitToBand() {
    const size_t halves = model_.interlaced ? 2 : 1;
    const size_t row_samples = num_planes() * static_cast<size_t>(set_.shape.width);
    const size_t height = static_cast<size_t>(set_.shape.height);
    const size_t band =
        std::clamp<size_t>(options_.sample_positions / row_samples, std::min<size_t>(height, 8), height);
    band_begin_ = (height - band) / 2 * halves;
    band_shape_ = {set_.shape.planes, static_cast<int>(band), set_.shape.width};
    FitErrorPrior();
    FitSigma();
    ChooseBins();
  }

  // Calls visit(raster) after the analysis of each group of the band.
  template <typename Visit>
  void AnalyseBand(Visit visit) {
    const LaneTables tables = MakeLaneTables(kind_, model_);
    LaneRaster<Lanes> raster(map_, band_shape_, model_, scratch());
    LaneReferencePlanes<Lanes> references(band_shape_, model_, scratch().innovations);
    for (int first = 0; first < band_shape_.planes; first += raster.planes()) {
      raster.Begin(first);
      references.Sum(raster);
      LoadGroup(raster, band_begin_, nullptr);
      const size_t room = raster.group().positions + 2 * kRansLanes;
      LaneAnalysis<Lanes> analysis;
      analysis.position = scratch().bytes.Get(2 * room);
      analysis.activity = analysis.position + room;
      analysis.center = scratch().centers.Get(room);
      AnalyseLaneGroup(tables, raster.group(), analysis);
      references.Keep(raster);
      visit(raster, analysis);
    }
  }

  // Values of a group, and its codes if asked, from raster row `row_begin` of its planes on.
  void LoadGroup(LaneRaster<Lanes>& raster, size_t row_begin, Code* codes_out) const {
    LaneGroup<Lanes>& group = raster.group();
    const size_t width = raster.plane_columns();
    for (int g = 0; g < raster.planes(); ++g) {
      const int32_t* codes = codes_.Plane(static_cast<size_t>(raster.first() + g)) + row_begin * width;
      for (size_t row = 0; row < raster.rows(); ++row, codes += width) {
        const size_t begin = row * group.columns + static_cast<size_t>(g) * width;
        for (size_t i = 0; i < width; ++i) {
          group.value[begin + i] = raster.arithmetic().ValueOf(codes[i] == kLaneEscapeCode ? 0 : codes[i]);
        }
        if (codes_out == nullptr) continue;
        for (size_t i = 0; i < width; ++i) codes_out[begin + i] = static_cast<Code>(codes[i]);
      }
    }
  }

  // In units of the model: steps, or as values.
  static float ToFloat(Value v) { return kNarrow ? static_cast<float>(v) / 64.0f : static_cast<float>(v); }

  float SigmaScale() const { return kNarrow ? 1.0f : 1.0f / PowerOfTwo(model_.unit_exponent); }

  template <typename Visit>
  void VisitBandPositions(const LaneGroup<Lanes>& group, size_t step, size_t& offset, Visit visit) const {
    const size_t skip = 2 * (model_.interlaced ? 2 : 1) * group.columns;  // what the rows above the band spoil
    const size_t begin = group.positions > 2 * skip ? skip : group.columns;
    size_t at = begin + offset;
    for (; at < group.positions; at += step) {
      // Anywhere within the step: in none with the columns.
      const size_t p = std::min(group.positions - 1, at + (static_cast<uint32_t>(at) * 2654435761u >> 12) % step);
      const size_t c = model_.interlaced ? p / group.columns & 1 : 0;
      if (group.filler == nullptr || !group.filler[c * group.columns + p % group.columns]) visit(p, c);
    }
    offset = at - group.positions;
  }

  void FitErrorPrior() {
    double sum = 0;
    size_t count = 0, offset = 0;
    AnalyseBand([&](LaneRaster<Lanes>& raster, const LaneAnalysis<Lanes>&) {
      VisitBandPositions(raster.group(), 7, offset, [&](size_t p, size_t) {
        sum += double{ToFloat(raster.group().error[p])};
        ++count;
      });
    });
    const double mean = count == 0 ? 0 : sum / static_cast<double>(count) * double{SigmaScale()};
    model_.error_prior = static_cast<int>(std::clamp(mean * 4, 0.0, double{kMaxLaneErrorPrior}));
  }

  void FitSigma() {
    constexpr size_t kMaxFits = 8000;
    const size_t total = static_cast<size_t>(band_shape_.planes) * static_cast<size_t>(band_shape_.plane_samples());
    const size_t step = StepOf(total, kMaxFits) | 1;
    std::vector<Features> rows;
    size_t offset = 0;
    const float scale = SigmaScale();
    AnalyseBand([&](LaneRaster<Lanes>& raster, const LaneAnalysis<Lanes>&) {
      const LaneGroup<Lanes>& group = raster.group();
      VisitBandPositions(group, step, offset, [&](size_t p, size_t c) {
        Features row;
        for (size_t t = 0; t < kLaneErrors; ++t) row.f[t] = ToFloat(group.error[p - group.error_distance[t]]) * scale;
        const Value* above = group.value + p - group.columns;
        const float left = ToFloat(above[-1]), here = ToFloat(above[0]), right = ToFloat(above[1]);
        row.f[4] = (std::max({left, here, right}) - std::min({left, here, right})) * scale;
        row.f[5] = 1.0f;
        row.f[6] = group.has_references ? ToFloat(group.reference_activity[p]) * scale : 0.0f;
        row.error = ToFloat(group.error[p]) * scale;
        row.c = static_cast<uint8_t>(c);
        rows.push_back(row);
      });
    });
    for (size_t c = 0; c < model_.num_classes(); ++c) FitSigmaOfClass(rows, c);
  }

  void FitSigmaOfClass(const std::vector<Features>& rows, size_t c) {
    constexpr size_t kFeatures = 7;
    std::array<double, NormalEquations::kMaxFeatures> solution{};
    for (int round = 0; round < kSigmaRounds; ++round) {
      NormalEquations equations(kFeatures);
      for (const Features& row : rows) {
        if (row.c != c) continue;
        float weight = 1.0f;
        if (round > 0) {
          double expected = 0;
          for (size_t i = 0; i < kFeatures; ++i) expected += solution[i] * double{row.f[i]};
          weight = 1.0f / (static_cast<float>(std::max(expected, 0.0)) + 1.0f);
        }
        equations.Add(row.f, row.error, weight * weight);
      }
      if (equations.empty()) return;
      NormalEquations::Ridge ridge;
      ridge.fill(1e-4);
      solution = equations.Solve(ridge);
    }
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

  float ExpectedError(const Features& row) const {
    const LaneSigmaWeights& sigma = model_.sigma[row.c];
    float sum = static_cast<float>(sigma.unit) / 16.0f;
    for (size_t t = 0; t < kLaneErrors; ++t) sum += static_cast<float>(sigma.error[t]) / 64.0f * row.f[t];
    return std::max(0.0f, sum + static_cast<float>(sigma.range) / 64.0f * row.f[4] +
                              static_cast<float>(sigma.reference) / 64.0f * row.f[6]);
  }

  // ---- Bins, cells, contexts ----

  struct BandPosition {
    uint8_t position, activity;
    int32_t center, code;
  };

  void ChooseBins() {
    // Positions: from a little below the least code on.
    if constexpr (kNarrow) {
      model_.position_shift = 1;
      model_.position_base = model_.low_code * 16 - 64;
    } else {
      model_.position_shift = std::max(0, BitWidth(static_cast<uint32_t>(model_.high_code - model_.low_code)) - 8);
      model_.position_base = model_.low_code - (1 << model_.position_shift >> 1);
      ChooseActivityBase();
    }
    std::vector<BandPosition> band;
    band.reserve(static_cast<size_t>(band_shape_.planes) * static_cast<size_t>(band_shape_.plane_samples()));
    CollectBand(band);
    if (band.empty()) {
      model_.cluster = {0};
      model_.fixed_center = {false};
      model_.center = {model_.low_code};
      model_.tables.assign(1, {});
      return;
    }
    int rows = options_.position_bins, columns = options_.activity_bins;
    while (static_cast<size_t>(rows) * static_cast<size_t>(columns) > num_samples() / kSamplesPerCell + 1 &&
           rows * columns > 4) {
      --(rows > columns ? rows : columns);
    }
    model_.position_thresholds = Thresholds(band, rows, &BandPosition::position);
    model_.activity_thresholds = Thresholds(band, columns, &BandPosition::activity);
    ChooseShift(band);
    ChooseCells(band);
  }

  // So that the least expected errors are just above 0.
  void ChooseActivityBase() {
    std::vector<int32_t> activities;
    model_.activity_base = -(1 << 16);
    size_t offset = 0;
    AnalyseBandSigma(activities, offset);
    model_.activity_base = activities.empty() ? 0 : Quantile(activities, 0.02) - 4;
  }

  // Raw activities of wide positions, before they are cut to bytes.
  void AnalyseBandSigma(std::vector<int32_t>& activities, size_t& offset) {
    const LaneTables tables = MakeLaneTables(kind_, model_);
    const float scale = SigmaScale();
    AnalyseBand([&](LaneRaster<Lanes>& raster, const LaneAnalysis<Lanes>& analysis) {
      const LaneGroup<Lanes>& group = raster.group();
      VisitBandPositions(group, 31, offset, [&](size_t p, size_t c) {
        Features row;
        for (size_t t = 0; t < kLaneErrors; ++t) row.f[t] = ToFloat(group.error[p - group.error_distance[t]]) * scale;
        const Value* above = group.value + p - group.columns;
        const float left = ToFloat(above[-1]), here = ToFloat(above[0]), right = ToFloat(above[1]);
        row.f[4] = (std::max({left, here, right}) - std::min({left, here, right})) * scale;
        row.f[6] = group.has_references ? ToFloat(group.reference_activity[p]) * scale : 0.0f;
        row.c = static_cast<uint8_t>(c);
        const float expected = ExpectedError(row) / scale;
        if (!(expected > 0)) return;
        int32_t activity = static_cast<int32_t>(std::bit_cast<uint32_t>(expected) >> 19);
        if (tables.is_float) {
          const float p_value = std::max(std::abs(map_.ToValue(analysis.center[p])), PowerOfTwo(-63));
          activity -= static_cast<int32_t>(std::bit_cast<uint32_t>(p_value) >> 23 << 4);
        }
        activities.push_back(activity);
      });
    });
  }

  void CollectBand(std::vector<BandPosition>& band) {
    size_t offset = 0;
    AnalyseBand([&](LaneRaster<Lanes>& raster, const LaneAnalysis<Lanes>& analysis) {
      const size_t width = raster.plane_columns(), columns = raster.group().columns;
      VisitBandPositions(raster.group(), 1, offset, [&](size_t p, size_t) {
        const size_t row = p / columns, column = p % columns;
        const int32_t* codes = codes_.Plane(static_cast<size_t>(raster.first()) + column / width);
        band.push_back({analysis.position[p], analysis.activity[p], analysis.center[p],
                        codes[(band_begin_ + row) * width + column % width]});
      });
    });
  }

  static std::vector<uint8_t> Thresholds(const std::vector<BandPosition>& band, int bins,
                                         uint8_t BandPosition::*member) {
    std::array<size_t, 256> counts{};
    for (const BandPosition& at : band) ++counts[at.*member];
    std::vector<uint8_t> thresholds;
    size_t below = 0;
    int bin = 1;
    for (size_t byte = 0; byte < 255 && bin < bins; ++byte) {
      below += counts[byte];
      const size_t wanted = band.size() * static_cast<size_t>(bin) / static_cast<size_t>(bins);
      if (below < wanted || below == 0 || below == band.size()) continue;
      thresholds.push_back(static_cast<uint8_t>(byte));
      while (bin < bins && band.size() * static_cast<size_t>(bin) / static_cast<size_t>(bins) <= below) ++bin;
    }
    return thresholds;
  }

  bool IsSpecial(int32_t code) const {
    return code == kLaneEscapeCode || (model_.has_mode && code == model_.mode_code);
  }

  void ChooseShift(const std::vector<BandPosition>& band) {
    if constexpr (!kNarrow) {
      std::vector<uint32_t> magnitudes;
      const size_t step = StepOf(band.size(), kStatisticsSamples);
      for (size_t i = 0; i < band.size(); i += step) {
        if (!IsSpecial(band[i].code))
          magnitudes.push_back(static_cast<uint32_t>(std::abs(band[i].code - band[i].center)));
      }
      if (magnitudes.empty()) return;
      const uint32_t third = Quantile(magnitudes, 1.0 / 3);
      if (third > 1) model_.shift = std::max(model_.shift, BitWidth(third) - 1 - 3);
    }
  }

  // Token and raw bits of a code, as the kernels have them.
  int TokenOf(int32_t code, int32_t center, int& raw_bits) const {
    raw_bits = 0;
    if (code == kLaneEscapeCode) return model_.escape_token();
    if (model_.has_mode && code == model_.mode_code) return 0;
    int32_t residual = code - center;
    if constexpr (kNarrow) residual = static_cast<int8_t>(residual);
    const uint32_t magnitude = static_cast<uint32_t>(residual < 0 ? -1 - residual : residual);
    const int q = ClassOfMagnitude(magnitude >> model_.shift);
    raw_bits = model_.shift + LaneClassOf(q).raw_bits;
    return model_.first_residual_token() + 2 * q + (residual < 0 ? 1 : 0);
  }

  static size_t BinOf(const std::vector<uint8_t>& thresholds, uint8_t byte) {
    size_t bin = 0;
    while (bin < thresholds.size() && byte > thresholds[bin]) ++bin;
    return bin;
  }

  void ChooseCells(const std::vector<BandPosition>& band) {
    const size_t rows = model_.position_bins(), columns = model_.activity_bins(), cells = rows * columns;
    std::array<uint8_t, 256> row_of{}, column_of{};
    for (size_t byte = 0; byte < 256; ++byte) {
      row_of[byte] = static_cast<uint8_t>(BinOf(model_.position_thresholds, static_cast<uint8_t>(byte)));
      column_of[byte] = static_cast<uint8_t>(BinOf(model_.activity_thresholds, static_cast<uint8_t>(byte)));
    }
    ChooseCenters(band, row_of);
    CellCounts moving(cells, kMaxLaneTokens), fixed(cells, kMaxLaneTokens);
    std::vector<uint64_t> moving_raw(cells, 0), fixed_raw(cells, 0);
    for (const BandPosition& at : band) {
      const size_t row = row_of[at.position], cell = row * columns + column_of[at.activity];
      int raw_bits = 0;
      ++moving.At(cell, static_cast<size_t>(TokenOf(at.code, at.center, raw_bits)));
      moving_raw[cell] += static_cast<uint64_t>(raw_bits);
      if (!options_.fixed_centers) continue;
      ++fixed.At(cell, static_cast<size_t>(TokenOf(at.code, model_.center[row], raw_bits)));
      fixed_raw[cell] += static_cast<uint64_t>(raw_bits);
    }
    // A band stands for the whole.
    const size_t times = std::max<size_t>(1, num_samples() / band.size());
    const auto scale = [&](CellCounts& counts) {
      for (size_t cell = 0; cell < cells; ++cell) {
        for (size_t token = 0; token < kMaxLaneTokens; ++token) counts.At(cell, token) *= static_cast<uint32_t>(times);
      }
    };
    scale(moving);
    model_.fixed_center.assign(cells, false);
    if (options_.fixed_centers) {
      scale(fixed);
      for (size_t cell = 0; cell < cells; ++cell) {
        const double gain =
            moving.CellBits(cell) - fixed.CellBits(cell) +
            static_cast<double>(times) * (static_cast<double>(moving_raw[cell]) - static_cast<double>(fixed_raw[cell]));
        if (gain <= kFixedCenterBits) continue;
        model_.fixed_center[cell] = true;
        for (size_t token = 0; token < kMaxLaneTokens; ++token) moving.At(cell, token) = fixed.Row(cell)[token];
      }
    }
    Clusters clusters = ClusterCells(moving, static_cast<int>(columns), options_.max_contexts);
    model_.cluster = std::move(clusters.cluster);
    model_.tables = std::move(clusters.tables);
  }

  // The median code of each position bin.
  void ChooseCenters(const std::vector<BandPosition>& band, const std::array<uint8_t, 256>& row_of) {
    std::vector<std::vector<int32_t>> codes(model_.position_bins());
    const size_t step = StepOf(band.size(), 2 * kStatisticsSamples);
    for (size_t i = 0; i < band.size(); i += step) {
      if (!IsSpecial(band[i].code)) codes[row_of[band[i].position]].push_back(band[i].code);
    }
    model_.center.assign(codes.size(), model_.low_code);
    for (size_t row = 0; row < codes.size(); ++row) {
      if (!codes[row].empty()) model_.center[row] = Quantile(codes[row], 0.5);
    }
  }

  // ---- The whole set ----

  void Tokenize(EncodedLaneSet& result) {
    const PhaseTimer timer(Phase::kTokens);
    const LaneTables tables = MakeLaneTables(kind_, model_);
    LaneRaster<Lanes> raster(map_, set_.shape, model_, scratch());
    LaneReferencePlanes<Lanes> references(set_.shape, model_, scratch().innovations);
    active_.clear();
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
      Code* codes = scratch().centers.Get(group.positions + 2 * kRansLanes);
      std::fill_n(codes + group.positions, kRansLanes, Code{});
      LoadGroup(raster, 0, codes);
      const size_t begin = active_.size() * kRansLanes;
      LaneSymbols symbols;
      symbols.symbol = symbols_.symbol + begin;
      if constexpr (kNarrow) {
        symbols.narrow_raw = symbols_.narrow_raw + begin;
      } else {
        symbols.raw = symbols_.raw + begin;
        symbols.raw_bits = symbols_.raw_bits + begin;
      }
      TokenizeLaneGroup(tables, group, codes, symbols);
      references.Keep(raster);
      for (size_t p = 0; p < group.positions; p += group.step) {
        active_.push_back(static_cast<uint8_t>(std::min(group.step, group.positions - p)));
      }
      if (model_.has_escape) CollectEscapes(raster, codes, result);
    }
  }

  void CollectEscapes(const LaneRaster<Lanes>& raster, const Code* codes, EncodedLaneSet& result) {
    const size_t width = raster.plane_columns(), columns = width * static_cast<size_t>(raster.planes());
    for (size_t p = 0; p < columns * raster.rows(); ++p) {
      if (static_cast<int32_t>(codes[p]) != kLaneEscapeCode) continue;
      const size_t row = p / columns, column = p % columns, x = column % width;
      const size_t sample = model_.interlaced ? row / 2 * codes_.width + 2 * x + row % 2 : row * width + x;
      AppendLittleEndian(SampleAt(static_cast<size_t>(raster.first()) + column / width, sample), 2, result.escapes);
    }
  }

  void EncodeTokens(EncodedLaneSet& result) {
    const PhaseTimer timer(Phase::kEntropy);
    const size_t contexts = model_.tables.size();
    std::vector<uint32_t> counts((contexts + 1) * kMaxLaneTokens, 0);
    for (size_t step = 0; step < active_.size(); ++step) {
      const uint16_t* symbol = symbols_.symbol + step * kRansLanes;
      for (size_t i = 0; i < active_[step]; ++i) ++counts[symbol[i]];
    }
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
      const uint32_t* row = counts.data() + context * kMaxLaneTokens;
      std::vector<uint32_t> of_context(row, row + used);
      if (std::all_of(of_context.begin(), of_context.end(), [](uint32_t n) { return n == 0; })) of_context[0] = 1;
      model_.tables[context] = TableWeights(of_context, used);
      const std::vector<uint16_t> frequencies = LaneFrequencies(model_.tables[context], model_.table_bits);
      BuildEncodeEntries(frequencies,
                         kNarrow ? std::span(raw_bits).first(frequencies.size()) : std::span<const uint8_t>(),
                         model_.table_bits, entries.data() + context * kMaxLaneTokens);
    }
    BuildEncodeEntries(FillerFrequencies(model_), {}, model_.table_bits, entries.data() + contexts * kMaxLaneTokens);
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
    std::byte* buffer = scratch().stream.Get(bound);
    const std::span<std::byte> stream =
        EncodeLaneSteps(steps, entries.data(), model_.table_bits, std::span(buffer, bound));
    result.words.assign(stream.begin(), stream.end());
  }

  // Lower halves of binary32; those of the mode only if one of them is not 0.
  void CollectLowHalves(EncodedLaneSet& result) {
    const uint32_t mode = map_.ToSample(model_.mode_code);
    const auto low = [&](size_t plane, size_t at) { return LoadLittleEndian(planes_[plane] + 4 * at, 2); };
    model_.mode_has_low = !model_.has_mode;
    for (size_t plane = 0; plane < num_planes() && !model_.mode_has_low; ++plane) {
      for (size_t at = 0; at < plane_samples(); ++at) {
        if (SampleAt(plane, at) == mode && low(plane, at) != 0) model_.mode_has_low = true;
      }
    }
    result.low.reserve(2 * num_samples());
    for (size_t plane = 0; plane < num_planes(); ++plane) {
      for (size_t at = 0; at < plane_samples(); ++at) {
        if (!model_.mode_has_low && SampleAt(plane, at) == mode) continue;
        result.low.push_back(planes_[plane][4 * at]);
        result.low.push_back(planes_[plane][4 * at + 1]);
      }
    }
  }

  struct EncoderScratch : LaneScratch<Value> {
    Scratch<Code> centers;
    Scratch<uint16_t> symbols, raw;
    Scratch<uint8_t> raw_bits;
    Scratch<std::byte> stream;
  };
  EncoderScratch& scratch() { return *scratch_; }

  ScratchLease<EncoderScratch> scratch_;
  const PlaneSet& set_;
  const std::vector<const std::byte*>& planes_;
  const LaneEncoderOptions& options_;
  SampleKind kind_;
  SampleMap map_;
  LaneModel model_;
  LaneCodes codes_;
  SetShape band_shape_;
  size_t band_begin_ = 0;
  std::vector<uint8_t> active_;
  LaneSymbols symbols_;
};

}  // namespace

EncodedLaneSet EncodeLaneSet(const PlaneSet& set, const std::vector<const std::byte*>& planes,
                             const LaneEncoderOptions& options) {
  const FloatEnvironment environment;
  if (IsNarrow(set.kind)) return LaneSetEncoder<NarrowLanes>(set, planes, options).Encode();
  return LaneSetEncoder<WideLanes>(set, planes, options).Encode();
}

}  // namespace dcac
