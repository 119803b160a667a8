// Clusters of context cells and their token tables in the side information, for both directions (docs/format.md,
// "Token tables").
#ifndef DCAC_CORE_CODEC_TABLE_CODER_H_
#define DCAC_CORE_CODEC_TABLE_CODER_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "core/codec/range_coder.h"
#include "core/codec/token_tables.h"

namespace dcac {

// The cluster of each of `num_cells` cells, rows of `columns` cells, and the number of clusters: `tables` gets as many.
template <typename Coder>
void CodeClusterMap(Coder& coder, size_t num_cells, size_t columns, std::vector<uint8_t>& cluster,
                    std::vector<std::vector<uint32_t>>& tables) {
  uint32_t last = static_cast<uint32_t>(tables.size()) - 1;
  CodeUniform(coder, kMaxClusters, last);
  tables.resize(size_t{last} + 1);
  cluster.resize(num_cells);
  AdaptiveBit same_left, same_up;
  const auto same_as = [&](AdaptiveBit& state, uint8_t neighbour, uint8_t& value) {
    bool same = value == neighbour;
    coder.Bit(state, same);
    if (same) value = neighbour;
    return same;
  };
  for (size_t cell = 0; cell < num_cells; ++cell) {
    if (last == 0) {
      cluster[cell] = 0;
      continue;
    }
    if (cell % columns != 0 && same_as(same_left, cluster[cell - 1], cluster[cell])) continue;
    if (cell >= columns && same_as(same_up, cluster[cell - columns], cluster[cell])) continue;
    uint32_t value = cluster[cell];
    CodeUniform(coder, last + 1, value);
    cluster[cell] = static_cast<uint8_t>(value);
  }
}

// The weights of token tables.  A weight is coded as the size of its number of bits, predicted from its neighbours of
// the same sign and from the table before, then the two bits below the leading one; the others are 0.
template <typename Coder>
class TableCoder {
 public:
  TableCoder(Coder& coder, int table_bits, size_t num_tokens)
      : coder_(coder), table_bits_(table_bits), above_(num_tokens, 0) {}

  void Code(std::vector<uint32_t>& table) {
    uint64_t sum = 0;
    uint32_t used = 0;
    for (size_t token = 0; token < table.size(); ++token) {
      const int back = token >= 2 ? above_[token - 2] : 0;  // already this table's
      const int last = token >= 1 ? above_[token - 1] : 0;
      const int predicted = is_first_ ? (back + last + 1) / 2 : (back + last + 2 * above_[token] + 2) / 4;
      CodeWeight(static_cast<size_t>(std::min(predicted, kMaxWeightBits - 1)), back == 0 && last == 0, table[token]);
      above_[token] = static_cast<int>(std::bit_width(table[token]));
      sum += table[token];
      used += table[token] != 0;
    }
    is_first_ = false;
    if (sum == 0 || used > (1u << table_bits_)) coder_.Fail();
  }

 private:
  static constexpr int kMaxWeightBits = 13;

  void CodeWeight(size_t context, bool quiet, uint32_t& weight) {
    int size = static_cast<int>(std::bit_width(weight));
    CodeSize(context, quiet, size);
    uint32_t below = size >= 2 ? (weight >> std::max(0, size - 3)) & (size == 2 ? 1u : 3u) : 0;
    if (size == 2) {
      CodeDirect(coder_, 1, below);
      weight = 2 + below;
    } else if (size >= 3) {
      CodeDirect(coder_, 2, below);
      weight = (4 + below) << (size - 3);
    } else {
      weight = static_cast<uint32_t>(size);
    }
  }

  // Unary from the predicted size: a bit for "is it", then upwards or downwards.
  void CodeSize(size_t context, bool quiet, int& size) {
    const int predicted = static_cast<int>(context);
    auto& state = size_state_[context][quiet];
    bool hit = size == predicted;
    coder_.Bit(state[0], hit);
    if (hit) {
      size = predicted;
      return;
    }
    bool up = size > predicted;
    if (predicted > 0) {
      coder_.Bit(state[1], up);
    } else {
      up = true;
    }
    int reached = predicted;
    const int end = up ? kMaxWeightBits : 0;
    for (int step = 0;; ++step) {
      reached += up ? 1 : -1;
      if (reached == end) break;
      bool stop = size == reached;
      coder_.Bit(state[static_cast<size_t>((up ? 2 : 8) + std::min(step, 5))], stop);
      if (stop) break;
    }
    size = reached;
  }

  Coder& coder_;
  int table_bits_;
  std::vector<int> above_;
  bool is_first_ = true;
  std::array<std::array<std::array<AdaptiveBit, 14>, 2>, kMaxWeightBits + 1> size_state_;
};

// Number of tokens and the table of each cluster.
template <typename Coder>
void CodeTables(Coder& coder, int table_bits, int& num_tokens, std::vector<std::vector<uint32_t>>& tables) {
  uint32_t tokens = static_cast<uint32_t>(num_tokens);
  CodeUniform(coder, kMaxTokens + 1, tokens);
  if (tokens == 0) coder.Fail();
  num_tokens = static_cast<int>(std::max(tokens, 1u));
  TableCoder<Coder> table_coder(coder, table_bits, static_cast<size_t>(num_tokens));
  for (std::vector<uint32_t>& table : tables) {
    table.resize(static_cast<size_t>(num_tokens));
    table_coder.Code(table);
    if (coder.failed()) return;
  }
}

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_TABLE_CODER_H_
