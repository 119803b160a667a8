#include "dcac/layout_guess.h"

#include "core/format/geometry.h"

namespace dcac {

Layout GuessLayout(const TensorSpec& spec, std::span<const std::byte> /*first_samples*/) {
  if (spec.shape.size() == 1 && spec.shape[0] > kMaxWidth) return Layout::kFlat;
  return Layout::kNchw;
}

}  // namespace dcac
