#include "core/kernels/code_length.h"

#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/code_length.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "core/kernels/log2-inl.h"
#include "core/kernels/total-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

static_assert(kCodeLengthLanes == kPartialSums);

using LengthTag = hn::CappedTag<float, kCodeLengthLanes>;
using Lengths = hn::Vec<LengthTag>;

// What the adaptive code of tables (set_model.cc) needs for an entry, as they occur: for one of 0, and for others.
constexpr float kZeroEntry = 0.35f, kLeastEntry = 2.1f, kMoreEntry = 1.7f, kEntryShare = 0.25f;

// What a token of `count` adds to that of one that does not occur: its entry, less count * log2(count).
HWY_INLINE Lengths TokenLength(hn::Vec<hn::RebindToSigned<LengthTag>> count) {
  const LengthTag d;
  const auto one = hn::Set(d, 1.0f), x = hn::ConvertTo(d, count);
  const auto occurs = hn::Gt(x, hn::Zero(d));
  const auto log2 = Log2Of(d, hn::Max(x, one), kFineLog2);
  const auto entry = hn::Min(hn::Mul(hn::Set(d, kEntryShare), log2), hn::Set(d, kMoreEntry));
  const auto length = hn::Sub(hn::Add(entry, hn::Set(d, kLeastEntry - kZeroEntry)), hn::Mul(x, log2));
  return hn::IfThenElseZero(occurs, length);
}

float CodeLengthOfCounts(const uint32_t* HWY_RESTRICT a, const uint32_t* HWY_RESTRICT b, size_t n) {
  const LengthTag d;
  const hn::RebindToSigned<LengthTag> di;
  const size_t padded = PadCodeLengthCounts(n);
  alignas(64) float sums[kCodeLengthLanes];
  auto totals = hn::Zero(di);
  for (size_t part = 0; part < kCodeLengthLanes; part += hn::Lanes(d)) {
    auto sum = hn::Zero(d);
    for (size_t i = part; i < padded; i += kCodeLengthLanes) {
      auto count = hn::LoadU(di, reinterpret_cast<const int32_t*>(a) + i);
      if (b != nullptr) count = hn::Add(count, hn::LoadU(di, reinterpret_cast<const int32_t*>(b) + i));
      totals = hn::Add(totals, count);
      sum = hn::Add(sum, TokenLength(count));
    }
    hn::Store(sum, d, sums + part);
  }
  const auto total = hn::ConvertTo(d, hn::SumOfLanes(di, totals));
  const float length = hn::GetLane(hn::Mul(total, Log2Of(d, hn::Max(total, hn::Set(d, 1.0f)), kFineLog2)));
  return length + TotalOf(sums) + kZeroEntry * static_cast<float>(n);
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(CodeLengthOfCounts);

float CodeLength(const uint32_t* a, const uint32_t* b, size_t n) {
  return DCAC_DYNAMIC_DISPATCH(CodeLengthOfCounts)(a, b, n);
}

}  // namespace dcac
#endif  // HWY_ONCE
