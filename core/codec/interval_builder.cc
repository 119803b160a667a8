#include "core/codec/interval_builder.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "core/kernels/interval_costs.h"

namespace dcac {
namespace {

constexpr float kIntervalBits = 9;  // what the side information takes for one

// The ways to part the residuals of a context.
class IntervalTree {
 public:
  // `all`: what occurs in the context, residuals and others.
  IntervalTree(std::span<const uint32_t, 256> counts, uint64_t all) : counts_(counts), of_slot_(all / kIntervalSlots) {
    CountIntervals(counts.data(), static_cast<float>(all), static_cast<float>(of_slot_), costs_);
  }

  // Adds about as few and as good ones as cost the least, at most max_count, with their counts.  The first one is of
  // all residuals, if `needs_all` or if it saves bits: it has those that no other one has.
  void Choose(size_t max_count, bool needs_all, std::vector<Interval>& intervals, std::vector<uint64_t>& counts) {
    float cost = kIntervalBits, too_low = cost;
    size_t count = PartWithAll(cost);
    if (count > max_count) cost = std::max(2 * cost, costs_.count[IntervalCosts::kRoot] / 256);  // is often enough
    while (count > max_count && (count = PartWithAll(cost)) > max_count) too_low = std::exchange(cost, 4 * cost);
    float with_all = best() + cost;
    for (int i = 0; i < kSteps && count < max_count && too_low < cost; ++i) {
      const float next = (3 * too_low + cost) / 4;
      const size_t count_there = PartWithAll(next);
      if (count_there > max_count) {
        too_low = next;
      } else {
        cost = next;
        count = count_there;
        with_all = best() + cost;
      }
    }
    with_all += static_cast<float>(of_slot_) * kNaturalBits;
    if (!needs_all && PartInIntervals(cost, false, costs_) <= max_count && best() <= with_all) {
      Collect(kTop, 0, intervals, counts);
      return;
    }
    PartWithAll(cost);
    const size_t all = counts.size();
    intervals.push_back({.raw_bits = 8});
    counts.push_back(0);
    counts[all] = Collect(kTop, 0, intervals, counts);
  }

 private:
  static constexpr int kSteps = 5;  // towards the least cost
  static constexpr size_t kTop = IntervalCosts::kLevels - 1;

  size_t PartWithAll(float cost) { return PartInIntervals(cost, true, costs_) + 1; }
  float best() const { return costs_.best[IntervalCosts::kRoot]; }

  // Adds what interval i of a level is best parted in; returns how many residuals are in none of that.
  uint64_t Collect(size_t level, size_t i, std::vector<Interval>& intervals, std::vector<uint64_t>& counts) const {
    const size_t base = (i << level) ^ 128;
    if (costs_.chosen[IntervalCosts::kFirst[level] + i] == 0) return CountOf(base, level);
    if (HasParts(level, i)) {
      const uint64_t low = Collect(level - 1, 2 * i, intervals, counts);
      return low + Collect(level - 1, 2 * i + 1, intervals, counts);
    }
    intervals.push_back({static_cast<uint8_t>(base), static_cast<uint8_t>(level)});
    counts.push_back(CountOf(base, level));
    return 0;
  }

  bool HasParts(size_t level, size_t i) const {
    if (level == 0) return false;
    const size_t node = IntervalCosts::kFirst[level] + i, part = IntervalCosts::kFirst[level - 1] + 2 * i;
    return costs_.best[node] == costs_.best[part] + costs_.best[part + 1] &&
           costs_.chosen[node] == costs_.chosen[part] + costs_.chosen[part + 1];
  }

  uint64_t CountOf(size_t base, size_t raw_bits) const {
    uint64_t count = 0;
    for (size_t i = 0; i < size_t{1} << raw_bits; ++i) count += counts_[(base + i) & 255];
    return count;
  }

  std::span<const uint32_t, 256> counts_;
  uint64_t of_slot_;  // what has the share of a slot
  IntervalCosts costs_;
};

// Frequencies of the sum kIntervalSlots, as near to the counts as it saves bits.
void SetFrequencies(std::span<const uint64_t> counts, std::vector<Interval>& intervals) {
  const uint64_t all = std::max<uint64_t>(1, std::accumulate(counts.begin(), counts.end(), uint64_t{0}));
  int left = kIntervalSlots;
  for (size_t i = 0; i < intervals.size(); ++i) {
    const uint64_t rounded = (counts[i] * kIntervalSlots + all / 2) / all;
    intervals[i].frequency = static_cast<uint8_t>(std::clamp<uint64_t>(rounded, 1, kMaxIntervalFrequency));
    left -= intervals[i].frequency;
  }
  // One slot more or less, where the code length gains most or loses least by it.
  for (const int step = left > 0 ? 1 : -1; left != 0; left -= step) {
    size_t best = intervals.size();
    double best_gain = 0;
    for (size_t i = 0; i < intervals.size(); ++i) {
      const int frequency = intervals[i].frequency, after = frequency + step;
      if (after < 1 || after > static_cast<int>(kMaxIntervalFrequency)) continue;
      const double gain = step * static_cast<double>(counts[i]) / (frequency + after);
      if (best < intervals.size() && gain <= best_gain) continue;
      best = i;
      best_gain = gain;
    }
    intervals[best].frequency = static_cast<uint8_t>(intervals[best].frequency + step);
  }
}

}  // namespace

std::vector<Interval> ChooseIntervals(const ResidualCounts& counts) {
  std::vector<Interval> intervals;
  std::vector<uint64_t> counts_of;
  uint64_t all = counts.mode;
  for (const uint32_t count : counts.residual) all += count;
  const auto add = [&](const Interval& interval, uint64_t count) {
    intervals.push_back(interval);
    counts_of.push_back(count);
  };
  if (counts.mode != 0 || (counts.has_mode && counts.are_sampled)) {
    add({.is_mode = true}, counts.mode);
  }
  if (all == counts.mode) {
    add({.raw_bits = 8}, 0);
  } else {
    IntervalTree(counts.residual, all)
        .Choose(kMaxIntervals - intervals.size(), counts.are_sampled, intervals, counts_of);
  }
  // One alone would have all slots, which no frequency says.
  if (intervals.size() == 1) {
    const uint8_t first = intervals[0].base == 0 && intervals[0].raw_bits == 8 ? 128 : 0;
    add({.base = first, .raw_bits = 8}, 0);
    if (first == 0) {
      std::swap(intervals[0], intervals[1]);
      std::swap(counts_of[0], counts_of[1]);
    }
  }
  SetFrequencies(counts_of, intervals);
  return intervals;
}

}  // namespace dcac
