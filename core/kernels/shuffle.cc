#include "core/kernels/shuffle.h"

#include <cstdint>
#include <cstring>

#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/shuffle.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h:
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using ByteTag = hn::ScalableTag<uint8_t>;

// Vectors of as many samples as a vector of bytes has lanes.  Both return how many samples they did.
template <size_t kStride>
HWY_INLINE size_t ShuffleVectors(const uint8_t* HWY_RESTRICT in, size_t samples, uint8_t* HWY_RESTRICT out) {
  const ByteTag d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= samples; i += lanes) {
    hn::Vec<ByteTag> v0, v1, v2, v3;
    if constexpr (kStride == 2) {
      hn::LoadInterleaved2(d, in + 2 * i, v0, v1);
    } else {
      hn::LoadInterleaved4(d, in + 4 * i, v0, v1, v2, v3);
      hn::StoreU(v2, d, out + 2 * samples + i);
      hn::StoreU(v3, d, out + 3 * samples + i);
    }
    hn::StoreU(v0, d, out + i);
    hn::StoreU(v1, d, out + samples + i);
  }
  return i;
}

template <size_t kStride>
HWY_INLINE size_t UnshuffleVectors(const uint8_t* HWY_RESTRICT in, size_t samples, uint8_t* HWY_RESTRICT out) {
  const ByteTag d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= samples; i += lanes) {
    const auto v0 = hn::LoadU(d, in + i), v1 = hn::LoadU(d, in + samples + i);
    if constexpr (kStride == 2) {
      hn::StoreInterleaved2(v0, v1, d, out + 2 * i);
    } else {
      const auto v2 = hn::LoadU(d, in + 2 * samples + i), v3 = hn::LoadU(d, in + 3 * samples + i);
      hn::StoreInterleaved4(v0, v1, v2, v3, d, out + 4 * i);
    }
  }
  return i;
}

// A block of samples at a time, so that what is far apart in one array stays in the cache.
constexpr size_t kBlock = 1024;

void Shuffle(const uint8_t* HWY_RESTRICT in, size_t samples, size_t stride, uint8_t* HWY_RESTRICT out) {
  const size_t done = stride == 2   ? ShuffleVectors<2>(in, samples, out)
                      : stride == 4 ? ShuffleVectors<4>(in, samples, out)
                                    : 0;
  for (size_t begin = done; begin < samples; begin += kBlock) {
    const size_t end = samples - begin < kBlock ? samples : begin + kBlock;
    for (size_t b = 0; b < stride; ++b) {
      for (size_t i = begin; i < end; ++i) out[b * samples + i] = in[i * stride + b];
    }
  }
}

void Unshuffle(const uint8_t* HWY_RESTRICT in, size_t samples, size_t stride, uint8_t* HWY_RESTRICT out) {
  const size_t done = stride == 2   ? UnshuffleVectors<2>(in, samples, out)
                      : stride == 4 ? UnshuffleVectors<4>(in, samples, out)
                                    : 0;
  for (size_t begin = done; begin < samples; begin += kBlock) {
    const size_t end = samples - begin < kBlock ? samples : begin + kBlock;
    for (size_t b = 0; b < stride; ++b) {
      for (size_t i = begin; i < end; ++i) out[i * stride + b] = in[b * samples + i];
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(Shuffle);
HWY_EXPORT(Unshuffle);

void ShuffleBytes(const std::byte* in, size_t samples, size_t stride, std::byte* out) {
  DCAC_DYNAMIC_DISPATCH(Shuffle)
  (reinterpret_cast<const uint8_t*>(in), samples, stride, reinterpret_cast<uint8_t*>(out));
}

void UnshuffleBytes(const std::byte* in, size_t samples, size_t stride, std::byte* out) {
  DCAC_DYNAMIC_DISPATCH(Unshuffle)
  (reinterpret_cast<const uint8_t*>(in), samples, stride, reinterpret_cast<uint8_t*>(out));
}

}  // namespace dcac
#endif  // HWY_ONCE
