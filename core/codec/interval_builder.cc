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
    for (size_t i = 255; i > 0; --i) {
      const uint16_t low = node_of[2 * i], high = node_of[2 * i + 1];
      node_of[i] = low == 0 || high == 0 ? static_cast<uint16_t>(low | high)
                                         : Add(node_[low].count + node_[high].count, i, low, high);
    }
    root_ = node_of[1];
  }

  // Adds about as few and as good ones as cost the least, at most max_count, with their counts.
  void Choose(size_t max_count, std::vector<Interval>& intervals, std::vector<uint64_t>& counts) {
    if (root_ == 0) return;
    int64_t cost = kIntervalBits, too_low = cost;
    size_t count = CountAt(cost);
    if (count > max_count) {
      cost = std::max<int64_t>(2 * cost, static_cast<int64_t>(node_[root_].count));  // is often enough
    }
    while (count > max_count && (count = CountAt(cost)) > max_count) too_low = std::exchange(cost, 4 * cost);
    int64_t last = cost;
    for (int i = 0; i < kSteps && count < max_count && too_low < cost; ++i) {
      last = (3 * too_low + cost) / 4;
      const size_t count_there = CountAt(last);
      if (count_there > max_count) {
        too_low = last;
      } else {
        cost = last;
        count = count_there;
      }
    }
    if (last != cost) CountAt(cost);
    Collect(root_, intervals, counts);
  }

 private:
  static constexpr int kSteps = 5;  // towards the least cost

  struct Node {
    uint64_t count;
    uint16_t interval;
    uint16_t low, high;  // halves, or 0
    bool is_parted;
    size_t chosen;       // intervals
    int64_t bits, best;  // as one, and as what was chosen
  };

  static int RawBits(size_t interval) { return 9 - static_cast<int>(std::bit_width(interval)); }

  uint16_t Add(uint64_t count, size_t interval, uint16_t low, uint16_t high) {
    Node& node = node_[size_];
    node.count = count;
    node.interval = static_cast<uint16_t>(interval);
    node.low = low;
    node.high = high;
    node.is_parted = false;
    // Who occurs less often than a slot has a whole one, which others miss.
    const int64_t slot_bits = log_all_ - LogOf(std::max(count, of_slot_));
    node.bits = static_cast<int64_t>(count) * ((int64_t{RawBits(interval)} << kPointBits) + slot_bits);
    if (count < of_slot_) node.bits += static_cast<int64_t>(of_slot_ - count) * kNaturalBits;
    return static_cast<uint16_t>(size_++);
  }

  // How many intervals are best where each costs so much.
  size_t CountAt(int64_t cost) {
    for (size_t i = 1; i < size_; ++i) {
      Node& node = node_[i];
      node.best = node.bits + cost;
      node.chosen = 1;
      if (node.low == 0) continue;
      const Node &low = node_[node.low], &high = node_[node.high];
      node.is_parted = low.best + high.best < node.best;
      if (!node.is_parted) continue;
      node.best = low.best + high.best;
      node.chosen = low.chosen + high.chosen;
    }
    return node_[root_].chosen;
  }

  void Collect(size_t at, std::vector<Interval>& intervals, std::vector<uint64_t>& counts) const {
    const Node& node = node_[at];
    if (node.is_parted) {
      Collect(node.low, intervals, counts);
      Collect(node.high, intervals, counts);
      return;
    }
    const int raw_bits = RawBits(node.interval);
    const size_t first = (size_t{node.interval} << raw_bits) - 256;
    intervals.push_back({static_cast<uint8_t>(first ^ 128), static_cast<uint8_t>(raw_bits)});
    counts.push_back(node.count);
  }

  uint64_t of_slot_;  // what has the share of a slot
  int64_t log_all_;
  std::array<Node, 512> node_;  // halves before what they are the halves of; only what was added is set
  size_t size_ = 0, root_ = 0;
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
  if (counts.are_sampled || all == counts.mode) add({.raw_bits = 8}, 0);
  IntervalTree(counts.residual, all).Choose(kMaxIntervals - intervals.size(), intervals, counts_of);
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
