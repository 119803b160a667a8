// Where the bits of a segment went: what decoding counts when it is asked to (dcac/explain.h).
#ifndef DCAC_CORE_CODEC_SEGMENT_ACCOUNT_H_
#define DCAC_CORE_CODEC_SEGMENT_ACCOUNT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/codec/model_side.h"
#include "core/codec/plane_kinds.h"
#include "dcac/explain.h"

namespace dcac {

// Of a plane set.
struct SetAccount {
  std::vector<double> plane_bits;
  SampleCounts samples{};
};

// How a plane depends on an earlier one of its segment.
struct ReferenceAccount {
  int plane = 0;
  double weight = 0;    // of its innovation; 1 for the source of a difference or duplicate
  double strength = 0;  // sum of the magnitudes of all weights of terms that name it
};

struct PlaneAccount {
  PlaneKind kind = PlaneKind::kNormal;
  double bits = 0;
  std::vector<ReferenceAccount> references;  // in the order in which the format names them
};

struct SegmentAccount {
  uint8_t layout = 0;       // of a modelled segment
  bool byte_lanes = false;  // layout lanes: whether all that is predicted from is bytes, as at the lowest levels
  uint64_t side_bytes = 0;  // parameters of the model
  SampleCounts samples{};
  std::vector<PlaneAccount> planes;  // empty where the segment is coded as a whole
  RowExplanation rows;               // where rows, not planes, refer to each other
};

// The references of a modelled plane, as planes of the segment.
std::vector<ReferenceAccount> ReferencesOf(const PlaneSet& set, const PlaneModel& model);

// Enters kinds and sources of all planes; their bits are 0 until AccountForSet adds those of the plane's set.
void AccountForPlaneCodings(const std::vector<PlaneCoding>& codings, SegmentAccount& account);
// `references`: of each plane of the set.
void AccountForSet(const PlaneSet& set, const SetAccount& set_account,
                   const std::vector<std::vector<ReferenceAccount>>& references, SegmentAccount& account);
void AccountForSet(const ModelledSet& modelled, const SetAccount& set_account, SegmentAccount& account);

void AddSampleCounts(const SampleCounts& from, SampleCounts& to);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SEGMENT_ACCOUNT_H_
