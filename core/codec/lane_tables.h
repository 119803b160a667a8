// From the model of a plane set to the tables of the kernels (docs/format-lanes.md).
#ifndef DCAC_CORE_CODEC_LANE_TABLES_H_
#define DCAC_CORE_CODEC_LANE_TABLES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "core/codec/lane_model.h"

namespace dcac {

// All of it but the slots.
LaneTables MakeLaneTables(SampleKind kind, const LaneModel& model);

// Of each position bin.
void SetCenters(const std::vector<int32_t>& centers, LaneTables& tables);

// What slots the tokens of a table of weights have: two tokens at least, even where only one occurs.
std::vector<SlotRange> LaneSlotRanges(const std::vector<uint32_t>& weights, int table_bits);

// Likewise of the context of positions that stand for no sample, which comes after the others; its tokens have no raw
// bits.
std::vector<SlotRange> FillerSlotRanges(const LaneModel& model);

// Of each context, where the model has them.
std::vector<std::span<const Interval>> IntervalsOf(const LaneModel& model);

// Raw bits of each token.
std::vector<uint8_t> LaneTokenRawBits(const LaneModel& model);

// The entries of all contexts, and of fillers: LaneTables::slots.
std::vector<uint32_t> MakeLaneSlots(SampleKind kind, const LaneModel& model);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_TABLES_H_
