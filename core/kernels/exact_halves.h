// Upper halves of binary32 samples that stand for one sample only, so that its lower half is not sent
// (docs/format-lanes.md, "Escapes and lower halves").
#ifndef DCAC_CORE_KERNELS_EXACT_HALVES_H_
#define DCAC_CORE_KERNELS_EXACT_HALVES_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace dcac {

struct ExactHalves {
  static constexpr size_t kMax = 3;

  size_t count = 0;
  // Different upper halves and what goes with them; entries that are not used repeat the first one, for kernels that
  // compare with all of them.
  std::array<uint16_t, kMax> upper{}, low{};

  void Add(uint16_t upper_half, uint16_t low_half) {
    if (count == 0) {
      upper.fill(upper_half);
      low.fill(low_half);
    }
    upper[count] = upper_half;
    low[count] = low_half;
    ++count;
  }
  bool Has(uint16_t upper_half) const {
    for (size_t i = 0; i < count; ++i) {
      if (upper[i] == upper_half) return true;
    }
    return false;
  }
};

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_EXACT_HALVES_H_
