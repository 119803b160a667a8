// Encoder: the intervals of a context (docs/format-lanes.md, section 10).
#ifndef DCAC_CORE_CODEC_INTERVAL_BUILDER_H_
#define DCAC_CORE_CODEC_INTERVAL_BUILDER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "core/kernels/byte_rans.h"

namespace dcac {

// How often residuals, and the mode, occur in a context.
struct ResidualCounts {
  std::span<const uint32_t, 256> residual;
  bool has_mode = false;
  uint32_t mode = 0;
  bool are_sampled = false;  // others, and the mode, may occur too
};

// Intervals of about the least code length, in the order in which the model has them: of the mode, of all residuals,
// then disjoint ones in ascending order.  Whatever may occur is in one of them.
std::vector<Interval> ChooseIntervals(const ResidualCounts& counts);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_INTERVAL_BUILDER_H_
