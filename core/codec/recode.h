// Samples as samples of another type, and 64-bit samples as words (docs/format.md, "Recoded segments" and "Words").
//
// The plane model knows few types.  Samples of the others, and samples that do not use the width of their type, are
// coded as a type that holds every one of them exactly.
#ifndef DCAC_CORE_CODEC_RECODE_H_
#define DCAC_CORE_CODEC_RECODE_H_

#include <optional>
#include <span>

#include "core/base/bytes.h"
#include "dcac/tensor.h"

namespace dcac {

// Whether segments of `dtype` may be coded as samples of `target`.
bool IsRecoding(DType dtype, DType target);

// Encoder: the target for samples of `dtype`, the narrowest one that holds every sample of `packed`, or nothing.
std::optional<DType> ChooseRecoding(DType dtype, ByteSpan packed);

// The samples as those of `target`, which ChooseRecoding chose.
Bytes RecodeSamples(DType dtype, DType target, ByteSpan packed);

// The inverse, for any `recoded` and any pair for which IsRecoding holds.
void RestoreSamples(DType dtype, DType target, ByteSpan recoded, std::span<std::byte> packed);

// The value of a sample that has no parts, as far as a binary64 can say it; that of an fp8 sample is its place in the
// order.
double ValueOfSample(DType dtype, uint64_t sample);

// The ordered integers of samples of 8 bytes, or the difference of each from the one before it, in halves.
struct Words {
  bool differences = false;
  Bytes high;  // samples of i32
  Bytes low;   // samples of u32
};

Words SplitWords(DType dtype, bool differences, ByteSpan packed);
void JoinWords(DType dtype, const Words& words, std::span<std::byte> packed);

// Encoder: whether most differences are so small that they leave the high words empty, and smaller than differences of
// distant samples: then they are coded in fewer bits than the samples.
bool DifferencesFitLowWords(DType dtype, ByteSpan packed);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_RECODE_H_
