// The layout of a tensor of which only type and shape are known.
#ifndef DCAC_LAYOUT_GUESS_H_
#define DCAC_LAYOUT_GUESS_H_

#include <cstddef>
#include <span>

#include "dcac/tensor.h"

namespace dcac {

// How many of the first bytes of a tensor GuessLayout looks at.
inline constexpr std::size_t kLayoutGuessBytes = std::size_t{1} << 20;

// The layout in which a tensor is likely to become smallest: by its type, its shape and its first bytes (those beyond
// kLayoutGuessBytes are ignored; fewer serve worse).  The layout of `spec` is ignored.  The result is one that
// TensorBytes accepts for the shape.  Equal input gives equal results on all machines.
Layout GuessLayout(const TensorSpec& spec, std::span<const std::byte> first_samples);

}  // namespace dcac

#endif  // DCAC_LAYOUT_GUESS_H_
