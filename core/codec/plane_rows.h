// Encoder: passes over all samples of a plane.  An encoder has all samples, so that whole rows can be computed by loops
// over contiguous samples; the operations of each sample, and their order, are those of PlanePredictor.
#ifndef DCAC_CORE_CODEC_PLANE_ROWS_H_
#define DCAC_CORE_CODEC_PLANE_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/codec/plane_predictor.h"
#include "core/codec/set_model.h"
#include "core/codec/wave.h"

namespace dcac {

// The passes on the best vectors of this machine, with one result on all.  Pointers are to the first sample of the
// plane.
template <typename Arithmetic>
class PlaneRows {
 public:
  using Value = typename Arithmetic::Value;
  using Predictor = PlanePredictor<Arithmetic>;
  using Planes = std::vector<CodedPlane<Arithmetic>>;

  // Those of the active target.
  static const PlaneRows& Get();

  virtual ~PlaneRows() = default;

  // Spatial predictions from the values, and the innovations.  `means`: by local time.
  virtual void PredictSpatially(const Predictor& predictor, const SetShape& shape, const Value* means,
                                CodedPlane<Arithmetic>& plane, Value* spatial) const = 0;

  // Predictions of plane number `plane` from its spatial predictions and earlier planes, and the errors.
  virtual void Predict(const Predictor& predictor, const SetShape& shape, int plane, const PlaneModel& model,
                       const Value* spatial, Planes& planes, Value* prediction) const = 0;

  // Expected errors.  `running`: the running errors by local time; `recent`: the moving means of the errors of earlier
  // planes.
  virtual void ExpectErrors(const Predictor& predictor, const SetShape& shape, int plane, const PlaneModel& model,
                            const Planes& planes, const Value* spatial, const Value* running, const Value* recent,
                            Value* sigma) const = 0;

  // For each local time the sum of the quanta of the plane's samples.
  virtual std::vector<int64_t> SumQuanta(const Arithmetic& arithmetic, const SetShape& shape,
                                         const PaddedPlane<typename Arithmetic::Stored>& plane) const = 0;

  // The cells of `count` samples and the codes nearest to their predictions.
  virtual void FindCells(const Arithmetic& arithmetic, const SetModel& model, size_t count, const Value* prediction,
                         const Value* sigma, uint16_t* cell, int32_t* center) const = 0;
};

template <>
const PlaneRows<NarrowArithmetic>& PlaneRows<NarrowArithmetic>::Get();
template <>
const PlaneRows<WideArithmetic>& PlaneRows<WideArithmetic>::Get();

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_PLANE_ROWS_H_
