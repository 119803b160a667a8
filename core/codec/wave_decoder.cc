#include "core/codec/wave_decoder.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/codec/plane_predictor.h"
#include "core/codec/wave_symbols.h"
#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/codec/wave_decoder.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "core/codec/value_lanes-inl.h"
#include "core/codec/wave_predictor-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {

template <typename Lanes>
class WaveDecoder {
 public:
  using Arithmetic = typename Lanes::Arithmetic;
  using Value = typename Arithmetic::Value;
  using Stored = typename Arithmetic::Stored;
  using D = typename Lanes::D;
  using DI = typename Lanes::DI;
  using V = typename Lanes::V;
  using VI = typename Lanes::VI;

  WaveDecoder(SampleKind kind, const SetShape& shape, const SetModel& model, std::vector<uint32_t>& samples)
      : shape_(shape),
        model_(model),
        map_(kind, model.base_exponent),
        arithmetic_(map_, {model.low_code, model.high_code, model.unit_exponent}),
        lanes_(arithmetic_),
        layout_(shape),
        set_(layout_, shape.planes),
        predictor_(arithmetic_, shape, model, layout_, set_),
        symbols_(kind, model),
        samples_before_(SamplesBefore(shape)),
        mean_shift_(MeanShift(arithmetic_, model)),
        samples_(samples) {
    const int weight = RunningMean::PriorWeight(shape);
    means_.assign(static_cast<size_t>(shape.planes), RunningMean(model.mean_prior, weight));
    errors_.assign(static_cast<size_t>(shape.planes), RunningMean(model.error_prior, weight));
    std::fill_n(set_.moving_error.Plane(0), layout_.array_size(1),
                Arithmetic::StartMoving(arithmetic_.Dequantize(model.error_prior)));
  }

  absl::Status Decode(ByteSpan entropy_coded, ByteSpan raw_bits) {
    DCAC_RETURN_IF_ERROR(symbols_.Begin(map_.kind(), entropy_coded, raw_bits));
    samples_.assign(shape_.samples(), 0);
    const int num_waves = NumWaves(shape_, model_.skew);
    for (int wave = 0; wave < num_waves; ++wave) {
      const size_t count = Collect(wave);
      for (const Run& run : runs_) Predict(run);
      if (!symbols_.DecodeWave(count, wave_.cell.data(), wave_.nearest.data(), codes_.data()) || !FindIndirect()) {
        return absl::DataLossError(absl::StrCat("a sample is out of the range of its plane set in wave ", wave));
      }
      DCAC_RETURN_IF_ERROR(symbols_.CheckOverrun());
      for (const Run& run : runs_) Reconstruct(run);
      for (const FoundSample& found : found_) samples_[found.at] = found.sample;
    }
    return symbols_.Finish();
  }

 private:
  struct Run : WaveRun {
    size_t first;  // number of its first sample in the wave

    size_t count() const { return static_cast<size_t>(y_end - y_begin); }
  };
  struct FoundSample {
    size_t at;
    uint32_t sample;
  };

  // Lists the runs of a wave and makes room for its samples, the number of which it returns.
  size_t Collect(int wave) {
    runs_.clear();
    size_t count = 0;
    ForEachRunOfWave(shape_, model_.skew, wave, [&](const WaveRun& run) {
      runs_.push_back({run, count});
      count += runs_.back().count();
    });
    const size_t size = count + SkewedLayout::kMaxLanes;
    if (codes_.size() < size) {
      codes_.resize(size);
      packed_.resize(size);
      wave_.Resize(size);
    }
    return count;
  }

  void Predict(const Run& run) {
    const size_t plane = static_cast<size_t>(run.plane);
    const int before = samples_before_[static_cast<size_t>(run.local_time)];
    const int32_t mean =
        model_.sends_means ? SentMean(model_.planes[plane].mean, mean_shift_) : means_[plane].Get(before);
    predictor_.Predict(run, run.first, arithmetic_.Dequantize(mean), arithmetic_.Dequantize(errors_[plane].Get(before)),
                       wave_);
  }

  // The samples of a wave whose tokens only say where they are.  False if one is malformed.
  bool FindIndirect() {
    found_.clear();
    auto run = runs_.begin();
    for (const IndirectSample& indirect : symbols_.indirect()) {
      while (indirect.index >= run->first + run->count()) ++run;
      const int y = run->y_begin + static_cast<int>(indirect.index - run->first);
      const std::optional<FoundSample> found = Find(*run, y, indirect);
      if (!found) return false;
      const std::optional<int32_t> code = map_.ToCode(found->sample);
      // Values outside the range would break the bounds of the arithmetic.
      if (code && (*code < model_.low_code || *code > model_.high_code)) return false;
      codes_[indirect.index] = code.value_or(0);
      found_.push_back(*found);
    }
    return true;
  }

  std::optional<FoundSample> Find(const WaveRun& run, int y, const IndirectSample& indirect) const {
    const SpecialTokens& specials = symbols_.specials();
    const int x = run.local_time - 2 * y, token = static_cast<int>(indirect.token);
    const size_t plane_samples = static_cast<size_t>(shape_.plane_samples());
    const size_t in_plane = static_cast<size_t>(y) * static_cast<size_t>(shape_.width) + static_cast<size_t>(x);
    const size_t at = static_cast<size_t>(run.plane) * plane_samples + in_plane;
    if (token == specials.mode) return FoundSample{at, model_.mode_sample};
    if (token == specials.escape) return FoundSample{at, indirect.raw};
    if (token == specials.west && x > 0) return FoundSample{at, samples_[at - 1]};
    if (token == specials.north && y > 0) return FoundSample{at, samples_[at - static_cast<size_t>(shape_.width)]};
    const auto& references = model_.planes[static_cast<size_t>(run.plane)].references;
    if (token == specials.reference && !references.empty()) {
      return FoundSample{at, samples_[static_cast<size_t>(references[0]) * plane_samples + in_plane]};
    }
    return std::nullopt;
  }

  // What later waves need of a run whose codes are known, and its samples.
  void Reconstruct(const Run& run) {
    const D d;
    const DI di;
    const size_t step = hn::Lanes(d);
    const ptrdiff_t row = layout_.Row(run.local_time) + run.y_begin;
    Stored* const value_row = set_.value.Plane(run.plane) + row;
    Stored* const innovation_row = set_.innovation.Plane(run.plane) + row;
    Stored* const error_row = set_.error.Plane(run.plane) + row;
    Value* const moving_row = set_.moving_error.Plane(0) + row;
    int64_t value_sum = 0, error_sum = 0;
    for (size_t k = 0; k < run.count(); k += step) {
      const size_t at = run.first + k, count = std::min(step, run.count() - k);
      const VI code = hn::LoadU(di, codes_.data() + at);
      const V value = lanes_.ValueOf(code);
      const V innovation = hn::Sub(value, lanes_.Clamp(hn::LoadU(d, wave_.spatial.data() + at)));
      const V error = hn::Abs(hn::Sub(value, lanes_.Clamp(hn::LoadU(d, wave_.prediction.data() + at))));
      Lanes::Store(value, count, value_row + k);
      Lanes::Store(innovation, count, innovation_row + k);
      Lanes::Store(error, count, error_row + k);
      const auto in_run = hn::FirstN(d, count);
      const V moving = hn::LoadU(d, moving_row + k);
      hn::StoreU(hn::IfThenElse(in_run, Lanes::UpdateMoving(moving, error), moving), d, moving_row + k);
      hn::StoreU(lanes_.ToSample(code), di, packed_.data() + at);
      const auto in_run_int = hn::FirstN(di, count);
      if (!model_.sends_means) {
        value_sum += hn::GetLane(hn::SumOfLanes(di, hn::IfThenElseZero(in_run_int, lanes_.Quantize(value))));
      }
      error_sum += hn::GetLane(hn::SumOfLanes(di, hn::IfThenElseZero(in_run_int, lanes_.Quantize(error))));
    }
    means_[static_cast<size_t>(run.plane)].Add(value_sum);
    errors_[static_cast<size_t>(run.plane)].Add(error_sum);
    FillBorder(run);

    const size_t width = static_cast<size_t>(shape_.width), local_time = static_cast<size_t>(run.local_time);
    uint32_t* plane = samples_.data() + static_cast<size_t>(run.plane) * static_cast<size_t>(shape_.plane_samples());
    const int32_t* packed = packed_.data() + run.first;
    for (size_t y = static_cast<size_t>(run.y_begin); y < static_cast<size_t>(run.y_end); ++y) {
      plane[y * width + (local_time - 2 * y)] = static_cast<uint32_t>(*packed++);
    }
  }

  // Repeats the samples of a run that are at an edge of the plane in the border.  Those of the first row and the last
  // column are the first of their run, those of the first column and the last row the last.
  void FillBorder(const Run& run) {
    const int last_y = run.y_end - 1, first_x = run.local_time - 2 * run.y_begin, last_x = run.local_time - 2 * last_y;
    const bool in_first_row = run.y_begin == 0, in_last_column = first_x == shape_.width - 1;
    const bool in_first_column = last_x == 0, in_last_row = last_y == shape_.height - 1;
    if (in_first_row) Repeat(run, run.y_begin, -1, 0);
    if (in_last_column) Repeat(run, run.y_begin, 0, 1);
    if (in_first_column) Repeat(run, last_y, 0, -1);
    if (in_last_row) Repeat(run, last_y, 1, 0);
    // Corners.
    if (in_first_row && in_last_column) Repeat(run, run.y_begin, -1, 1);
    if (in_first_column && in_last_row) Repeat(run, last_y, 1, -1);
    if (in_first_row && first_x == 0) Repeat(run, run.y_begin, -1, -1);
    if (in_last_row && last_x == shape_.width - 1) Repeat(run, last_y, 1, 1);
  }

  // Repeats the sample of row `y` of a run where the border is `dy` rows and `dx` columns from it.
  void Repeat(const Run& run, int y, int dy, int dx) {
    const ptrdiff_t from = layout_.Row(run.local_time) + y;
    const ptrdiff_t to = layout_.Row(run.local_time + dx + 2 * dy) + y + dy;
    Stored* const value = set_.value.Plane(run.plane);
    Stored* const innovation = set_.innovation.Plane(run.plane);
    Stored* const error = set_.error.Plane(run.plane);
    value[to] = value[from];
    innovation[to] = innovation[from];
    error[to] = error[from];
  }

  const SetShape& shape_;
  const SetModel& model_;
  SampleMap map_;
  Arithmetic arithmetic_;
  Lanes lanes_;
  SkewedLayout layout_;
  SkewedSet<Arithmetic> set_;
  WavePredictor<Lanes> predictor_;
  WaveSymbols symbols_;
  std::vector<int> samples_before_;
  int mean_shift_;
  std::vector<RunningMean> means_, errors_;
  std::vector<uint32_t>& samples_;
  std::vector<Run> runs_;  // of a wave, and so what follows
  WaveSamples<Value> wave_;
  std::vector<int32_t> codes_, packed_;  // packed: samples
  std::vector<FoundSample> found_;
};

absl::Status DecodeOnTarget(SampleKind kind, const SetShape& shape, const SetModel& model, ByteSpan entropy_coded,
                            ByteSpan raw_bits, std::vector<uint32_t>& samples) {
  if (IsNarrow(kind)) return WaveDecoder<NarrowLanes>(kind, shape, model, samples).Decode(entropy_coded, raw_bits);
  if (IsFloat(kind)) return WaveDecoder<WideLanes<true>>(kind, shape, model, samples).Decode(entropy_coded, raw_bits);
  return WaveDecoder<WideLanes<false>>(kind, shape, model, samples).Decode(entropy_coded, raw_bits);
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(DecodeOnTarget);

absl::Status DecodeWaves(SampleKind kind, const SetShape& shape, const SetModel& model, ByteSpan entropy_coded,
                         ByteSpan raw_bits, std::vector<uint32_t>& samples) {
  return DCAC_DYNAMIC_DISPATCH(DecodeOnTarget)(kind, shape, model, entropy_coded, raw_bits, samples);
}

}  // namespace dcac
#endif  // HWY_ONCE
