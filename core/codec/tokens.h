// Residuals as tokens and raw bits (docs/format.md, "Tokens").
#ifndef DCAC_CORE_CODEC_TOKENS_H_
#define DCAC_CORE_CODEC_TOKENS_H_

#include <bit>
#include <cstdint>

#include "core/codec/set_model.h"

namespace dcac {

// Numbers of the special tokens of a set; -1 where it is not used.
struct SpecialTokens {
  int mode = -1, west = -1, north = -1, reference = -1, escape = -1;
  int count = 0;

  explicit SpecialTokens(const SetModel& model) {
    if (model.has_mode) mode = count++;
    if (model.has_west) west = count++;
    if (model.has_north) north = count++;
    if (model.has_reference) reference = count++;
    if (model.has_escape) escape = count++;
  }
};

struct TokenAndRaw {
  int token = 0;  // without the special tokens: 2 q + sign
  int raw_bits = 0;
  uint64_t raw = 0;
};

// Largest magnitude of a residual: the difference of two 32-bit codes.
inline constexpr uint64_t kMaxMagnitude = (uint64_t{1} << 32) - 1;

// Magnitude class q: 0 .. 7 are themselves, then four classes an octave.  First magnitude of the class, and its raw
// bits.
inline uint64_t ClassBase(int q) {
  return q < 8 ? static_cast<uint64_t>(q) : uint64_t{4u + (q & 3)} << (1 + (q - 8) / 4);
}
inline int ClassRawBits(int q) {
  return q < 8 ? 0 : 1 + (q - 8) / 4;
}

inline TokenAndRaw TokenOfResidual(int64_t residual, int shift) {
  const int64_t sign = residual >> 63;
  const uint64_t magnitude = static_cast<uint64_t>(residual ^ sign);  // -1 - residual if that is negative
  const uint64_t coarse = magnitude >> shift;
  // The class of 0 .. 7 without a branch on it, too: below 8 no bit is dropped.
  const int dropped = static_cast<int>(std::bit_width(coarse | 4)) - 3;
  TokenAndRaw result;
  result.token = 2 * (4 * dropped + static_cast<int>(coarse >> dropped)) - static_cast<int>(sign);
  result.raw_bits = shift + dropped;
  result.raw = magnitude & ((uint64_t{1} << result.raw_bits) - 1);
  return result;
}

inline int64_t ResidualOfToken(int token, uint64_t raw, int shift) {
  const int64_t magnitude = static_cast<int64_t>((ClassBase(token / 2) << shift) + raw);
  return token & 1 ? -1 - magnitude : magnitude;
}

// Whether all residuals of token `token` are possible ones; the others are refused before they are decoded.
inline bool IsValidToken(int token, int shift) {
  return (ClassBase(token / 2) << shift) <= kMaxMagnitude;
}

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_TOKENS_H_
