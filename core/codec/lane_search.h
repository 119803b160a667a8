// Encoder: the shared spatial weights of a plane set, and the references of its planes, fitted to samples of them.
#ifndef DCAC_CORE_CODEC_LANE_SEARCH_H_
#define DCAC_CORE_CODEC_LANE_SEARCH_H_

#include "core/codec/lane_encoder.h"
#include "core/codec/lane_samples.h"

namespace dcac {

// Fits model.spatial by least squares, weighted by how quiet the neighbourhood of a sample is.
void FitLaneSpatial(const LaneCodes& codes, const LaneValues& values, LaneModel& model);

// Chooses references and own taps of the planes.
void SearchLaneReferences(const PlaneSet& set, const LaneCodes& codes, const LaneValues& values,
                          const LaneEncoderOptions& options, LaneModel& model);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_SEARCH_H_
