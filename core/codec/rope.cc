#include "core/codec/rope.h"

#include "core/base/exact_math.h"

namespace dcac {

RowRotation::RowRotation(const Rope& rope, size_t columns, size_t num_positions)
    : columns_(columns),
      head_dim_(rope.head_dim),
      pairs_(rope.rotary_dim / 2),
      interleaved_(rope.interleaved),
      directions_(num_positions * pairs_) {
  constexpr double kTurnsPerRadian = 0.15915494309189533577;
  const double exponent_step = -2.0 * Log2(static_cast<double>(rope.theta)) / static_cast<double>(rope.rotary_dim);
  for (size_t i = 0; i < pairs_; ++i) {
    const double turns = kTurnsPerRadian * Exp2(exponent_step * static_cast<double>(i));  // of one position
    for (size_t position = 0; position < num_positions; ++position) {
      const SineCosine angle = SineCosineOfTurns(turns * static_cast<double>(position));
      directions_[position * pairs_ + i] = {static_cast<float>(angle.cosine), static_cast<float>(angle.sine)};
    }
  }
}

bool IsValidRope(const Rope& rope, size_t columns) {
  return rope.head_dim >= 2 && rope.head_dim <= columns && columns % rope.head_dim == 0 && rope.rotary_dim >= 2 &&
         rope.rotary_dim <= rope.head_dim && rope.rotary_dim % 2 == 0 && rope.theta >= 2;
}

}  // namespace dcac
