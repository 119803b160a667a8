#include "core/codec/context_builder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <numeric>

#include "core/kernels/code_length.h"

namespace dcac {
namespace {

constexpr float kTableBits = 3;

// Agglomerative clustering with cached costs of pairs and the best partner of each group.  At first only cells that
// touch in the grid of position and activity may merge; when few groups are left, any two.
class Agglomeration {
 public:
  Agglomeration(const CellCounts& counts, int columns, float more_table_bits)
      : tokens_(UsedTokens(counts)),
        stride_(PadCodeLengthCounts(tokens_)),
        table_bits_(kTableBits + more_table_bits),
        counts_(counts.cells() * stride_),
        groups_(counts.cells()),
        partner_cost_(counts.cells(), kApart),
        owner_(counts.cells()) {
    std::iota(owner_.begin(), owner_.end(), size_t{0});
    for (size_t cell = 0; cell < groups_.size(); ++cell) {
      Group& group = groups_[cell];
      std::copy_n(counts.Row(cell), tokens_, Row(cell));
      group.is_empty = std::all_of(Row(cell), Row(cell) + tokens_, [](uint32_t c) { return c == 0; });
      group.bits = BitsOf(Row(cell), nullptr);
      if (group.is_empty) continue;
      alive_.push_back(cell);
      group.links.reserve(kTouching);
    }
    // The nearest cells that occur in the same row and in the same column touch.
    const size_t width = static_cast<size_t>(columns);
    for (size_t a : alive_) {
      size_t b = a;
      while (b % width != 0 && groups_[b - 1].is_empty) --b;
      if (b % width != 0) Connect(a, b - 1);
      b = a;
      while (b >= width && groups_[b - width].is_empty) b -= width;
      if (b >= width) Connect(a, b - width);
    }
    for (size_t a : alive_) FindPartner(a);
  }

  void Run(size_t max_clusters, size_t max_all_pairs) {
    MergeWhile([&](float cost) { return cost < kApart && (cost < 0 || alive_.size() > max_all_pairs); });
    for (size_t a : alive_) {
      groups_[a].links.clear();
      groups_[a].links.reserve(alive_.size());
    }
    for (size_t a : alive_) {
      for (size_t b : alive_) {
        if (b < a) Connect(a, b);
      }
    }
    for (size_t a : alive_) FindPartner(a);
    MergeWhile([&](float cost) { return cost < 0 || alive_.size() > max_clusters; });
  }

  std::vector<uint32_t> counts(size_t group) const { return {Row(group), Row(group) + tokens_}; }
  double bits(size_t group) const { return double{groups_[group].bits}; }
  bool empty(size_t cell) const { return groups_[cell].is_empty; }
  size_t owner(size_t cell) const { return owner_[cell]; }

 private:
  static constexpr size_t kTouching = 8;  // groups at most, as a rule
  static constexpr float kApart = std::numeric_limits<float>::max();

  struct Link {
    size_t group;
    float cost;
  };
  struct Group {
    bool is_empty = false;
    float bits = 0;
    size_t partner = 0;
    std::vector<Link> links;  // groups that it may merge with
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

  uint32_t* Row(size_t group) { return counts_.data() + group * stride_; }
  const uint32_t* Row(size_t group) const { return counts_.data() + group * stride_; }

  float BitsOf(const uint32_t* a, const uint32_t* b) const { return table_bits_ + CodeLength(a, b, tokens_); }

  float MergeCost(size_t a, size_t b) const { return BitsOf(Row(a), Row(b)) - groups_[a].bits - groups_[b].bits; }

  void Connect(size_t a, size_t b) {
    const float cost = MergeCost(a, b);
    groups_[a].links.push_back({b, cost});
    groups_[b].links.push_back({a, cost});
  }

  void FindPartner(size_t a) {
    partner_cost_[a] = kApart;
    for (const Link& link : groups_[a].links) {
      if (link.cost < partner_cost_[a]) {
        partner_cost_[a] = link.cost;
        groups_[a].partner = link.group;
      }
    }
  }

  template <typename Continue>
  void MergeWhile(Continue goes_on) {
    while (alive_.size() > 1) {
      const auto best = std::min_element(partner_cost_.begin(), partner_cost_.end());
      if (!goes_on(*best)) break;
      const size_t a = static_cast<size_t>(best - partner_cost_.begin());
      Merge(a, groups_[a].partner);
    }
  }

  void Merge(size_t a, size_t b) {
    Group& group = groups_[a];
    for (size_t i = 0; i < stride_; ++i) Row(a)[i] += Row(b)[i];
    group.bits = BitsOf(Row(a), nullptr);
    alive_.erase(std::find(alive_.begin(), alive_.end(), b));
    std::replace(owner_.begin(), owner_.end(), b, a);
    const auto drop = [](std::vector<Link>& links, size_t other) {
      std::erase_if(links, [other](const Link& link) { return link.group == other; });
    };
    drop(group.links, b);
    for (const Link& link : groups_[b].links) {
      if (link.group == a) continue;
      drop(groups_[link.group].links, b);
      const auto is_other = [&](const Link& of_a) { return of_a.group == link.group; };
      if (std::none_of(group.links.begin(), group.links.end(), is_other)) {
        group.links.push_back({link.group, 0});
        groups_[link.group].links.push_back({a, 0});
      }
    }
    groups_[b].links.clear();
    partner_cost_[b] = kApart;
    for (Link& link : group.links) {
      Group& other = groups_[link.group];
      link.cost = MergeCost(a, link.group);
      std::find_if(other.links.begin(), other.links.end(), [a](const Link& l) { return l.group == a; })->cost =
          link.cost;
      if (other.partner == a || other.partner == b) {
        FindPartner(link.group);
      } else if (link.cost < partner_cost_[link.group]) {
        partner_cost_[link.group] = link.cost;
        other.partner = a;
      }
    }
    FindPartner(a);
  }

  size_t tokens_, stride_;
  float table_bits_;
  std::vector<uint32_t> counts_;  // of each group
  std::vector<Group> groups_;
  std::vector<float> partner_cost_;
  std::vector<size_t> owner_;
  std::vector<size_t> alive_;
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
  return double{kTableBits + CodeLength(Row(cell), nullptr, tokens_)};
}

Clusters ClusterCells(const CellCounts& counts, int columns, size_t max_clusters, size_t max_all_pairs,
                      float more_table_bits) {
  Agglomeration agglomeration(counts, columns, more_table_bits);
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
