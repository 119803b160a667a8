// Samples of floats as codes of 8 bits, and the rest of their bits: details and lower halves (docs/format-lanes.md,
// "Coarse sets").
#ifndef DCAC_CORE_KERNELS_COARSE_H_
#define DCAC_CORE_KERNELS_COARSE_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"

namespace dcac {

// Codes: `zero` stands for +0, zero + 1 for samples that are sent as they are (escapes).  Those above are positive,
// those below negative, and the further from these two, the greater: of as many *steps*.  With u the upper 16 bits of a
// sample, the octave is (u & 0x7fff) >> mantissa_bits.  Octaves from `least` on are parted into steps, all of the same
// size within an octave, and all steps are numbered from there on; `detail_bits` low bits of u tell samples of a step
// apart.
inline constexpr int kMaxCoarseDetailBits = 8;
inline constexpr int kMaxCoarseZero = 254;
inline constexpr size_t kMaxCoarseOctaves = 256;
// A code that stands for one sample only, so that nothing more of it is sent; others like it are escapes.
struct CoarseExact {
  uint8_t code = 0;  // neither zero nor the escape
  uint32_t sample = 0;
};
inline constexpr size_t kMaxCoarseExact = 3;
struct CoarseMap {
  int mantissa_bits = 0;  // of the upper 16 bits: at least 7
  int zero = 0;
  int least = 0, end = 0;                                  // octaves that have steps, `end` excluded
  std::array<uint8_t, kMaxCoarseOctaves> detail_bits{};    // of these octaves; mantissa_bits at most
  std::array<uint16_t, kMaxCoarseOctaves + 1> steps_to{};  // how many steps those before them have
  size_t num_exact = 0;
  std::array<CoarseExact, kMaxCoarseExact> exact;  // of different codes

  CoarseMap() = default;
  CoarseMap(int mantissa_bits_of_upper, int code_of_zero, int least_octave)
      : mantissa_bits(mantissa_bits_of_upper), zero(code_of_zero), least(least_octave), end(least_octave) {}

  int num_octaves() const { return 0x8000 >> mantissa_bits; }
  int escape() const { return zero + 1; }
  // Codes on the positive and on the negative side.
  int positive() const { return 254 - zero; }
  int negative() const { return zero; }
  int steps() const { return steps_to[static_cast<size_t>(end)]; }
  // Whether all codes have steps, as far as there are octaves.
  bool is_complete() const { return steps() >= std::max(positive(), negative()) || end == num_octaves(); }
  // Of a map that is not complete: one octave more.
  void AddOctave(int detail_bits_of_octave) {
    const int before = steps();
    detail_bits[static_cast<size_t>(end++)] = static_cast<uint8_t>(detail_bits_of_octave);
    steps_to[static_cast<size_t>(end)] = static_cast<uint16_t>(before + (1 << (mantissa_bits - detail_bits_of_octave)));
  }

  // What stands for codes that are neither zero nor the escape.
  struct Step {
    uint32_t upper = 0;   // without details; codes for which there is no step stand for 0
    int detail_bits = 0;  // 0 of exact ones
  };
  Step StepOf(int code) const;
  // The code of samples with these upper 16 bits, `zero` + 1 if they have none; nothing of exact ones, nor of +0.
  int CodeOf(uint32_t upper) const {
    const uint32_t magnitude = upper & 0x7fff;
    const int octave = static_cast<int>(magnitude >> mantissa_bits);
    if (octave < least || octave >= end) return escape();
    const uint32_t mantissa = magnitude & ((1u << mantissa_bits) - 1);
    const int step =
        steps_to[static_cast<size_t>(octave)] + static_cast<int>(mantissa >> detail_bits[static_cast<size_t>(octave)]);
    const bool is_negative = upper >> 15 != 0;
    if (step >= (is_negative ? negative() : positive())) return escape();
    return is_negative ? zero - 1 - step : escape() + 1 + step;
  }
};

inline constexpr size_t kFewCoarseOctaves = 32;
inline constexpr size_t kCoarsePadding = 64;  // elements that kernels may read or write beyond what they need

// A map by codes and by octaves.
struct CoarseTables {
  CoarseTables(const CoarseMap& coarse_map, size_t bytes_of_sample);

  // The upper 16 bits of the sample of an exact code.
  uint16_t ExactUpper(size_t e) const {
    return static_cast<uint16_t>(map.exact[e].sample >> (sample_bytes == 4 ? 16 : 0));
  }

  CoarseMap map;
  size_t sample_bytes;           // 2 or 4
  bool has_whole_bytes = false;  // details of 8 bits
  // Of codes: the upper 16 bits of their samples, less details, 0 for escapes, and their bytes; which bits details
  // have.
  std::array<uint16_t, 256> upper{};
  alignas(64) std::array<uint8_t, 256> low_byte{}, high_byte{}, detail_mask{};
  // Of octaves: how many steps those before have, 255 where they have none themselves; detail bits.
  alignas(64) std::array<uint8_t, kMaxCoarseOctaves> steps_to, detail_bits{};
  // Of octaves from `least` on, where there are few: as above, and how many steps they have.
  bool has_few_octaves = false;
  struct {
    alignas(16) std::array<uint8_t, kFewCoarseOctaves> steps_to{}, steps{}, detail_mask{};
  } few_octaves;
};

// Bits that follow each other, the first in the low bit of the first byte.
struct CoarseBitWriter {
  std::byte* next = nullptr;  // has room for kCoarsePadding bytes more than it gets
  uint64_t pending = 0;       // bits of a byte that is not full yet, `count` of them
  unsigned count = 0;

  // Writes what is pending; returns the end of the bytes.
  std::byte* Finish();
};
// What codes leave to be told, and how much of it is read: it may be more than there is, which reads as zeros.
struct CoarseReader {
  ByteSpan details, low;
  size_t detail_bits = 0;
  size_t low_bytes = 0;
};

// Codes of `count` samples, with room for kCoarsePadding more, and their details one after the other.  `low` gets the
// lower halves of samples of 4 bytes whose codes are neither zero nor the escape nor exact, with room for as many more,
// and is moved behind them.
void SplitCoarse(const CoarseTables& tables, const std::byte* samples, size_t count, uint8_t* codes,
                 CoarseBitWriter& details, uint16_t*& low);

// Samples from codes; escapes become +0.
void JoinCoarse(const CoarseTables& tables, const uint8_t* codes, size_t count, CoarseReader& rest, std::byte* samples);

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_COARSE_H_
