#include "core/codec/row_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "core/codec/rope.h"
#include "core/codec/table_coder.h"

namespace dcac {
namespace {

// One description for both directions, as that of plane sets (set_model.cc).
template <typename Coder>
class RowModelCoder {
 public:
  RowModelCoder(Coder& coder, const RowShape& shape, RowModel& model) : coder_(coder), shape_(shape), model_(model) {}

  void Run() {
    CodeHead();
    for (ColumnCoding& column : model_.columns) CodeColumn(column);
    for (size_t row = 0; row < model_.rows.size() && !coder_.failed(); ++row) CodeRow(row);
    CodeClusterMap(coder_, kErrorBins * kPlaceBins, kPlaceBins, model_.cluster, model_.tables);
    CodeTables(coder_, kRowTableBits, model_.num_tokens, model_.tables);
  }

 private:
  void Check(bool valid) {
    if (!valid) coder_.Fail();
  }

  void CodeHead() {
    uint32_t lanes = static_cast<uint32_t>(model_.lanes_log2);
    CodeUniform(coder_, kMaxLanesLog2 + 1, lanes);
    model_.lanes_log2 = static_cast<int>(lanes);
    CodeFlag(coder_, model_.has_zero);
    CodeFlag(coder_, model_.has_escape);
    bool has_rope = model_.rope.has_value();
    CodeFlag(coder_, has_rope);
    if (has_rope) CodeRope();
  }

  void CodeRope() {
    Rope rope = model_.rope.value_or(Rope{});
    AdaptiveNumber number;
    CodeNumber(coder_, number, rope.head_dim);
    CodeNumber(coder_, number, rope.rotary_dim);
    CodeNumber(coder_, number, rope.theta);
    CodeFlag(coder_, rope.interleaved);
    Check(IsValidRope(rope, shape_.columns));
    model_.rope = rope;
  }

  void CodeColumn(ColumnCoding& column) {
    int32_t step = column.scale - previous_scale_;
    CodeSigned(coder_, column_scale_, step);
    const int64_t scale = int64_t{previous_scale_} + step;
    Check(scale >= -kMaxScale && scale <= kMaxScale);
    column.scale = static_cast<int32_t>(std::clamp<int64_t>(scale, -kMaxScale, kMaxScale));
    previous_scale_ = column.scale;
    CodeSigned(coder_, column_mean_, column.mean);
    Check(column.mean >= -kMaxColumnMean && column.mean <= kMaxColumnMean);
    // No value is larger; sums of much larger ones would leave binary32.
    Check(std::abs(static_cast<double>(column.mean) * double{MeanUnit(column.scale)}) <= kMaxRowValue);
  }

  void CodeRow(size_t index) {
    RowCoding& row = model_.rows[index];
    const size_t references_before = index > 0 ? model_.rows[index - 1].references.size() : 0;
    if (index > 0) {
      coder_.Bit(repeats_[index > 1 && model_.rows[index - 1].repeats], row.repeats);
      CodeReferenceCount(references_before, row);
    }
    for (size_t i = 0; i < row.references.size(); ++i) {
      CodeReferenceRow(index, i, row.references[i]);
      if (!row.repeats) CodeWeight(i, row.references[i].weight);
    }
    if (row.repeats) return;
    CodeSigned(coder_, row_scale_, row.scale);
    Check(row.scale >= -2 * kMaxScale && row.scale <= 2 * kMaxScale);
  }

  void CodeReferenceCount(size_t before, RowCoding& row) {
    size_t count = row.references.size();
    if (row.repeats) {
      count = 1;
    } else {
      size_t n = 0;
      for (bool more = true; n < kMaxRowTerms; ++n) {
        more = count > n;
        coder_.Bit(more_references_[before][n], more);
        if (!more) break;
      }
      count = n;
    }
    row.references.resize(count);
  }

  // The row after the one that the row before refers to, or the distance.
  void CodeReferenceRow(size_t index, size_t i, RowTerm& reference) {
    const std::vector<RowTerm>& before = model_.rows[index - 1].references;
    if (i < before.size()) {
      bool follows = reference.row == before[i].row + 1;
      coder_.Bit(follows_[i], follows);
      if (follows) {
        reference.row = before[i].row + 1;
        return;
      }
    }
    uint32_t distance = static_cast<uint32_t>(index) - 1 - reference.row;
    CodeUniform(coder_, static_cast<uint32_t>(index), distance);
    reference.row = static_cast<uint32_t>(index) - 1 - distance;
  }

  void CodeWeight(size_t i, int32_t& weight) {
    uint32_t value = static_cast<uint32_t>(weight - kMinRowWeight);
    auto& states = weight_[std::min<size_t>(i, 1)];
    uint32_t node = 1;
    for (int bit = 7; bit >= 0; --bit) {
      bool one = ((value >> bit) & 1) != 0;
      coder_.Bit(states[node], one);
      node = 2 * node + (one ? 1 : 0);
    }
    weight = static_cast<int32_t>(node - 256) + kMinRowWeight;
  }

  Coder& coder_;
  const RowShape& shape_;
  RowModel& model_;
  int32_t previous_scale_ = 0;
  AdaptiveSigned column_scale_, column_mean_, row_scale_;
  std::array<AdaptiveBit, 2> repeats_;
  std::array<std::array<AdaptiveBit, kMaxRowTerms>, kMaxRowTerms + 1> more_references_;
  std::array<AdaptiveBit, kMaxRowTerms> follows_;
  std::array<std::array<AdaptiveBit, 256>, 2> weight_;
};

}  // namespace

void EncodeRowModel(RangeEncoder& coder, const RowShape& shape, const RowModel& model) {
  RowModel copy = model;  // the shared description takes a mutable model; the encoder's side leaves it as it is
  RowModelCoder<RangeEncoder>(coder, shape, copy).Run();
}

RowModel DecodeRowModel(RangeDecoder& coder, const RowShape& shape) {
  RowModel model;
  model.columns.resize(shape.columns);
  model.rows.resize(shape.rows());
  RowModelCoder<RangeDecoder>(coder, shape, model).Run();
  return model;
}

}  // namespace dcac
