#include "core/codec/set_encoder.h"

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <type_traits>
#include <utility>

#include "core/base/exact_math.h"
#include "core/base/phase_timer.h"
#include "core/codec/context_builder.h"
#include "core/codec/plane_rows.h"
#include "core/codec/rans.h"
#include "core/codec/spatial_fit.h"
#include "core/codec/tokens.h"

namespace dcac {
namespace {

constexpr size_t kStatisticsSamples = 10000;
constexpr int kSentMeanSamples = 600;    // planes of so many samples have their mean sent
constexpr int kSkewedSamples = 400;      // planes of so many samples start kNeighbourLead waves apart
constexpr double kBaseQuantile = 0.004;  // share of the nonzero floats that may be escapes
constexpr double kNarrowModeShare = 0.04, kWideModeShare = 0.01;
constexpr double kRepeatShare = 0.005;
// Bits a sample: where terms promise so much, coding without them is not tried.
constexpr double kClearGain = 0.08;

std::vector<uint32_t> SpreadSamples(const std::vector<uint32_t>& samples) {
  std::vector<uint32_t> spread;
  const size_t step = SampleStep(samples.size() - 1, kStatisticsSamples);
  for (size_t i = 0; i < samples.size(); i += step) spread.push_back(samples[i]);
  return spread;
}

// The power of two below almost all magnitudes; as biased binary32 exponent.
int ChooseBase(SampleKind kind, const std::vector<uint32_t>& samples) {
  std::vector<int> exponents;
  for (uint32_t sample : SpreadSamples(samples)) {
    if (const auto exponent = BiasedExponent(kind, sample)) exponents.push_back(*exponent);
  }
  if (exponents.empty()) return SampleMap::MinBaseExponent(kind);
  const size_t at = static_cast<size_t>(static_cast<double>(exponents.size()) * kBaseQuantile);
  std::nth_element(exponents.begin(), exponents.begin() + static_cast<ptrdiff_t>(at), exponents.end());
  return exponents[at];
}

// The most frequent sample if its share is large enough to be worth a token.
bool FindMode(SampleKind kind, const std::vector<uint32_t>& samples, uint32_t& mode) {
  std::vector<uint32_t> spread = SpreadSamples(samples);
  std::sort(spread.begin(), spread.end());
  size_t best = 0;
  for (size_t i = 0; i < spread.size();) {
    size_t end = i;
    while (end < spread.size() && spread[end] == spread[i]) ++end;
    if (end - i > best) {
      best = end - i;
      mode = spread[i];
    }
    i = end;
  }
  const double share = IsNarrow(kind) ? kNarrowModeShare : kWideModeShare;
  return static_cast<double>(best) > share * static_cast<double>(spread.size());
}

template <typename Arithmetic>
class SetEncoder {
 public:
  using Value = typename Arithmetic::Value;
  using Stored = typename Arithmetic::Stored;

  SetEncoder(const SetInput& input, const SetEncoderOptions& options, const SetModel& start)
      : input_(input), options_(options), model_(start), analysis_(input, start) {}

  EncodedSet Encode() {
    const PhaseTimer model_timer(Phase::kModel);
    Prepare();
    FitSpatial(analysis_, model_);
    PredictSpatially();
    if (!options_.use_terms || input_.shape.planes == 1) return FinishAndRelease(model_);
    SetModel with_terms = model_;
    const double gain = Search(with_terms);
    if (gain <= 0) return FinishAndRelease(model_);
    DeriveReferences(with_terms);
    if (gain >= kClearGain * static_cast<double>(input_.shape.samples()))
      return FinishAndRelease(std::move(with_terms));
    EncodedSet best = Finish(std::move(with_terms));
    EncodedSet without = FinishAndRelease(model_);
    if (Size(without) < Size(best)) best = std::move(without);
    return best;
  }

 private:
  double Search(SetModel& model) {
    const PhaseTimer timer(Phase::kSearch);
    return SearchTerms(analysis_, options_.search, model);
  }

  size_t Size(const EncodedSet& set) const {
    RangeEncoder coder;
    EncodeSetModel(coder, input_.kind, input_.shape, input_.same_channel, set.model);
    return coder.Finish().size() + set.entropy_coded.size() + set.raw_bits.size();
  }

  template <typename Body>
  void ForEachPlane(Body body) const {
    const int grain = std::max(1, 16384 / std::max(1, input_.shape.plane_samples()));
    tbb::parallel_for(tbb::blocked_range<int>(0, input_.shape.planes, static_cast<size_t>(grain)),
                      [&](const tbb::blocked_range<int>& range) {
                        const FloatEnvironment environment;
                        for (int plane = range.begin(); plane < range.end(); ++plane) body(plane);
                      });
  }

  template <typename Body>
  void ForEachSample(int plane, Body body) const {
    size_t at = static_cast<size_t>(plane) * analysis_.plane_samples();
    for (int y = 0; y < input_.shape.height; ++y) {
      for (int x = 0; x < input_.shape.width; ++x) body(y, x, at++);
    }
  }

  // Codes, values and means.
  void Prepare() {
    const SetShape& shape = input_.shape;
    analysis_.codes.resize(shape.samples());
    analysis_.planes.assign(static_cast<size_t>(shape.planes), CodedPlane<Arithmetic>());
    analysis_.mean.resize(static_cast<size_t>(shape.planes) * analysis_.plane_times());
    analysis_.SetRange(model_.low_code, model_.high_code);
    std::vector<int64_t> sums(static_cast<size_t>(shape.planes));
    const Arithmetic& arithmetic = analysis_.arithmetic;
    ForEachPlane([&](int plane) {
      CodedPlane<Arithmetic>& coded = analysis_.planes[static_cast<size_t>(plane)];
      coded = CodedPlane<Arithmetic>(shape);
      std::vector<Stored> values(static_cast<size_t>(shape.width));
      int64_t sum = 0;
      ForEachRow(plane, [&](int y, size_t at) {
        for (size_t x = 0; x < values.size(); ++x) {
          const int32_t code = analysis_.map.ToCode(input_.samples[at + x]).value_or(0);
          analysis_.codes[at + x] = code;
          const Value value = arithmetic.ValueOf(code);
          values[x] = static_cast<Stored>(value);
          sum += arithmetic.Quantize(value);
        }
        coded.value.SetRow(y, values.data());
      });
      sums[static_cast<size_t>(plane)] = sum;
    });
    ChooseMeans(sums);
    ForEachPlane([&](int plane) { SetMeans(plane); });
  }

  void ChooseMeans(const std::vector<int64_t>& sums) {
    const SetShape& shape = input_.shape;
    int64_t total = 0;
    for (int64_t sum : sums) total += sum;
    model_.sends_means = shape.plane_samples() >= kSentMeanSamples;
    model_.mean_prior = model_.sends_means ? 0 : static_cast<int32_t>(total / static_cast<int64_t>(shape.samples()));
    if (!model_.sends_means) return;
    const int shift = MeanShift(analysis_.arithmetic, model_);
    const int64_t half = (int64_t{1} << shift) >> 1;
    for (size_t plane = 0; plane < sums.size(); ++plane) {
      model_.planes[plane].mean = static_cast<int32_t>((sums[plane] / shape.plane_samples() + half) >> shift);
    }
  }

  void SetMeans(int plane) {
    const Arithmetic& arithmetic = analysis_.arithmetic;
    Value* mean = analysis_.mean.data() + static_cast<size_t>(plane) * analysis_.plane_times();
    if (model_.sends_means) {
      std::fill_n(mean, analysis_.plane_times(),
                  arithmetic.Dequantize(
                      SentMean(model_.planes[static_cast<size_t>(plane)].mean, MeanShift(arithmetic, model_))));
      return;
    }
    const auto& values = analysis_.planes[static_cast<size_t>(plane)].value;
    DequantizeAll(RunningMeans(input_.shape, analysis_.samples_before, model_.mean_prior,
                               rows_.SumQuanta(arithmetic, input_.shape, values)),
                  mean);
  }

  void DequantizeAll(const std::vector<int32_t>& quanta, Value* out) const {
    for (size_t i = 0; i < quanta.size(); ++i) out[i] = analysis_.arithmetic.Dequantize(quanta[i]);
  }

  // Calls row(y, index of its first sample) for the rows of a plane.
  template <typename Row>
  void ForEachRow(int plane, Row row) const {
    for (int y = 0; y < input_.shape.height; ++y) row(y, analysis_.SampleIndex(plane, y, 0));
  }

  void PredictSpatially() {
    const PlanePredictor<Arithmetic> predictor(analysis_.arithmetic, model_);
    analysis_.spatial.resize(input_.shape.samples());
    ForEachPlane([&](int plane) {
      rows_.PredictSpatially(
          predictor, input_.shape, analysis_.mean.data() + static_cast<size_t>(plane) * analysis_.plane_times(),
          analysis_.planes[static_cast<size_t>(plane)], analysis_.spatial.data() + analysis_.SampleIndex(plane, 0, 0));
    });
  }

  // Everything that follows from the choice of terms.
  EncodedSet Finish(SetModel model) {
    Contexts contexts = CompleteModel(model);
    return Code(std::move(model), std::move(contexts));
  }

  // Finish, for the last time.  Large segments take much memory for each sample: what coding does not need goes before.
  EncodedSet FinishAndRelease(SetModel model) {
    Contexts contexts = CompleteModel(model);
    Release(analysis_.spatial);
    Release(analysis_.planes);
    return Code(std::move(model), std::move(contexts));
  }

  void Predict(const SetModel& model) {
    const PlanePredictor<Arithmetic> predictor(analysis_.arithmetic, model);
    analysis_.prediction.resize(input_.shape.samples());
    ForEachPlane([&](int plane) {
      const size_t at = analysis_.SampleIndex(plane, 0, 0);
      rows_.Predict(predictor, input_.shape, plane, model.planes[static_cast<size_t>(plane)],
                    analysis_.spatial.data() + at, analysis_.planes, analysis_.prediction.data() + at);
    });
  }

  void FitErrors(SetModel& model) {
    const SetShape& shape = input_.shape;
    const Arithmetic& arithmetic = analysis_.arithmetic;
    std::vector<std::vector<int64_t>> sums(static_cast<size_t>(shape.planes));
    ForEachPlane([&](int plane) {
      const size_t p = static_cast<size_t>(plane);
      sums[p] = rows_.SumQuanta(arithmetic, shape, analysis_.planes[p].error);
    });
    int64_t total = 0;
    for (const auto& plane_sums : sums) total = std::accumulate(plane_sums.begin(), plane_sums.end(), total);
    model.error_prior = static_cast<int32_t>(total / static_cast<int64_t>(shape.samples()));
    running_error_.resize(static_cast<size_t>(shape.planes) * analysis_.plane_times());
    ForEachPlane([&](int plane) {
      const size_t p = static_cast<size_t>(plane);
      DequantizeAll(RunningMeans(shape, analysis_.samples_before, model.error_prior, sums[p]),
                    running_error_.data() + p * analysis_.plane_times());
    });
    FollowErrors(model);
    PlanePredictor<Arithmetic> predictor(arithmetic, model);
    const auto terms = [&](int plane, int y, int x) { return SigmaTermsAt(predictor, model, plane, y, x); };
    FitSigma(analysis_, terms, model);
    for (size_t c = 0; c < kNumClasses; ++c) predictor.SetSigma(c, model.sigma[c]);
    analysis_.sigma.resize(shape.samples());
    ForEachPlane([&](int plane) {
      const size_t at = analysis_.SampleIndex(plane, 0, 0);
      rows_.ExpectErrors(predictor, shape, plane, model.planes[static_cast<size_t>(plane)], analysis_.planes,
                         analysis_.spatial.data() + at,
                         running_error_.data() + static_cast<size_t>(plane) * analysis_.plane_times(),
                         recent_error_.data() + at, analysis_.sigma.data() + at);
    });
  }

  // The moving means of the errors from plane to plane.
  void FollowErrors(const SetModel& model) {
    const Value start = Arithmetic::StartMoving(analysis_.arithmetic.Dequantize(model.error_prior));
    std::vector<Value> moving(analysis_.plane_samples(), start);
    recent_error_.resize(input_.shape.samples());
    for (int plane = 0; plane < input_.shape.planes; ++plane) {
      const auto& errors = analysis_.planes[static_cast<size_t>(plane)].error;
      ForEachRow(plane, [&](int y, size_t at) {
        Value* row = moving.data() + static_cast<size_t>(y) * static_cast<size_t>(input_.shape.width);
        const Stored* error = errors.At(y, 0);
        for (int x = 0; x < input_.shape.width; ++x) {
          recent_error_[at + static_cast<size_t>(x)] = Arithmetic::MovingMean(row[x]);
          row[x] = Arithmetic::UpdateMoving(row[x], error[x]);
        }
      });
    }
  }

  SigmaTerms<Arithmetic> SigmaTermsAt(const PlanePredictor<Arithmetic>& predictor, const SetModel& model, int plane,
                                      int y, int x) const {
    const CodedPlane<Arithmetic>& coded = analysis_.planes[static_cast<size_t>(plane)];
    const int c = ClassOf(y, x);
    SigmaTerms<Arithmetic> t;
    t.errors = predictor.Taps(coded.error, y, x, c);
    t.spread = predictor.Spread(c, predictor.Taps(coded.value, y, x, c),
                                analysis_.spatial[analysis_.SampleIndex(plane, y, x)]);
    t.running = running_error_[static_cast<size_t>(plane) * analysis_.plane_times() + static_cast<size_t>(x + 2 * y)];
    t.recent = recent_error_[analysis_.SampleIndex(plane, y, x)];
    predictor.ReferenceActivity(plane, model.planes[static_cast<size_t>(plane)], analysis_.planes, y, x, t.reference,
                                t.local);
    return t;
  }

  // What a sample's coding needs besides the model.
  struct Contexts {
    std::vector<uint16_t> cell;
    std::vector<int32_t> center;  // the nearest code to the prediction
  };

  // Completes a model whose terms are chosen.
  Contexts CompleteModel(SetModel& model) {
    Predict(model);
    FitErrors(model);
    Release(recent_error_);
    Contexts contexts = ChooseContexts(model);
    Release(analysis_.prediction);
    Release(analysis_.sigma);
    return contexts;
  }

  template <typename T>
  static void Release(std::vector<T>& values) {
    std::vector<T>().swap(values);
  }

  int32_t PositionAt(size_t at) const { return analysis_.arithmetic.Position(analysis_.prediction[at]); }
  int32_t ActivityAt(size_t at) const {
    return analysis_.arithmetic.Activity(analysis_.prediction[at], analysis_.sigma[at]);
  }

  Contexts ChooseContexts(SetModel& model) const {
    const size_t n = input_.shape.samples();
    Contexts contexts;
    int rows = kMaxPositionBins, columns = kMaxActivityBins;
    constexpr size_t kSamplesPerCell = 40;
    while (static_cast<size_t>(rows) * static_cast<size_t>(columns) > n / kSamplesPerCell + 1 && rows * columns > 4) {
      --(rows > columns ? rows : columns);
    }
    const FloatEnvironment environment;
    model.position_thresholds = QuantileThresholds(Spread(n, [&](size_t at) { return PositionAt(at); }), rows);
    model.activity_thresholds = QuantileThresholds(Spread(n, [&](size_t at) { return ActivityAt(at); }), columns);
    contexts.center.resize(n);
    contexts.cell.resize(n);
    ForEachPlane([&](int plane) {
      const size_t at = analysis_.SampleIndex(plane, 0, 0);
      rows_.FindCells(analysis_.arithmetic, model, analysis_.plane_samples(), analysis_.prediction.data() + at,
                      analysis_.sigma.data() + at, contexts.cell.data() + at, contexts.center.data() + at);
    });
    ChooseCenters(contexts, model);
    return contexts;
  }

  template <typename Get>
  static std::vector<int32_t> Spread(size_t count, Get get) {
    std::vector<int32_t> spread;
    const size_t step = SampleStep(count - 1, kStatisticsSamples);
    for (size_t i = 0; i < count; i += step) spread.push_back(get(i));
    return spread;
  }

  // The median code of each position bin: where the prediction says little but the bin, it is the better center.
  void ChooseCenters(const Contexts& contexts, SetModel& model) const {
    const size_t n = input_.shape.samples();
    std::vector<std::vector<int32_t>> codes(static_cast<size_t>(model.position_bins()));
    const size_t step = SampleStep(n - 1, 2 * kStatisticsSamples);
    for (size_t i = 0; i < n; i += step) {
      if (model.has_mode && input_.samples[i] == model.mode_sample) continue;
      codes[contexts.cell[i] / static_cast<size_t>(model.activity_bins())].push_back(analysis_.codes[i]);
    }
    const int drop = CenterDrop(model);
    model.center.assign(codes.size(), model.low_code);
    for (size_t row = 0; row < codes.size(); ++row) {
      if (codes[row].empty()) continue;
      auto middle = codes[row].begin() + static_cast<ptrdiff_t>(codes[row].size() / 2);
      std::nth_element(codes[row].begin(), middle, codes[row].end());
      model.center[row] = static_cast<int32_t>(model.low_code + ((int64_t{*middle} - model.low_code) >> drop << drop));
    }
  }

  // Which special token a sample takes; -1: none.
  int SpecialOf(const SpecialTokens& specials, const SetModel& model, int plane, int y, int x, size_t at) const {
    const uint32_t sample = input_.samples[at];
    if (specials.mode >= 0 && sample == model.mode_sample) return specials.mode;
    if (specials.west >= 0 && x > 0 && sample == input_.samples[at - 1]) return specials.west;
    if (specials.north >= 0 && y > 0 && sample == input_.samples[at - static_cast<size_t>(input_.shape.width)])
      return specials.north;
    const auto& references = model.planes[static_cast<size_t>(plane)].references;
    if (specials.reference >= 0 && !references.empty() &&
        sample == input_.samples[analysis_.SampleIndex(references[0], y, x)]) {
      return specials.reference;
    }
    if (specials.escape >= 0 && !analysis_.map.ToCode(sample)) return specials.escape;
    return -1;
  }

  // Switches the special tokens on that occur often enough, and chooses the shift of the residuals.
  void ChooseTokens(const Contexts& contexts, SetModel& model) const {
    if (IsNarrow(input_.kind)) return;
    model.has_west = model.has_north = model.has_reference = model.has_escape = true;
    const SpecialTokens specials(model);
    std::vector<size_t> counts(static_cast<size_t>(specials.count) + 1, 0);
    std::vector<uint32_t> magnitudes;
    const size_t n = input_.shape.samples();
    const size_t step = SampleStep(n - 1, kStatisticsSamples);
    size_t seen = 0;
    for (int plane = 0; plane < input_.shape.planes; ++plane) {
      ForEachSample(plane, [&](int y, int x, size_t at) {
        if (at % step != 0) return;
        ++seen;
        const int special = SpecialOf(specials, model, plane, y, x, at);
        if (special >= 0) ++counts[static_cast<size_t>(special)];
        if (special == specials.mode && special >= 0) return;
        const int64_t residual = int64_t{analysis_.codes[at]} - contexts.center[at];
        magnitudes.push_back(static_cast<uint32_t>(std::abs(residual)));
      });
    }
    const double least = kRepeatShare * static_cast<double>(seen);
    const auto frequent = [&](int token) { return static_cast<double>(counts[static_cast<size_t>(token)]) > least; };
    const bool west = frequent(specials.west), north = frequent(specials.north),
               reference = frequent(specials.reference);
    model.has_west = west;
    model.has_north = north;
    model.has_reference = reference;
    model.has_escape = has_escapes_;
    if (!magnitudes.empty()) {
      auto third = magnitudes.begin() + static_cast<ptrdiff_t>(magnitudes.size() / 3);
      std::nth_element(magnitudes.begin(), third, magnitudes.end());
      model.shift = *third > 1 ? std::max(0, static_cast<int>(std::bit_width(*third)) - 1 - 2) : 0;
    }
  }

  TokenAndRaw ResidualToken(size_t at, int64_t center, const SetModel& model) const {
    return TokenOfResidual(int64_t{analysis_.codes[at]} - center, model.shift);
  }

  // What is written of a sample.
  struct CodedSample {
    uint32_t raw = 0;
    uint16_t token = 0;
    uint8_t context = 0, raw_bits = 0;
  };

  EncodedSet Code(SetModel model, Contexts contexts) {
    const PhaseTimer timer(Phase::kTokens);
    has_escapes_ = HasEscapes();
    ChooseTokens(contexts, model);
    BuildTables(contexts, model);
    const std::vector<CodedSample> coded = ChooseCodings(std::move(contexts), model);
    return {model, EncodeSamples(coded, model), std::exchange(raw_bits_, {})};
  }

  bool HasEscapes() const {
    if (!IsFloat(input_.kind)) return false;
    return std::any_of(input_.samples.begin(), input_.samples.end(),
                       [&](uint32_t s) { return !analysis_.map.ToCode(s); });
  }

  void BuildTables(const Contexts& contexts, SetModel& model) const {
    const SpecialTokens specials(model);
    const size_t cells = static_cast<size_t>(model.position_bins() * model.activity_bins());
    const size_t tokens = TokenBound(specials, model);
    CellCounts moving(cells, tokens), fixed(cells, tokens);
    std::vector<uint64_t> moving_raw(cells, 0), fixed_raw(cells, 0);
    std::vector<int32_t> fixed_center(cells);
    for (size_t cell = 0; cell < cells; ++cell) {
      fixed_center[cell] = model.center[cell / static_cast<size_t>(model.activity_bins())];
    }
    for (int plane = 0; plane < input_.shape.planes; ++plane) {
      ForEachSample(plane, [&](int y, int x, size_t at) {
        const size_t cell = contexts.cell[at];
        const int special = SpecialOf(specials, model, plane, y, x, at);
        if (special >= 0) {
          ++moving.At(cell, static_cast<size_t>(special));
          ++fixed.At(cell, static_cast<size_t>(special));
          return;
        }
        const TokenAndRaw m = ResidualToken(at, contexts.center[at], model);
        const TokenAndRaw f = ResidualToken(at, fixed_center[cell], model);
        ++moving.At(cell, static_cast<size_t>(specials.count + m.token));
        ++fixed.At(cell, static_cast<size_t>(specials.count + f.token));
        moving_raw[cell] += static_cast<uint64_t>(m.raw_bits);
        fixed_raw[cell] += static_cast<uint64_t>(f.raw_bits);
      });
    }
    model.fixed_center.assign(cells, false);
    for (size_t cell = 0; cell < cells; ++cell) {
      const double gain = moving.CellBits(cell) + static_cast<double>(moving_raw[cell]) - fixed.CellBits(cell) -
                          static_cast<double>(fixed_raw[cell]);
      if (gain <= kFixedCenterBits) continue;
      model.fixed_center[cell] = true;
      for (size_t token = 0; token < tokens; ++token) moving.At(cell, token) = fixed.Row(cell)[token];
    }
    Clusters clusters = ClusterCells(moving, model.activity_bins());
    model.cluster = std::move(clusters.cluster);
    model.tables = std::move(clusters.tables);
    size_t used = 1;
    for (const auto& table : model.tables) {
      for (size_t token = table.size(); token > used; --token) {
        if (table[token - 1] != 0) used = token;
      }
    }
    model.num_tokens = static_cast<int>(used);
    for (auto& table : model.tables) table.resize(used);
    model.lanes_log2 = ChooseLanesLog2(clusters.bits / 8);
  }

  // One more than the largest token that a residual of the set can take.
  static size_t TokenBound(const SpecialTokens& specials, const SetModel& model) {
    const int64_t span = int64_t{model.high_code} - model.low_code;
    return static_cast<size_t>(specials.count + (TokenOfResidual(span, model.shift).token | 1) + 1);
  }

  Bytes EncodeSamples(const std::vector<CodedSample>& coded, const SetModel& model) {
    std::vector<RansContext> tables;
    for (const auto& table : model.tables) tables.push_back(MakeRansContext(NormalizeTable(table, model.table_bits)));
    std::vector<RansSymbol> symbols(coded.size());
    RansSymbol* next = symbols.data();
    std::vector<uint32_t> wave_sizes;
    BitWriter raw;
    const ptrdiff_t step = input_.shape.width - 2;  // from a row to the next at the same local time
    const int num_waves = NumWaves(input_.shape, model.skew);
    for (int wave = 0; wave < num_waves; ++wave) {
      const RansSymbol* const begin = next;
      ForEachRunOfWave(input_.shape, model.skew, wave, [&](const WaveRun& run) {
        const CodedSample* sample =
            coded.data() + analysis_.SampleIndex(run.plane, run.y_begin, run.local_time - 2 * run.y_begin);
        for (int y = run.y_begin; y < run.y_end; ++y, sample += step) {
          *next = RansSymbol{.context = sample->context, .token = sample->token};
          if constexpr (std::is_same_v<Arithmetic, NarrowArithmetic>) {
            next->state_bits = sample->raw_bits;
            next->state_raw = static_cast<uint16_t>(sample->raw);
          } else {
            raw.Put(sample->raw, sample->raw_bits);
          }
          ++next;
        }
      });
      wave_sizes.push_back(static_cast<uint32_t>(next - begin));
    }
    raw_bits_ = raw.Finish();
    const PhaseTimer timer(Phase::kEntropy);
    return RansEncode(symbols, wave_sizes, tables, model.table_bits, model.lanes_log2);
  }

  // In the order of the samples, so that waves, which jump from row to row, touch one array only.
  std::vector<CodedSample> ChooseCodings(Contexts contexts, const SetModel& model) const {
    const SpecialTokens specials(model);
    struct Cell {
      int64_t center = 0;
      bool is_fixed = false;
      uint8_t context = 0;
    };
    std::vector<Cell> cells(model.cluster.size());
    for (size_t i = 0; i < cells.size(); ++i) {
      cells[i] = {model.center[i / static_cast<size_t>(model.activity_bins())], model.fixed_center[i],
                  model.cluster[i]};
    }
    std::vector<CodedSample> coded(input_.shape.samples());
    ForEachPlane([&](int plane) {
      ForEachSample(plane, [&](int y, int x, size_t at) {
        const Cell& cell = cells[contexts.cell[at]];
        CodedSample& sample = coded[at];
        sample.context = cell.context;
        const int special = SpecialOf(specials, model, plane, y, x, at);
        if (special >= 0) {
          sample.token = static_cast<uint16_t>(special);
          if (special != specials.escape) return;
          sample.raw = input_.samples[at];
          sample.raw_bits = static_cast<uint8_t>(SampleBits(input_.kind));
          return;
        }
        const TokenAndRaw t = ResidualToken(at, cell.is_fixed ? cell.center : contexts.center[at], model);
        sample.token = static_cast<uint16_t>(specials.count + t.token);
        sample.raw = static_cast<uint32_t>(t.raw);
        sample.raw_bits = static_cast<uint8_t>(t.raw_bits);
      });
    });
    return coded;
  }

  static constexpr double kFixedCenterBits = 2;

  const SetInput& input_;
  const SetEncoderOptions& options_;
  SetModel model_;
  const PlaneRows<Arithmetic>& rows_ = PlaneRows<Arithmetic>::Get();
  SetAnalysis<Arithmetic> analysis_;
  std::vector<Value> running_error_;  // planes x local times
  std::vector<Value> recent_error_;   // planes x height x width
  Bytes raw_bits_;
  bool has_escapes_ = false;
};

// Range, mode, base and unit: what the arithmetic itself depends on.
SetModel StartModel(const SetInput& input) {
  SetModel model;
  model.planes.resize(static_cast<size_t>(input.shape.planes));
  model.skew = input.shape.plane_samples() >= kSkewedSamples ? kNeighbourLead : 1;
  model.table_bits = IsNarrow(input.kind) ? 10 : 11;
  if (IsFloat(input.kind)) model.base_exponent = ChooseBase(input.kind, input.samples);
  const SampleMap map(input.kind, model.base_exponent);
  bool first = true;
  for (uint32_t sample : input.samples) {
    const int32_t code = map.ToCode(sample).value_or(0);
    model.low_code = first ? code : std::min(model.low_code, code);
    model.high_code = first ? code : std::max(model.high_code, code);
    first = false;
  }
  model.has_mode = FindMode(input.kind, input.samples, model.mode_sample);
  if (!IsNarrow(input.kind)) {
    std::vector<uint32_t> magnitudes;  // bit patterns of positive binary32 order like their values
    for (uint32_t sample : SpreadSamples(input.samples)) {
      const int32_t code = map.ToCode(sample).value_or(0);
      if (code != 0) magnitudes.push_back(std::bit_cast<uint32_t>(map.ToValue(code)) & 0x7fffffffu);
    }
    if (!magnitudes.empty()) {
      auto middle = magnitudes.begin() + static_cast<ptrdiff_t>(magnitudes.size() / 2);
      std::nth_element(magnitudes.begin(), middle, magnitudes.end());
      model.unit_exponent = std::clamp(static_cast<int>(*middle >> 23) - 127 - 5, -100, 100);  // a 32nd of the median
    }
  }
  return model;
}

}  // namespace

EncodedSet EncodeSet(const SetInput& input, const SetEncoderOptions& options) {
  const FloatEnvironment environment;
  const SetModel start = StartModel(input);
  if (IsNarrow(input.kind)) return SetEncoder<NarrowArithmetic>(input, options, start).Encode();
  return SetEncoder<WideArithmetic>(input, options, start).Encode();
}

}  // namespace dcac
