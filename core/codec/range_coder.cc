#include "core/codec/range_coder.h"

#include <utility>

namespace dcac {

void RangeEncoder::ShiftLow() {
  if (low_ < 0xff000000u || low_ > 0xffffffffu) {
    const uint8_t carry = static_cast<uint8_t>(low_ >> 32);
    if (has_cache_) AppendByte(static_cast<uint8_t>(cache_ + carry), out_);
    for (; pending_ > 0; --pending_) AppendByte(static_cast<uint8_t>(0xff + carry), out_);
    cache_ = static_cast<uint8_t>(low_ >> 24);
    has_cache_ = true;
  } else {
    ++pending_;
  }
  low_ = (low_ & 0x00ffffffu) << 8;
}

Bytes RangeEncoder::Finish() {
  // Any value of [low, low + range) decodes alike: the one with the most trailing zeros costs the fewest bytes.
  const uint64_t end = low_ + range_ - 1;
  for (int bits = 31; bits >= 0; --bits) {
    const uint64_t candidate = end >> bits << bits;
    if (candidate >= low_) {
      low_ = candidate;
      break;
    }
  }
  for (int i = 0; i < 5; ++i) ShiftLow();
  for (int i = 0; i < 4 && !out_.empty() && out_.back() == std::byte{0}; ++i) out_.pop_back();
  return std::move(out_);
}

}  // namespace dcac
