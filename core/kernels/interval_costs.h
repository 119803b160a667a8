// Encoder: what it costs to part the residuals of a context in intervals (docs/format-lanes.md, section 10).
#ifndef DCAC_CORE_KERNELS_INTERVAL_COSTS_H_
#define DCAC_CORE_KERNELS_INTERVAL_COSTS_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace dcac {

// The ways to part residuals in intervals of 2^n that begin at multiples of that: a binary tree whose leaves are the
// residuals from -128 on.  Level n has the intervals of 2^n, in ascending order.  Costs are bits in binary32, the same
// on all targets.
struct IntervalCosts {
  static constexpr size_t kLevels = 9;
  // Where levels begin in the arrays; each has room for 16.
  static constexpr std::array<size_t, kLevels> kFirst = {0, 256, 384, 448, 480, 496, 512, 528, 544};
  static constexpr size_t kRoot = kFirst.back(), kNodes = kRoot + 16;
  using OfNodes = std::array<float, kNodes>;

  alignas(64) OfNodes count;
  alignas(64) OfNodes bits;                // as one interval
  alignas(64) OfNodes in_all, in_nothing;  // in the interval of all residuals; where there is none
  alignas(64) OfNodes best, chosen;        // as what is best, and how many intervals that is
};

// Sets all but what is best.  `counts`: of the 256 residuals, by their lower 8 bits; `all`: how much occurs in the
// context, residuals and others; `of_slot`: what has the share of a slot.
void CountIntervals(const uint32_t* counts, float all, float of_slot, IntervalCosts& costs);

inline constexpr float kNaturalBits =
    1.44269504f;  // log2(e): what a slot less costs others, for each that it stood for
// Bits of residuals in the interval of all, which has one slot, without what others miss by that.
inline constexpr float kBitsInAll = 16 - kNaturalBits;

// Finds what is best where each interval costs `cost` beside its residuals; `has_all`: with one of all residuals for
// those that no other has.  Returns how many others there are.
size_t PartInIntervals(float cost, bool has_all, IntervalCosts& costs);

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_INTERVAL_COSTS_H_
