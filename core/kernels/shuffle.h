// Byte i of every sample together, for all i: equal places of samples are alike, which zstd sees only when they are
// neighbours.
#ifndef DCAC_CORE_KERNELS_SHUFFLE_H_
#define DCAC_CORE_KERNELS_SHUFFLE_H_

#include <cstddef>

namespace dcac {

// out[b * samples + i] = in[i * stride + b].  The arrays, of samples * stride bytes, must not overlap.
void ShuffleBytes(const std::byte* in, size_t samples, size_t stride, std::byte* out);
// The inverse: out[i * stride + b] = in[b * samples + i].
void UnshuffleBytes(const std::byte* in, size_t samples, size_t stride, std::byte* out);

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_SHUFFLE_H_
