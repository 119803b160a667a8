// Encoder: the context cells of a plane set, their clusters and the token tables.
#ifndef DCAC_CORE_CODEC_CONTEXT_BUILDER_H_
#define DCAC_CORE_CODEC_CONTEXT_BUILDER_H_

#include <cstdint>
#include <vector>

#include "core/codec/set_model.h"
#include "core/kernels/code_length.h"

namespace dcac {

// At most `bins` - 1 ascending thresholds that cut the sorted `values` into about equal parts, each a multiple of a
// power of two that leaves the range of values about 12 bits.
std::vector<int32_t> QuantileThresholds(std::vector<int32_t> values, int bins);

// How often each token occurs in each cell.
class CellCounts {
 public:
  CellCounts(size_t cells, size_t tokens)
      : tokens_(tokens), stride_(PadCodeLengthCounts(tokens)), counts_(cells * stride_, 0) {}

  uint32_t& At(size_t cell, size_t token) { return counts_[cell * stride_ + token]; }
  const uint32_t* Row(size_t cell) const { return counts_.data() + cell * stride_; }
  size_t tokens() const { return tokens_; }
  size_t cells() const { return counts_.size() / stride_; }

  // Ideal code length of a cell's tokens plus the estimated size of a table of its own, in bits.
  double CellBits(size_t cell) const;

 private:
  size_t tokens_, stride_;
  std::vector<uint32_t> counts_;
};

struct Clusters {
  std::vector<uint8_t> cluster;               // of each cell
  std::vector<std::vector<uint32_t>> tables;  // weights of each cluster's tokens, as NormalizeTable takes them
  double bits = 0;                            // estimate: ideal code length with tables
};

// Merges cells while that saves bits, and on to at most `max_clusters`.  `columns`: activity bins, the cells' row
// length. Cells that are no neighbours are merged once at most `max_all_pairs` clusters are left.  `more_table_bits`:
// what a cluster's table costs beside what is known of it.
inline constexpr size_t kMaxAllPairs = 96;
Clusters ClusterCells(const CellCounts& counts, int columns, size_t max_clusters = kMaxClusters,
                      size_t max_all_pairs = kMaxAllPairs, float more_table_bits = 0);

// Counts scaled to weights of at most 13 bits, of which the three leading ones are kept, rounded; `tokens` of them.
std::vector<uint32_t> TableWeights(const std::vector<uint32_t>& counts, size_t tokens);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_CONTEXT_BUILDER_H_
