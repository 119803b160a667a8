// Samples for tests of frames.
#ifndef DCAC_CORE_CODEC_SLOPED_SAMPLES_H_
#define DCAC_CORE_CODEC_SLOPED_SAMPLES_H_

#include <cstddef>

#include "core/base/bytes.h"

namespace dcac {

inline Bytes SlopedSamples(std::size_t size) {
  Bytes samples(size);
  for (std::size_t i = 0; i < size; ++i) samples[i] = static_cast<std::byte>(i * i / 7 + i % 5);
  return samples;
}

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SLOPED_SAMPLES_H_
