#include "core/codec/context_builder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <numeric>

#include "core/base/exact_math.h"

namespace dcac {
namespace {

// Estimated bits of a table: what the adaptive code of set_model.cc needs for tables as they occur.
double TableBits(const uint32_t* counts, size_t tokens) {
  static const std::vector<double> kEntryBits = [] {
    std::vector<double> bits(1 << 16);
    for (size_t i = 0; i < bits.size(); ++i) bits[i] = i == 0 ? 0.35 : 2.0 + std::min(1.8, 0.25 * Log2(static_cast<double>(i) + 1));
    return bits;
  }();
  double bits = 3;
  for (size_t i = 0; i < tokens; ++i) bits += kEntryBits[std::min<uint32_t>(counts[i], (1 << 16) - 1)];
  return bits;
}

double EntropyBits(const uint32_t* counts, size_t tokens, uint64_t total) {
  double bits = CountLog2Count(total);
  for (size_t i = 0; i < tokens; ++i) {
    if (counts[i] != 0) bits -= CountLog2Count(counts[i]);
  }
  return bits;
}

// Agglomerative clustering with cached costs of all pairs and the nearest partner of each cluster.
class Agglomeration {
 public:
  explicit Agglomeration(const CellCounts& counts) : tokens_(UsedTokens(counts)), owner_(counts.cells()) {
    for (size_t cell = 0; cell < counts.cells(); ++cell) {
      Group group;
      group.counts.assign(counts.Row(cell), counts.Row(cell) + tokens_);
      group.total = std::accumulate(group.counts.begin(), group.counts.end(), uint64_t{0});
      group.bits = Bits(group.counts, group.total);
      owner_[cell] = cell;
      if (group.total > 0) alive_.push_back(cell);
      groups_.push_back(std::move(group));
    }
  }

  void Run() {
    const size_t n = groups_.size();
    cost_.assign(n * n, 0.0f);
    for (size_t a : alive_) {
      for (size_t b : alive_) {
        if (b < a) cost_[a * n + b] = cost_[b * n + a] = MergeCost(a, b);
      }
    }
    for (size_t a : alive_) FindPartner(a);
    while (alive_.size() > 1) {
      size_t best = alive_[0];
      for (size_t a : alive_) {
        if (groups_[a].partner_cost < groups_[best].partner_cost) best = a;
      }
      if (groups_[best].partner_cost > 0 && alive_.size() <= kMaxClusters) break;
      Merge(best, groups_[best].partner);
    }
  }

  const std::vector<size_t>& alive() const { return alive_; }
  const std::vector<uint32_t>& counts(size_t group) const { return groups_[group].counts; }
  double bits(size_t group) const { return groups_[group].bits; }
  bool empty(size_t cell) const { return owner_[cell] == cell && groups_[cell].total == 0; }
  size_t owner(size_t cell) const { return owner_[cell]; }

 private:
  struct Group {
    std::vector<uint32_t> counts;
    uint64_t total = 0;
    double bits = 0;
    size_t partner = 0;
    float partner_cost = 0;
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

  double Bits(const std::vector<uint32_t>& counts, uint64_t total) const {
    return EntropyBits(counts.data(), tokens_, total) + TableBits(counts.data(), tokens_);
  }

  float MergeCost(size_t a, size_t b) {
    merged_.resize(tokens_);
    for (size_t i = 0; i < tokens_; ++i) merged_[i] = groups_[a].counts[i] + groups_[b].counts[i];
    return static_cast<float>(Bits(merged_, groups_[a].total + groups_[b].total) - groups_[a].bits - groups_[b].bits);
  }

  void FindPartner(size_t a) {
    Group& group = groups_[a];
    group.partner_cost = std::numeric_limits<float>::max();
    for (size_t b : alive_) {
      const float cost = cost_[a * groups_.size() + b];
      if (b != a && cost < group.partner_cost) {
        group.partner_cost = cost;
        group.partner = b;
      }
    }
  }

  void Merge(size_t a, size_t b) {
    Group& group = groups_[a];
    for (size_t i = 0; i < tokens_; ++i) group.counts[i] += groups_[b].counts[i];
    group.total += groups_[b].total;
    group.bits = Bits(group.counts, group.total);
    alive_.erase(std::find(alive_.begin(), alive_.end(), b));
    for (size_t& owner : owner_) {
      if (owner == b) owner = a;
    }
    const size_t n = groups_.size();
    for (size_t c : alive_) {
      if (c != a) cost_[a * n + c] = cost_[c * n + a] = MergeCost(a, c);
    }
    FindPartner(a);
    for (size_t c : alive_) {
      if (c == a) continue;
      if (groups_[c].partner == a || groups_[c].partner == b) {
        FindPartner(c);
      } else if (cost_[c * n + a] < groups_[c].partner_cost) {
        groups_[c].partner = a;
        groups_[c].partner_cost = cost_[c * n + a];
      }
    }
  }

  size_t tokens_;
  std::vector<size_t> owner_;
  std::vector<Group> groups_;
  std::vector<size_t> alive_;
  std::vector<float> cost_;
  std::vector<uint32_t> merged_;
};

// Counts scaled to weights of at most 13 bits, of which the three leading ones are kept, rounded.
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
    if (threshold > values.front() && (thresholds.empty() || threshold > thresholds.back())) thresholds.push_back(threshold);
  }
  return thresholds;
}

double CellCounts::CellBits(size_t cell) const {
  const uint64_t total = std::accumulate(Row(cell), Row(cell) + tokens_, uint64_t{0});
  return EntropyBits(Row(cell), tokens_, total) + TableBits(Row(cell), tokens_);
}

Clusters ClusterCells(const CellCounts& counts, int columns) {
  Agglomeration agglomeration(counts);
  agglomeration.Run();
  Clusters result;
  result.cluster.resize(counts.cells());
  // Clusters are numbered in the order of their first cells: neighbours get like tables, which the table code exploits.
  std::vector<int> number(counts.cells(), -1);
  for (size_t cell = 0; cell < counts.cells(); ++cell) {
    if (agglomeration.empty(cell)) {  // never coded: what costs least to say
      const bool has_left = cell % static_cast<size_t>(columns) != 0;
      result.cluster[cell] = has_left ? result.cluster[cell - 1]
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
