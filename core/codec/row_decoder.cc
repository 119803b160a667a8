#include "core/codec/row_decoder.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/exact_math.h"
#include "core/base/status_macros.h"
#include "core/codec/rans.h"
#include "core/codec/row_predictor.h"
#include "core/codec/tokens.h"

namespace dcac {
namespace {

class RowDecoder {
 public:
  RowDecoder(const RowShape& shape, const RowModel& model, std::vector<uint32_t>& samples)
      : shape_(shape), model_(model), predictor_(shape, model.rope), samples_(samples) {
    predictor_.SetMeans(model.columns);
    samples_.assign(shape.samples(), 0);
  }

  absl::Status Decode(ByteSpan entropy_coded, ByteSpan raw_bits) {
    std::vector<RansContext> contexts;
    for (const auto& table : model_.tables) contexts.push_back(MakeRansContext(NormalizeTable(table, kRowTableBits)));
    RansDecoder rans(contexts, std::vector<uint8_t>(static_cast<size_t>(model_.num_tokens), 0), kRowTableBits);
    DCAC_RETURN_IF_ERROR(rans.Begin(entropy_coded, model_.lanes_log2));
    BitReader raw(raw_bits);
    for (size_t row = 0; row < model_.rows.size(); ++row) {
      uint32_t* samples = samples_.data() + row * shape_.columns;
      if (model_.rows[row].repeats) {
        std::copy_n(samples_.data() + model_.rows[row].references.front().row * shape_.columns, shape_.columns,
                    samples);
      } else if (!DecodeRow(row, rans, raw, samples)) {
        return absl::DataLossError(absl::StrCat("row ", row, " has a token that is no sample"));
      }
      predictor_.Update(row, samples);
    }
    DCAC_RETURN_IF_ERROR(rans.Finish());
    return raw.Finish();
  }

 private:
  bool DecodeRow(size_t index, RansDecoder& rans, BitReader& raw, uint32_t* samples) {
    const RowCoding& row = model_.rows[index];
    const std::vector<float>& prediction = predictor_.Predict(index, row);
    rans.BeginWave();
    for (size_t c = 0; c < shape_.columns; ++c) {
      const CellGrid grid = predictor_.cells().GridOf(prediction[c], ScaleOf(model_.columns[c], row));
      uint32_t state_raw = 0;
      const int token = rans.Decode(model_.cluster[grid.context], state_raw).token - model_.num_specials();
      const std::optional<uint32_t> sample =
          token < 0 ? SpecialSample(token + model_.num_specials(), raw) : OrdinarySample(token, grid, raw);
      if (!sample) return false;
      samples[c] = *sample;
    }
    return true;
  }

  uint32_t SpecialSample(int token, BitReader& raw) const {
    if (model_.has_zero && token == 0) return 0;
    return static_cast<uint32_t>(raw.Get(SampleBits(shape_.kind)));
  }

  std::optional<uint32_t> OrdinarySample(int token, const CellGrid& grid, BitReader& raw) const {
    if (!IsValidToken(token, 0)) return std::nullopt;
    const int64_t distance = ResidualOfToken(token, raw.Get(ClassRawBits(token / 2)), 0);
    return predictor_.cells().SampleOf(grid.predicted + distance, grid.exponent, raw);
  }

  const RowShape& shape_;
  const RowModel& model_;
  RowPredictor predictor_;
  std::vector<uint32_t>& samples_;
};

}  // namespace

absl::Status DecodeRows(const RowShape& shape, ByteReader& reader, std::vector<uint32_t>& samples) {
  const FloatEnvironment environment;
  uint64_t side_size = 0, entropy_size = 0;
  ByteSpan side_bytes, entropy_coded, raw_bits;
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("size of the side information", side_size));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("side information", side_size, side_bytes));
  RangeDecoder side(side_bytes);
  const RowModel model = DecodeRowModel(side, shape);
  if (side.failed()) return absl::DataLossError("the model of rows is malformed");
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("size of entropy-coded data", entropy_size));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("entropy-coded data", entropy_size, entropy_coded));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("raw bits", reader.remaining(), raw_bits));
  return RowDecoder(shape, model, samples).Decode(entropy_coded, raw_bits);
}

}  // namespace dcac
