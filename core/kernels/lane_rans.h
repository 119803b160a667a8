// rANS in 64 lanes: 64 states in [2^15, 2^31), renormalised by 16-bit words.  A step codes up to 64 symbols, lane i the
// i-th; lanes beyond rest.  Words stand in the order in which the decoder takes them: by steps, by stages of a step, by
// lanes; little-endian.  A stream is the 64 states that the decoder starts with, 32 bits each, and the words; the
// encoder starts with all states at 2^15, which is where the decoder must end.
//
// This header holds the types and the coder as plain loops, its specification.  The same steps in vectors, to be
// inlined into loops over steps, are in lane_rans-inl.h; whole streams are below.  Kernels allocate nothing.
#ifndef DCAC_CORE_KERNELS_LANE_RANS_H_
#define DCAC_CORE_KERNELS_LANE_RANS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "core/base/bytes.h"

namespace dcac {

inline constexpr size_t kRansLanes = 64;
inline constexpr uint32_t kLaneStateLow = 1u << 15;
inline constexpr size_t kLaneStateBytes = 4 * kRansLanes;
inline constexpr size_t kLaneStageBytes = 2 * kRansLanes;  // words that a stage of a step takes, at most
inline constexpr int kMinLaneTableBits = 10;
inline constexpr int kMaxLaneTableBits = 11;
inline constexpr size_t kMaxLaneTokens = 64;  // of a context
inline constexpr uint32_t kMaxRawBits = 15;   // of one raw stage

// Whether the symbol of an entry is followed by its own raw bits (table_bits + their number <= 15, so that one word
// renormalises after both).
enum class LaneRaw { kNone, kInState };

// ---- Tables ----

// Of the 2^table_bits slots of a context the last eighth have an entry each, those before one for every eight: what all
// contexts have together is to stay in the first cache, for which slot a state comes to is random.  Entries of contexts
// are 2^(table_bits - 2) apart.
inline constexpr int kSharedSlotBits = 3;

constexpr size_t FirstSingleSlot(int table_bits) {
  return (size_t{7} << table_bits) / 8;
}
constexpr int SlotStrideBits(int table_bits) {
  return table_bits - 2;
}
// By which the index of a single slot's entry is below the slot.
constexpr uint32_t SavedEntries(int table_bits) {
  return static_cast<uint32_t>(FirstSingleSlot(table_bits) - (FirstSingleSlot(table_bits) >> kSharedSlotBits));
}
constexpr uint32_t SlotIndex(uint32_t slot, int table_bits) {
  const int32_t single = static_cast<int32_t>(slot) - static_cast<int32_t>(SavedEntries(table_bits));
  return static_cast<uint32_t>(std::max(static_cast<int32_t>(slot >> kSharedSlotBits), single));
}

// The slots of a token in a context.
struct SlotRange {
  uint16_t token, start, frequency;
};

// What slots tokens have: frequencies[token], nearly, none where that is 0.  In ascending order; who begins at a shared
// slot begins with its first.  `frequencies`: at most kMaxLaneTokens, all below 2^table_bits, which is their sum.
std::vector<SlotRange> PlaceTokens(std::span<const uint16_t> frequencies, int table_bits);

// ---- Decoder ----

// An entry, with F = 11 bits for what counts slots, or 10 with LaneRaw::kInState, which goes with tables of 2^10 slots:
//   F bits      first slot of its token
//   F bits      2^table_bits less the frequency of the token, 1 .. 2^table_bits - 1
//   all others  payload: whatever the token stands for; with LaneRaw::kInState its top three bits are the number of
//               raw bits
constexpr int SlotFieldBits(LaneRaw raw) {
  return raw == LaneRaw::kInState ? 10 : 11;
}
template <LaneRaw kRaw>
constexpr uint32_t SlotStart(uint32_t entry) {
  return entry & ((1u << SlotFieldBits(kRaw)) - 1);
}
template <LaneRaw kRaw>
constexpr uint32_t SlotComplement(uint32_t entry) {
  return entry >> SlotFieldBits(kRaw) & ((1u << SlotFieldBits(kRaw)) - 1);
}
template <LaneRaw kRaw>
constexpr uint32_t SlotPayload(uint32_t entry) {
  return entry >> (2 * SlotFieldBits(kRaw));
}
inline constexpr int kSlotRawShift = 29;  // LaneRaw::kInState: where the number of raw bits is
// Of wide samples, with the number of raw bits of their own stage on top: the leading bits of a residual, and whether
// it is negative; or that the sample is the mode or an escape.
constexpr uint16_t LeadPayload(uint32_t lead, bool negative, uint32_t raw_bits) {
  return static_cast<uint16_t>(lead | (negative ? 8u : 0u) | raw_bits << 6);
}
inline constexpr uint16_t kWideModePayload = 1 << 4, kEscapePayload = 1 << 5;
// Of samples of 8 bits: what raw bits are added to, modulo 256; or that the sample is the mode.
constexpr uint16_t ResidualPayload(uint8_t base, uint32_t raw_bits) {
  return static_cast<uint16_t>(base | raw_bits << 9);
}
inline constexpr uint16_t kModePayload = 1 << 8;

// Writes the entries of a context, as many as its stride; token t gets payloads[t].
void BuildSlots(std::span<const SlotRange> ranges, LaneRaw raw, int table_bits, std::span<const uint16_t> payloads,
                uint32_t* slots);

// What decoders take words from.
struct LaneWords {
  const std::byte* next;   // the first word that was not taken
  const std::byte* limit;  // while next <= limit, kLaneStageBytes can be read from next
  const std::byte* end;
  bool in_tail;  // the rest of the words was copied to `tail`; `limit` is their end
  bool failed;   // more words were taken than there are
  std::array<std::byte, 2 * kLaneStageBytes> tail;

  LaneWords() = default;
  LaneWords(const LaneWords&) = delete;  // `next` may point into `tail`
  LaneWords& operator=(const LaneWords&) = delete;

  // `words` must outlive them.
  void BeginWords(ByteSpan words);

  // Every stage calls it first: afterwards kLaneStageBytes can be read.  Past the end they are zeros or old words.
  void PrepareStage() {
    if (next > limit) [[unlikely]]
      Refill();
  }

  // DataLoss unless all words were taken and none was missing.
  absl::Status FinishWords() const;

 private:
  void Refill();
};

struct LaneRansDecoder : LaneWords {
  alignas(64) std::array<uint32_t, kRansLanes> state;

  // `stream` must outlive the decoder.  DataLoss if it is too short or a state is out of range.
  absl::Status Begin(ByteSpan stream);

  // DataLoss unless all words were taken, none was missing and all states are back at the encoder's start.
  absl::Status Finish() const;
};

inline uint32_t TakeWord(const std::byte*& next) {
  const uint32_t word = static_cast<uint32_t>(LoadLittleEndian(next, 2));
  next += 2;
  return word;
}

// The first half of a symbol stage in plain loops: entries[i] is what lane i < active finds in the slots of
// contexts[i].
inline void LookUpSlotsPlain(const LaneRansDecoder& decoder, const uint32_t* slots, int table_bits,
                             const uint8_t* contexts, size_t active, uint32_t* entries) {
  const uint32_t slot_mask = (1u << table_bits) - 1;
  for (size_t i = 0; i < active; ++i) {
    const size_t first = size_t{contexts[i]} << SlotStrideBits(table_bits);
    entries[i] = slots[first + SlotIndex(decoder.state[i] & slot_mask, table_bits)];
  }
}

// The second half: the lanes leave their symbols behind; raw[i] are the raw bits (untouched with LaneRaw::kNone).
template <LaneRaw kRaw>
inline void TakeSymbolsPlain(LaneRansDecoder& decoder, int table_bits, const uint32_t* entries, size_t active,
                             uint32_t* raw) {
  decoder.PrepareStage();
  for (size_t i = 0; i < active; ++i) {
    uint32_t x = decoder.state[i];
    x -= SlotComplement<kRaw>(entries[i]) * (x >> table_bits) + SlotStart<kRaw>(entries[i]);
    if constexpr (kRaw == LaneRaw::kInState) {
      const uint32_t num_bits = entries[i] >> kSlotRawShift;
      raw[i] = x & ((1u << num_bits) - 1);
      x >>= num_bits;
    }
    if (x < kLaneStateLow) x = x << 16 | TakeWord(decoder.next);
    decoder.state[i] = x;
  }
}

// A raw stage in plain loops: raw[i] are num_bits[i] <= kMaxRawBits bits of lane i < active.
inline void DecodeRawPlain(LaneRansDecoder& decoder, const uint32_t* num_bits, size_t active, uint32_t* raw) {
  decoder.PrepareStage();
  for (size_t i = 0; i < active; ++i) {
    uint32_t& x = decoder.state[i];
    raw[i] = x & ((1u << num_bits[i]) - 1);
    x >>= num_bits[i];
    if (x < kLaneStateLow) x = x << 16 | TakeWord(decoder.next);
  }
}

// ---- Encoder ----

// What the encoder knows of a symbol in a context:
//   bits 0..10   frequency f
//   bits 11..22  bias
//   bits 23..26  shift
//   bits 27..30  number of raw bits (LaneRaw::kInState)
//   bits 32..63  reciprocal
// such that y / f = q = (y * reciprocal >> 32) >> shift and f-ary coding maps y < f << (31 - table_bits) to
// (q << table_bits) + start + y % f = y + bias + q * (2^table_bits - f).  For f = 1 the reciprocal can but say y - 1,
// which the bias makes good.
uint64_t LaneEncodeEntry(uint32_t frequency, uint32_t start, uint32_t raw_bits, int table_bits);

// Entries of a context by token; raw_bits may be empty: none.  A token that has no slots must not be coded.
void BuildEncodeEntries(std::span<const SlotRange> ranges, std::span<const uint8_t> raw_bits, int table_bits,
                        uint64_t* entries);

struct LaneRansEncoder {
  alignas(64) std::array<uint32_t, kRansLanes> state;
  std::byte* next;  // words are written downwards from here; up to 32 bytes below may be overwritten beside

  explicit LaneRansEncoder(std::span<std::byte> buffer) : next(buffer.data() + buffer.size()) {
    state.fill(kLaneStateLow);
  }

  // Puts the states before the words, returns the first byte of the stream.
  std::byte* Finish();
};

// The size that a buffer needs for `num_stages` stages of steps, symbol stages and raw stages counted.
constexpr size_t LaneStreamBound(size_t num_stages) {
  return kLaneStateBytes + kLaneStageBytes * num_stages;
}

inline void PutWord(uint32_t word, std::byte*& next) {
  *--next = static_cast<std::byte>(word >> 8);
  *--next = static_cast<std::byte>(word);
}

// Undoes a symbol stage.  symbols[i] is the index of the entry in the table.
template <LaneRaw kRaw>
inline void EncodeSymbolsPlain(LaneRansEncoder& encoder, const uint64_t* table, int table_bits, const uint16_t* symbols,
                               const uint8_t* raw, size_t active) {
  for (size_t i = active; i-- > 0;) {
    uint32_t x = encoder.state[i];
    const uint64_t entry = table[symbols[i]];
    const uint32_t frequency = entry & 0x7ff, bias = entry >> 11 & 0xfff, shift = entry >> 23 & 0xf;
    const uint32_t raw_bits = kRaw == LaneRaw::kInState ? entry >> 27 & 0xf : 0;
    if (x >= frequency << (31 - static_cast<uint32_t>(table_bits) - raw_bits)) {
      PutWord(x, encoder.next);
      x >>= 16;
    }
    if constexpr (kRaw == LaneRaw::kInState) x = x << raw_bits | raw[i];
    const uint32_t quotient = static_cast<uint32_t>((x * (entry >> 32)) >> 32 >> shift);
    encoder.state[i] = x + bias + quotient * ((1u << table_bits) - frequency);
  }
}

// Undoes a raw stage.
inline void EncodeRawPlain(LaneRansEncoder& encoder, const uint16_t* raw, const uint8_t* num_bits, size_t active) {
  for (size_t i = active; i-- > 0;) {
    uint32_t& x = encoder.state[i];
    if (x >> (31 - num_bits[i]) != 0) {
      PutWord(x, encoder.next);
      x >>= 16;
    }
    x = x << num_bits[i] | raw[i];
  }
}

// ---- Whole streams ----

// Arrays hold 64 elements for each step; those of resting lanes do not matter.
struct LaneRawStage {
  const uint16_t* raw;
  const uint8_t* num_bits;
};

struct LaneSteps {
  std::span<const uint8_t> active;                // of each step, 1..64
  const uint16_t* symbols;                        // indices into the table of entries
  const uint8_t* raw = nullptr;                   // raw bits in the state; nullptr: LaneRaw::kNone
  std::span<const LaneRawStage> raw_stages = {};  // after the symbols of each step, in this order
};

// Encodes into the end of `buffer`, which has LaneStreamBound(steps * (1 + raw stages)) bytes at least; returns the
// part that is the stream.
std::span<std::byte> EncodeLaneSteps(const LaneSteps& steps, const uint64_t* table, int table_bits,
                                     std::span<std::byte> buffer);

// What DecodeLaneSteps reads and writes: arrays as those of LaneSteps.
struct LaneDecodedSteps {
  std::span<const uint8_t> active;
  const uint8_t* contexts;
  uint32_t* entries;
  uint32_t* raw = nullptr;  // nullptr: LaneRaw::kNone
  struct RawStage {
    const uint32_t* num_bits;
    uint32_t* raw;
  };
  std::span<const RawStage> raw_stages = {};
};

absl::Status DecodeLaneSteps(ByteSpan stream, const uint32_t* slots, int table_bits, const LaneDecodedSteps& steps);

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_LANE_RANS_H_
