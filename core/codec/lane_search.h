// Encoder: the shared spatial weights of a plane set, and the references of its planes, fitted to samples of them.
#ifndef DCAC_CORE_CODEC_LANE_SEARCH_H_
#define DCAC_CORE_CODEC_LANE_SEARCH_H_

#include "core/codec/lane_encoder.h"
#include "core/codec/lane_samples.h"

namespace dcac {

// Fits model.spatial by least squares, weighted by how quiet the neighbourhood of a sample is, to at most fit_samples
// of the options.
template <typename Lanes>
void FitLaneSpatial(const LaneCodes<Lanes>& codes, const LaneValues& values, const LaneEncoderOptions& options,
                    LaneModel& model);

// Chooses references and own taps of the planes.
template <typename Lanes>
void SearchLaneReferences(const PlaneSet& set, const LaneCodes<Lanes>& codes, const LaneValues& values,
                          const LaneEncoderOptions& options, LaneModel& model);

// Weighted squares of up to kMaxFeatures rows of features and a row of targets, n (a multiple of kDotLanes) elements
// each, `stride` apart, the targets last; every row is multiplied by the square roots of the weights.
class RowEquations {
 public:
  static constexpr size_t kMaxFeatures = 8;
  using Solution = std::array<double, kMaxFeatures>;

  static Solution Solve(const float* rows, size_t stride, size_t num_features, size_t n, const double* ridge);
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_SEARCH_H_
