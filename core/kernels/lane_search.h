// Encoder: the loops of the search for references of planes (core/codec/lane_search.h).
//
// Samples of a plane that stand for all of it are rows of floats, then of integers of 16 bits, whose sums of products
// are the same in any order.
#ifndef DCAC_CORE_KERNELS_LANE_SEARCH_H_
#define DCAC_CORE_KERNELS_LANE_SEARCH_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace dcac {

// Lengths of rows are multiples of this.
inline constexpr size_t kGramLanes = 32;
inline constexpr size_t kMaxSampledTaps = 6;

// Consecutive samples of a plane, and where in a row they go.
struct LaneRun {
  int32_t from = 0;
  int32_t to = 0, count = 0;
};
// Copies values[from ..] of each run; ascending in `to`.  Reads up to kGramLanes - 1 elements behind those of a run,
// and writes as many.
void CopyRuns(const LaneRun* runs, size_t num_runs, const float* values, float* row);
void CopyRuns(const LaneRun* runs, size_t num_runs, const int16_t* values, int16_t* row);

// Values of samples, and of the taps of each: binary32, or integers in 64ths.
template <typename T>
struct LaneTapRows {
  size_t count = 0, num_taps = 0;
  const T* value = nullptr;
  std::array<const T*, kMaxSampledTaps> tap{};
};

struct LaneSpatialFit {
  std::array<float, kMaxSampledTaps> weight{};
  float base = 0;           // what the prediction begins with
  float low = 0, high = 0;  // range of values
  float slack = 0;
};

// Of each sample: what it is above the prediction, the same where that is cut to the range, and how much it counts.
struct LaneInnovations {
  float *residual = nullptr, *innovation = nullptr, *scale = nullptr;
};

void FindLaneInnovations(const LaneTapRows<float>& rows, const LaneSpatialFit& fit, const LaneInnovations& out);
void FindLaneInnovations(const LaneTapRows<int16_t>& rows, const LaneSpatialFit& fit, const LaneInnovations& out);

// out[i] = a[i] * b[i]
void MultiplyRows(const float* a, const float* b, size_t n, float* out);
// out[i] += weight * row[i]
void AddWeighted(float weight, const float* row, size_t n, float* out);
// row[i] = (row[i] - mean) * factor
void CenterRow(float mean, float factor, size_t n, float* row);
// out[i] = a[i] * factor, to the nearest integer, cut to -32767 .. 32767.
void QuantizeRow(const float* a, float factor, size_t n, int16_t* out);
// out[i] = 64 * (codes[i] - mean)
void CenterCodes(const uint8_t* codes, uint8_t mean, size_t n, int16_t* out);
// -1 where a value is not above `low`, 1 where it is not below `high`, else 0.
void MarkEdges(const float* values, float low, float high, size_t n, int16_t* out);
void MarkEdges(const int16_t* values, int16_t low, int16_t high, size_t n, int16_t* out);

// out[i] = a[i] * b[i] / 2^15, to the nearest, cut to -limit .. limit.
void WeightRow(const int16_t* a, const int16_t* b, int16_t limit, size_t n, int16_t* out);

// Rows of integers, `stride` apart.
struct IntegerRows {
  const int16_t* data = nullptr;
  size_t stride = 0, count = 0;

  const int16_t* Row(size_t i) const { return data + i * stride; }
};

// out[i * stride + j] = sum of the n products of row i of a and row j of b, modulo 2^32.
void GramOfRows(const IntegerRows& a, const IntegerRows& b, size_t n, int32_t* out, size_t stride);
// The same of rows with each other; at least those with j <= i.
void GramOfRows(const IntegerRows& rows, size_t n, int32_t* out, size_t stride);

// Weighted rows that predict a target, weights in 2^-12.
struct LaneTerms {
  static constexpr size_t kMax = 32;

  size_t count = 0;
  std::array<const int16_t*, kMax> row{};
  std::array<int16_t, kMax> weight{};
};
// keep[i] = 0 where what is known of a sample is its edge only (see MarkEdges), and the prediction lies beyond; else
// -1. Returns the number of the former.
size_t FindHidden(const LaneTerms& terms, const int16_t* target, const int16_t* edges, size_t n, int16_t* keep);
// row[i] &= keep[i]
void MaskRow(const int16_t* keep, size_t n, int16_t* row);

// left[i] -= weight * row[i]; then the i with the greatest left[i]^2 * inverse_power[i], of several the first, and that
// score; n and 0 if none is above 0.
struct LaneMatch {
  size_t at = 0;
  float score = 0;
};
LaneMatch TakeOutRow(float weight, const int32_t* row, const float* inverse_power, size_t n, float* left);

// Sum of n values, of which every sixteenth is added to the same partial sum.
float SumOfValues(const float* values, size_t n);

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_LANE_SEARCH_H_
