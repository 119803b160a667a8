// Prediction, expected error and cells of a wave's samples: what PlanePredictor does, for vectors of samples of a
// plane.  Included once per target.
#if defined(DCAC_CORE_CODEC_WAVE_PREDICTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DCAC_CORE_CODEC_WAVE_PREDICTOR_INL_H_
#undef DCAC_CORE_CODEC_WAVE_PREDICTOR_INL_H_
#else
#define DCAC_CORE_CODEC_WAVE_PREDICTOR_INL_H_
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/codec/plane_predictor.h"
#include "core/codec/set_model.h"
#include "core/codec/skewed_layout.h"
#include "core/codec/value_lanes-inl.h"
#include "core/codec/wave.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {

// What is kept of every decoded plane.
template <typename Arithmetic>
struct SkewedSet {
  using Stored = typename Arithmetic::Stored;
  using Value = typename Arithmetic::Value;

  SkewedSet(const SkewedLayout& layout, int planes)
      : value(layout, planes), innovation(layout, planes), error(layout, planes), moving_error(layout, 1) {}

  SkewedPlanes<Stored> value, innovation, error;  // as in CodedPlane
  // Of the planes so far, at each place: every earlier plane has decoded it, no later one.
  SkewedPlanes<Value> moving_error;
};

// What is computed for the samples of a wave, each array with room for a vector more.
template <typename Value>
struct WaveSamples {
  std::vector<Value> spatial, prediction;
  std::vector<int32_t> cell, nearest;  // nearest: the code nearest to the prediction

  void Resize(size_t size) {
    spatial.resize(size);
    prediction.resize(size);
    cell.resize(size);
    nearest.resize(size);
  }
};

template <typename Lanes>
class WavePredictor {
 public:
  using Arithmetic = typename Lanes::Arithmetic;
  using Value = typename Arithmetic::Value;
  using Stored = typename Arithmetic::Stored;
  using Weight = typename Arithmetic::Weight;
  using D = typename Lanes::D;
  using DI = typename Lanes::DI;
  using V = typename Lanes::V;
  using VI = typename Lanes::VI;
  using M = typename Lanes::M;

  WavePredictor(const Arithmetic& arithmetic, const SetShape& shape, const SetModel& model, const SkewedLayout& layout,
                const SkewedSet<Arithmetic>& set)
      : lanes_(arithmetic), shape_(shape), model_(model), layout_(layout), set_(set) {
    FillWeights(PlanePredictor<Arithmetic>(arithmetic, model));
    for (int plane = 0; plane < shape.planes; ++plane) AddPlane(plane);
  }

  // Samples of `run`, the first of which is number `first` of its wave.  `mean` and `running`: the running means of the
  // plane's values and errors.
  void Predict(const WaveRun& run, size_t first, Value mean, Value running, WaveSamples<Value>& out) const {
    const int count = run.y_end - run.y_begin;
    const int last_x = run.local_time - 2 * (run.y_end - 1);
    const int step = static_cast<int>(hn::Lanes(D()));
    const Taps taps = TapsOf(run.local_time);
    for (int k = 0; k < count; k += step) {
      const bool has_first_row = run.y_begin + k == 0, has_first_column = last_x == 0 && k + step >= count;
      const size_t at = first + static_cast<size_t>(k);
      if (has_first_row || has_first_column) {
        const int last_lane = has_first_column ? count - 1 - k : step;
        PredictVector<true>(run, k, taps, has_first_row, last_lane, mean, running, at, out);
      } else {
        PredictVector<false>(run, k, taps, false, step, mean, running, at, out);
      }
    }
  }

 private:
  // Columns of weights_.
  enum : size_t {
    kSpatialTap = 0,
    kSpatialUnit = kNumTaps,
    kSpatialMean,
    kSigmaTap,
    kSigmaUnit = kSigmaTap + kNumTaps,
    kSigmaSpread,
    kSigmaRunning,
    kSigmaRecent,
    kSigmaReference,
    kSigmaLocal,
    kTapsMean,  // Lanes::MeanFactor of the number of taps
    kNumWeights
  };

  struct TermOfPlane {
    TermKind kind;
    int index;           // tap
    Weight weight;       // of units the product with the unit
    const Stored* base;  // of the sample at the same place of the plane that is named
    TapOffset offset;    // of its neighbour
  };
  struct Plane {
    size_t terms_begin, terms_end;
    size_t references_begin, references_end;
    Value mean_factor;      // of the number of references
    bool neighbours_known;  // of the first reference
  };
  // Where the taps of the sample of row 0 are.
  using Taps = std::array<ptrdiff_t, kNumTaps>;

  static size_t Index(int i) { return static_cast<size_t>(i); }

  void FillWeights(const PlanePredictor<Arithmetic>& predictor) {
    for (size_t c = 0; c < kNumClasses; ++c) {
      auto& weights = weights_[c];
      const auto& spatial = predictor.spatial_factors(c);
      const auto& sigma = predictor.sigma_factors(c);
      const int num_taps = kClassNumTaps[c];
      for (int i = 0; i < num_taps; ++i) {
        const size_t tap = Index(kClassTaps[c][Index(i)]);
        weights[kSpatialTap + tap] = spatial.tap[Index(i)];
        weights[kSigmaTap + tap] = sigma.tap[Index(i)];
      }
      weights[kSpatialUnit] = spatial.unit * predictor.unit();
      weights[kSpatialMean] = spatial.mean;
      weights[kSigmaUnit] = sigma.unit * predictor.sigma_unit();
      weights[kSigmaSpread] = sigma.spread;
      weights[kSigmaRunning] = sigma.running;
      weights[kSigmaRecent] = sigma.recent;
      weights[kSigmaReference] = sigma.reference;
      weights[kSigmaLocal] = sigma.local;
      weights[kTapsMean] = num_taps == 0 ? Value{0} : Lanes::MeanFactor(num_taps);
    }
    unit_ = predictor.unit();
  }

  void AddPlane(int number) {
    const PlaneModel& model = model_.planes[Index(number)];
    Plane plane{};
    plane.terms_begin = terms_.size();
    plane.references_begin = references_.size();
    for (const Term& term : model.terms) {
      TermOfPlane t{term.kind, term.index, Arithmetic::MakeWeight(term.weight, kTermWeightBits), nullptr, {}};
      if (term.kind == TermKind::kUnit) t.weight = t.weight * unit_;
      if (term.kind == TermKind::kInnovation) t.base = set_.innovation.Plane(term.plane);
      if (term.kind == TermKind::kNeighbour) {
        t.base = set_.value.Plane(term.plane);
        t.offset = kNeighbours[Index(term.index)];
      }
      terms_.push_back(t);
    }
    for (int reference : model.references) references_.push_back(set_.innovation.Plane(reference));
    plane.terms_end = terms_.size();
    plane.references_end = references_.size();
    if (!model.references.empty()) {
      plane.mean_factor = Lanes::MeanFactor(static_cast<int>(model.references.size()));
      plane.neighbours_known = model_.skew * (number - model.references[0]) >= kNeighbourLead;
    }
    planes_.push_back(plane);
  }

  ptrdiff_t Place(int time, TapOffset offset) const {
    return layout_.Row(time + offset.dx + 2 * offset.dy) + offset.dy;
  }

  Taps TapsOf(int time) const {
    Taps taps;
    for (size_t i = 0; i < kNumTaps; ++i) taps[i] = Place(time, kTaps[i]);
    return taps;
  }

  // One vector of samples, from number `k` of the run on.  kIsMixed: the first is of the first row if `has_first_row`,
  // and number `first_column` of the vector is of the first column if it is in it.
  template <bool kIsMixed>
  HWY_INLINE void PredictVector(const WaveRun& run, int k, const Taps& taps, bool has_first_row, int first_column,
                                Value mean_value, Value running_value, size_t at, WaveSamples<Value>& out) const {
    const D d;
    const DI di;
    const ptrdiff_t y = run.y_begin + k;
    const size_t first_class = first_column == 0 ? 3 : 1;
    const M in_first_row = hn::FirstN(d, has_first_row ? 1 : 0);
    const M in_first_column =
        hn::And(hn::FirstN(d, Index(first_column) + 1), hn::Not(hn::FirstN(d, Index(first_column))));
    const M lacks_west = first_class == 3 ? hn::Or(in_first_row, in_first_column) : in_first_column;
    const auto weight = [&](size_t column) HWY_ATTR {
      const V inside = hn::Set(d, weights_[0][column]);
      if constexpr (!kIsMixed) return inside;
      return hn::IfThenElse(in_first_row, hn::Set(d, weights_[first_class][column]),
                            hn::IfThenElse(in_first_column, hn::Set(d, weights_[2][column]), inside));
    };
    const V mean = hn::Set(d, mean_value);

    const Stored* const value = set_.value.Plane(run.plane) + y;
    const V w = Lanes::Load(value + taps[0]), n = Lanes::Load(value + taps[1]), nw = Lanes::Load(value + taps[2]),
            ne = Lanes::Load(value + taps[3]), nn = Lanes::Load(value + taps[4]), ww = Lanes::Load(value + taps[5]);
    V sum = weight(kSpatialUnit);
    sum = hn::Add(sum, hn::Mul(weight(kSpatialMean), mean));
    sum = hn::Add(sum, hn::Mul(weight(kSpatialTap + 0), hn::Sub(w, mean)));
    sum = hn::Add(sum, hn::Mul(weight(kSpatialTap + 1), hn::Sub(n, mean)));
    sum = hn::Add(sum, hn::Mul(weight(kSpatialTap + 2), hn::Sub(nw, mean)));
    sum = hn::Add(sum, hn::Mul(weight(kSpatialTap + 3), hn::Sub(ne, mean)));
    sum = hn::Add(sum, hn::Mul(weight(kSpatialTap + 4), hn::Sub(nn, mean)));
    sum = hn::Add(sum, hn::Mul(weight(kSpatialTap + 5), hn::Sub(ww, mean)));
    const V spatial = lanes_.FinishSpatial(sum);

    // Of each tap what it is above the spatial prediction; 0 where there is no such tap.
    V from_w = hn::Sub(w, spatial), from_n = hn::Sub(n, spatial), from_nw = hn::Sub(nw, spatial),
      from_ne = hn::Sub(ne, spatial), from_nn = hn::Sub(nn, spatial), from_ww = hn::Sub(ww, spatial);
    if constexpr (kIsMixed) {
      from_w = hn::IfThenZeroElse(lacks_west, from_w);
      from_n = hn::IfThenZeroElse(in_first_row, from_n);
      from_nw = hn::IfThenZeroElse(hn::Or(in_first_row, in_first_column), from_nw);
      from_ne = hn::IfThenZeroElse(in_first_row, from_ne);
      from_nn = hn::IfThenZeroElse(in_first_row, from_nn);
      from_ww = hn::IfThenZeroElse(lacks_west, from_ww);
    }
    V spread = hn::Abs(from_w);
    spread = hn::Add(spread, hn::Abs(from_n));
    spread = hn::Add(spread, hn::Abs(from_nw));
    spread = hn::Add(spread, hn::Abs(from_ne));
    spread = hn::Add(spread, hn::Abs(from_nn));
    spread = hn::Add(spread, hn::Abs(from_ww));
    spread = Lanes::MeanBy(spread, weight(kTapsMean));

    const Plane& plane = planes_[Index(run.plane)];
    const ptrdiff_t place = layout_.Row(run.local_time) + y;
    sum = Lanes::BeginTerms(spatial);
    for (size_t i = plane.terms_begin; i < plane.terms_end; ++i) {
      const TermOfPlane& term = terms_[i];
      const V factor = hn::Set(d, term.weight);
      V feature;
      switch (term.kind) {
        case TermKind::kInnovation:
          feature = Lanes::Load(term.base + place);
          break;
        case TermKind::kUnit:
          sum = hn::Add(sum, factor);
          continue;
        case TermKind::kSpatial:
          feature = spatial;
          break;
        case TermKind::kTap:
          switch (term.index) {
            case 0:
              feature = from_w;
              break;
            case 1:
              feature = from_n;
              break;
            case 2:
              feature = from_nw;
              break;
            case 3:
              feature = from_ne;
              break;
            case 4:
              feature = from_nn;
              break;
            default:
              feature = from_ww;
          }
          break;
        default:  // kNeighbour
          feature =
              hn::Sub(Lanes::Load(term.base + Place(run.local_time, term.offset) + y), Lanes::Load(term.base + place));
      }
      sum = hn::Add(sum, hn::Mul(factor, feature));
    }
    const V prediction = lanes_.FinishTerms(spatial, sum);

    V reference = hn::Zero(d), local = hn::Zero(d);
    if (plane.references_begin != plane.references_end) {
      for (size_t i = plane.references_begin; i < plane.references_end; ++i) {
        reference = hn::Add(reference, hn::Abs(Lanes::Load(references_[i] + place)));
      }
      reference = Lanes::MeanBy(reference, hn::Set(d, plane.mean_factor));
      const Stored* const first = references_[plane.references_begin];
      if (!plane.neighbours_known) {
        local = hn::Abs(Lanes::Load(first + place));
      } else {
        for (int dy = -1; dy <= 1; ++dy) {
          for (int dx = -1; dx <= 1; ++dx) {
            local = hn::Add(local, hn::Abs(Lanes::Load(first + Place(run.local_time, {dy, dx}) + y)));
          }
        }
        local = Lanes::MeanOfNine(local);
      }
    }

    const Stored* const error = set_.error.Plane(run.plane) + y;
    sum = weight(kSigmaUnit);
    sum = hn::Add(sum, hn::Mul(weight(kSigmaTap + 0), Lanes::Load(error + taps[0])));
    sum = hn::Add(sum, hn::Mul(weight(kSigmaTap + 1), Lanes::Load(error + taps[1])));
    sum = hn::Add(sum, hn::Mul(weight(kSigmaTap + 2), Lanes::Load(error + taps[2])));
    sum = hn::Add(sum, hn::Mul(weight(kSigmaTap + 3), Lanes::Load(error + taps[3])));
    sum = hn::Add(sum, hn::Mul(weight(kSigmaTap + 4), Lanes::Load(error + taps[4])));
    sum = hn::Add(sum, hn::Mul(weight(kSigmaTap + 5), Lanes::Load(error + taps[5])));
    sum = hn::Add(sum, hn::Mul(weight(kSigmaSpread), spread));
    sum = hn::Add(sum, hn::Mul(weight(kSigmaRunning), hn::Set(d, running_value)));
    const V recent = Lanes::MovingMean(hn::LoadU(d, set_.moving_error.Plane(0) + place));
    sum = hn::Add(sum, hn::Mul(weight(kSigmaRecent), recent));
    sum = hn::Add(sum, hn::Mul(weight(kSigmaReference), reference));
    sum = hn::Add(sum, hn::Mul(weight(kSigmaLocal), local));
    const V sigma = lanes_.FinishSigma(sum);

    const VI row = BinOf(di, lanes_.Position(prediction), model_.position_thresholds);
    const VI column = BinOf(di, lanes_.Activity(prediction, sigma), model_.activity_thresholds);
    const VI cell = hn::Add(hn::Mul(row, hn::Set(di, model_.activity_bins())), column);
    hn::StoreU(spatial, d, out.spatial.data() + at);
    hn::StoreU(prediction, d, out.prediction.data() + at);
    hn::StoreU(cell, di, out.cell.data() + at);
    hn::StoreU(lanes_.NearestCode(prediction), di, out.nearest.data() + at);
  }

  Lanes lanes_;
  const SetShape& shape_;
  const SetModel& model_;
  const SkewedLayout& layout_;
  const SkewedSet<Arithmetic>& set_;
  std::array<std::array<Value, kNumWeights>, kNumClasses> weights_{};
  Value unit_{};
  std::vector<TermOfPlane> terms_;
  std::vector<const Stored*> references_;
  std::vector<Plane> planes_;
};

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#endif  // DCAC_CORE_CODEC_WAVE_PREDICTOR_INL_H_
