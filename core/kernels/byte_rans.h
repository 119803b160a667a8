// The coder of intervals: rANS of bytes in two banks of 64 states of 16 bits, for residuals of 8 bits.  Steps take
// turns with the banks, so that two of them can be under way at once.  A step codes up to 64 symbols, lane i the i-th;
// lanes beyond rest.  A symbol is one of at most 16 intervals of residuals; where it is in the interval, raw bits say.
// Bytes stand in the order in which the decoder takes them: by steps, of a step first those of all symbols, then those
// of all raw bits, by lanes (docs/format-lanes.md, section 10).
//
// Frequencies have 8 bits, and contexts are few: a decoder finds the intervals of 64 slots in registers.  This header
// holds the types and the coder as plain loops, its specification; the same steps in vectors, to be inlined into loops
// over steps, are in byte_rans-inl.h.  Kernels allocate nothing.
#ifndef DCAC_CORE_KERNELS_BYTE_RANS_H_
#define DCAC_CORE_KERNELS_BYTE_RANS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "core/kernels/lane_rans.h"

namespace dcac {

inline constexpr size_t kRansBanks = 2;
inline constexpr uint32_t kByteStateLow = 1u << 8;
inline constexpr size_t kByteStateBytes = 2 * kRansBanks * kRansLanes;
inline constexpr uint32_t kIntervalSlots = 256;  // of a context
inline constexpr size_t kMaxIntervals = 16;      // of a context
inline constexpr size_t kMaxIntervalContexts = 32;
inline constexpr size_t kFewIntervalContexts = 16, kFewestIntervalContexts = 8;  // are found faster, and still faster
inline constexpr uint32_t kMaxIntervalFrequency = 255;

// Residuals base .. base + 2^raw_bits - 1, modulo 256; or, without raw bits, that the sample is the mode.
struct Interval {
  uint8_t base = 0;
  uint8_t raw_bits = 0;  // 8 at most
  uint8_t frequency = 0;
  bool is_mode = false;

  bool operator==(const Interval&) const = default;
};

// Intervals of each context; their frequencies have the sum 256.
using IntervalContexts = std::span<const std::span<const Interval>>;

// The least number of contexts that intervals are found for which is enough for so many.
constexpr size_t IntervalContextRoom(size_t contexts) {
  if (contexts <= kFewestIntervalContexts) return kFewestIntervalContexts;
  return contexts <= kFewIntervalContexts ? kFewIntervalContexts : kMaxIntervalContexts;
}

// ---- Decoder ----

// What a slot says, a byte each: how far it is from the first one of its interval, the interval's frequency, base, and
// number of raw bits, with kModeFlag if it is that of the mode.
inline constexpr uint8_t kModeFlag = 0x80;
struct IntervalSlot {
  uint8_t distance, frequency, base, raw_bits;
};

// Of all contexts, for decoders.  What a target does not look into may be left as it is.
struct IntervalTables {
  size_t room = kMaxIntervalContexts;  // IntervalContextRoom
  // Of context c from 256 c on.
  alignas(64) std::array<IntervalSlot, kMaxIntervalContexts * kIntervalSlots> slots;
  // For who searches.  Interval i of context c is number 16 c + i.  Last slots of interval 3, 7 and 11 of a context,
  // then of the first, second and third of each four intervals, 255 where there are none.
  alignas(64) std::array<std::array<uint8_t, 64>, 3> last_of_four;
  alignas(64) std::array<std::array<uint8_t, 128>, 3> last;
  alignas(64) std::array<uint8_t, kMaxIntervalContexts * kMaxIntervals> base, raw_bits;

  void Build(IntervalContexts contexts);
};

struct ByteRansDecoder : LaneWords {
  // Lower and upper bytes of the states, bank after bank.
  alignas(64) std::array<uint8_t, kRansBanks * kRansLanes> low, high;
  size_t bank = 0;  // of the next step

  // `stream` must outlive the decoder.  DataLoss if it is too short or a state is out of range.
  absl::Status Begin(ByteSpan stream);
  // DataLoss unless all bytes were taken, none was missing and all states are back at the encoder's start.
  absl::Status Finish() const;
};

// What a step decodes: residuals[i] of lane i < active, and whether it is the mode.
inline void DecodeIntervalsPlain(ByteRansDecoder& decoder, const IntervalTables& tables, const uint8_t* contexts,
                                 size_t active, uint8_t* residuals, bool* is_mode) {
  decoder.PrepareStage();
  const size_t first = decoder.bank * kRansLanes;
  const auto refill = [&](uint32_t x) {
    return x < kByteStateLow ? x << 8 | std::to_integer<uint32_t>(*decoder.next++) : x;
  };
  std::array<uint8_t, kRansLanes> raw_bits;
  std::array<uint32_t, kRansLanes> states;
  for (size_t i = 0; i < active; ++i) {
    const IntervalSlot slot = tables.slots[size_t{contexts[i]} * kIntervalSlots + decoder.low[first + i]];
    states[i] = refill(uint32_t{slot.frequency} * decoder.high[first + i] + slot.distance);
    raw_bits[i] = slot.raw_bits & 0xf;
    residuals[i] = slot.base;
    is_mode[i] = (slot.raw_bits & kModeFlag) != 0;
  }
  for (size_t i = 0; i < active; ++i) {
    residuals[i] = static_cast<uint8_t>(residuals[i] + (states[i] & ((1u << raw_bits[i]) - 1)));
    const uint32_t x = refill(states[i] >> raw_bits[i]);
    decoder.low[first + i] = static_cast<uint8_t>(x);
    decoder.high[first + i] = static_cast<uint8_t>(x >> 8);
  }
  decoder.bank ^= 1;
}

// ---- Encoder ----

// What the encoder knows of a residual in a context.  x / frequency is x * reciprocal >> 16, or one more where the rest
// is not below the frequency then, for all x below 2^16.
struct IntervalEntry {
  uint8_t frequency = 0, start = 0;  // of the interval's slots
  uint16_t reciprocal = 0;
  uint8_t raw_mask = 0, raw = 0;  // raw bits, all ones and as they are
  uint16_t unused = 0;            // the size is a power of two
};

// Where entries are: those of 256 residuals of each context, then those of the mode in each context.
constexpr size_t ModeEntries(size_t contexts) {
  return contexts * 256;
}
constexpr size_t NumIntervalEntries(size_t contexts) {
  return ModeEntries(contexts) + contexts;
}

// Of an interval whose slots begin at `start`, of its first residual.
IntervalEntry EntryOf(const Interval& interval, uint32_t start);

// Sets the entries of contexts.  Of residuals in several intervals those in the one with the fewest raw bits, the last
// of such; of others none.
void BuildIntervalEntries(IntervalContexts contexts, std::span<IntervalEntry> entries);

// Of all contexts, for encoders.  What a target does not look into may be left as it is.
struct IntervalCode {
  size_t room = kMaxIntervalContexts;  // as in IntervalTables
  size_t contexts = 0;
  std::array<IntervalEntry, NumIntervalEntries(kMaxIntervalContexts)> entries;
  // For who searches, residuals being 128 more than they are.  Interval i of context c is number 16 c + i: disjoint
  // ones from 0 on, in ascending order, then, at the end, that of all residuals and that of the mode.  What is before
  // the first residuals of intervals 4, 8 and 12 of a context, then before those of the second, third and fourth of
  // each four intervals, 255 where there are none.
  alignas(64) std::array<std::array<uint8_t, 64>, 3> before_four;
  alignas(64) std::array<std::array<uint8_t, 128>, 3> before;
  using Bytes = std::array<uint8_t, kMaxIntervalContexts * kMaxIntervals>;
  alignas(64) Bytes base, raw_mask, frequency, start, reciprocal_low, reciprocal_high;
  alignas(64) std::array<uint8_t, 64> all;  // of each context, number of the interval of all residuals, modulo 256

  // Disjoint intervals are in ascending order.
  void Build(IntervalContexts of_contexts);
};

struct ByteRansEncoder {
  alignas(64) std::array<uint16_t, kRansBanks * kRansLanes> state;
  std::byte *next, *end;  // bytes are written downwards from `next`; up to 64 below may be overwritten beside

  explicit ByteRansEncoder(std::span<std::byte> buffer) : next(buffer.data() + buffer.size()), end(next) {
    state.fill(kByteStateLow);
  }

  // Puts the states before the bytes, returns the stream.
  std::span<std::byte> Finish();
};

// The size that a buffer needs for so many steps.
constexpr size_t IntervalStreamBound(size_t num_steps) {
  return kByteStateBytes + kLaneStageBytes * (num_steps + 1);  // a step takes no more than a stage of words
}

// Undoes a step of a bank.  symbols[i]: the index of the entry of lane i < active.
inline void EncodeIntervalsPlain(ByteRansEncoder& encoder, size_t bank, const IntervalEntry* entries,
                                 const uint16_t* symbols, size_t active) {
  uint16_t* const state = encoder.state.data() + bank * kRansLanes;
  const auto make_room = [&](uint32_t x, bool is_full) {
    if (!is_full) return x;
    *--encoder.next = static_cast<std::byte>(x);
    return x >> 8;
  };
  for (size_t i = active; i-- > 0;) {
    const IntervalEntry& entry = entries[symbols[i]];
    const uint32_t scale = uint32_t{entry.raw_mask} + 1;
    state[i] = static_cast<uint16_t>(make_room(state[i], state[i] * scale >> 16 != 0) * scale + entry.raw);
  }
  for (size_t i = active; i-- > 0;) {
    const IntervalEntry& entry = entries[symbols[i]];
    const uint32_t x = make_room(state[i], state[i] >> 8 >= entry.frequency), quotient = x / entry.frequency;
    state[i] = static_cast<uint16_t>(quotient * kIntervalSlots + entry.start + x % entry.frequency);
  }
}

// Encodes steps into `buffer`, which has IntervalStreamBound(steps) bytes at least; returns the part that is the
// stream.  active: of each step, 1 .. 64; symbols: 64 for each step, those of resting lanes of any entry.
std::span<std::byte> EncodeIntervalSteps(std::span<const uint8_t> active, const uint16_t* symbols,
                                         const IntervalCode& code, std::span<std::byte> buffer);

// Decodes steps by their contexts, likewise; residuals of the mode are 0.
absl::Status DecodeIntervalSteps(ByteSpan stream, const IntervalTables& tables, std::span<const uint8_t> active,
                                 const uint8_t* contexts, uint8_t* residuals, bool* is_mode);

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_BYTE_RANS_H_
