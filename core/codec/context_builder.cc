#include "core/codec/context_builder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "core/base/exact_math.h"

namespace dcac {
namespace {

// Estimated bits of a token's entry in a table: what the adaptive code of set_model.cc needs for tables as they occur.
double EntryBits(uint32_t count) {
  return count == 0 ? 0.35 : 2.0 + std::min(1.8, 0.25 * Log2(static_cast<double>(count) + 1));
}
constexpr double kTableBits = 3;

// What a token of `count` occurrences adds to the bits of a group: its entry, less count * log2(count).
float LargeTokenBits(uint32_t count) {
  return static_cast<float>(EntryBits(count) - CountLog2Count(count));
}
constexpr uint32_t kSmallCounts = 1 << 14;
const float* SmallTokenBits() {
  static const std::vector<float> kSmall = [] {
    std::vector<float> bits(kSmallCounts);
    for (uint32_t i = 0; i < kSmallCounts; ++i) bits[i] = LargeTokenBits(i);
    return bits;
  }();
  return kSmall.data();
}

// Ideal code length of tokens that occur as counted, with a table of their own.
template <typename Count>
double GroupBits(size_t tokens, Count count) {
  const float* const small = SmallTokenBits();
  double bits = kTableBits;
  uint64_t total = 0;
  for (size_t i = 0; i < tokens; ++i) {
    const uint32_t n = count(i);
    bits += double{n < kSmallCounts ? small[n] : LargeTokenBits(n)};
    total += n;
  }
  return bits + CountLog2Count(total);
}

// Agglomerative clustering with cached costs of pairs and the best partner of each group.  At first only cells that
// touch in the grid of position and activity may merge; when few groups are left, any two.
class Agglomeration {
 public:
  Agglomeration(const CellCounts& counts, int columns) : tokens_(UsedTokens(counts)), owner_(counts.cells()) {
    const size_t n = counts.cells();
    groups_.resize(n);
    for (size_t cell = 0; cell < n; ++cell) {
      Group& group = groups_[cell];
      group.counts.assign(counts.Row(cell), counts.Row(cell) + tokens_);
      group.is_empty = std::all_of(group.counts.begin(), group.counts.end(), [](uint32_t c) { return c == 0; });
      group.bits = GroupBits(tokens_, [&](size_t i) { return group.counts[i]; });
      owner_[cell] = cell;
      if (!group.is_empty) alive_.push_back(cell);
    }
    cost_.assign(n * n, kApart);
    const size_t width = static_cast<size_t>(columns);
    for (size_t a : alive_) {
      // The nearest cell that occurs in the same row and in the same column.
      for (size_t b = a; b % width != 0;) {
        if (!groups_[--b].is_empty) {
          SetCost(a, b, MergeCost(a, b));
          break;
        }
      }
      for (size_t b = a; b >= width;) {
        b -= width;
        if (!groups_[b].is_empty) {
          SetCost(a, b, MergeCost(a, b));
          break;
        }
      }
    }
  }

  void Run(size_t max_clusters, size_t max_all_pairs) {
    MergeWhile([&](float cost) { return cost < kApart && (cost < 0 || alive_.size() > max_all_pairs); });
    all_pairs_ = true;
    for (size_t a : alive_) {
      for (size_t b : alive_) {
        if (b < a) SetCost(a, b, MergeCost(a, b));
      }
    }
    MergeWhile([&](float cost) { return cost < 0 || alive_.size() > max_clusters; });
  }

  const std::vector<uint32_t>& counts(size_t group) const { return groups_[group].counts; }
  double bits(size_t group) const { return groups_[group].bits; }
  bool empty(size_t cell) const { return groups_[cell].is_empty; }
  size_t owner(size_t cell) const { return owner_[cell]; }

 private:
  static constexpr float kApart = std::numeric_limits<float>::max();

  struct Group {
    std::vector<uint32_t> counts;
    bool is_empty = false;
    double bits = 0;
    size_t partner = 0;
    float partner_cost = kApart;
  };

  static size_t UsedTokens(const CellCounts& counts) {
    size_t used = 1;
    for (size_t cell = 0; cell < counts.cells(); ++cell) {
      for (size_t token = counts.tokens(); token > used; --token) {
        if (counts.Row(cell)[token - 1] != 0) used = token;
      }
    }
    return used;
  }

  void SetCost(size_t a, size_t b, float cost) { cost_[a * groups_.size() + b] = cost_[b * groups_.size() + a] = cost; }
  float Cost(size_t a, size_t b) const { return cost_[a * groups_.size() + b]; }

  float MergeCost(size_t a, size_t b) const {
    const Group &x = groups_[a], &y = groups_[b];
    return static_cast<float>(GroupBits(tokens_, [&](size_t i) { return x.counts[i] + y.counts[i]; }) - x.bits -
                              y.bits);
  }

  void FindPartner(size_t a) {
    Group& group = groups_[a];
    group.partner_cost = kApart;
    for (size_t b : alive_) {
      const float cost = Cost(a, b);
      if (b != a && cost < group.partner_cost) {
        group.partner_cost = cost;
        group.partner = b;
      }
    }
  }

  template <typename Continue>
  void MergeWhile(Continue goes_on) {
    for (size_t a : alive_) FindPartner(a);
    while (alive_.size() > 1) {
      size_t best = alive_[0];
      for (size_t a : alive_) {
        if (groups_[a].partner_cost < groups_[best].partner_cost) best = a;
      }
      if (!goes_on(groups_[best].partner_cost)) break;
      Merge(best, groups_[best].partner);
    }
  }

  void Merge(size_t a, size_t b) {
    Group& group = groups_[a];
    for (size_t i = 0; i < tokens_; ++i) group.counts[i] += groups_[b].counts[i];
    group.bits = GroupBits(tokens_, [&](size_t i) { return group.counts[i]; });
    alive_.erase(std::find(alive_.begin(), alive_.end(), b));
    for (size_t& owner : owner_) {
      if (owner == b) owner = a;
    }
    for (size_t c : alive_) {
      if (c != a && (all_pairs_ || Cost(a, c) < kApart || Cost(b, c) < kApart)) SetCost(a, c, MergeCost(a, c));
    }
    FindPartner(a);
    for (size_t c : alive_) {
      if (c == a) continue;
      if (groups_[c].partner == a || groups_[c].partner == b) {
        FindPartner(c);
      } else if (Cost(c, a) < groups_[c].partner_cost) {
        groups_[c].partner = a;
        groups_[c].partner_cost = Cost(c, a);
      }
    }
  }

  size_t tokens_;
  std::vector<size_t> owner_;
  std::vector<Group> groups_;
  std::vector<size_t> alive_;
  std::vector<float> cost_;
  bool all_pairs_ = false;
};

}  // namespace

std::vector<int32_t> QuantileThresholds(std::vector<int32_t> values, int bins) {
  constexpr int kThresholdBits = 12;
  std::vector<int32_t> thresholds;
  if (values.empty()) return thresholds;
  std::sort(values.begin(), values.end());
  const uint64_t range = static_cast<uint64_t>(int64_t{values.back()} - values.front());
  const int drop = std::max(0, static_cast<int>(std::bit_width(range)) - kThresholdBits);
  for (int bin = 1; bin < bins; ++bin) {
    const size_t at = std::min(values.size() - 1, values.size() * static_cast<size_t>(bin) / static_cast<size_t>(bins));
    const int32_t threshold = values[at] >> drop << drop;
    if (threshold > values.front() && (thresholds.empty() || threshold > thresholds.back()))
      thresholds.push_back(threshold);
  }
  return thresholds;
}

std::vector<uint32_t> TableWeights(const std::vector<uint32_t>& counts, size_t tokens) {
  constexpr int kWeightBits = 13, kKeptBits = 3;
  const uint64_t largest = *std::max_element(counts.begin(), counts.end());
  std::vector<uint32_t> weights(tokens, 0);
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    uint64_t weight = (uint64_t{counts[i]} * ((1 << kWeightBits) - 1) + largest / 2) / largest;
    weight = std::max<uint64_t>(weight, 1);
    const int drop = std::max(0, static_cast<int>(std::bit_width(weight)) - kKeptBits);
    uint64_t rounded = (weight + ((uint64_t{1} << drop) >> 1)) >> drop << drop;
    if (rounded >> kWeightBits) rounded = weight >> drop << drop;
    weights[i] = static_cast<uint32_t>(rounded);
  }
  return weights;
}

double CellCounts::CellBits(size_t cell) const {
  return GroupBits(tokens_, [row = Row(cell)](size_t i) { return row[i]; });
}

Clusters ClusterCells(const CellCounts& counts, int columns, size_t max_clusters, size_t max_all_pairs) {
  Agglomeration agglomeration(counts, columns);
  agglomeration.Run(max_clusters, max_all_pairs);
  Clusters result;
  result.cluster.resize(counts.cells());
  // Clusters are numbered in the order of their first cells: neighbours get like tables, which the table code exploits.
  std::vector<int> number(counts.cells(), -1);
  for (size_t cell = 0; cell < counts.cells(); ++cell) {
    if (agglomeration.empty(cell)) {  // never coded: what costs least to say
      const bool has_left = cell % static_cast<size_t>(columns) != 0;
      result.cluster[cell] = has_left   ? result.cluster[cell - 1]
                             : cell > 0 ? result.cluster[cell - static_cast<size_t>(columns)]
                                        : uint8_t{0};
      continue;
    }
    const size_t owner = agglomeration.owner(cell);
    if (number[owner] < 0) {
      number[owner] = static_cast<int>(result.tables.size());
      result.tables.push_back(TableWeights(agglomeration.counts(owner), counts.tokens()));
      result.bits += agglomeration.bits(owner);
    }
    result.cluster[cell] = static_cast<uint8_t>(number[owner]);
  }
  return result;
}

}  // namespace dcac
