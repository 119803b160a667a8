// Encoder: PlanePredictor for a row at a time.  An encoder has all samples, so that whole rows can be computed by loops
// over contiguous samples; the operations of each sample, and their order, are those of PlanePredictor.
#ifndef DCAC_CORE_CODEC_PLANE_ROWS_H_
#define DCAC_CORE_CODEC_PLANE_ROWS_H_

#include <algorithm>
#include <vector>

#include "core/codec/plane_predictor.h"

namespace dcac {

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

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_PLANE_ROWS_H_
