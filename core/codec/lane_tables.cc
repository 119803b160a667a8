#include "core/codec/lane_tables.h"

#include <algorithm>
#include <array>
#include <span>

#include "core/codec/token_tables.h"

namespace dcac {

namespace {

LaneBins MakeBins(const std::vector<uint8_t>& thresholds) {
  LaneBins bins;
  size_t bin = 0;
  for (size_t byte = 0; byte < bins.of_byte.size(); ++byte) {
    while (bin < thresholds.size() && byte > thresholds[bin]) ++bin;
    bins.of_byte[byte] = static_cast<uint8_t>(bin);
  }
  for (size_t half = 0; half < bins.below.size(); ++half) bins.below[half] = bins.of_byte[16 * half];
  for (LaneBins::Row& row : bins.threshold) row.fill(INT8_MAX);
  std::array<size_t, 16> count{};
  for (const uint8_t threshold : thresholds) {
    const size_t half = threshold / 16, row = count[half]++;
    bins.threshold[row][half] = static_cast<int8_t>(threshold - 128);
    bins.num_rows = std::max(bins.num_rows, row + 1);
  }
  return bins;
}

// Of bytes of byte lanes; number(bin): their part of the number of a cell.
template <typename Number>
LaneNibbles NibblesOf(const LaneBins& bins, Number number) {
  LaneNibbles result;
  for (size_t i = 0; i < 16; ++i) {
    result.low[i] = static_cast<uint8_t>(number(bins.of_byte[i]));
    if (i > 0) result.high[i] = static_cast<uint8_t>(number(bins.of_byte[16 * i]));
  }
  result.FindAll();
  return result;
}

// Of a table of bytes with so many entries.
size_t RowsOf(size_t entries) {
  return (entries + 15) / 16;
}

// Residuals of 8 bits as tokens.
void FillResiduals(LaneTables& tables) {
  for (int residual = -128; residual < 128; ++residual) {
    const uint32_t magnitude = static_cast<uint32_t>(residual < 0 ? -1 - residual : residual);
    const int q = ClassOfMagnitude(magnitude);
    const size_t token = static_cast<size_t>(tables.first_residual_token + 2 * q + (residual < 0 ? 1 : 0));
    const size_t byte = static_cast<uint8_t>(residual);
    tables.token[byte] = static_cast<uint8_t>(token);
    tables.raw[byte] = static_cast<uint8_t>(byte & ((1u << LaneClassOf(q).raw_bits) - 1));
  }
  auto& magnitudes = tables.magnitude;
  for (size_t i = 0; i < 16; ++i) magnitudes.token[i] = tables.token[i];
  for (size_t quarter = 4; quarter < 16; ++quarter) magnitudes.token_of_quarter[quarter] = tables.token[4 * quarter];
  for (size_t i = 1; i < 8; ++i) {
    if (i >= 4) magnitudes.token_of_sixteenth[i] = tables.token[16 * i];
    const int raw_bits = LaneClassOf(ClassOfMagnitude(static_cast<uint32_t>(16 * i))).raw_bits;
    magnitudes.raw_mask_of_sixteenth[i] = static_cast<uint8_t>((1 << raw_bits) - 1);
  }
}

// The least residual of a token of samples of 8 bits, to which its raw bits are added, modulo 256.
uint8_t ResidualBase(int residual_token) {
  const LaneClass of = LaneClassOf(residual_token / 2);
  return static_cast<uint8_t>(residual_token % 2 == 0 ? of.base : ~of.base - ((1u << of.raw_bits) - 1));
}

// Payloads of tokens; fillers have no raw bits.
std::vector<uint16_t> PayloadsOf(bool narrow, bool filler, const LaneModel& model) {
  const std::vector<uint8_t> raw_bits = LaneTokenRawBits(model);
  const auto payload = [&](int token) -> uint16_t {
    if (token == model.escape_token()) return kEscapePayload;
    const int residual = token - model.first_residual_token();
    if (residual < 0) return narrow ? kModePayload : kWideModePayload;
    const uint32_t bits = filler ? 0 : raw_bits[static_cast<size_t>(token)];
    if (narrow) return ResidualPayload(ResidualBase(residual), bits);
    const LaneClass of = LaneClassOf(residual / 2);
    return LeadPayload(of.base >> of.raw_bits, residual % 2 != 0, bits);
  };
  std::vector<uint16_t> payloads(kMaxLaneTokens);
  for (size_t token = 0; token < payloads.size(); ++token) payloads[token] = payload(static_cast<int>(token));
  return payloads;
}

}  // namespace

void SetCenters(const std::vector<int32_t>& centers, LaneTables& tables) {
  std::copy(centers.begin(), centers.end(), tables.center.begin());
  std::transform(centers.begin(), centers.end(), tables.center_byte.begin(),
                 [](int32_t center) { return static_cast<uint8_t>(center); });
}

LaneTables MakeLaneTables(SampleKind kind, const LaneModel& model) {
  LaneTables tables;
  tables.low_code = model.low_code;
  tables.high_code = model.high_code;
  if (!IsNarrow(kind)) {
    const SampleMap map(kind, model.base_exponent);
    tables.is_float = IsFloat(kind);
    tables.mantissa_bits = SampleMap::MantissaBits(kind);
    tables.low = map.ToValue(model.low_code);
    tables.high = map.ToValue(model.high_code);
  }
  tables.position_base = model.position_base;
  tables.position_shift = model.position_shift;
  tables.activity_base = model.activity_base;
  tables.activity_shift = model.activity_shift;
  tables.position_bins = MakeBins(model.position_thresholds);
  tables.activity_bins = MakeBins(model.activity_thresholds);
  const size_t columns = model.activity_bins();
  tables.has_few_activity_bins = columns <= 8;
  for (size_t cell = 0; cell < model.cluster.size(); ++cell) {
    const bool is_fixed = model.fixed_center[cell];
    tables.context.byte[tables.CellNumber(cell / columns, cell % columns)] =
        static_cast<uint8_t>(model.cluster[cell] | (is_fixed ? kFixedCenter : 0));
    tables.has_fixed_centers = tables.has_fixed_centers || is_fixed;
  }
  if (model.bytes) {
    tables.position_nibbles = NibblesOf(tables.position_bins, [&](size_t bin) { return tables.CellNumber(bin, 0); });
    tables.activity_nibbles = NibblesOf(tables.activity_bins, [&](size_t bin) { return tables.CellNumber(0, bin); });
    if (tables.has_fixed_centers) {
      tables.center_nibbles = NibblesOf(tables.position_bins, [&](size_t bin) { return model.center[bin]; });
    }
  }
  tables.context.num_rows = RowsOf(tables.EndOfCellNumbers(model.position_bins(), columns));
  tables.context.FindChanges();
  SetCenters(model.center, tables);
  tables.num_contexts = model.tables.size();
  tables.has_intervals = model.has_intervals;
  tables.has_mode = model.has_mode;
  tables.mode_code = model.mode_code;
  tables.first_residual_token = model.first_residual_token();
  tables.escape_token = model.escape_token();
  tables.shift = model.shift;
  tables.filler_context = static_cast<uint8_t>(model.tables.size());
  tables.table_bits = model.table_bits;
  if (IsNarrow(kind)) FillResiduals(tables);
  return tables;
}

std::vector<SlotRange> LaneSlotRanges(const std::vector<uint32_t>& weights, int table_bits) {
  const std::vector<uint32_t> normalized = NormalizeTable(weights, table_bits);
  std::vector<uint16_t> frequencies(normalized.begin(), normalized.end());
  const auto all = std::find(normalized.begin(), normalized.end(), 1u << table_bits);
  if (all != normalized.end()) {
    const size_t token = static_cast<size_t>(all - normalized.begin());
    if (frequencies.size() == 1) frequencies.push_back(0);
    --frequencies[token];
    ++frequencies[token == 0 ? 1 : 0];
  }
  return PlaceTokens(frequencies, table_bits);
}

std::vector<SlotRange> FillerSlotRanges(const LaneModel& model) {
  std::vector<uint32_t> weights(static_cast<size_t>(model.first_residual_token()) + 1, 0);
  weights.back() = 1;
  return LaneSlotRanges(weights, model.table_bits);
}

std::vector<std::span<const Interval>> IntervalsOf(const LaneModel& model) {
  return {model.intervals.begin(), model.intervals.end()};
}

std::vector<uint8_t> LaneTokenRawBits(const LaneModel& model) {
  std::vector<uint8_t> bits(kMaxLaneTokens, 0);
  for (int token = model.first_residual_token(); token < model.num_tokens; ++token) {
    bits[static_cast<size_t>(token)] =
        static_cast<uint8_t>(LaneRawBits(token - model.first_residual_token(), model.shift));
  }
  return bits;
}

std::vector<uint32_t> MakeLaneSlots(SampleKind kind, const LaneModel& model) {
  const bool narrow = IsNarrow(kind);
  const LaneRaw raw = narrow ? LaneRaw::kInState : LaneRaw::kNone;
  const std::vector<uint16_t> payloads = PayloadsOf(narrow, false, model);
  const size_t stride = size_t{1} << SlotStrideBits(model.table_bits);
  std::vector<uint32_t> table((model.tables.size() + 1) * stride);
  for (size_t context = 0; context < model.tables.size(); ++context) {
    BuildSlots(LaneSlotRanges(model.tables[context], model.table_bits), raw, model.table_bits, payloads,
               table.data() + context * stride);
  }
  BuildSlots(FillerSlotRanges(model), raw, model.table_bits, PayloadsOf(narrow, true, model),
             table.data() + model.tables.size() * stride);
  return table;
}

}  // namespace dcac
