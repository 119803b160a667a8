// Planes that repeat each sample of a smaller plane `scale` times in both directions, cut off at the right and below.
#ifndef DCAC_CORE_CODEC_UPSAMPLING_H_
#define DCAC_CORE_CODEC_UPSAMPLING_H_

#include <cstddef>

#include "core/base/bytes.h"

namespace dcac {

// Samples of a plane: 1, 2 or 4 bytes each.
struct PlaneExtent {
  size_t height = 0, width = 0, sample_bytes = 0;
};

// In what follows, `scale` is 2, 4 or 8.

bool IsUpsampled(const PlaneExtent& extent, size_t scale, const std::byte* plane);

// The smaller plane of an upsampled one.
Bytes Downsample(const PlaneExtent& extent, size_t scale, const std::byte* plane);

// `small`: what Downsample returns.
void Upsample(const PlaneExtent& extent, size_t scale, const std::byte* small, std::byte* plane);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_UPSAMPLING_H_
