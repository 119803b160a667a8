// Encoder: how long codes of tokens get that occur as often as counted.
#ifndef DCAC_CORE_KERNELS_CODE_LENGTH_H_
#define DCAC_CORE_KERNELS_CODE_LENGTH_H_

#include <cstddef>
#include <cstdint>

namespace dcac {

// Estimated bits of the tokens of a table and of the table itself, each of whose n tokens occurs a[i] + b[i] times,
// less than 2^31 in all; b may be null.  After the n counts zeros follow, to a multiple of kCodeLengthLanes.  In
// binary32, good to a few bits in a million; the same on all targets: every sixteenth token is added to the same
// partial sum, these in halves.
inline constexpr size_t kCodeLengthLanes = 16;
constexpr size_t PadCodeLengthCounts(size_t n) {
  return (n + kCodeLengthLanes - 1) / kCodeLengthLanes * kCodeLengthLanes;
}
float CodeLength(const uint32_t* a, const uint32_t* b, size_t n);

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_CODE_LENGTH_H_
