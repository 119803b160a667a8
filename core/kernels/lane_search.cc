#include "core/kernels/lane_search.h"

#include <bit>
#include <cmath>

#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/lane_search.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
#if HWY_TARGET <= HWY_AVX3_DL
#define DCAC_HAS_DOT_PRODUCTS 1
#else
#define DCAC_HAS_DOT_PRODUCTS 0
#endif
namespace dcac {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Plain loops, which the compiler vectorises for each target, but where vectors say more.

template <typename T>
HWY_INLINE void CopyAllRuns(const LaneRun* runs, size_t num_runs, const T* HWY_RESTRICT values, T* HWY_RESTRICT row) {
  const hn::CappedTag<T, kGramLanes / 2> d;  // most runs are short
  for (size_t r = 0; r < num_runs; ++r) {
    const T* from = values + runs[r].from;
    T* to = row + runs[r].to;
    const size_t count = static_cast<size_t>(runs[r].count);
    for (size_t i = 0; i < count; i += hn::Lanes(d)) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  }
}

void CopyFloatRuns(const LaneRun* runs, size_t num_runs, const float* values, float* row) {
  CopyAllRuns(runs, num_runs, values, row);
}

void CopyIntegerRuns(const LaneRun* runs, size_t num_runs, const int16_t* values, int16_t* row) {
  CopyAllRuns(runs, num_runs, values, row);
}

template <class D>
HWY_INLINE hn::Vec<D> LoadValues(D d, const float* from) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> LoadValues(D d, const int16_t* from) {
  const hn::RebindToSigned<D> di;
  const auto in_64ths = hn::PromoteTo(di, hn::LoadU(hn::Rebind<int16_t, D>(), from));
  return hn::Mul(hn::ConvertTo(d, in_64ths), hn::Set(d, 1.0f / 64));
}

template <size_t kTaps, typename T>
HWY_INLINE void FindInnovations(const LaneTapRows<T>& rows, const LaneSpatialFit& fit, const LaneInnovations& out) {
  const hn::CappedTag<float, kGramLanes> d;
  const T* taps[kTaps];
  for (size_t t = 0; t < kTaps; ++t) taps[t] = rows.tap[t];
  const auto low = hn::Set(d, fit.low), high = hn::Set(d, fit.high), slack = hn::Set(d, fit.slack);
  const auto share = hn::Set(d, 1.0f / static_cast<float>(kTaps)), tenth = hn::Set(d, 0.1f);
  const auto half_share = hn::Set(d, 0.5f / static_cast<float>(kTaps)), one = hn::Set(d, 1.0f);
  for (size_t i = 0; i < rows.count; i += hn::Lanes(d)) {
    hn::Vec<decltype(d)> tap[kTaps];
    auto p = hn::Set(d, fit.base), sum = hn::Zero(d), spread = hn::Zero(d);
    for (size_t t = 0; t < kTaps; ++t) {
      tap[t] = LoadValues(d, taps[t] + i);
      sum = hn::Add(sum, tap[t]);
      p = hn::Add(p, hn::Mul(hn::Set(d, fit.weight[t]), tap[t]));
    }
    const auto center = hn::Mul(sum, share);
    for (size_t t = 0; t < kTaps; ++t) spread = hn::Add(spread, hn::Abs(hn::Sub(tap[t], center)));
    const auto value = LoadValues(d, rows.value + i);
    const auto innovation = hn::Sub(value, hn::Min(hn::Max(p, low), high));
    hn::StoreU(hn::Sub(value, p), d, out.residual + i);
    hn::StoreU(innovation, d, out.innovation + i);
    const auto size = hn::Add(hn::Mul(half_share, spread), hn::Mul(tenth, hn::Abs(innovation)));
    hn::StoreU(hn::Div(one, hn::Add(size, slack)), d, out.scale + i);
  }
}

template <typename T>
HWY_INLINE void FindInnovationsOfRows(const LaneTapRows<T>& rows, const LaneSpatialFit& fit,
                                      const LaneInnovations& out) {
  switch (rows.num_taps) {
    case 3:
      return FindInnovations<3>(rows, fit, out);
    case 4:
      return FindInnovations<4>(rows, fit, out);
    default:
      return FindInnovations<6>(rows, fit, out);
  }
}

void FindInnovationsOfFloats(const LaneTapRows<float>& rows, const LaneSpatialFit& fit, const LaneInnovations& out) {
  FindInnovationsOfRows(rows, fit, out);
}

void FindInnovationsOfIntegers(const LaneTapRows<int16_t>& rows, const LaneSpatialFit& fit,
                               const LaneInnovations& out) {
  FindInnovationsOfRows(rows, fit, out);
}

void MultiplyTwoRows(const float* a, const float* b, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = a[i] * b[i];
}

void AddWeightedRow(float weight, const float* HWY_RESTRICT row, size_t n, float* HWY_RESTRICT out) {
  for (size_t i = 0; i < n; ++i) out[i] += weight * row[i];
}

void CenterOneRow(float mean, float factor, size_t n, float* HWY_RESTRICT row) {
  for (size_t i = 0; i < n; ++i) row[i] = (row[i] - mean) * factor;
}

// g++ makes branches of it for AVX2, eight times as slow as vectors.
void QuantizeOneRow(const float* HWY_RESTRICT a, float factor, size_t n, int16_t* HWY_RESTRICT out) {
  const auto quantize = [=](auto d, size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> di;
    const hn::Rebind<int16_t, decltype(d)> d16;
    const auto value = hn::Mul(hn::LoadU(d, a + i), hn::Set(d, factor));
    const auto cut = hn::Min(hn::Max(value, hn::Set(d, -32767.0f)), hn::Set(d, 32767.0f));
    const auto above = hn::ConvertTo(di, hn::Add(cut, hn::Set(d, 32768.5f)));
    hn::StoreU(hn::DemoteTo(d16, hn::Sub(above, hn::Set(di, 32768))), d16, out + i);
  };
  const hn::CappedTag<float, kGramLanes> d;
  size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) quantize(d, i);
  for (; i < n; ++i) quantize(hn::CappedTag<float, 1>(), i);
}

void CenterAllCodes(const uint8_t* HWY_RESTRICT codes, int32_t mean, size_t n, int16_t* HWY_RESTRICT out) {
  const auto center = [=](auto d, size_t i) HWY_ATTR {
    const auto code = hn::PromoteTo(d, hn::LoadU(hn::Rebind<uint8_t, decltype(d)>(), codes + i));
    hn::StoreU(hn::ShiftLeft<6>(hn::Sub(code, hn::Set(d, static_cast<int16_t>(mean)))), d, out + i);
  };
  const hn::ScalableTag<int16_t> d;
  size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) center(d, i);
  for (; i < n; ++i) center(hn::CappedTag<int16_t, 1>(), i);
}

template <typename T>
HWY_INLINE void MarkEdgesOfRow(const T* HWY_RESTRICT values, T low, T high, size_t n, int16_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < n; ++i) {
    out[i] = static_cast<int16_t>((values[i] >= high ? 1 : 0) - (values[i] <= low ? 1 : 0));
  }
}

void MarkEdgesOfFloats(const float* values, float low, float high, size_t n, int16_t* out) {
  MarkEdgesOfRow(values, low, high, n, out);
}

void MarkEdgesOfIntegers(const int16_t* values, int16_t low, int16_t high, size_t n, int16_t* out) {
  MarkEdgesOfRow(values, low, high, n, out);
}

using IntegerTag = hn::CappedTag<int16_t, kGramLanes>;

void WeightOneRow(const int16_t* HWY_RESTRICT a, const int16_t* HWY_RESTRICT b, int16_t limit, size_t n,
                  int16_t* HWY_RESTRICT out) {
  const IntegerTag d;
  const auto high = hn::Set(d, limit), low = hn::Set(d, static_cast<int16_t>(-limit));
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto product = hn::MulFixedPoint15(hn::LoadU(d, a + i), hn::LoadU(d, b + i));
    hn::StoreU(hn::Min(hn::Max(product, low), high), d, out + i);
  }
}

size_t FindHiddenSamples(const LaneTerms& terms, const int16_t* HWY_RESTRICT target, const int16_t* HWY_RESTRICT edges,
                         size_t n, int16_t* HWY_RESTRICT keep) {
  const IntegerTag d;
  const auto zero = hn::Zero(d), all = hn::Set(d, int16_t{-1});
  size_t hidden = 0;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    auto sum = zero;
    for (size_t t = 0; t < terms.count; ++t) {
      const auto row = hn::ShiftLeft<3>(hn::LoadU(d, terms.row[t] + i));
      sum = hn::SaturatedAdd(sum, hn::MulFixedPoint15(row, hn::Set(d, terms.weight[t])));
    }
    const auto expected = hn::LoadU(d, target + i), edge = hn::LoadU(d, edges + i);
    const auto is_hidden =
        hn::Or(hn::And(hn::Lt(edge, zero), hn::Lt(sum, expected)), hn::And(hn::Gt(edge, zero), hn::Gt(sum, expected)));
    hn::StoreU(hn::IfThenZeroElse(is_hidden, all), d, keep + i);
    hidden += hn::CountTrue(d, is_hidden);
  }
  return hidden;
}

void MaskOneRow(const int16_t* HWY_RESTRICT keep, size_t n, int16_t* HWY_RESTRICT row) {
  for (size_t i = 0; i < n; ++i) row[i] = static_cast<int16_t>(row[i] & keep[i]);
}

LaneMatch TakeOutOneRow(float weight, const int32_t* HWY_RESTRICT row, const float* HWY_RESTRICT inverse_power,
                        size_t n, float* HWY_RESTRICT left) {
  const hn::CappedTag<float, 16> d;
  const size_t whole = n / hn::Lanes(d) * hn::Lanes(d);
  const auto score_at = [=](auto tag, size_t i) HWY_ATTR {
    const auto rest = hn::LoadU(tag, left + i);
    return hn::Mul(hn::Mul(rest, rest), hn::LoadU(tag, inverse_power + i));
  };
  const auto take_out = [=](auto tag, size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(tag)> di;
    const auto product = hn::Mul(hn::Set(tag, weight), hn::ConvertTo(tag, hn::LoadU(di, row + i)));
    hn::StoreU(hn::Sub(hn::LoadU(tag, left + i), product), tag, left + i);
    return score_at(tag, i);
  };
  const hn::CappedTag<float, 1> one;
  auto best_of_lanes = hn::Zero(d);
  for (size_t i = 0; i < whole; i += hn::Lanes(d)) best_of_lanes = hn::Max(best_of_lanes, take_out(d, i));
  float best = hn::GetLane(hn::MaxOfLanes(d, best_of_lanes));
  for (size_t i = whole; i < n; ++i) {
    const float score = hn::GetLane(take_out(one, i));
    best = score > best ? score : best;
  }
  if (!(best > 0)) return {n, 0};
  for (size_t i = 0; i < whole; i += hn::Lanes(d)) {
    const auto is_best = hn::Eq(score_at(d, i), hn::Set(d, best));
    if (!hn::AllFalse(d, is_best)) return {i + hn::FindKnownFirstTrue(d, is_best), best};
  }
  size_t i = whole;
  while (i < n && hn::GetLane(score_at(one, i)) != best) ++i;
  return {i, best};
}

HWY_INLINE int32_t ProductOf(const int16_t* HWY_RESTRICT a, const int16_t* HWY_RESTRICT b, size_t n) {
  uint32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<uint32_t>(int32_t{a[i]} * b[i]);
  return static_cast<int32_t>(sum);
}

#if HWY_TARGET != HWY_SCALAR
// The sum of a vector's blocks of four lanes.
template <class D>
HWY_INLINE hn::Vec<hn::FixedTag<int32_t, 4>> TotalOfBlocks(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(d) <= 4) {
    return v;
  } else {
    const hn::Half<D> half;
    return TotalOfBlocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

// The sums of the lanes of four vectors, on top of what is there with `kAdd`.
template <bool kAdd, class V>
HWY_INLINE void StoreTotals(V s0, V s1, V s2, V s3, int32_t* HWY_RESTRICT out) {
  const hn::DFromV<V> d;
  const hn::Repartition<int64_t, decltype(d)> d64;
  const auto s01 = hn::Add(hn::InterleaveLower(d, s0, s1), hn::InterleaveUpper(d, s0, s1));
  const auto s23 = hn::Add(hn::InterleaveLower(d, s2, s3), hn::InterleaveUpper(d, s2, s3));
  const auto low = hn::InterleaveLower(d64, hn::BitCast(d64, s01), hn::BitCast(d64, s23));
  const auto high = hn::InterleaveUpper(d64, hn::BitCast(d64, s01), hn::BitCast(d64, s23));
  const auto of_blocks = hn::Add(hn::BitCast(d, low), hn::BitCast(d, high));
  const hn::FixedTag<int32_t, 4> d4;
  auto total = TotalOfBlocks(d, of_blocks);
  if constexpr (kAdd) total = hn::Add(total, hn::LoadU(d4, out));
  hn::StoreU(total, d4, out);
}

// Adds products of neighbouring integers to those of `sum`, or to `rest`.
template <class D32, class V16, class V32>
HWY_INLINE V32 AddProducts(D32 d32, V16 a, V16 b, V32 sum, V32& rest) {
#if DCAC_HAS_DOT_PRODUCTS
  (void)d32;
  (void)rest;
  // Highway 1.0.3 does not have the instruction, and of its intrinsic g++ 12 makes copies of all sums.
  asm("vpdpwssd %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
  return sum;
#else
  return hn::ReorderWidenMulAccumulate(d32, a, b, sum, rest);
#endif
}

// `kRows` rows by four.
template <size_t kRows, bool kAdd>
HWY_INLINE void GramTile(const int16_t* HWY_RESTRICT a, size_t a_stride, const int16_t* HWY_RESTRICT b, size_t b_stride,
                         size_t n, int32_t* HWY_RESTRICT out, size_t stride) {
  const IntegerTag d;
  const hn::Repartition<int32_t, decltype(d)> d32;
  using V = hn::Vec<decltype(d32)>;
  V sum[kRows][4], rest[kRows][4];
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < 4; ++c) sum[r][c] = rest[r][c] = hn::Zero(d32);
  }
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    hn::Vec<decltype(d)> of_b[4];
    for (size_t c = 0; c < 4; ++c) of_b[c] = hn::LoadU(d, b + c * b_stride + i);
    for (size_t r = 0; r < kRows; ++r) {
      const auto of_a = hn::LoadU(d, a + r * a_stride + i);
      for (size_t c = 0; c < 4; ++c) sum[r][c] = AddProducts(d32, of_a, of_b[c], sum[r][c], rest[r][c]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < 4; ++c) sum[r][c] = hn::Add(sum[r][c], rest[r][c]);
    StoreTotals<kAdd>(sum[r][0], sum[r][1], sum[r][2], sum[r][3], out + r * stride);
  }
}
#endif

// Sums of more rows would not all be in registers.
constexpr size_t kTileRows = DCAC_HAS_DOT_PRODUCTS ? 4 : 2;

// Rows begin_a .. end_a of a with the rows of b below end_b, elements `from` .. `to`; the first are from 0.
template <bool kAdd>
HWY_INLINE void GramOfPart(const IntegerRows& a, size_t begin_a, size_t end_a, const IntegerRows& b, size_t end_b,
                           size_t from, size_t to, int32_t* HWY_RESTRICT out, size_t stride) {
  const size_t n = to - from;
  size_t whole_b = 0;
#if HWY_TARGET != HWY_SCALAR
  whole_b = end_b / 4 * 4;
  for (size_t j = 0; j < whole_b; j += 4) {
    const int16_t* const of_b = b.Row(j) + from;
    size_t i = begin_a;
    for (; i + kTileRows <= end_a; i += kTileRows) {
      GramTile<kTileRows, kAdd>(a.Row(i) + from, a.stride, of_b, b.stride, n, out + i * stride + j, stride);
    }
    for (; i + 2 <= end_a; i += 2) {
      GramTile<2, kAdd>(a.Row(i) + from, a.stride, of_b, b.stride, n, out + i * stride + j, stride);
    }
    if (i < end_a) GramTile<1, kAdd>(a.Row(i) + from, a.stride, of_b, b.stride, n, out + i * stride + j, stride);
  }
#endif
  for (size_t i = begin_a; i < end_a; ++i) {
    for (size_t j = whole_b; j < end_b; ++j) {
      const uint32_t product = static_cast<uint32_t>(ProductOf(a.Row(i) + from, b.Row(j) + from, n));
      int32_t& sum = out[i * stride + j];
      sum = static_cast<int32_t>(kAdd ? static_cast<uint32_t>(sum) + product : product);
    }
  }
}

// Pieces of rows that stay in the cache.
constexpr size_t kGramPiece = 512;

void GramOfTwo(const IntegerRows& a, const IntegerRows& b, size_t n, int32_t* out, size_t stride) {
  const size_t first = n < kGramPiece ? n : kGramPiece;
  GramOfPart<false>(a, 0, a.count, b, b.count, 0, first, out, stride);
  for (size_t from = first; from < n; from += kGramPiece) {
    GramOfPart<true>(a, 0, a.count, b, b.count, from, n - from < kGramPiece ? n : from + kGramPiece, out, stride);
  }
}

template <bool kAdd>
HWY_INLINE void GramOfPiece(const IntegerRows& rows, size_t from, size_t to, int32_t* HWY_RESTRICT out, size_t stride) {
  for (size_t i = 0; i < rows.count; i += kTileRows) {
    const size_t end = i + kTileRows < rows.count ? i + kTileRows : rows.count;
    const size_t whole = (end + 3) / 4 * 4;
    GramOfPart<kAdd>(rows, i, end, rows, whole < rows.count ? whole : rows.count, from, to, out, stride);
  }
}

void GramOfOne(const IntegerRows& rows, size_t n, int32_t* out, size_t stride) {
  const size_t first = n < kGramPiece ? n : kGramPiece;
  GramOfPiece<false>(rows, 0, first, out, stride);
  for (size_t from = first; from < n; from += kGramPiece) {
    GramOfPiece<true>(rows, from, n - from < kGramPiece ? n : from + kGramPiece, out, stride);
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
#undef DCAC_HAS_DOT_PRODUCTS
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(CopyFloatRuns);
HWY_EXPORT(CopyIntegerRuns);
HWY_EXPORT(FindInnovationsOfFloats);
HWY_EXPORT(FindInnovationsOfIntegers);
HWY_EXPORT(MultiplyTwoRows);
HWY_EXPORT(AddWeightedRow);
HWY_EXPORT(CenterOneRow);
HWY_EXPORT(QuantizeOneRow);
HWY_EXPORT(CenterAllCodes);
HWY_EXPORT(MarkEdgesOfFloats);
HWY_EXPORT(MarkEdgesOfIntegers);
HWY_EXPORT(WeightOneRow);
HWY_EXPORT(GramOfTwo);
HWY_EXPORT(GramOfOne);
HWY_EXPORT(FindHiddenSamples);
HWY_EXPORT(MaskOneRow);
HWY_EXPORT(TakeOutOneRow);
HWY_EXPORT(SumOfRow);

void CopyRuns(const LaneRun* runs, size_t num_runs, const float* values, float* row) {
  DCAC_DYNAMIC_DISPATCH(CopyFloatRuns)(runs, num_runs, values, row);
}

void CopyRuns(const LaneRun* runs, size_t num_runs, const int16_t* values, int16_t* row) {
  DCAC_DYNAMIC_DISPATCH(CopyIntegerRuns)(runs, num_runs, values, row);
}

void FindLaneInnovations(const LaneTapRows<float>& rows, const LaneSpatialFit& fit, const LaneInnovations& out) {
  DCAC_DYNAMIC_DISPATCH(FindInnovationsOfFloats)(rows, fit, out);
}

void FindLaneInnovations(const LaneTapRows<int16_t>& rows, const LaneSpatialFit& fit, const LaneInnovations& out) {
  DCAC_DYNAMIC_DISPATCH(FindInnovationsOfIntegers)(rows, fit, out);
}

void MultiplyRows(const float* a, const float* b, size_t n, float* out) {
  DCAC_DYNAMIC_DISPATCH(MultiplyTwoRows)(a, b, n, out);
}

void AddWeighted(float weight, const float* row, size_t n, float* out) {
  DCAC_DYNAMIC_DISPATCH(AddWeightedRow)(weight, row, n, out);
}

void CenterRow(float mean, float factor, size_t n, float* row) {
  DCAC_DYNAMIC_DISPATCH(CenterOneRow)(mean, factor, n, row);
}

void QuantizeRow(const float* a, float factor, size_t n, int16_t* out) {
  DCAC_DYNAMIC_DISPATCH(QuantizeOneRow)(a, factor, n, out);
}

void CenterCodes(const uint8_t* codes, uint8_t mean, size_t n, int16_t* out) {
  DCAC_DYNAMIC_DISPATCH(CenterAllCodes)(codes, mean, n, out);
}

void MarkEdges(const float* values, float low, float high, size_t n, int16_t* out) {
  DCAC_DYNAMIC_DISPATCH(MarkEdgesOfFloats)(values, low, high, n, out);
}

void MarkEdges(const int16_t* values, int16_t low, int16_t high, size_t n, int16_t* out) {
  DCAC_DYNAMIC_DISPATCH(MarkEdgesOfIntegers)(values, low, high, n, out);
}

void WeightRow(const int16_t* a, const int16_t* b, int16_t limit, size_t n, int16_t* out) {
  DCAC_DYNAMIC_DISPATCH(WeightOneRow)(a, b, limit, n, out);
}

void GramOfRows(const IntegerRows& a, const IntegerRows& b, size_t n, int32_t* out, size_t stride) {
  DCAC_DYNAMIC_DISPATCH(GramOfTwo)(a, b, n, out, stride);
}

void GramOfRows(const IntegerRows& rows, size_t n, int32_t* out, size_t stride) {
  DCAC_DYNAMIC_DISPATCH(GramOfOne)(rows, n, out, stride);
}

size_t FindHidden(const LaneTerms& terms, const int16_t* target, const int16_t* edges, size_t n, int16_t* keep) {
  return DCAC_DYNAMIC_DISPATCH(FindHiddenSamples)(terms, target, edges, n, keep);
}

void MaskRow(const int16_t* keep, size_t n, int16_t* row) {
  DCAC_DYNAMIC_DISPATCH(MaskOneRow)(keep, n, row);
}

LaneMatch TakeOutRow(float weight, const int32_t* row, const float* inverse_power, size_t n, float* left) {
  return DCAC_DYNAMIC_DISPATCH(TakeOutOneRow)(weight, row, inverse_power, n, left);
}

float SumOfValues(const float* values, size_t n) {
  return DCAC_DYNAMIC_DISPATCH(SumOfRow)(values, n);
}

}  // namespace dcac
#endif  // HWY_ONCE
