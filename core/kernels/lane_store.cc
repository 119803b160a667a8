#include "core/kernels/lane_store.h"

#include <cstring>

#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/lane_store.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// out[2 i] = even[i], out[2 i + 1] = odd[i].
template <typename T>
HWY_INLINE void Interleave(const T* HWY_RESTRICT even, const T* HWY_RESTRICT odd, size_t pairs, std::byte* to) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::Full128<T> d;
  const hn::Full128<uint8_t> d8;
  uint8_t* out = reinterpret_cast<uint8_t*>(to);
  for (; i + hn::Lanes(d) <= pairs; i += hn::Lanes(d)) {
    const auto a = hn::LoadU(d, even + i), b = hn::LoadU(d, odd + i);
    hn::StoreU(hn::BitCast(d8, hn::InterleaveLower(d, a, b)), d8, out + 2 * i * sizeof(T));
    hn::StoreU(hn::BitCast(d8, hn::InterleaveUpper(d, a, b)), d8, out + 2 * i * sizeof(T) + 16);
  }
#endif
  for (; i < pairs; ++i) {
    std::memcpy(to + 2 * i * sizeof(T), even + i, sizeof(T));
    std::memcpy(to + (2 * i + 1) * sizeof(T), odd + i, sizeof(T));
  }
}

template <typename T>
HWY_INLINE void StorePlane(const LanePlaneRows& rows, const T* from, std::byte* to) {
  const size_t row_bytes = rows.width * sizeof(T);
  for (size_t y = 0; y < rows.height; ++y, to += row_bytes) {
    if (!rows.interlaced) {
      std::memcpy(to, from + y * rows.stride, row_bytes);
      continue;
    }
    const T* even = from + 2 * y * rows.stride;
    const size_t pairs = rows.width / 2;
    Interleave(even, even + rows.stride, pairs, to);
    if (rows.width % 2 != 0) std::memcpy(to + 2 * pairs * sizeof(T), even + pairs, sizeof(T));
  }
}

void StorePlane8(const LanePlaneRows& rows, const uint8_t* from, std::byte* to) {
  StorePlane(rows, from, to);
}
void StorePlane16(const LanePlaneRows& rows, const uint16_t* from, std::byte* to) {
  StorePlane(rows, from, to);
}

// In pieces of 16 bytes, the last of which overlaps the one before it.
void CopyRows(const std::byte* from, size_t stride_bytes, size_t rows, size_t row_bytes, std::byte* to) {
  if (row_bytes < 16 || row_bytes > 512) {
    for (size_t row = 0; row < rows; ++row) std::memcpy(to + row * row_bytes, from + row * stride_bytes, row_bytes);
    return;
  }
  for (size_t row = 0; row < rows; ++row, from += stride_bytes, to += row_bytes) {
    for (size_t i = 0; i + 16 <= row_bytes; i += 16) std::memcpy(to + i, from + i, 16);
    std::memcpy(to + row_bytes - 16, from + row_bytes - 16, 16);
  }
}

void Flip(uint8_t flip, size_t count, uint8_t* HWY_RESTRICT bytes) {
  for (size_t i = 0; i < count; ++i) bytes[i] ^= flip;
}

void SamplesOfCodes(const LaneTables& tables, uint32_t offset, const int32_t* HWY_RESTRICT codes, size_t count,
                    uint16_t* HWY_RESTRICT samples) {
  if (!tables.is_float) {
    for (size_t i = 0; i < count; ++i) samples[i] = static_cast<uint16_t>(codes[i]);
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    const int32_t code = codes[i];
    const uint32_t magnitude = static_cast<uint32_t>(code < 0 ? -code : code) + offset;
    const uint32_t sign = static_cast<uint32_t>(code) >> 16 & 0x8000u;
    samples[i] = static_cast<uint16_t>(code == 0 ? 0u : magnitude | sign);
  }
}

const std::byte* JoinHalves(const uint16_t* HWY_RESTRICT upper, size_t count, bool skips_mode, uint16_t mode,
                            const std::byte* low, const std::byte* end, std::byte* to) {
  const size_t left = static_cast<size_t>(end - low) / 2;
  if (!skips_mode) {
    if (left < count) return nullptr;
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(to + 4 * i, low + 2 * i, 2);
      std::memcpy(to + 4 * i + 2, upper + i, 2);
    }
    return low + 2 * count;
  }
  if (left < count) {
    size_t needed = 0;
    for (size_t i = 0; i < count; ++i) needed += upper[i] != mode;
    if (left < needed) return nullptr;
  }
  for (size_t i = 0; i < count; ++i) {
    const bool has_low = upper[i] != mode;
    uint16_t half = 0;
    if (end - low >= 2) std::memcpy(&half, low, 2);  // of the mode it is thrown away
    const uint32_t sample = static_cast<uint32_t>(upper[i]) << 16 | (has_low ? half : 0u);
    std::memcpy(to + 4 * i, &sample, 4);
    low += has_low ? 2 : 0;
  }
  return low;
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(StorePlane8);
HWY_EXPORT(StorePlane16);
HWY_EXPORT(CopyRows);
HWY_EXPORT(Flip);
HWY_EXPORT(SamplesOfCodes);
HWY_EXPORT(JoinHalves);

void StoreLanePlane(const LanePlaneRows& rows, const uint8_t* from, std::byte* to) {
  DCAC_DYNAMIC_DISPATCH(StorePlane8)(rows, from, to);
}

void StoreLanePlane(const LanePlaneRows& rows, const uint16_t* from, std::byte* to) {
  DCAC_DYNAMIC_DISPATCH(StorePlane16)(rows, from, to);
}

void CopyLaneRows(const std::byte* from, size_t stride_bytes, size_t rows, size_t row_bytes, std::byte* to) {
  DCAC_DYNAMIC_DISPATCH(CopyRows)(from, stride_bytes, rows, row_bytes, to);
}

void FlipBytes(uint8_t flip, size_t count, uint8_t* bytes) {
  DCAC_DYNAMIC_DISPATCH(Flip)(flip, count, bytes);
}

void SamplesOfLaneCodes(const LaneTables& tables, uint32_t offset, const int32_t* codes, size_t count,
                        uint16_t* samples) {
  DCAC_DYNAMIC_DISPATCH(SamplesOfCodes)(tables, offset, codes, count, samples);
}

const std::byte* JoinLaneHalves(const uint16_t* upper, size_t count, bool skips_mode, uint16_t mode,
                                const std::byte* low, const std::byte* end, std::byte* to) {
  return DCAC_DYNAMIC_DISPATCH(JoinHalves)(upper, count, skips_mode, mode, low, end, to);
}

}  // namespace dcac
#endif  // HWY_ONCE
