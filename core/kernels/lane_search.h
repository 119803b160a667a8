// Encoder: the loops of the search for references of planes (core/codec/lane_search.h).
#ifndef DCAC_CORE_KERNELS_LANE_SEARCH_H_
#define DCAC_CORE_KERNELS_LANE_SEARCH_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace dcac {

// Places of a plane that stand for all of it.
struct LanePlaces {
  static constexpr size_t kMaxTaps = 6;

  size_t count = 0, num_taps = 0;
  const int32_t* place = nullptr;
  std::array<const int32_t*, kMaxTaps> tap{};  // places of the taps of each
};

struct LaneSpatialFit {
  std::array<float, LanePlaces::kMaxTaps> weight{};
  float base = 0;  // what the prediction begins with; taps count by their distance from `mean`
  float mean = 0;
  float low = 0, high = 0;  // range of values
  float slack = 0;
};

// At each place: the value, what it is above the prediction, the same where that is cut to the range, and how much it
// counts.
struct LaneInnovations {
  float *value = nullptr, *residual = nullptr, *innovation = nullptr, *scale = nullptr;
};

void FindLaneInnovations(const float* values, const LanePlaces& places, const LaneSpatialFit& fit,
                         const LaneInnovations& out);

// out[i] = (values[index[i]] - mean) * scale[i]
void GatherScaled(const float* values, const int32_t* index, float mean, const float* scale, size_t n, float* out);
// out[i] = a[i] * b[i]
void MultiplyRows(const float* a, const float* b, size_t n, float* out);
// out[i] += weight * row[i]
void AddWeighted(float weight, const float* row, size_t n, float* out);

// Rounds factor * a[i], times b[i] if there is b, to integers in -127 .. 127.
void QuantizeRow(const float* a, const float* b, float factor, size_t n, int16_t* out);

// out[i * num_b + j] = sum of the products of row i of a and row j of b, rows of n integers in -127 .. 127, n a
// multiple of kGramLanes.
inline constexpr size_t kGramLanes = 32;
void GramOfRows(const int16_t* a, size_t num_a, const int16_t* b, size_t num_b, size_t n, int32_t* out);

// Sum of n values, of which every sixteenth is added to the same partial sum.
float SumOfValues(const float* values, size_t n);

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_LANE_SEARCH_H_
