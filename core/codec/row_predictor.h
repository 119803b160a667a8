// Predictions of the rows of a segment from earlier ones (docs/format.md, "Rows").  Encoder and decoder run the same.
#ifndef DCAC_CORE_CODEC_ROW_PREDICTOR_H_
#define DCAC_CORE_CODEC_ROW_PREDICTOR_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/codec/rope.h"
#include "core/codec/row_model.h"

namespace dcac {

class RowPredictor {
 public:
  RowPredictor(const RowShape& shape, const std::optional<Rope>& rope)
      : shape_(shape), cells_(shape.kind), values_(shape.samples()), mean_(shape.columns), row_(shape.columns) {
    if (rope) rotation_.emplace(*rope, shape.columns, shape.positions);
  }

  void SetMeans(const std::vector<ColumnCoding>& columns) {
    for (size_t c = 0; c < columns.size(); ++c) {
      mean_[c] = static_cast<float>(columns[c].mean) * MeanUnit(columns[c].scale);
    }
  }

  // The prediction of each sample of row `index`; valid until the next call.
  const std::vector<float>& Predict(size_t index, const RowCoding& row) {
    std::copy(mean_.begin(), mean_.end(), row_.begin());
    for (const RowTerm& reference : row.references) {
      const float weight = static_cast<float>(reference.weight) * PowerOfTwo(-kRowWeightBits);
      const float* values = Values(reference.row);
      for (size_t c = 0; c < row_.size(); ++c) row_[c] = row_[c] + weight * (values[c] - mean_[c]);
    }
    if (rotation_) rotation_->Redo(index % shape_.positions, row_.data());
    if (!IsFloat(shape_.kind)) {
      constexpr float kMost = 2147483648.0f;
      for (float& value : row_) value = std::clamp(value, -kMost, kMost);
    }
    return row_;
  }

  // Takes in the samples of row `index`, so that later rows can refer to it.
  void Update(size_t index, const uint32_t* samples) {
    float* values = values_.data() + index * shape_.columns;
    for (size_t c = 0; c < shape_.columns; ++c) values[c] = cells_.ToValue(samples[c]).value_or(0.0f);
    if (rotation_) rotation_->Undo(index % shape_.positions, values);
  }

  // Values of a row that Update has taken in, its rotation undone.
  const float* Values(size_t index) const { return values_.data() + index * shape_.columns; }

  const CellMap& cells() const { return cells_; }

 private:
  const RowShape shape_;
  CellMap cells_;
  std::optional<RowRotation> rotation_;
  std::vector<float> values_;
  std::vector<float> mean_, row_;
};

// Expected error of a sample.
inline int ScaleOf(const ColumnCoding& column, const RowCoding& row) {
  return std::clamp(column.scale + row.scale, -kMaxScale, kMaxScale);
}

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_ROW_PREDICTOR_H_
