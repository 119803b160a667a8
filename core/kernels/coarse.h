// Samples of floats as codes of 8 bits, and the rest of their bits: details and lower halves (docs/format-lanes.md,
// "Coarse sets").
#ifndef DCAC_CORE_KERNELS_COARSE_H_
#define DCAC_CORE_KERNELS_COARSE_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace dcac {

// Codes: `zero` stands for +0, zero + 1 for samples that are sent as they are (escapes).  Those above are positive,
// those below negative; with u the upper 16 bits of a sample, (u & 0x7fff) >> detail_bits is `least` for the codes next
// to these two and one more with each step away from them.
inline constexpr int kMaxCoarseDetailBits = 8;
inline constexpr int kMaxCoarseZero = 254;
// A code that stands for one sample only, so that nothing more of it is sent; others like it are escapes.
struct CoarseExact {
  uint8_t code = 0;  // neither zero nor the escape
  uint32_t sample = 0;
};
inline constexpr size_t kMaxCoarseExact = 3;
struct CoarseMap {
  int detail_bits = 0;  // the low bits of u
  int zero = 0;
  uint32_t least = 0;
  size_t num_exact = 0;
  std::array<CoarseExact, kMaxCoarseExact> exact;  // of different codes

  int escape() const { return zero + 1; }
  // Codes on the positive and on the negative side.
  int positive() const { return 254 - zero; }
  int negative() const { return zero; }
  // The upper 16 bits of the samples of a code that is neither zero nor the escape, less details.
  uint32_t Upper(int code) const {
    const bool is_negative = code < zero;
    const uint32_t steps = static_cast<uint32_t>(is_negative ? zero - 1 - code : code - escape() - 1);
    return (least + steps) << detail_bits | (is_negative ? 0x8000u : 0u);
  }
  // The code of samples with these upper 16 bits, `zero` + 1 if they have none; nothing of exact ones.
  int CodeOf(uint32_t upper) const {
    const int steps = static_cast<int>((upper & 0x7fff) >> detail_bits) - static_cast<int>(least);
    const bool is_negative = upper >> 15 != 0;
    if (steps < 0 || steps >= (is_negative ? negative() : positive())) return escape();
    return is_negative ? zero - 1 - steps : escape() + 1 + steps;
  }
};

inline constexpr size_t kCoarsePadding = 64;  // elements that kernels may read or write beyond what they need

// Where details and lower halves go; the latter for samples of 4 bytes only.
struct CoarseDetails {
  uint8_t* details = nullptr;
  uint16_t* low = nullptr;
};

// Codes of `count` samples of 2 or 4 bytes.  Details and, of 4 bytes, lower halves of those whose codes are neither
// zero nor the escape nor exact follow each other; all outputs have room for kCoarsePadding more.  Returns the number
// of details.
size_t SplitCoarse(const CoarseMap& map, size_t sample_bytes, const std::byte* samples, size_t count, uint8_t* codes,
                   const CoarseDetails& out);

// The number of codes that have details.
size_t CountCoarseDetails(const CoarseMap& map, const uint8_t* codes, size_t count);

// The upper 16 bits of the samples of each code, less details, by their bytes; 0 for escapes.
struct CoarseTables {
  CoarseTables(const CoarseMap& coarse_map, size_t sample_bytes);

  // The upper 16 bits of the sample of an exact code.
  uint16_t ExactUpper(size_t e) const {
    return static_cast<uint16_t>(map.exact[e].sample >> (sample_bytes == 4 ? 16 : 0));
  }

  CoarseMap map;
  size_t sample_bytes;
  alignas(64) std::array<uint8_t, 256> low_byte, high_byte;
};

// Samples from codes; escapes become +0.  As many details, and of 4 bytes lower halves (2 bytes each, of any
// alignment), as CountCoarseDetails says are used; kCoarsePadding more can be read.
void JoinCoarse(const CoarseTables& tables, const uint8_t* codes, size_t count, const uint8_t* details,
                const std::byte* low, std::byte* samples);

// Fields of `bits` (0 .. 8) bits, the first in the low bits of the first byte, from bytes and back.  Packed ones take
// PackedFieldBytes.  What is written has room for kCoarsePadding more bytes.
inline size_t PackedFieldBytes(size_t count, int bits) {
  return (count * static_cast<size_t>(bits) + 7) / 8;
}
void PackFields(const uint8_t* fields, size_t count, int bits, std::byte* packed);
void UnpackFields(const std::byte* packed, size_t count, int bits, uint8_t* fields);

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_COARSE_H_
