#include "core/kernels/lane_search.h"

#include <cmath>

#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/lane_search.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Plain loops, which the compiler vectorises for each target, but for the products of integers.

template <size_t kTaps>
HWY_INLINE void FindInnovations(const float* HWY_RESTRICT values, const LanePlaces& places, const LaneSpatialFit& fit,
                                const LaneInnovations& out) {
  float* HWY_RESTRICT value_out = out.value;
  float* HWY_RESTRICT residual_out = out.residual;
  float* HWY_RESTRICT innovation_out = out.innovation;
  float* HWY_RESTRICT scale_out = out.scale;
  const int32_t* HWY_RESTRICT place = places.place;
  const int32_t* tap_place[kTaps];
  float weight[kTaps];
  for (size_t t = 0; t < kTaps; ++t) {
    tap_place[t] = places.tap[t];
    weight[t] = fit.weight[t];
  }
  const float mean = fit.mean, base = fit.base, low = fit.low, high = fit.high, slack = fit.slack;
  constexpr float kShare = 1.0f / static_cast<float>(kTaps);
  for (size_t i = 0; i < places.count; ++i) {
    float tap[kTaps];
    float sum = 0, p = base;
    for (size_t t = 0; t < kTaps; ++t) {
      tap[t] = values[tap_place[t][i]];
      sum += tap[t];
      p += weight[t] * (tap[t] - mean);
    }
    const float center = sum * kShare;
    float spread = 0;
    for (size_t t = 0; t < kTaps; ++t) spread += std::fabs(tap[t] - center);
    const float value = values[place[i]];
    const float at_least = p < low ? low : p, cut = at_least > high ? high : at_least;
    const float innovation = value - cut;
    value_out[i] = value;
    residual_out[i] = value - p;
    innovation_out[i] = innovation;
    scale_out[i] = 1.0f / (0.5f * kShare * spread + 0.1f * std::fabs(innovation) + slack);
  }
}

void FindInnovationsOfPlane(const float* HWY_RESTRICT values, const LanePlaces& places, const LaneSpatialFit& fit,
                            const LaneInnovations& out) {
  if (places.num_taps == 3) {
    FindInnovations<3>(values, places, fit, out);
  } else {
    FindInnovations<6>(values, places, fit, out);
  }
}

void GatherScaledRow(const float* HWY_RESTRICT values, const int32_t* HWY_RESTRICT index, float mean,
                     const float* HWY_RESTRICT scale, size_t n, float* HWY_RESTRICT out) {
  for (size_t i = 0; i < n; ++i) out[i] = (values[index[i]] - mean) * scale[i];
}

void MultiplyTwoRows(const float* a, const float* b, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = a[i] * b[i];
}

void AddWeightedRow(float weight, const float* HWY_RESTRICT row, size_t n, float* HWY_RESTRICT out) {
  for (size_t i = 0; i < n; ++i) out[i] += weight * row[i];
}

HWY_INLINE int16_t Quantized(float v) {
  const float at_least = v < -127.0f ? -127.0f : v, cut = at_least > 127.0f ? 127.0f : at_least;
  return static_cast<int16_t>(static_cast<int32_t>(cut + 128.5f) - 128);
}

void QuantizeOneRow(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, float factor, size_t n,
                    int16_t* HWY_RESTRICT out) {
  if (b == nullptr) {
    for (size_t i = 0; i < n; ++i) out[i] = Quantized(factor * a[i]);
  } else {
    for (size_t i = 0; i < n; ++i) out[i] = Quantized(factor * (a[i] * b[i]));
  }
}

HWY_INLINE int32_t ProductOf(const int16_t* HWY_RESTRICT a, const int16_t* HWY_RESTRICT b, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += int32_t{a[i]} * b[i];
  return sum;
}

#if HWY_TARGET != HWY_SCALAR
// One row or two by four.
template <size_t kRows>
HWY_INLINE void GramTile(const int16_t* HWY_RESTRICT a, const int16_t* HWY_RESTRICT b, size_t n,
                         int32_t* HWY_RESTRICT out, size_t num_b) {
  const hn::CappedTag<int16_t, kGramLanes> d;
  const hn::Repartition<int32_t, decltype(d)> d32;
  using V = hn::Vec<decltype(d32)>;
  const V zero = hn::Zero(d32);
  V s0 = zero, s1 = zero, s2 = zero, s3 = zero, t0 = zero, t1 = zero, t2 = zero, t3 = zero;
  V u0 = zero, u1 = zero, u2 = zero, u3 = zero, v0 = zero, v1 = zero, v2 = zero, v3 = zero;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto b0 = hn::LoadU(d, b + i), b1 = hn::LoadU(d, b + n + i), b2 = hn::LoadU(d, b + 2 * n + i),
               b3 = hn::LoadU(d, b + 3 * n + i);
    const auto a0 = hn::LoadU(d, a + i);
    s0 = hn::ReorderWidenMulAccumulate(d32, a0, b0, s0, t0);
    s1 = hn::ReorderWidenMulAccumulate(d32, a0, b1, s1, t1);
    s2 = hn::ReorderWidenMulAccumulate(d32, a0, b2, s2, t2);
    s3 = hn::ReorderWidenMulAccumulate(d32, a0, b3, s3, t3);
    if constexpr (kRows == 2) {
      const auto a1 = hn::LoadU(d, a + n + i);
      u0 = hn::ReorderWidenMulAccumulate(d32, a1, b0, u0, v0);
      u1 = hn::ReorderWidenMulAccumulate(d32, a1, b1, u1, v1);
      u2 = hn::ReorderWidenMulAccumulate(d32, a1, b2, u2, v2);
      u3 = hn::ReorderWidenMulAccumulate(d32, a1, b3, u3, v3);
    }
  }
  const auto total = [d32](V s, V t) { return hn::GetLane(hn::SumOfLanes(d32, hn::Add(s, t))); };
  out[0] = total(s0, t0);
  out[1] = total(s1, t1);
  out[2] = total(s2, t2);
  out[3] = total(s3, t3);
  if constexpr (kRows == 2) {
    out[num_b] = total(u0, v0);
    out[num_b + 1] = total(u1, v1);
    out[num_b + 2] = total(u2, v2);
    out[num_b + 3] = total(u3, v3);
  }
}
#endif

void GramOfIntegers(const int16_t* HWY_RESTRICT a, size_t num_a, const int16_t* HWY_RESTRICT b, size_t num_b, size_t n,
                    int32_t* HWY_RESTRICT out) {
  size_t whole_b = 0;
#if HWY_TARGET != HWY_SCALAR
  whole_b = num_b / 4 * 4;
  for (size_t j = 0; j < whole_b; j += 4) {
    size_t i = 0;
    for (; i + 2 <= num_a; i += 2) GramTile<2>(a + i * n, b + j * n, n, out + i * num_b + j, num_b);
    if (i < num_a) GramTile<1>(a + i * n, b + j * n, n, out + i * num_b + j, num_b);
  }
#endif
  for (size_t i = 0; i < num_a; ++i) {
    for (size_t j = whole_b; j < num_b; ++j) out[i * num_b + j] = ProductOf(a + i * n, b + j * n, n);
  }
}

float SumOfRow(const float* HWY_RESTRICT values, size_t n) {
  constexpr size_t kParts = 16;
  float parts[kParts] = {};
  size_t i = 0;
  for (; i + kParts <= n; i += kParts) {
    for (size_t k = 0; k < kParts; ++k) parts[k] += values[i + k];
  }
  for (size_t k = 0; i + k < n; ++k) parts[k] += values[i + k];
  float sum = 0;
  for (float part : parts) sum += part;
  return sum;
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(FindInnovationsOfPlane);
HWY_EXPORT(GatherScaledRow);
HWY_EXPORT(MultiplyTwoRows);
HWY_EXPORT(AddWeightedRow);
HWY_EXPORT(QuantizeOneRow);
HWY_EXPORT(GramOfIntegers);
HWY_EXPORT(SumOfRow);

void FindLaneInnovations(const float* values, const LanePlaces& places, const LaneSpatialFit& fit,
                         const LaneInnovations& out) {
  DCAC_DYNAMIC_DISPATCH(FindInnovationsOfPlane)(values, places, fit, out);
}

void GatherScaled(const float* values, const int32_t* index, float mean, const float* scale, size_t n, float* out) {
  DCAC_DYNAMIC_DISPATCH(GatherScaledRow)(values, index, mean, scale, n, out);
}

void MultiplyRows(const float* a, const float* b, size_t n, float* out) {
  DCAC_DYNAMIC_DISPATCH(MultiplyTwoRows)(a, b, n, out);
}

void AddWeighted(float weight, const float* row, size_t n, float* out) {
  DCAC_DYNAMIC_DISPATCH(AddWeightedRow)(weight, row, n, out);
}

void QuantizeRow(const float* a, const float* b, float factor, size_t n, int16_t* out) {
  DCAC_DYNAMIC_DISPATCH(QuantizeOneRow)(a, b, factor, n, out);
}

void GramOfRows(const int16_t* a, size_t num_a, const int16_t* b, size_t num_b, size_t n, int32_t* out) {
  DCAC_DYNAMIC_DISPATCH(GramOfIntegers)(a, num_a, b, num_b, n, out);
}

float SumOfValues(const float* values, size_t n) {
  return DCAC_DYNAMIC_DISPATCH(SumOfRow)(values, n);
}

}  // namespace dcac
#endif  // HWY_ONCE
