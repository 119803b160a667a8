// Adaptive binary range coder for side information (docs/format.md, "Side information").
//
// Encoder and decoder offer the same calls, so that one function template describes a structure for both: values are
// passed by reference, read by the encoder and set by the decoder.
#ifndef DCAC_CORE_CODEC_RANGE_CODER_H_
#define DCAC_CORE_CODEC_RANGE_CODER_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "core/base/bytes.h"

namespace dcac {

// Probability that the next bit is 0, in 1/65536: the mean of a fast and a slow estimate.
class AdaptiveBit {
 public:
  uint32_t Probability() const { return (static_cast<uint32_t>(fast_) + slow_) >> 1; }
  void Update(bool bit) {
    if (bit) {
      fast_ = static_cast<uint16_t>(fast_ - (fast_ >> 4));
      slow_ = static_cast<uint16_t>(slow_ - (slow_ >> 7));
    } else {
      fast_ = static_cast<uint16_t>(fast_ + ((65535 - fast_) >> 4));
      slow_ = static_cast<uint16_t>(slow_ + ((65535 - slow_) >> 7));
    }
  }

 private:
  uint16_t fast_ = 32768, slow_ = 32768;
};

// State of an adaptive exponential-Golomb code: bits of the unary class, first mantissa bit of each class.
struct AdaptiveNumber {
  std::array<AdaptiveBit, 33> more;
  std::array<AdaptiveBit, 33> mantissa;
};

struct AdaptiveSigned {
  AdaptiveNumber magnitude;
  AdaptiveBit sign;
};

// State of numbers below 256: of their classes, as nodes of a binary tree from 1 on.
struct AdaptiveByte {
  std::array<AdaptiveBit, 8> node;
};

class RangeEncoder {
 public:
  static constexpr bool kEncodes = true;

  void Bit(AdaptiveBit& model, bool& bit) {
    const uint32_t bound = (range_ >> 16) * Bounded(model.Probability());
    if (bit) {
      low_ += bound;
      range_ -= bound;
    } else {
      range_ = bound;
    }
    model.Update(bit);
    Normalize();
  }

  // One of `count` values, 0 < count <= 2^16, all equally likely.
  void Uniform(uint32_t count, uint32_t& value) { Narrow(range_ / count, count, value); }
  // `count` bits, 0 < count <= 16, likewise.
  void Bits(int count, uint32_t& value) { Narrow(range_ >> count, 1u << count, value); }

  // Ends the stream; up to four trailing zero bytes are left out, the decoder supplies them.
  Bytes Finish();

  // Whether a value out of its range was to be written: the stream could not be decoded.
  bool failed() const { return failed_; }
  void Fail() { failed_ = true; }

 private:
  friend class RangeDecoder;
  // To part `value` of `count` parts that are `size` long.
  void Narrow(uint32_t size, uint32_t count, uint32_t value) {
    if (value >= count) return Fail();
    low_ += uint64_t{value} * size;
    range_ = size;
    Normalize();
  }

  static uint32_t Bounded(uint32_t p) { return p < 64 ? 64 : p > 65536 - 64 ? 65536 - 64 : p; }

  void Normalize() {
    while (range_ < (1u << 24)) {
      ShiftLow();
      range_ <<= 8;
    }
  }
  void ShiftLow();

  uint64_t low_ = 0;
  uint32_t range_ = 0xffffffffu;
  uint64_t pending_ = 0;  // bytes 0xff that a carry may still turn over, after cache_
  uint8_t cache_ = 0;
  bool has_cache_ = false;
  bool failed_ = false;
  Bytes out_;
};

class RangeDecoder {
 public:
  static constexpr bool kEncodes = false;

  explicit RangeDecoder(ByteSpan data) : data_(data) {
    for (int i = 0; i < 4; ++i) code_ = (code_ << 8) | NextByte();
  }

  void Bit(AdaptiveBit& model, bool& bit) {
    const uint32_t bound = (range_ >> 16) * RangeEncoder::Bounded(model.Probability());
    bit = code_ >= bound;
    if (bit) {
      code_ -= bound;
      range_ -= bound;
    } else {
      range_ = bound;
    }
    model.Update(bit);
    Normalize();
  }

  void Uniform(uint32_t count, uint32_t& value) { Narrow(range_ / count, count, value); }
  void Bits(int count, uint32_t& value) { Narrow(range_ >> count, 1u << count, value); }

  // Whether more was read than the stream, with the zero bytes the encoder left out, can hold: corrupt input.  Checked
  // before a decoded count is believed.
  bool failed() const { return failed_; }
  void Fail() { failed_ = true; }

 private:
  static constexpr size_t kMaxMissingBytes = 8;

  // To the part that the code is in, of `count` parts that are `size` long.
  void Narrow(uint32_t size, uint32_t count, uint32_t& value) {
    // Of few parts sooner than by division.
    if (count == 2) {
      value = code_ >= size ? 1 : 0;
    } else if (count == 4) {
      value = code_ >= 2 * size ? (code_ >= 3 * size ? 3 : 2) : (code_ >= size ? 1 : 0);
    } else {
      value = std::min(code_ / size, count - 1);
    }
    code_ -= value * size;
    if (code_ >= size) Fail();  // what no encoder writes
    range_ = size;
    Normalize();
  }

  void Normalize() {
    while (range_ < (1u << 24)) {
      code_ = (code_ << 8) | NextByte();
      range_ <<= 8;
    }
  }
  uint32_t NextByte() {
    if (position_ < data_.size()) return std::to_integer<uint32_t>(data_[position_++]);
    if (++missing_ > kMaxMissingBytes) failed_ = true;
    return 0;
  }

  ByteSpan data_;
  size_t position_ = 0;
  size_t missing_ = 0;
  uint32_t code_ = 0;
  uint32_t range_ = 0xffffffffu;
  bool failed_ = false;
};

// `count` <= 32 equally likely bits, the most significant ones first, eight at a time.
template <typename Coder>
void CodeDirect(Coder& coder, int count, uint32_t& value) {
  uint32_t rest = value;
  if constexpr (!Coder::kEncodes) value = 0;
  while (count > 0) {
    const int bits = std::min(count, 8);
    count -= bits;
    uint32_t part = (rest >> count) & ((1u << bits) - 1);
    coder.Bits(bits, part);
    if constexpr (!Coder::kEncodes) value = value << bits | part;
  }
}

// A number 0 .. 2^32 - 1: the class n = floor(log2(value + 1)) in unary, then the n bits below the leading one.
template <typename Coder>
void CodeNumber(Coder& coder, AdaptiveNumber& model, uint32_t& value) {
  const uint64_t plus_one = uint64_t{value} + 1;
  int n = 0;
  if constexpr (Coder::kEncodes) {
    const int size = std::bit_width(plus_one) - 1;
    for (; n < size; ++n) {
      bool more = true;
      coder.Bit(model.more[static_cast<size_t>(n)], more);
    }
    if (n < 32) {
      bool more = false;
      coder.Bit(model.more[static_cast<size_t>(n)], more);
    }
  } else {
    for (bool more = true; n < 32; ++n) {
      coder.Bit(model.more[static_cast<size_t>(n)], more);
      if (!more) break;
    }
  }
  if (n == 0) {
    value = 0;
    return;
  }
  bool top = ((plus_one >> (n - 1)) & 1) != 0;
  coder.Bit(model.mantissa[static_cast<size_t>(n)], top);
  uint32_t rest = n == 1 ? 0 : static_cast<uint32_t>(plus_one & ((uint64_t{1} << (n - 1)) - 1));
  CodeDirect(coder, n - 1, rest);
  if (n == 32 && (top || rest != 0)) {
    coder.Fail();
    value = 0;
    return;
  }
  value = static_cast<uint32_t>(((uint64_t{1} << n) | (uint64_t{top} << (n - 1)) | rest) - 1);
}

// A number 0 .. 255, with fewer decisions: how many bits it has, 7 for more, then those below the leading one, or all.
template <typename Coder>
void CodeByte(Coder& coder, AdaptiveByte& model, uint32_t& value) {
  constexpr int kClassBits = 3, kAllBits = 8;
  constexpr uint32_t kLast = (1u << kClassBits) - 1;
  if (Coder::kEncodes && value >= 1u << kAllBits) return coder.Fail();
  const uint32_t size = std::min(static_cast<uint32_t>(std::bit_width(value)), kLast);
  uint32_t node = 1;
  for (int i = kClassBits - 1; i >= 0; --i) {
    bool bit = (size >> i & 1) != 0;
    coder.Bit(model.node[node], bit);
    node = 2 * node + (bit ? 1 : 0);
  }
  const uint32_t of_class = node & kLast;
  const int count = of_class == kLast ? kAllBits : std::max(static_cast<int>(of_class) - 1, 0);
  const uint32_t leading = of_class == 0 || of_class == kLast ? 0 : 1u << (of_class - 1);
  uint32_t rest = value - leading;
  if (count > 0) coder.Bits(count, rest);
  if constexpr (Coder::kEncodes) return;
  value = leading + (count > 0 ? rest : 0);
}

// A signed number of magnitude below 2^31: the magnitude, then the sign unless it is 0.
template <typename Coder>
void CodeSigned(Coder& coder, AdaptiveSigned& model, int32_t& value) {
  uint32_t magnitude = value < 0 ? 0u - static_cast<uint32_t>(value) : static_cast<uint32_t>(value);
  CodeNumber(coder, model.magnitude, magnitude);
  if (magnitude > 0x7fffffffu) {
    coder.Fail();
    magnitude = 0;
  }
  bool negative = value < 0;
  if (magnitude != 0) coder.Bit(model.sign, negative);
  value = negative && magnitude != 0 ? -static_cast<int32_t>(magnitude) : static_cast<int32_t>(magnitude);
}

// A bit that is as likely 0 as 1.
template <typename Coder>
void CodeFlag(Coder& coder, bool& flag) {
  AdaptiveBit even;
  coder.Bit(even, flag);
}

// A value of 0 .. count - 1, all equally likely; of more than 2^16 in ceil(log2(count)) direct bits.
template <typename Coder>
void CodeUniform(Coder& coder, uint32_t count, uint32_t& value) {
  if (count <= 1) {
    value = 0;
    return;
  }
  if (count <= 1u << 16) return coder.Uniform(count, value);
  CodeDirect(coder, static_cast<int>(std::bit_width(count - 1)), value);
  if (value >= count) {
    coder.Fail();
    value = 0;
  }
}

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_RANGE_CODER_H_
