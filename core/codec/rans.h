// Interleaved rANS (docs/format.md, "Entropy coding"): 2^lanes_log2 states of 32 bits, renormalised by 16-bit words.
// The i-th sample of a wave belongs to lane i modulo the number of lanes.
#ifndef DCAC_CORE_CODEC_RANS_H_
#define DCAC_CORE_CODEC_RANS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "core/base/bytes.h"

namespace dcac {

inline constexpr uint32_t kRansLow = 1u << 15;  // states are kRansLow .. 2^31 - 1 between symbols

// Symbols of one context: frequencies of sum 2^table_bits, and how many raw bits of each symbol travel in the state
// (table_bits + raw bits <= 15, so that one word renormalises).
struct RansContext {
  std::vector<uint32_t> frequency;
  std::vector<uint32_t> start;
};

RansContext MakeRansContext(std::vector<uint32_t> frequency);

struct RansSymbol {
  uint8_t context = 0;
  uint8_t state_bits = 0;  // raw bits that travel in the state
  uint16_t token = 0;
  uint16_t state_raw = 0;
};

// Encodes the symbols of waves, the last wave first; `wave_sizes` adds up to symbols.size().
// Returns start states and words.
Bytes RansEncode(const std::vector<RansSymbol>& symbols, const std::vector<uint32_t>& wave_sizes,
                 const std::vector<RansContext>& contexts, int table_bits, int lanes_log2);

// The start states of as many lanes as `states` has, from the beginning of entropy-coded data.  Errors: DataLoss.
absl::Status ReadRansStates(ByteSpan data, std::span<uint32_t> states);

class RansDecoder {
 public:
  struct Slot {
    uint16_t frequency, offset;  // offset: of the slot in its symbol's range
    uint8_t token, state_bits;
  };

  // `state_bits[token]` as RansSymbol.
  RansDecoder(const std::vector<RansContext>& contexts, const std::vector<uint8_t>& state_bits, int table_bits);

  // Reads the start states.
  absl::Status Begin(ByteSpan data, int lanes_log2);

  void BeginWave() { next_lane_ = 0; }

  // Reads past the end as zero words; Finish reports it.
  Slot Decode(size_t context, uint32_t& state_raw) {
    uint32_t& x = states_[next_lane_];
    next_lane_ = (next_lane_ + 1) & lane_mask_;
    const uint32_t slot_index = x & ((1u << table_bits_) - 1);
    const Slot slot = slots_[(context << table_bits_) + slot_index];
    x = slot.frequency * (x >> table_bits_) + slot.offset;
    state_raw = x & ((1u << slot.state_bits) - 1);
    x >>= slot.state_bits;
    if (x < kRansLow) x = (x << 16) | NextWord();
    return slot;
  }

  // Every state must have come back to its first value, and every word must have been used.
  absl::Status Finish() const;

 private:
  uint32_t NextWord() {
    if (position_ + 2 > data_.size()) {
      overrun_ = true;
      return 0;
    }
    const uint32_t word = static_cast<uint32_t>(LoadLittleEndian(data_.data() + position_, 2));
    position_ += 2;
    return word;
  }

  int table_bits_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> states_;
  size_t next_lane_ = 0, lane_mask_ = 0;
  ByteSpan data_;
  size_t position_ = 0;
  bool overrun_ = false;
};

// Raw bits in the order of the samples, least significant first.
class BitWriter {
 public:
  void Put(uint64_t value, int bits) {
    for (; bits > 0; bits -= 32, value >>= 32) {
      const int n = bits < 32 ? bits : 32;
      buffer_ |= (value & ((uint64_t{1} << n) - 1)) << filled_;
      filled_ += n;
      if (filled_ < 32) continue;
      if (out_.size() - size_ < 4) out_.resize(2 * out_.size() + 64);
      for (size_t i = 0; i < 4; ++i) out_[size_ + i] = static_cast<std::byte>(buffer_ >> (8 * i));
      size_ += 4;
      buffer_ >>= 32;
      filled_ -= 32;
    }
  }
  Bytes Finish() {
    out_.resize(size_);
    for (; filled_ > 0; filled_ -= 8, buffer_ >>= 8) AppendByte(static_cast<uint8_t>(buffer_), out_);
    return std::move(out_);
  }

 private:
  Bytes out_;  // the first size_ bytes of it
  size_t size_ = 0;
  uint64_t buffer_ = 0;
  int filled_ = 0;  // less than 32
};

class BitReader {
 public:
  explicit BitReader(ByteSpan data) : data_(data) {}

  uint64_t Get(int bits) {
    uint64_t value = 0;
    for (int done = 0; done < bits; done += 32) {
      const int n = bits - done < 32 ? bits - done : 32;
      while (filled_ < n) {
        buffer_ |= NextByte() << filled_;
        filled_ += 8;
      }
      value |= (buffer_ & ((uint64_t{1} << n) - 1)) << done;
      buffer_ >>= n;
      filled_ -= n;
    }
    return value;
  }

  // Bits taken so far.
  size_t position_bits() const { return 8 * position_ - static_cast<size_t>(filled_); }

  // All bytes were used, none was missing and the bits left over are 0.
  absl::Status Finish() const;

 private:
  uint64_t NextByte() {
    if (position_ == data_.size()) {
      overrun_ = true;
      return 0;
    }
    return std::to_integer<uint64_t>(data_[position_++]);
  }

  ByteSpan data_;
  size_t position_ = 0;
  uint64_t buffer_ = 0;
  int filled_ = 0;
  bool overrun_ = false;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_RANS_H_
