// Puts and gets of whole tensors, next to what they are made of.
#ifndef DCAC_TESTS_BENCH_STORE_TRANSFERS_H_
#define DCAC_TESTS_BENCH_STORE_TRANSFERS_H_

#include <string>
#include <vector>

#include "dcac/tensor.h"
#include "tests/bench/store_timing.h"

namespace dcac::bench {

struct TransferOptions {
  int rounds = 0;
  std::vector<double> sizes_mb;
  std::vector<int> levels;
};

// A tensor of about so many bytes: planes of one item, or all of them as items.
Tensor TensorOfBytes(const Tensor& planes, double bytes);

// For each size and level one row: medians over the rounds, in each of which all take turns.  `folder`: on the file
// system of the store, for the plain files.
void MeasureTransfers(const std::string& address, const std::string& folder, const std::string& name,
                      const Tensor& planes, const TransferOptions& options, Floors& floors);

}  // namespace dcac::bench

#endif  // DCAC_TESTS_BENCH_STORE_TRANSFERS_H_
