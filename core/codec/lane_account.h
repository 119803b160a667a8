// Where the bits of a plane set in the lanes layout went (dcac/explain.h).
#ifndef DCAC_CORE_CODEC_LANE_ACCOUNT_H_
#define DCAC_CORE_CODEC_LANE_ACCOUNT_H_

#include <cstdint>
#include <vector>

#include "core/base/scratch.h"
#include "core/codec/lane_model.h"
#include "core/codec/lane_raster.h"
#include "core/codec/segment_account.h"

namespace dcac {

// Adds up code lengths by plane and by what the tokens say.
class LaneCounter {
 public:
  LaneCounter(SampleKind kind, const LaneModel& model, SetAccount& account);

  // The samples of a group that has been decoded; `codes` (with room for 64 more) as in TokenizeLaneGroup.
  void CountGroup(const LaneTables& tables, const LaneRaster<NarrowLanes>& raster, uint8_t* codes);
  void CountGroup(const LaneTables& tables, const LaneRaster<WideLanes>& raster, int32_t* codes);
  void CountGroup(const LaneTables& tables, const LaneRaster<ByteLanes>& raster, uint8_t* codes);

 private:
  template <typename Lanes>
  LaneSymbols SymbolsOf(const LaneGroup<Lanes>& group);  // with room for those of the group
  template <typename Lanes>
  void Count(const LaneTables& tables, const LaneRaster<Lanes>& raster, typename Lanes::Code* codes);
  template <typename Lanes>
  void Add(const LaneRaster<Lanes>& raster, const typename Lanes::Code* codes, const LaneSymbols& symbols);
  void FindBitsOfResiduals();
  SampleCoding CodingOf(size_t symbol) const;
  bool IsExact(int32_t code) const;  // binary32: whether it has no lower half

  SampleKind kind_;
  const LaneModel& model_;
  SetAccount& account_;
  std::vector<double> bits_;  // of each symbol of LaneSymbols, with its raw bits and what is an escape
  Scratch<uint16_t> symbol_, raw_;
  Scratch<uint8_t> raw_bits_;
};

// The references of a plane, as planes of the segment.
std::vector<ReferenceAccount> LaneReferencesOf(const PlaneSet& set, const LanePlane& plane);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_ACCOUNT_H_
