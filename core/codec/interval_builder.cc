#include "core/codec/interval_builder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <utility>

#include "core/base/exact_math.h"

namespace dcac {
namespace {

constexpr int kPointBits = 8;                       // of code lengths, below the point
constexpr int64_t kNaturalBits = 369;               // log2(e)
constexpr int64_t kIntervalBits = 9 << kPointBits;  // what the side information takes for one
// Of a residual in an interval of all that has one slot, of which others miss the less.
constexpr int64_t kBitsInAll = (16 << kPointBits) - kNaturalBits;

// log2(count) for 0 < count, within 2^-8 or so.
int64_t LogOf(uint64_t count) {
  constexpr int kIndexBits = 8;
  static const std::array<uint16_t, 1 << kIndexBits> of_mantissa = [] {
    std::array<uint16_t, 1 << kIndexBits> logs;
    for (size_t i = 0; i < logs.size(); ++i) {
      const double mantissa = 1 + (static_cast<double>(i) + 0.5) / static_cast<double>(logs.size());
      logs[i] = static_cast<uint16_t>(Log2(mantissa) * (1 << kPointBits) + 0.5);
    }
    return logs;
  }();
  const int exponent = static_cast<int>(std::bit_width(count)) - 1;
  const uint64_t mantissa = count << (63 - exponent) << 1 >> (64 - kIndexBits);
  return (int64_t{exponent} << kPointBits) + of_mantissa[static_cast<size_t>(mantissa)];
}

// The ways to part residuals in intervals of 2^n that begin at multiples of that: a binary tree whose leaves are the
// residuals that occur, and whose other nodes are the least of these intervals that have some in both halves.
class IntervalTree {
 public:
  // `all`: what occurs in the context, residuals and others.
  IntervalTree(std::span<const uint32_t, 256> counts, uint64_t all)
      : of_slot_(all / kIntervalSlots), log_all_(all == 0 ? 0 : LogOf(all)) {
    // Of all such intervals: 1 is that of all residuals, 2 i and 2 i + 1 are the halves of i, from 256 on single ones.
    std::array<uint16_t, 512> node_of{};
    size_ = 1;  // node 0 stands for none
    for (size_t i = 511; i >= 256; --i) {
      const uint32_t count = counts[(i - 256) ^ 128];
      if (count != 0) node_of[i] = Add(count, i, 0, 0);
    }
    end_of_leaves_ = size_;
    for (size_t i = 255; i > 0; --i) {
      const uint16_t low = node_of[2 * i], high = node_of[2 * i + 1];
      node_of[i] =
          low == 0 || high == 0 ? static_cast<uint16_t>(low | high) : Add(count_[low] + count_[high], i, low, high);
    }
    root_ = node_of[1];
  }

  // Adds about as few and as good ones as cost the least, at most max_count, with their counts.  The first one is of
  // all residuals, if `needs_all` or if it saves bits: it has those that no other one has.
  void Choose(size_t max_count, bool needs_all, std::vector<Interval>& intervals, std::vector<uint64_t>& counts) {
    int64_t cost = kIntervalBits, too_low = cost;
    size_t count = Part<true>(cost);
    if (count > max_count) {
      cost = std::max<int64_t>(2 * cost, static_cast<int64_t>(count_[root_]));  // is often enough
    }
    while (count > max_count && (count = Part<true>(cost)) > max_count) too_low = std::exchange(cost, 4 * cost);
    int64_t with_all = best_[root_] + cost;
    for (int i = 0; i < kSteps && count < max_count && too_low < cost; ++i) {
      const int64_t next = (3 * too_low + cost) / 4;
      const size_t count_there = Part<true>(next);
      if (count_there > max_count) {
        too_low = next;
      } else {
        cost = next;
        count = count_there;
        with_all = best_[root_] + cost;
      }
    }
    with_all += static_cast<int64_t>(of_slot_) * kNaturalBits;
    if (!needs_all && Part<false>(cost) <= max_count && best_[root_] <= with_all) {
      return Collect<false>(root_, 0, intervals, counts);
    }
    Part<true>(cost);
    intervals.push_back({.raw_bits = 8});
    counts.push_back(0);
    Collect<true>(root_, counts.size() - 1, intervals, counts);
  }

 private:
  static constexpr int kSteps = 5;  // towards the least cost

  static int RawBits(size_t interval) { return 9 - static_cast<int>(std::bit_width(interval)); }

  uint16_t Add(uint64_t count, size_t interval, uint16_t low, uint16_t high) {
    count_[size_] = count;
    interval_[size_] = static_cast<uint16_t>(interval);
    low_[size_] = low;
    high_[size_] = high;
    // Who occurs less often than a slot has a whole one, which others miss.
    const int64_t slot_bits = log_all_ - LogOf(std::max(count, of_slot_));
    int64_t bits = static_cast<int64_t>(count) * ((int64_t{RawBits(interval)} << kPointBits) + slot_bits);
    if (count < of_slot_) bits += static_cast<int64_t>(of_slot_ - count) * kNaturalBits;
    bits_[size_] = bits;
    bits_in_all_[size_] = static_cast<int64_t>(count) * kBitsInAll;
    return static_cast<uint16_t>(size_++);
  }

  // How many intervals are best where each costs so much; `kHasAll`: with one of all residuals.  Nothing branches on
  // which is best: that is hard to foresee.
  template <bool kHasAll>
  size_t Part(int64_t cost) {
    const auto choose = [&](size_t i, int64_t best, uint32_t chosen) {
      const bool is_in_all = kHasAll && bits_in_all_[i] < best;
      best_[i] = is_in_all ? bits_in_all_[i] : best;
      chosen_[i] = is_in_all ? 0 : chosen;
    };
    for (size_t i = 1; i < end_of_leaves_; ++i) choose(i, bits_[i] + cost, 1);
    for (size_t i = end_of_leaves_; i < size_; ++i) {
      const int64_t whole = bits_[i] + cost, parts = best_[low_[i]] + best_[high_[i]];
      const uint32_t of_parts = chosen_[low_[i]] + chosen_[high_[i]];
      choose(i, std::min(whole, parts), parts < whole ? of_parts : 1);
    }
    return chosen_[root_] + (kHasAll ? 1u : 0u);
  }

  // After Part, whose counts it keeps to where parts cost as much as the whole.  `all`: where the count of the interval
  // of all residuals is.
  template <bool kHasAll>
  void Collect(size_t at, size_t all, std::vector<Interval>& intervals, std::vector<uint64_t>& counts) const {
    if (kHasAll && best_[at] == bits_in_all_[at] && chosen_[at] == 0) {
      counts[all] += count_[at];
    } else if (at >= end_of_leaves_ && best_[at] == best_[low_[at]] + best_[high_[at]] &&
               chosen_[at] == chosen_[low_[at]] + chosen_[high_[at]]) {
      Collect<kHasAll>(low_[at], all, intervals, counts);
      Collect<kHasAll>(high_[at], all, intervals, counts);
    } else {
      const int raw_bits = RawBits(interval_[at]);
      const size_t first = (size_t{interval_[at]} << raw_bits) - 256;
      intervals.push_back({static_cast<uint8_t>(first ^ 128), static_cast<uint8_t>(raw_bits)});
      counts.push_back(count_[at]);
    }
  }

  uint64_t of_slot_;  // what has the share of a slot
  int64_t log_all_;
  // Of nodes, those without halves first, then halves before what they are the halves of; only those added are set.
  template <typename T>
  using OfNodes = std::array<T, 512>;
  OfNodes<uint64_t> count_;
  OfNodes<int64_t> bits_, bits_in_all_;  // as one interval, and in that of all residuals
  OfNodes<int64_t> best_;                // as what is chosen
  OfNodes<uint32_t> chosen_;             // intervals
  OfNodes<uint16_t> interval_, low_, high_;
  size_t size_ = 0, end_of_leaves_ = 0, root_ = 0;
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
