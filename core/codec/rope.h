// Rotary position embedding: keys are stored rotated by an angle that grows with their position, which hides how alike
// they are (docs/format.md, "Rotation").
#ifndef DCAC_CORE_CODEC_ROPE_H_
#define DCAC_CORE_CODEC_ROPE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dcac/options.h"

namespace dcac {

// Rotates rows of heads back, and predictions forward.  Row `position` has in each head the pairs i = 0 ..
// rotary_dim / 2 - 1 rotated by position * theta^(-2 i / rotary_dim).
class RowRotation {
 public:
  // Positions 0 .. num_positions - 1.  `rope` is valid for rows of `columns`: IsValidRope.
  RowRotation(const Rope& rope, size_t columns, size_t num_positions);

  void Undo(size_t position, float* row) const { Turn<false>(position, row); }
  void Redo(size_t position, float* row) const { Turn<true>(position, row); }

 private:
  struct Direction {
    float cosine, sine;
  };

  template <bool kForward>
  void Turn(size_t position, float* row) const {
    const Direction* directions = directions_.data() + position * pairs_;
    for (size_t head = 0; head < columns_; head += head_dim_) {
      for (size_t i = 0; i < pairs_; ++i) {
        float& first = row[head + (interleaved_ ? 2 * i : i)];
        float& second = row[head + (interleaved_ ? 2 * i + 1 : i + pairs_)];
        const float a = directions[i].cosine, b = kForward ? directions[i].sine : -directions[i].sine;
        const float x = a * first - b * second;
        second = a * second + b * first;
        first = x;
      }
    }
  }

  size_t columns_, head_dim_, pairs_;
  bool interleaved_;
  std::vector<Direction> directions_;
};

// Whether heads of rope.head_dim fill rows of `columns`, and the other fields are in range.
bool IsValidRope(const Rope& rope, size_t columns);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_ROPE_H_
