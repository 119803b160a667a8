#include "core/kernels/interval_costs.h"

#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/interval_costs.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "core/kernels/log2-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using CostTag = hn::CappedTag<float, 16>;

constexpr float kNever = 1e30f;  // more than anything costs
constexpr size_t kResiduals = 256;

// The costs of nodes from `at` on, whose intervals have `raw_bits`.
HWY_INLINE void SetCosts(size_t at, size_t raw_bits, float log_all, float of_slot, IntervalCosts& costs) {
  const CostTag d;
  const auto zero = hn::Zero(d), slot = hn::Set(d, of_slot);
  const auto count = hn::Load(d, costs.count.data() + at);
  const auto occurs = hn::Gt(count, zero);
  // Who occurs less often than a slot has a whole one, which others miss.
  const auto share = hn::Max(hn::Max(count, slot), hn::Set(d, 1.0f));
  const auto bits = hn::Sub(hn::Set(d, log_all + static_cast<float>(raw_bits)), Log2Of(d, share, kCoarseLog2));
  const auto missed = hn::Mul(hn::Max(hn::Sub(slot, count), zero), hn::Set(d, kNaturalBits));
  hn::Store(hn::IfThenElse(occurs, hn::Add(hn::Mul(count, bits), missed), hn::Set(d, kNever)), d,
            costs.bits.data() + at);
  hn::Store(hn::Mul(count, hn::Set(d, kBitsInAll)), d, costs.in_all.data() + at);
  hn::Store(hn::IfThenElse(occurs, hn::Set(d, kNever), zero), d, costs.in_nothing.data() + at);
}

void CountAll(const uint32_t* HWY_RESTRICT counts, float all, float of_slot, IntervalCosts& costs) {
  const CostTag d;
  constexpr size_t kHalf = kResiduals / 2;
  for (size_t i = 0; i < kResiduals; ++i) costs.count[i] = static_cast<float>(counts[i ^ kHalf]);
  const float log_all = hn::GetLane(Log2Of(d, hn::Set(d, all < 1.0f ? 1.0f : all), kFineLog2));
  for (size_t i = 0; i < kResiduals; i += hn::Lanes(d)) SetCosts(i, 0, log_all, of_slot, costs);
  for (size_t level = 1; level < IntervalCosts::kLevels; ++level) {
    const size_t first = IntervalCosts::kFirst[level], halves = IntervalCosts::kFirst[level - 1];
    for (size_t i = 0; i < kResiduals >> level; i += hn::Lanes(d)) {
      hn::Vec<CostTag> low, high;
      hn::LoadInterleaved2(d, costs.count.data() + halves + 2 * i, low, high);
      hn::Store(hn::Add(low, high), d, costs.count.data() + first + i);
      SetCosts(first + i, level, log_all, of_slot, costs);
    }
  }
}

size_t Part(float cost, bool has_all, IntervalCosts& costs) {
  const CostTag d;
  const IntervalCosts::OfNodes& without = has_all ? costs.in_all : costs.in_nothing;
  const auto of_one = hn::Set(d, cost), one = hn::Set(d, 1.0f);
  // Of nodes from `at` on, the best of `best`, with as many intervals as `chosen`, and of none.
  const auto store = [&](size_t at, hn::Vec<CostTag> best, hn::Vec<CostTag> chosen) HWY_ATTR {
    const auto in_none = hn::Load(d, without.data() + at);
    hn::Store(hn::Min(in_none, best), d, costs.best.data() + at);
    hn::Store(hn::IfThenZeroElse(hn::Lt(in_none, best), chosen), d, costs.chosen.data() + at);
  };
  const auto as_one = [&](size_t at) HWY_ATTR { return hn::Add(hn::Load(d, costs.bits.data() + at), of_one); };
  for (size_t i = 0; i < kResiduals; i += hn::Lanes(d)) store(i, as_one(i), one);
  for (size_t level = 1; level < IntervalCosts::kLevels; ++level) {
    const size_t first = IntervalCosts::kFirst[level], halves = IntervalCosts::kFirst[level - 1];
    for (size_t i = 0; i < kResiduals >> level; i += hn::Lanes(d)) {
      hn::Vec<CostTag> low, high, of_low, of_high;
      hn::LoadInterleaved2(d, costs.best.data() + halves + 2 * i, low, high);
      hn::LoadInterleaved2(d, costs.chosen.data() + halves + 2 * i, of_low, of_high);
      const auto whole = as_one(first + i), parts = hn::Add(low, high);
      store(first + i, hn::Min(parts, whole), hn::IfThenElse(hn::Lt(parts, whole), hn::Add(of_low, of_high), one));
    }
  }
  return static_cast<size_t>(costs.chosen[IntervalCosts::kRoot]);
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(CountAll);
HWY_EXPORT(Part);

void CountIntervals(const uint32_t* counts, float all, float of_slot, IntervalCosts& costs) {
  // Behind the last node of a level there may be anything but what makes arithmetic slow.
  costs.count.fill(0);
  costs.best.fill(0);
  costs.chosen.fill(0);
  DCAC_DYNAMIC_DISPATCH(CountAll)(counts, all, of_slot, costs);
}

size_t PartInIntervals(float cost, bool has_all, IntervalCosts& costs) {
  return DCAC_DYNAMIC_DISPATCH(Part)(cost, has_all, costs);
}

}  // namespace dcac
#endif  // HWY_ONCE
