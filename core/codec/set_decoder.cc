#include "core/codec/set_decoder.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/exact_math.h"
#include "core/base/phase_timer.h"
#include "core/base/status_macros.h"
#include "core/codec/arithmetic.h"
#include "core/codec/plane_predictor.h"
#include "core/codec/rans.h"
#include "core/codec/token_bits.h"
#include "core/codec/tokens.h"
#include "core/codec/wave_decoder.h"

namespace dcac {
namespace {

// Adds up code lengths by plane and by what the tokens say.
class SetCounter {
 public:
  SetCounter(const SetShape& shape, const SetModel& model, SetAccount& account) : account_(account) {
    account_.plane_bits.assign(static_cast<size_t>(shape.planes), 0);
    const std::array<bool, kNumSampleCodings> used = {model.has_mode,      model.has_west,   model.has_north,
                                                      model.has_reference, model.has_escape, false};
    coding_of_token_.fill(SampleCoding::kResidual);
    size_t token = 0;
    for (size_t coding = 0; coding < kNumSampleCodings; ++coding) {
      if (used[coding]) coding_of_token_[token++] = static_cast<SampleCoding>(coding);
    }
    for (uint32_t frequency = 1; frequency <= 1u << model.table_bits; ++frequency) {
      table_bits_.push_back(model.table_bits - Log2(frequency));
    }
  }

  void Count(int plane, const RansDecoder::Slot& slot, int stream_bits) {
    const double bits = table_bits_[slot.frequency - 1u] + slot.state_bits + stream_bits;
    account_.plane_bits[static_cast<size_t>(plane)] += bits;
    SampleCount& count = account_.samples[static_cast<size_t>(coding_of_token_[slot.token])];
    ++count.samples;
    count.bits += bits;
  }

 private:
  SetAccount& account_;
  std::array<SampleCoding, kMaxTokens> coding_of_token_{};
  std::vector<double> table_bits_;  // by frequency - 1
};

// Sample by sample: what DecodeWaves must agree with, and what counts where it is asked to explain.
template <typename Arithmetic>
class SetDecoder {
 public:
  using Value = typename Arithmetic::Value;
  using Stored = typename Arithmetic::Stored;

  SetDecoder(SampleKind kind, const SetShape& shape, const SetModel& model, std::vector<uint32_t>& samples,
             SetAccount& account)
      : shape_(shape),
        model_(model),
        map_(kind, model.base_exponent),
        specials_(model),
        arithmetic_(map_, {model.low_code, model.high_code, model.unit_exponent}),
        predictor_(arithmetic_, model),
        positions_(model.position_thresholds),
        activities_(model.activity_thresholds),
        samples_before_(SamplesBefore(shape)),
        samples_(samples),
        counter_(shape, model, account) {
    const int weight = RunningMean::PriorWeight(shape);
    planes_.reserve(static_cast<size_t>(shape.planes));
    for (int p = 0; p < shape.planes; ++p) {
      planes_.emplace_back(shape);
      means_.emplace_back(model.mean_prior, weight);
      errors_.emplace_back(model.error_prior, weight);
    }
  }

  absl::Status Decode(ByteSpan entropy_coded, ByteSpan raw_bits) {
    DCAC_ASSIGN_OR_RETURN(tokens_, TokenBits::Create(map_.kind(), model_, specials_));
    std::vector<RansContext> contexts;
    for (const auto& table : model_.tables)
      contexts.push_back(MakeRansContext(NormalizeTable(table, model_.table_bits)));
    RansDecoder rans(contexts, tokens_.state, model_.table_bits);
    DCAC_RETURN_IF_ERROR(rans.Begin(entropy_coded, model_.lanes_log2));
    BitReader raw(raw_bits);
    samples_.assign(shape_.samples(), 0);
    const int num_waves = NumWaves(shape_, model_.skew);
    for (int wave = 0; wave < num_waves; ++wave) {
      rans.BeginWave();
      ForEachRunOfWave(shape_, model_.skew, wave, [&](const WaveRun& run) { DecodeRun(run, rans, raw); });
      if (invalid_)
        return absl::DataLossError(absl::StrCat("a sample is out of the range of its plane set in wave ", wave));
    }
    DCAC_RETURN_IF_ERROR(rans.Finish());
    return raw.Finish();
  }

 private:
  void DecodeRun(const WaveRun& run, RansDecoder& rans, BitReader& raw) {
    const size_t p = static_cast<size_t>(run.plane);
    const PlaneModel& plane_model = model_.planes[p];
    CodedPlane<Arithmetic>& plane = planes_[p];
    RunningMean &mean_state = means_[p], &error_state = errors_[p];
    const int before = samples_before_[static_cast<size_t>(run.local_time)];
    const Value mean =
        arithmetic_.Dequantize(model_.sends_means ? SentMean(plane_model.mean, mean_shift_) : mean_state.Get(before));
    const Value running = arithmetic_.Dequantize(error_state.Get(before));
    for (int y = run.y_begin; y < run.y_end; ++y) {
      const int x = run.local_time - 2 * y;
      const int c = ClassOf(y, x);
      const auto taps = predictor_.Taps(plane.value, y, x, c);
      const Value spatial = predictor_.Spatial(c, taps, mean);
      const Value prediction = predictor_.Predict(plane_model, planes_, y, x, c, taps, spatial);
      Value& moving =
          moving_error_[static_cast<size_t>(y) * static_cast<size_t>(shape_.width) + static_cast<size_t>(x)];
      SigmaTerms<Arithmetic> terms;
      terms.errors = predictor_.Taps(plane.error, y, x, c);
      terms.spread = predictor_.Spread(c, taps, spatial);
      terms.running = running;
      terms.recent = Arithmetic::MovingMean(moving);
      predictor_.ReferenceActivity(run.plane, plane_model, planes_, y, x, terms.reference, terms.local);

      const int32_t code = DecodeSample(run.plane, y, x, prediction, predictor_.Sigma(c, terms), rans, raw);
      const Value value = arithmetic_.ValueOf(code);
      const Value error = Arithmetic::Abs(value - arithmetic_.Clamp(prediction));
      plane.value.Set(y, x, static_cast<Stored>(value));
      plane.innovation.Set(y, x, static_cast<Stored>(value - arithmetic_.Clamp(spatial)));
      plane.error.Set(y, x, static_cast<Stored>(error));
      mean_state.Add(arithmetic_.Quantize(value));
      error_state.Add(arithmetic_.Quantize(error));
      moving = Arithmetic::UpdateMoving(moving, error);
    }
  }

  // Decodes one sample into samples_ and returns its code.
  int32_t DecodeSample(int plane, int y, int x, Value prediction, Value sigma, RansDecoder& rans, BitReader& raw) {
    const size_t row = positions_.BinOf(arithmetic_.Position(prediction));
    const size_t column = activities_.BinOf(arithmetic_.Activity(prediction, sigma));
    const size_t cell = row * static_cast<size_t>(model_.activity_bins()) + column;
    uint32_t state_raw = 0;
    const RansDecoder::Slot slot = rans.Decode(model_.cluster[cell], state_raw);
    const int token = slot.token;
    counter_.Count(plane, slot, tokens_.stream[static_cast<size_t>(token)]);
    const size_t width = static_cast<size_t>(shape_.width);
    const size_t in_plane = static_cast<size_t>(y) * width + static_cast<size_t>(x);
    const size_t at = static_cast<size_t>(plane) * static_cast<size_t>(shape_.plane_samples()) + in_plane;
    if (token >= specials_.count) {
      const uint64_t bits = state_raw | raw.Get(tokens_.stream[static_cast<size_t>(token)]);
      const int64_t center = model_.fixed_center[cell] ? model_.center[row] : arithmetic_.NearestCode(prediction);
      const int64_t code = center + ResidualOfToken(token - specials_.count, bits, model_.shift);
      if (code < model_.low_code || code > model_.high_code) {
        invalid_ = true;
        return 0;
      }
      samples_[at] = map_.ToSample(static_cast<int32_t>(code));
      return static_cast<int32_t>(code);
    }
    samples_[at] = SpecialSample(token, plane, in_plane, at, y, x, raw);
    const std::optional<int32_t> code = map_.ToCode(samples_[at]);
    // Values outside the range would break the bounds of the arithmetic.
    if (code && (*code < model_.low_code || *code > model_.high_code)) invalid_ = true;
    return invalid_ ? 0 : code.value_or(0);
  }

  uint32_t SpecialSample(int token, int plane, size_t in_plane, size_t at, int y, int x, BitReader& raw) {
    if (token == specials_.mode) return model_.mode_sample;
    if (token == specials_.escape) return static_cast<uint32_t>(raw.Get(SampleBits(map_.kind())));
    if (token == specials_.west && x > 0) return samples_[at - 1];
    if (token == specials_.north && y > 0) return samples_[at - static_cast<size_t>(shape_.width)];
    const auto& references = model_.planes[static_cast<size_t>(plane)].references;
    if (token == specials_.reference && !references.empty()) {
      return samples_[static_cast<size_t>(references[0]) * static_cast<size_t>(shape_.plane_samples()) + in_plane];
    }
    invalid_ = true;
    return 0;
  }

  const SetShape& shape_;
  const SetModel& model_;
  SampleMap map_;
  SpecialTokens specials_;
  Arithmetic arithmetic_;
  PlanePredictor<Arithmetic> predictor_;
  Quantizer positions_, activities_;
  std::vector<int> samples_before_;
  std::vector<uint32_t>& samples_;
  SetCounter counter_;
  int mean_shift_ = MeanShift(arithmetic_, model_);
  TokenBits tokens_;
  std::vector<CodedPlane<Arithmetic>> planes_;
  std::vector<RunningMean> means_, errors_;
  // Of the planes so far, at each place: every earlier plane has decoded it, no later one.
  std::vector<Value> moving_error_{
      std::vector<Value>(static_cast<size_t>(shape_.plane_samples()),
                         Arithmetic::StartMoving(arithmetic_.Dequantize(model_.error_prior)))};
  bool invalid_ = false;
};

}  // namespace

absl::Status DecodeSet(SampleKind kind, const SetShape& shape, const SetModel& model, ByteSpan entropy_coded,
                       ByteSpan raw_bits, std::vector<uint32_t>& samples, SetAccount* account) {
  const PhaseTimer timer(Phase::kModel);
  if (account == nullptr) return DecodeWaves(kind, shape, model, entropy_coded, raw_bits, samples);
  if (IsNarrow(kind)) {
    return SetDecoder<NarrowArithmetic>(kind, shape, model, samples, *account).Decode(entropy_coded, raw_bits);
  }
  return SetDecoder<WideArithmetic>(kind, shape, model, samples, *account).Decode(entropy_coded, raw_bits);
}

}  // namespace dcac
