#include "core/kernels/lane_store.h"

#include <bit>
#include <cstring>

#include "core/kernels/lane_shuffles.h"
#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/lane_store.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// out[2 i] = even[i], out[2 i + 1] = odd[i].  `end`: of the plane, whose later rows may be overwritten.
template <typename T>
HWY_INLINE void Interleave(const T* HWY_RESTRICT even, const T* HWY_RESTRICT odd, size_t pairs, std::byte* to,
                           [[maybe_unused]] const std::byte* end) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const size_t room = static_cast<size_t>(end - to) / (2 * sizeof(T));
  const hn::Full128<T> d;
  const hn::Full128<uint8_t> d8;
  uint8_t* out = reinterpret_cast<uint8_t*>(to);
  for (; i < pairs && i + hn::Lanes(d) <= room; i += hn::Lanes(d)) {
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

// In pieces of kBytes, the last of which overlaps the one before it; kBytes <= row_bytes.
template <size_t kBytes>
HWY_INLINE void CopyPieces(const std::byte* from, size_t stride_bytes, size_t rows, size_t row_bytes, std::byte* to) {
  for (size_t row = 0; row < rows; ++row, from += stride_bytes, to += row_bytes) {
    for (size_t i = 0; i + kBytes <= row_bytes; i += kBytes) std::memcpy(to + i, from + i, kBytes);
    std::memcpy(to + row_bytes - kBytes, from + row_bytes - kBytes, kBytes);
  }
}

HWY_INLINE void CopyRows(const std::byte* from, size_t stride_bytes, size_t rows, size_t row_bytes, std::byte* to) {
  if (row_bytes >= 16 && row_bytes <= 512) return CopyPieces<16>(from, stride_bytes, rows, row_bytes, to);
  if (row_bytes >= 4 && row_bytes < 8) return CopyPieces<4>(from, stride_bytes, rows, row_bytes, to);
  if (row_bytes >= 8 && row_bytes < 16) return CopyPieces<8>(from, stride_bytes, rows, row_bytes, to);
  for (size_t row = 0; row < rows; ++row) std::memcpy(to + row * row_bytes, from + row * stride_bytes, row_bytes);
}

template <typename T>
HWY_INLINE void StorePlane(const LanePlaneRows& rows, const T* from, std::byte* to) {
  const size_t row_bytes = rows.width * sizeof(T);
  if (!rows.interlaced) {
    return CopyRows(reinterpret_cast<const std::byte*>(from), rows.stride * sizeof(T), rows.height, row_bytes, to);
  }
  const std::byte* const end = to + rows.height * row_bytes;
  for (size_t y = 0; y < rows.height; ++y, to += row_bytes) {
    const T* even = from + 2 * y * rows.stride;
    const size_t pairs = rows.width / 2;
    Interleave(even, even + rows.stride, pairs, to, end);
    if (rows.width % 2 != 0) std::memcpy(to + 2 * pairs * sizeof(T), even + pairs, sizeof(T));
  }
}

template <typename T>
HWY_INLINE void StorePlanes(const LanePlaneRows& rows, const T* from, size_t columns, std::byte* const* to,
                            size_t count) {
  for (size_t plane = 0; plane < count; ++plane) StorePlane(rows, from + plane * columns, to[plane]);
}

void StorePlanes8(const LanePlaneRows& rows, const uint8_t* from, size_t columns, std::byte* const* to, size_t count) {
  StorePlanes(rows, from, columns, to, count);
}
void StorePlanes16(const LanePlaneRows& rows, const uint16_t* from, size_t columns, std::byte* const* to,
                   size_t count) {
  StorePlanes(rows, from, columns, to, count);
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

// Vectors of samples; return how many samples they did, the rest being too few or too near the end.
#if HWY_TARGET == HWY_SCALAR
size_t JoinAllVectors(const uint16_t*, size_t, const std::byte*, std::byte*) {
  return 0;
}
size_t JoinVectors(const uint16_t*, size_t, const ExactHalves&, const std::byte*&, const std::byte*, std::byte*) {
  return 0;
}
#else
HWY_INLINE size_t JoinAllVectors(const uint16_t* HWY_RESTRICT upper, size_t count, const std::byte* low,
                                 std::byte* to) {
  const hn::ScalableTag<uint16_t> d;
  const uint16_t* halves = reinterpret_cast<const uint16_t*>(low);
  uint16_t* out = reinterpret_cast<uint16_t*>(to);
  size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d))
    hn::StoreInterleaved2(hn::LoadU(d, halves + i), hn::LoadU(d, upper + i), d, out + 2 * i);
  return i;
}

// Upper halves: which of them are exact, and what goes with those.
template <class D>
class ExactVectors {
 public:
  HWY_INLINE ExactVectors(D d, const ExactHalves& exact) {
    for (size_t i = 0; i < ExactHalves::kMax; ++i) {
      upper_[i] = hn::Set(d, hn::TFromD<D>{exact.upper[i]});
      low_[i] = hn::Set(d, hn::TFromD<D>{exact.low[i]});
    }
  }

  HWY_INLINE hn::Mask<D> HasLow(hn::Vec<D> upper) const {
    return hn::And(hn::Ne(upper, upper_[0]), hn::And(hn::Ne(upper, upper_[1]), hn::Ne(upper, upper_[2])));
  }
  HWY_INLINE hn::Vec<D> Low(hn::Vec<D> upper) const {
    return hn::Or(hn::IfThenElseZero(hn::Eq(upper, upper_[0]), low_[0]),
                  hn::Or(hn::IfThenElseZero(hn::Eq(upper, upper_[1]), low_[1]),
                         hn::IfThenElseZero(hn::Eq(upper, upper_[2]), low_[2])));
  }

 private:
  hn::Vec<D> upper_[ExactHalves::kMax], low_[ExactHalves::kMax];
};

#if HWY_TARGET <= HWY_AVX3
HWY_INLINE size_t JoinVectors(const uint16_t* HWY_RESTRICT upper, size_t count, const ExactHalves& exact,
                              const std::byte*& low, const std::byte* end, std::byte* to) {
  const hn::Full512<uint32_t> d;
  const hn::Rebind<uint16_t, decltype(d)> d16;
  const ExactVectors<hn::Full512<uint32_t> > exacts(d, exact);
  size_t i = 0;
  for (; i + 16 <= count && end - low >= 32; i += 16) {
    const auto high = hn::PromoteTo(d, hn::LoadU(d16, upper + i));
    const auto halves = hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const uint16_t*>(low)));
    const auto has_low = exacts.HasLow(high);
    const hn::Vec<decltype(d)> placed{_mm512_maskz_expand_epi32(has_low.raw, halves.raw)};
    hn::StoreU(hn::Or(hn::Or(hn::ShiftLeft<16>(high), exacts.Low(high)), placed), d,
               reinterpret_cast<uint32_t*>(to) + i);
    low += 2 * hn::CountTrue(d, has_low);
  }
  return i;
}
#else
HWY_INLINE size_t JoinVectors(const uint16_t* HWY_RESTRICT upper, size_t count, const ExactHalves& exact,
                              const std::byte*& low, const std::byte* end, std::byte* to) {
  const hn::FixedTag<uint16_t, 8> d;
  const hn::FixedTag<uint8_t, 16> d8;
  const ExactVectors<decltype(d)> exacts(d, exact);
  size_t i = 0;
  for (; i + 8 <= count && end - low >= 16; i += 8) {
    const auto high = hn::LoadU(d, upper + i);
    uint8_t bits[8] = {};
    hn::StoreMaskBits(d, exacts.HasLow(high), bits);
    const auto placed = hn::TableLookupBytesOr0(hn::LoadU(d8, reinterpret_cast<const uint8_t*>(low)),
                                                hn::Load(d8, kExpandWords8[bits[0]].data()));
    const auto halves = hn::Or(exacts.Low(high), hn::BitCast(d, placed));
    uint16_t* const out = reinterpret_cast<uint16_t*>(to) + 2 * i;
    hn::StoreU(hn::InterleaveLower(d, halves, high), d, out);
    hn::StoreU(hn::InterleaveUpper(d, halves, high), d, out + 8);
    low += 2 * std::popcount(bits[0]);
  }
  return i;
}
#endif  // HWY_AVX3
#endif  // HWY_SCALAR

const std::byte* JoinHalves(const uint16_t* HWY_RESTRICT upper, size_t count, const ExactHalves& exact,
                            const std::byte* low, const std::byte* end, std::byte* to) {
  const size_t left = static_cast<size_t>(end - low) / 2;
  if (exact.count == 0) {
    if (left < count) return nullptr;
    for (size_t i = JoinAllVectors(upper, count, low, to); i < count; ++i) {
      std::memcpy(to + 4 * i, low + 2 * i, 2);
      std::memcpy(to + 4 * i + 2, upper + i, 2);
    }
    return low + 2 * count;
  }
  if (left < count) {
    size_t needed = 0;
    for (size_t i = 0; i < count; ++i) needed += exact.Has(upper[i]) ? 0 : 1;
    if (left < needed) return nullptr;
  }
  for (size_t i = JoinVectors(upper, count, exact, low, end, to); i < count; ++i) {
    uint16_t half = 0;
    if (exact.Has(upper[i])) {
      for (size_t e = 0; e < exact.count; ++e) half = exact.upper[e] == upper[i] ? exact.low[e] : half;
    } else {
      std::memcpy(&half, low, 2);
      low += 2;
    }
    const uint32_t sample = static_cast<uint32_t>(upper[i]) << 16 | half;
    std::memcpy(to + 4 * i, &sample, 4);
  }
  return low;
}

}  // namespace HWY_NAMESPACE
}  // namespace dcac
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {

HWY_EXPORT(StorePlanes8);
HWY_EXPORT(StorePlanes16);
HWY_EXPORT(Flip);
HWY_EXPORT(SamplesOfCodes);
HWY_EXPORT(JoinHalves);

void StoreLanePlanes(const LanePlaneRows& rows, const uint8_t* from, size_t columns,
                     std::span<std::byte* const> planes) {
  DCAC_DYNAMIC_DISPATCH(StorePlanes8)(rows, from, columns, planes.data(), planes.size());
}

void StoreLanePlanes(const LanePlaneRows& rows, const uint16_t* from, size_t columns,
                     std::span<std::byte* const> planes) {
  DCAC_DYNAMIC_DISPATCH(StorePlanes16)(rows, from, columns, planes.data(), planes.size());
}

void FlipBytes(uint8_t flip, size_t count, uint8_t* bytes) {
  DCAC_DYNAMIC_DISPATCH(Flip)(flip, count, bytes);
}

void SamplesOfLaneCodes(const LaneTables& tables, uint32_t offset, const int32_t* codes, size_t count,
                        uint16_t* samples) {
  DCAC_DYNAMIC_DISPATCH(SamplesOfCodes)(tables, offset, codes, count, samples);
}

const std::byte* JoinLaneHalves(const uint16_t* upper, size_t count, const ExactHalves& exact, const std::byte* low,
                                const std::byte* end, std::byte* to) {
  return DCAC_DYNAMIC_DISPATCH(JoinHalves)(upper, count, exact, low, end, to);
}

}  // namespace dcac
#endif  // HWY_ONCE
