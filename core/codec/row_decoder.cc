#include "core/codec/row_decoder.h"

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/exact_math.h"
#include "core/base/phase_timer.h"
#include "core/base/status_macros.h"
#include "core/codec/rans.h"
#include "core/codec/row_predictor.h"
#include "core/codec/segment_account.h"
#include "core/codec/tokens.h"

namespace dcac {
namespace {

// Does not count: what decoding uses unless it is asked to explain.
struct NoRowCounter {
  NoRowCounter(const RowShape&, const RowModel&, SegmentAccount*) {}
  void Count(size_t /*column*/, const RansDecoder::Slot& /*slot*/, int /*raw_bits*/) {}
};

// Adds up code lengths by column and by what the tokens say.
class RowCounter {
 public:
  RowCounter(const RowShape& shape, const RowModel& model, SegmentAccount* account)
      : model_(model), account_(*account) {
    account_.planes.assign(shape.columns, {});
    for (uint32_t frequency = 1; frequency <= 1u << kRowTableBits; ++frequency) {
      token_bits_.push_back(kRowTableBits - Log2(frequency));
    }
  }

  void Count(size_t column, const RansDecoder::Slot& slot, int raw_bits) {
    const double bits = token_bits_[slot.frequency - 1u] + raw_bits;
    account_.planes[column].bits += bits;
    SampleCount& count = account_.samples[static_cast<size_t>(CodingOf(slot.token))];
    ++count.samples;
    count.bits += bits;
  }

 private:
  SampleCoding CodingOf(int token) const {
    if (token >= model_.num_specials()) return SampleCoding::kResidual;
    return model_.has_zero && token == 0 ? SampleCoding::kMode : SampleCoding::kEscape;
  }

  const RowModel& model_;
  SegmentAccount& account_;
  std::vector<double> token_bits_;  // by frequency, from 1
};

template <typename Counter>
class RowDecoder {
 public:
  RowDecoder(const RowShape& shape, const RowModel& model, std::vector<uint32_t>& samples, SegmentAccount* account)
      : shape_(shape),
        model_(model),
        predictor_(shape, model.rope),
        samples_(samples),
        counter_(shape, model, account) {
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
      const RansDecoder::Slot slot = rans.Decode(model_.cluster[grid.context], state_raw);
      const int token = slot.token - model_.num_specials();
      const size_t raw_before = raw.position_bits();
      const std::optional<uint32_t> sample =
          token < 0 ? SpecialSample(slot.token, raw) : OrdinarySample(token, grid, raw);
      if (!sample) return false;
      counter_.Count(c, slot, static_cast<int>(raw.position_bits() - raw_before));
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
  Counter counter_;
};

// Enters how rows refer to each other.
void AccountForRows(const RowModel& model, SegmentAccount& account) {
  RowExplanation& rows = account.rows;
  std::map<uint64_t, uint64_t> distances;
  for (size_t row = 0; row < model.rows.size(); ++row) {
    const RowCoding& coding = model.rows[row];
    ++rows.rows;
    rows.repeated += coding.repeats;
    rows.referring += !coding.repeats && !coding.references.empty();
    for (const RowTerm& term : coding.references) ++distances[row - term.row];
  }
  for (const auto& [distance, count] : distances) rows.references.push_back({distance, count});
}

}  // namespace

absl::StatusOr<RowModel> ParseRowModel(const RowShape& shape, ByteSpan side_bytes) {
  if (shape.columns < kMinRowColumns) {
    return absl::DataLossError(
        absl::StrCat("rows of ", shape.columns, " features of a token, expected at least ", kMinRowColumns));
  }
  RangeDecoder side(side_bytes);
  RowModel model = DecodeRowModel(side, shape);
  if (side.failed()) return absl::DataLossError("the model of rows is malformed");
  return model;
}

absl::Status DecodeRows(const RowShape& shape, ByteReader& reader, std::vector<uint32_t>& samples,
                        SegmentAccount* account) {
  const PhaseTimer timer(Phase::kModel);
  const FloatEnvironment environment;
  uint64_t side_size = 0, entropy_size = 0;
  ByteSpan side_bytes, entropy_coded, raw_bits;
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("size of the side information", side_size));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("side information", side_size, side_bytes));
  DCAC_ASSIGN_OR_RETURN(const RowModel model, ParseRowModel(shape, side_bytes));
  DCAC_RETURN_IF_ERROR(reader.ReadVarint("size of entropy-coded data", entropy_size));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("entropy-coded data", entropy_size, entropy_coded));
  DCAC_RETURN_IF_ERROR(reader.ReadSpan("raw bits", reader.remaining(), raw_bits));
  if (account == nullptr) {
    return RowDecoder<NoRowCounter>(shape, model, samples, nullptr).Decode(entropy_coded, raw_bits);
  }
  account->side_bytes += side_size;
  AccountForRows(model, *account);
  return RowDecoder<RowCounter>(shape, model, samples, account).Decode(entropy_coded, raw_bits);
}

}  // namespace dcac
