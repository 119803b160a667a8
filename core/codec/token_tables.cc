#include "core/codec/token_tables.h"

#include <algorithm>
#include <numeric>

namespace dcac {

std::vector<uint32_t> NormalizeTable(const std::vector<uint32_t>& weights, int table_bits) {
  const uint64_t total = std::accumulate(weights.begin(), weights.end(), uint64_t{0});
  const uint32_t target = 1u << table_bits;
  if (total == 0) return weights;
  std::vector<uint32_t> frequencies(weights.size(), 0);
  uint32_t sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    frequencies[i] = std::max<uint32_t>(1, static_cast<uint32_t>((uint64_t{weights[i]} << table_bits) / total));
    sum += frequencies[i];
  }
  auto largest = std::max_element(frequencies.begin(), frequencies.end());
  if (sum <= target) {
    *largest += target - sum;
    return frequencies;
  }
  for (; sum > target; --sum) {
    --*largest;
    largest = std::max_element(frequencies.begin(), frequencies.end());
  }
  return frequencies;
}

int ChooseLanesLog2(double bytes) {
  int lanes_log2 = 2;
  while (lanes_log2 < kMaxLanesLog2 && bytes > 1024.0 * (1 << (lanes_log2 + 1))) ++lanes_log2;
  return lanes_log2;
}

}  // namespace dcac
