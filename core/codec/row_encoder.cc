#include "core/codec/row_encoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/exact_math.h"
#include "core/base/phase_timer.h"
#include "core/codec/context_builder.h"
#include "core/codec/rans.h"
#include "core/codec/row_predictor.h"
#include "core/codec/row_search.h"
#include "core/codec/tokens.h"

namespace dcac {
namespace {

constexpr size_t kDefaultReferences = 4;
// A rotation is taken where it saves so many bits of a sample.
constexpr double kRopeGain = 0.02;

// What is coded of one sample.
struct RowSymbol {
  uint8_t context = 0;  // of the cell token, below kErrorBins * kPlaceBins
  uint8_t token = 0;
  uint8_t raw_bits = 0;
  uint64_t raw = 0;
};

class RowEncoder {
 public:
  RowEncoder(const RowShape& shape, std::span<const uint32_t> samples, const EncodeOptions& options)
      : shape_(shape), samples_(samples), options_(options), cells_(shape.kind) {
    model_.columns.resize(shape.columns);
    model_.rows.resize(shape.rows());
  }

  Bytes Encode() {
    const PhaseTimer timer(Phase::kModel);
    model_.rope = ChooseRope();
    RowPredictor predictor(shape_, model_.rope);
    for (size_t row = 0; row < shape_.rows(); ++row) predictor.Update(row, Samples(row));
    std::vector<float> values(predictor.Values(0), predictor.Values(0) + shape_.samples());
    FindRepeats();
    RowSearchOptions search;
    search.max_references = options_.mode == Mode::kIntra ? 0 : kDefaultReferences;
    if (options_.max_references) {
      search.max_references = std::min(kMaxRowTerms, static_cast<size_t>(*options_.max_references));
    }
    search.window = static_cast<size_t>(options_.window);
    search.across_items = options_.previous_item;
    const ColumnStatistics statistics = MeasureColumns(shape_, values);
    {
      const PhaseTimer search_timer(Phase::kSearch);
      SearchRowReferences(shape_, values, statistics, search, model_.rows);
    }
    FitScales(predictor, statistics);
    const std::vector<RowSymbol> symbols = MakeSymbols(predictor);
    BuildTables(symbols);
    return Write(symbols);
  }

 private:
  const uint32_t* Samples(size_t row) const { return samples_.data() + row * shape_.columns; }

  // Rotations.

  std::optional<Rope> ChooseRope() const {
    if (options_.rope_choice == RopeChoice::kNone) return std::nullopt;
    if (options_.rope_choice == RopeChoice::kGiven) {
      Rope rope = options_.rope;
      if (rope.head_dim == 0) rope.head_dim = static_cast<uint32_t>(shape_.head_dim);
      if (rope.rotary_dim == 0) rope.rotary_dim = rope.head_dim;
      return IsValidRope(rope, shape_.columns) ? std::optional<Rope>(rope) : std::nullopt;
    }
    constexpr size_t kMaxHeadDim = 256;  // wider ones are whole tokens
    return shape_.head_dim == 0 || shape_.head_dim > kMaxHeadDim ? std::nullopt : TryRopes();
  }

  // Keys vary less around their means when the right rotation is undone: the one that lowers the logarithm of the
  // deviations most, if any does by kRopeGain.  The first head of the first rows tells.
  std::optional<Rope> TryRopes() const {
    constexpr size_t kTriedRows = 512;
    RowShape part = shape_;
    part.items = 1;
    part.positions = std::min(shape_.positions, kTriedRows);
    part.columns = shape_.head_dim;
    std::vector<uint32_t> head;
    for (size_t row = 0; row < part.rows(); ++row) head.insert(head.end(), Samples(row), Samples(row) + part.columns);
    double best = MeanLogDeviation(part, head, std::nullopt) - kRopeGain;
    std::optional<Rope> chosen;
    const auto head_dim = static_cast<uint32_t>(shape_.head_dim);
    for (uint32_t theta : {10000u, 100000u, 150000u, 500000u, 1000000u, 10000000u}) {
      for (uint32_t divisor : {1u, 2u, 4u}) {
        for (bool interleaved : {false, true}) {
          const Rope rope{head_dim, head_dim / divisor, theta, interleaved};
          if (!IsValidRope(rope, part.columns)) continue;
          const double deviation = MeanLogDeviation(part, head, rope);
          if (deviation >= best) continue;
          best = deviation;
          chosen = rope;
        }
      }
    }
    return chosen;
  }

  static double MeanLogDeviation(const RowShape& part, const std::vector<uint32_t>& samples,
                                 const std::optional<Rope>& rope) {
    RowPredictor predictor(part, rope);
    for (size_t row = 0; row < part.rows(); ++row) predictor.Update(row, samples.data() + row * part.columns);
    const std::vector<float> values(predictor.Values(0), predictor.Values(0) + part.samples());
    double sum = 0;
    for (float deviation : MeasureColumns(part, values).deviation) sum += Log2(static_cast<double>(deviation));
    return sum / static_cast<double>(part.columns);
  }

  // Rows whose samples are those of an earlier one, the latest.
  void FindRepeats() {
    std::unordered_map<std::string_view, uint32_t> seen;
    for (size_t row = 0; row < shape_.rows(); ++row) {
      if (!options_.previous_item && row % shape_.positions == 0) seen.clear();
      const std::string_view bytes(reinterpret_cast<const char*>(Samples(row)), shape_.columns * sizeof(uint32_t));
      const auto [found, is_new] = seen.try_emplace(bytes, static_cast<uint32_t>(row));
      if (is_new) continue;
      model_.rows[row].repeats = true;
      model_.rows[row].references = {{found->second, 0}};
      found->second = static_cast<uint32_t>(row);
    }
  }

  // Expected errors of columns and rows, by turns, from the errors of the predictions with the means as they are, then
  // the means in units of them.
  void FitScales(RowPredictor& predictor, const ColumnStatistics& statistics) {
    SetScales(std::vector<double>(shape_.columns, 0.0), statistics.deviation);
    SetMeans(predictor, statistics);
    std::vector<float> errors(shape_.samples());
    for (size_t row = 0; row < shape_.rows(); ++row) {
      const std::vector<float>& prediction = predictor.Predict(row, model_.rows[row]);
      for (size_t c = 0; c < shape_.columns; ++c) {
        const std::optional<float> value = cells_.ToValue(Samples(row)[c]);
        errors[row * shape_.columns + c] = value ? *value - prediction[c] : 0.0f;
      }
    }
    std::vector<double> row_log(shape_.rows(), 0.0), column_log(shape_.columns, 0.0);
    for (int round = 0; round < 3; ++round) {
      ColumnLogs(errors, row_log, column_log);
      RowLogs(errors, column_log, row_log);
    }
    SetScales(column_log, {});
    for (size_t row = 0; row < shape_.rows(); ++row) {
      if (!model_.rows[row].repeats) model_.rows[row].scale = ToScale(row_log[row]);
    }
    SetMeans(predictor, statistics);
  }

  void ColumnLogs(const std::vector<float>& errors, const std::vector<double>& row_log,
                  std::vector<double>& column_log) const {
    std::vector<double> squares(shape_.columns, 0.0);
    size_t rows = 0;
    for (size_t row = 0; row < shape_.rows(); ++row) {
      if (model_.rows[row].repeats) continue;
      ++rows;
      const double weight = Exp2(-2 * row_log[row]);
      for (size_t c = 0; c < shape_.columns; ++c) {
        const double error = static_cast<double>(errors[row * shape_.columns + c]);
        squares[c] += error * error * weight;
      }
    }
    for (size_t c = 0; c < shape_.columns; ++c) {
      column_log[c] = HalfLog(squares[c] / static_cast<double>(std::max<size_t>(rows, 1)));
    }
  }

  void RowLogs(const std::vector<float>& errors, const std::vector<double>& column_log,
               std::vector<double>& row_log) const {
    std::vector<double> weight(shape_.columns);
    for (size_t c = 0; c < shape_.columns; ++c) weight[c] = Exp2(-2 * column_log[c]);
    for (size_t row = 0; row < shape_.rows(); ++row) {
      double sum = 0;
      for (size_t c = 0; c < shape_.columns; ++c) {
        const double error = static_cast<double>(errors[row * shape_.columns + c]);
        sum += error * error * weight[c];
      }
      row_log[row] = HalfLog(sum / static_cast<double>(shape_.columns));
    }
  }

  // log2 of the root, within what Exp2 and scales hold.
  static double HalfLog(double square) {
    constexpr double kMost = 100;
    return square > 0 ? std::clamp(0.5 * Log2(square), -kMost, kMost) : -kMost;
  }

  static int32_t ToScale(double log) {
    return static_cast<int32_t>(std::lround(std::clamp(log * kScaleSteps, -double{kMaxScale}, double{kMaxScale})));
  }

  // From logarithms, or from deviations where there are any.
  void SetScales(const std::vector<double>& logs, const std::vector<float>& deviations) {
    for (size_t c = 0; c < shape_.columns; ++c) {
      model_.columns[c].scale = ToScale(deviations.empty() ? logs[c] : Log2(static_cast<double>(deviations[c])));
    }
  }

  void SetMeans(RowPredictor& predictor, const ColumnStatistics& statistics) {
    for (size_t c = 0; c < shape_.columns; ++c) {
      ColumnCoding& column = model_.columns[c];
      const double units = static_cast<double>(statistics.mean[c]) / static_cast<double>(MeanUnit(column.scale));
      column.mean =
          static_cast<int32_t>(std::lround(std::clamp(units, -double{kMaxColumnMean}, double{kMaxColumnMean})));
    }
    predictor.SetMeans(model_.columns);
  }

  // Symbols.

  std::vector<RowSymbol> MakeSymbols(RowPredictor& predictor) {
    const PhaseTimer timer(Phase::kTokens);
    size_t zeros = 0, coded = 0;
    ForEachCodedRow([&](size_t row) {
      zeros += static_cast<size_t>(std::count(Samples(row), Samples(row) + shape_.columns, 0u));
      coded += shape_.columns;
    });
    constexpr size_t kZeroShare = 64;  // zeros that are rarer need no token
    model_.has_zero = zeros * kZeroShare > coded;
    model_.has_escape = true;
    std::vector<RowSymbol> symbols;
    symbols.reserve(coded);
    bool escapes = false;
    ForEachCodedRow([&](size_t row) {
      const std::vector<float>& prediction = predictor.Predict(row, model_.rows[row]);
      for (size_t c = 0; c < shape_.columns; ++c) {
        const CellGrid grid = cells_.GridOf(prediction[c], ScaleOf(model_.columns[c], model_.rows[row]));
        symbols.push_back(MakeSymbol(Samples(row)[c], grid, escapes));
      }
    });
    if (!escapes) {
      model_.has_escape = false;
      for (RowSymbol& symbol : symbols) symbol.token -= symbol.token > 0 || !model_.has_zero ? 1 : 0;
    }
    return symbols;
  }

  template <typename Function>
  void ForEachCodedRow(Function function) const {
    for (size_t row = 0; row < shape_.rows(); ++row) {
      if (!model_.rows[row].repeats) function(row);
    }
  }

  // The token as if there were escapes.
  RowSymbol MakeSymbol(uint32_t sample, const CellGrid& grid, bool& escapes) const {
    RowSymbol symbol;
    symbol.context = static_cast<uint8_t>(grid.context);
    if (model_.has_zero && sample == 0) return symbol;
    const std::optional<Cell> cell = cells_.CellOf(sample, grid.exponent);
    const TokenAndRaw token = TokenOfResidual(cell ? cell->number - grid.predicted : 0, 0);
    constexpr int kMaxRawBits = 64;  // what a RowSymbol holds; more only occur far below a far prediction
    if (!cell || token.raw_bits + cell->raw_bits > kMaxRawBits) {
      escapes = true;
      symbol.token = model_.has_zero ? 1 : 0;
      symbol.raw = sample;
      symbol.raw_bits = static_cast<uint8_t>(SampleBits(shape_.kind));
      return symbol;
    }
    symbol.token = static_cast<uint8_t>(model_.num_specials() + token.token);
    symbol.raw = token.raw | cell->raw << token.raw_bits;
    symbol.raw_bits = static_cast<uint8_t>(token.raw_bits + cell->raw_bits);
    return symbol;
  }

  void BuildTables(const std::vector<RowSymbol>& symbols) {
    const PhaseTimer timer(Phase::kTokens);
    uint8_t most = 0;
    for (const RowSymbol& symbol : symbols) most = std::max(most, symbol.token);
    model_.num_tokens = most + 1;
    CellCounts counts(kErrorBins * kPlaceBins, static_cast<size_t>(model_.num_tokens));
    for (const RowSymbol& symbol : symbols) ++counts.At(symbol.context, symbol.token);
    if (symbols.empty()) ++counts.At(0, 0);
    Clusters clusters = ClusterCells(counts, static_cast<int>(kPlaceBins));
    model_.cluster = std::move(clusters.cluster);
    model_.tables = std::move(clusters.tables);
    for (auto& table : model_.tables) table.resize(static_cast<size_t>(model_.num_tokens));
    model_.lanes_log2 = ChooseLanesLog2(clusters.bits / 8);
  }

  Bytes Write(const std::vector<RowSymbol>& symbols) const {
    const PhaseTimer timer(Phase::kEntropy);
    RangeEncoder side;
    EncodeRowModel(side, shape_, model_);
    Bytes body;
    if (side.failed()) return body;
    const Bytes side_bytes = side.Finish();
    std::vector<RansContext> contexts;
    for (const auto& table : model_.tables) contexts.push_back(MakeRansContext(NormalizeTable(table, kRowTableBits)));
    std::vector<RansSymbol> rans(symbols.size());
    BitWriter raw;
    for (size_t i = 0; i < symbols.size(); ++i) {
      rans[i].context = model_.cluster[symbols[i].context];
      rans[i].token = symbols[i].token;
      raw.Put(symbols[i].raw, symbols[i].raw_bits);
    }
    const std::vector<uint32_t> waves(symbols.size() / shape_.columns, static_cast<uint32_t>(shape_.columns));
    const Bytes entropy_coded = RansEncode(rans, waves, contexts, kRowTableBits, model_.lanes_log2);
    AppendVarint(side_bytes.size(), body);
    AppendBytes(side_bytes, body);
    AppendVarint(entropy_coded.size(), body);
    AppendBytes(entropy_coded, body);
    AppendBytes(raw.Finish(), body);
    return body;
  }

  const RowShape& shape_;
  std::span<const uint32_t> samples_;
  const EncodeOptions& options_;
  CellMap cells_;
  RowModel model_;
};

}  // namespace

Bytes EncodeRows(const RowShape& shape, std::span<const uint32_t> samples, const EncodeOptions& options) {
  const FloatEnvironment environment;
  return RowEncoder(shape, samples, options).Encode();
}

}  // namespace dcac
