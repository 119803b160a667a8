#include "core/codec/lane_account.h"

#include <algorithm>
#include <cstdlib>

#include "core/base/exact_math.h"
#include "core/codec/lane_tables.h"

namespace dcac {
namespace {

constexpr double kEscapeBits = 16, kLowHalfBits = 16;

}  // namespace

LaneCounter::LaneCounter(SampleKind kind, const LaneModel& model, SetAccount& account)
    : kind_(kind), model_(model), account_(account) {
  account_.plane_bits.assign(model.planes.size(), 0);
  if (model.has_intervals) {
    FindBitsOfResiduals();
    return;
  }
  bits_.resize(model.tables.size() * kMaxLaneTokens);
  const std::vector<uint8_t> raw_bits = LaneTokenRawBits(model);
  for (size_t context = 0; context < model.tables.size(); ++context) {
    for (const SlotRange& range : LaneSlotRanges(model.tables[context], model.table_bits)) {
      const SampleCoding coding = CodingOf(range.token);
      double& bits = bits_[context * kMaxLaneTokens + range.token];
      bits = model.table_bits - Log2(range.frequency) + raw_bits[range.token];
      if (coding == SampleCoding::kEscape) bits += kEscapeBits;
    }
  }
}

void LaneCounter::FindBitsOfResiduals() {
  std::vector<IntervalEntry> entries(NumIntervalEntries(model_.intervals.size()));
  BuildIntervalEntries(IntervalsOf(model_), entries);
  for (const IntervalEntry& entry : entries) {
    const double slot_bits = Log2(kIntervalSlots) - Log2(entry.frequency);  // without frequency there is none such
    bits_.push_back(slot_bits + Log2(entry.raw_mask + 1));
  }
}

SampleCoding LaneCounter::CodingOf(size_t symbol) const {
  if (model_.has_intervals)
    return symbol < ModeEntries(model_.intervals.size()) ? SampleCoding::kResidual : SampleCoding::kMode;
  const size_t token = symbol % kMaxLaneTokens;
  if (static_cast<int>(token) >= model_.first_residual_token()) return SampleCoding::kResidual;
  return static_cast<int>(token) == model_.escape_token() ? SampleCoding::kEscape : SampleCoding::kMode;
}

bool LaneCounter::IsExact(int32_t code) const {
  return std::any_of(model_.exact.begin(), model_.exact.end(),
                     [&](const LaneExact& exact) { return exact.code == code; });
}

void LaneCounter::CountGroup(const LaneTables& tables, const LaneRaster<NarrowLanes>& raster, uint8_t* codes) {
  Count(tables, raster, codes);
}

void LaneCounter::CountGroup(const LaneTables& tables, const LaneRaster<WideLanes>& raster, int32_t* codes) {
  Count(tables, raster, codes);
}

void LaneCounter::CountGroup(const LaneTables& tables, const LaneRaster<ByteLanes>& raster, uint8_t* codes) {
  const LaneSymbols symbols = SymbolsOf(raster.group());
  TokenizeLaneGroup(tables, raster.group(), symbols);
  Add(raster, codes, symbols);
}

template <typename Lanes>
LaneSymbols LaneCounter::SymbolsOf(const LaneGroup<Lanes>& group) {
  const size_t room = (group.positions + group.step - 1) / group.step * kRansLanes;
  return {symbol_.Get(room), raw_bits_.Get(room), raw_.Get(room), raw_bits_.Get(room)};
}

// The encoder's symbols follow from the samples.
template <typename Lanes>
void LaneCounter::Count(const LaneTables& tables, const LaneRaster<Lanes>& raster, typename Lanes::Code* codes) {
  LaneGroup<Lanes> group = raster.group();
  group.filler = nullptr;  // they are as they were decoded; what they cost is next to nothing
  const LaneSymbols symbols = SymbolsOf(group);
  TokenizeLaneGroup(tables, group, codes, symbols);
  Add(raster, codes, symbols);
}

template <typename Lanes>
void LaneCounter::Add(const LaneRaster<Lanes>& raster, const typename Lanes::Code* codes, const LaneSymbols& symbols) {
  const LaneGroup<Lanes>& group = raster.group();
  for (size_t position = 0; position < group.positions; ++position) {
    if (group.filler != nullptr && group.filler[position % group.period] != 0) continue;
    const size_t symbol = symbols.symbol[position / group.step * kRansLanes + position % group.step];
    double& plane_bits =
        account_.plane_bits[static_cast<size_t>(raster.first()) + position % group.columns / raster.plane_columns()];
    plane_bits += bits_[symbol];
    const SampleCoding coding = CodingOf(symbol);
    const bool has_low = kind_ == SampleKind::kF32 && (coding == SampleCoding::kEscape || !IsExact(codes[position]));
    const double low_bits = has_low ? kLowHalfBits : 0;
    plane_bits += low_bits;
    SampleCount& count = account_.samples[static_cast<size_t>(coding)];
    ++count.samples;
    count.bits += bits_[symbol] + low_bits;
  }
}

std::vector<ReferenceAccount> LaneReferencesOf(const PlaneSet& set, const LanePlane& plane) {
  std::vector<ReferenceAccount> references;
  for (const LaneReference& reference : plane.references) {
    const double weight = reference.weight / static_cast<double>(1 << kLaneTermBits);
    references.push_back({set.planes[static_cast<size_t>(reference.plane)], weight, std::abs(weight)});
  }
  return references;
}

}  // namespace dcac
