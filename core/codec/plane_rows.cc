#include "core/codec/plane_rows.h"

#include <algorithm>
#include <type_traits>

#include "core/codec/sample_map.h"
#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/codec/plane_rows.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "core/codec/value_lanes-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {

// Plain loops, which the compiler turns into vectors of the target.
template <typename Arithmetic>
class RowPredictor {
 public:
  using Value = typename Arithmetic::Value;
  using Stored = typename Arithmetic::Stored;
  using Weight = typename Arithmetic::Weight;
  using Planes = std::vector<CodedPlane<Arithmetic>>;

  RowPredictor(const PlanePredictor<Arithmetic>& predictor, int width)
      : predictor_(predictor),
        width_(width),
        spread_(static_cast<size_t>(width)),
        reference_(static_cast<size_t>(width)),
        local_(static_cast<size_t>(width)) {}

  // Spatial predictions of row `y` of a plane; `means` are those of the row's samples.
  void Spatial(const PaddedPlane<Stored>& values, int y, const Value* means, Value* out) const {
    const int begin =
        Border(y, [&](int x, int c) { out[x] = predictor_.Spatial(c, predictor_.Taps(values, y, x, c), means[x]); });
    const auto& w = predictor_.spatial_factors(0);
    for (int x = begin; x < width_; ++x) out[x] = w.unit * predictor_.unit() + w.mean * means[x];
    for (size_t i = 0; i < kNumTaps; ++i) {
      const Stored* tap = values.At(y + kTaps[i].dy, kTaps[i].dx);
      for (int x = begin; x < width_; ++x) out[x] = out[x] + w.tap[i] * (tap[x] - means[x]);
    }
    for (int x = begin; x < width_; ++x) out[x] = predictor_.arithmetic().FinishSpatial(out[x]);
  }

  // Predictions of row `y` of `plane`, whose spatial predictions are `spatial`.
  void Predict(int plane, const PlaneModel& model, const Planes& planes, int y, const Value* spatial,
               Value* out) const {
    const auto& values = planes[static_cast<size_t>(plane)].value;
    const int begin = Border(y, [&](int x, int c) {
      out[x] = predictor_.Predict(model, planes, y, x, c, predictor_.Taps(values, y, x, c), spatial[x]);
    });
    for (int x = begin; x < width_; ++x) out[x] = Arithmetic::BeginTerms(spatial[x]);
    for (const Term& term : model.terms) AddTerm(term, values, planes, y, begin, spatial, out);
    for (int x = begin; x < width_; ++x) out[x] = predictor_.arithmetic().FinishTerms(spatial[x], out[x]);
  }

  // Expected errors of row `y` of `plane`; `running` are the running errors of the row's samples,
  // `recent` the moving means of the errors of earlier planes.
  void Sigma(int plane, const PlaneModel& model, const Planes& planes, int y, const Value* spatial,
             const Value* running, const Value* recent, Value* out) {
    const CodedPlane<Arithmetic>& coded = planes[static_cast<size_t>(plane)];
    const int begin = Border(y, [&](int x, int c) {
      SigmaTerms<Arithmetic> terms;
      terms.errors = predictor_.Taps(coded.error, y, x, c);
      terms.spread = predictor_.Spread(c, predictor_.Taps(coded.value, y, x, c), spatial[x]);
      terms.running = running[x];
      terms.recent = recent[x];
      predictor_.ReferenceActivity(plane, model, planes, y, x, terms.reference, terms.local);
      out[x] = predictor_.Sigma(c, terms);
    });
    Spread(coded.value, y, begin, spatial);
    ReferenceActivity(plane, model, planes, y, begin);
    const auto& w = predictor_.sigma_factors(0);
    for (int x = begin; x < width_; ++x) out[x] = w.unit * predictor_.sigma_unit();
    for (size_t i = 0; i < kNumTaps; ++i) {
      const Stored* error = coded.error.At(y + kTaps[i].dy, kTaps[i].dx);
      for (int x = begin; x < width_; ++x) out[x] = out[x] + w.tap[i] * error[x];
    }
    const Value *spread = spread_.data(), *reference = reference_.data(), *local = local_.data();
    for (int x = begin; x < width_; ++x) {
      Value sum = out[x] + w.spread * spread[x];
      sum = sum + w.running * running[x];
      sum = sum + w.recent * recent[x];
      sum = sum + w.reference * reference[x];
      out[x] = predictor_.arithmetic().FinishSigma(sum + w.local * local[x]);
    }
  }

 private:
  // Calls sample(x, class) for the samples that are not of class 0 and returns the first x that is.
  template <typename Sample>
  int Border(int y, Sample sample) const {
    const int end = y == 0 ? width_ : 1;
    for (int x = 0; x < end; ++x) sample(x, ClassOf(y, x));
    return end;
  }

  void AddTerm(const Term& term, const PaddedPlane<Stored>& values, const Planes& planes, int y, int begin,
               const Value* spatial, Value* out) const {
    const Weight w = Arithmetic::MakeWeight(term.weight, kTermWeightBits);
    switch (term.kind) {
      case TermKind::kUnit: {
        const Value product = w * predictor_.unit();
        for (int x = begin; x < width_; ++x) out[x] = out[x] + product;
        return;
      }
      case TermKind::kInnovation: {
        const Stored* innovation = planes[static_cast<size_t>(term.plane)].innovation.At(y, 0);
        for (int x = begin; x < width_; ++x) out[x] = out[x] + w * innovation[x];
        return;
      }
      case TermKind::kSpatial:
        for (int x = begin; x < width_; ++x) out[x] = out[x] + w * spatial[x];
        return;
      case TermKind::kTap: {
        const TapOffset offset = kTaps[static_cast<size_t>(term.index)];
        const Stored* tap = values.At(y + offset.dy, offset.dx);
        for (int x = begin; x < width_; ++x) out[x] = out[x] + w * (tap[x] - spatial[x]);
        return;
      }
      case TermKind::kNeighbour: {
        const auto& reference = planes[static_cast<size_t>(term.plane)].value;
        const TapOffset offset = kNeighbours[static_cast<size_t>(term.index)];
        const Stored *at = reference.At(y, 0), *neighbour = reference.At(y + offset.dy, offset.dx);
        for (int x = begin; x < width_; ++x) out[x] = out[x] + w * (Value{neighbour[x]} - Value{at[x]});
        return;
      }
    }
  }

  void Spread(const PaddedPlane<Stored>& values, int y, int begin, const Value* spatial) {
    Value* out = spread_.data();
    std::fill(spread_.begin(), spread_.end(), Value{0});
    for (const TapOffset& offset : kTaps) {
      const Stored* tap = values.At(y + offset.dy, offset.dx);
      for (int x = begin; x < width_; ++x) out[x] = out[x] + Arithmetic::Abs(tap[x] - spatial[x]);
    }
    for (int x = begin; x < width_; ++x) out[x] = Arithmetic::Mean(out[x], kNumTaps);
  }

  void ReferenceActivity(int plane, const PlaneModel& model, const Planes& planes, int y, int begin) {
    std::fill(reference_.begin(), reference_.end(), Value{0});
    std::fill(local_.begin(), local_.end(), Value{0});
    if (model.references.empty()) return;
    Value *mean = reference_.data(), *local = local_.data();
    for (int reference : model.references) {
      const Stored* innovation = planes[static_cast<size_t>(reference)].innovation.At(y, 0);
      for (int x = begin; x < width_; ++x) mean[x] = mean[x] + Arithmetic::Abs(innovation[x]);
    }
    const int count = static_cast<int>(model.references.size());
    for (int x = begin; x < width_; ++x) mean[x] = Arithmetic::Mean(mean[x], count);
    const int first = model.references[0];
    const auto& innovation = planes[static_cast<size_t>(first)].innovation;
    if (!predictor_.NeighboursKnown(plane, first)) {
      const Stored* at = innovation.At(y, 0);
      for (int x = begin; x < width_; ++x) local[x] = Arithmetic::Abs(at[x]);
      return;
    }
    for (int dy = -1; dy <= 1; ++dy) {
      for (int dx = -1; dx <= 1; ++dx) {
        const Stored* at = innovation.At(y + dy, dx);
        for (int x = begin; x < width_; ++x) local[x] = local[x] + Arithmetic::Abs(at[x]);
      }
    }
    for (int x = begin; x < width_; ++x) local[x] = Arithmetic::MeanOfNine(local[x]);
  }

  const PlanePredictor<Arithmetic>& predictor_;
  int width_;
  std::vector<Value> spread_, reference_, local_;  // of a row
};

template <typename Arithmetic>
class PlaneRowsOfTarget final : public PlaneRows<Arithmetic> {
 public:
  using Value = typename Arithmetic::Value;
  using Stored = typename Arithmetic::Stored;
  using Predictor = PlanePredictor<Arithmetic>;
  using Planes = std::vector<CodedPlane<Arithmetic>>;

  void PredictSpatially(const Predictor& predictor, const SetShape& shape, const Value* means,
                        CodedPlane<Arithmetic>& plane, Value* spatial) const override {
    const RowPredictor<Arithmetic> rows(predictor, shape.width);
    std::vector<Stored> innovation(static_cast<size_t>(shape.width));
    for (int y = 0; y < shape.height; ++y, spatial += shape.width) {
      rows.Spatial(plane.value, y, means + 2 * y, spatial);
      const Stored* values = plane.value.At(y, 0);
      for (size_t x = 0; x < innovation.size(); ++x) {
        innovation[x] = static_cast<Stored>(values[x] - predictor.arithmetic().Clamp(spatial[x]));
      }
      plane.innovation.SetRow(y, innovation.data());
    }
  }

  void Predict(const Predictor& predictor, const SetShape& shape, int plane, const PlaneModel& model,
               const Value* spatial, Planes& planes, Value* prediction) const override {
    CodedPlane<Arithmetic>& coded = planes[static_cast<size_t>(plane)];
    const RowPredictor<Arithmetic> rows(predictor, shape.width);
    std::vector<Stored> error(static_cast<size_t>(shape.width));
    for (int y = 0; y < shape.height; ++y, spatial += shape.width, prediction += shape.width) {
      rows.Predict(plane, model, planes, y, spatial, prediction);
      const Stored* values = coded.value.At(y, 0);
      for (size_t x = 0; x < error.size(); ++x) {
        error[x] = static_cast<Stored>(Arithmetic::Abs(values[x] - predictor.arithmetic().Clamp(prediction[x])));
      }
      coded.error.SetRow(y, error.data());
    }
  }

  void ExpectErrors(const Predictor& predictor, const SetShape& shape, int plane, const PlaneModel& model,
                    const Planes& planes, const Value* spatial, const Value* running, const Value* recent,
                    Value* sigma) const override {
    RowPredictor<Arithmetic> rows(predictor, shape.width);
    for (int y = 0; y < shape.height; ++y) {
      rows.Sigma(plane, model, planes, y, spatial, running + 2 * y, recent, sigma);
      spatial += shape.width;
      recent += shape.width;
      sigma += shape.width;
    }
  }

  std::vector<int64_t> SumQuanta(const Arithmetic& arithmetic, const SetShape& shape,
                                 const PaddedPlane<Stored>& plane) const override {
    std::vector<int64_t> sums(static_cast<size_t>(shape.num_local_times()), 0);
    WithLanes(arithmetic, [&](const auto& lanes) HWY_ATTR {
      const typename std::decay_t<decltype(lanes)>::D d;
      const typename std::decay_t<decltype(lanes)>::DI di;
      std::vector<int32_t> quanta(static_cast<size_t>(shape.width) + SkewedLayout::kMaxLanes);
      for (int y = 0; y < shape.height; ++y) {
        const Stored* const row = plane.At(y, 0);
        const size_t width = static_cast<size_t>(shape.width), step = hn::Lanes(d);
        size_t x = 0;
        for (; x + step <= width; x += step) hn::StoreU(lanes.Quantize(lanes.Load(row + x)), di, quanta.data() + x);
        for (; x < width; ++x) quanta[x] = arithmetic.Quantize(row[x]);
        int64_t* const sums_of_row = sums.data() + 2 * y;
        for (x = 0; x < width; ++x) sums_of_row[x] += quanta[x];
      }
    });
    return sums;
  }

  void FindCells(const Arithmetic& arithmetic, const SetModel& model, size_t count, const Value* prediction,
                 const Value* sigma, uint16_t* cell, int32_t* center) const override {
    WithLanes(arithmetic,
              [&](const auto& lanes) HWY_ATTR { FindCellsWith(lanes, model, count, prediction, sigma, cell, center); });
  }

 private:
  // Calls body(lanes) with the vectors of the arithmetic.
  template <typename Body>
  static void WithLanes(const Arithmetic& arithmetic, Body body) {
    if constexpr (std::is_same_v<Arithmetic, NarrowArithmetic>) {
      body(NarrowLanes(arithmetic));
    } else if (IsFloat(arithmetic.map().kind())) {
      body(WideLanes<true>(arithmetic));
    } else {
      body(WideLanes<false>(arithmetic));
    }
  }

  template <typename Lanes>
  static void FindCellsWith(const Lanes& lanes, const SetModel& model, size_t count, const Value* prediction,
                            const Value* sigma, uint16_t* cell, int32_t* center) {
    const typename Lanes::D d;
    const typename Lanes::DI di;
    const hn::Rebind<uint16_t, typename Lanes::DI> d16;
    const size_t step = hn::Lanes(d);
    const auto vector = [&](const Value* p, const Value* s, uint16_t* to_cell, int32_t* to_center) HWY_ATTR {
      const auto v = hn::LoadU(d, p);
      const auto row = BinOf(di, lanes.Position(v), model.position_thresholds);
      const auto column = BinOf(di, lanes.Activity(v, hn::LoadU(d, s)), model.activity_thresholds);
      const auto number = hn::Add(hn::Mul(row, hn::Set(di, model.activity_bins())), column);
      hn::StoreU(hn::DemoteTo(d16, number), d16, to_cell);
      hn::StoreU(lanes.NearestCode(v), di, to_center);
    };
    size_t i = 0;
    for (; i + step <= count; i += step) vector(prediction + i, sigma + i, cell + i, center + i);
    if (i == count) return;
    constexpr size_t kMaxLanes = SkewedLayout::kMaxLanes;
    Value p[kMaxLanes] = {}, s[kMaxLanes] = {};
    uint16_t last_cells[kMaxLanes];
    int32_t last_centers[kMaxLanes];
    std::copy(prediction + i, prediction + count, p);
    std::copy(sigma + i, sigma + count, s);
    vector(p, s, last_cells, last_centers);
    std::copy_n(last_cells, count - i, cell + i);
    std::copy_n(last_centers, count - i, center + i);
  }
};

const PlaneRows<NarrowArithmetic>* NarrowRows() {
  static const PlaneRowsOfTarget<NarrowArithmetic> rows;
  return &rows;
}

const PlaneRows<WideArithmetic>* WideRows() {
  static const PlaneRowsOfTarget<WideArithmetic> rows;
  return &rows;
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(NarrowRows);
HWY_EXPORT(WideRows);

template <>
const PlaneRows<NarrowArithmetic>& PlaneRows<NarrowArithmetic>::Get() {
  return *DCAC_DYNAMIC_DISPATCH(NarrowRows)();
}

template <>
const PlaneRows<WideArithmetic>& PlaneRows<WideArithmetic>::Get() {
  return *DCAC_DYNAMIC_DISPATCH(WideRows)();
}

}  // namespace dcac
#endif  // HWY_ONCE
