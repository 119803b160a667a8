#include "core/kernels/byte_rans.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/byte_rans.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file again.
#include "core/kernels/byte_rans-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac::HWY_NAMESPACE {

// ---- Tables ----

uint8_t RawBitsByte(const Interval& interval) {
  return static_cast<uint8_t>(interval.raw_bits | (interval.is_mode ? kModeFlag : 0));
}

#if HWY_TARGET <= HWY_AVX3_DL && HWY_ARCH_X86
void FillTables(IntervalContexts contexts, IntervalTables& tables) {
  constexpr size_t kOfFour = 4;
  for (auto& row : tables.last_of_four) row.fill(255);
  for (auto& row : tables.last) row.fill(255);
  for (size_t context = 0; context < contexts.size(); ++context) {
    uint32_t last = 255;  // modulo 256, before the first
    for (size_t i = 0; i < contexts[context].size(); ++i) {
      const Interval& interval = contexts[context][i];
      last = (last + interval.frequency) & 255;
      const size_t four = i / kOfFour, place = i % kOfFour;
      if (place + 1 < kOfFour) {
        tables.last[place][context * kOfFour + four] = static_cast<uint8_t>(last);
      } else if (four + 1 < kOfFour) {
        tables.last_of_four[four][context] = static_cast<uint8_t>(last);
      }
      tables.base[context * kMaxIntervals + i] = interval.base;
      tables.raw_bits[context * kMaxIntervals + i] = RawBitsByte(interval);
    }
  }
}
#else
void FillTables(IntervalContexts contexts, IntervalTables& tables) {
  for (size_t context = 0; context < contexts.size(); ++context) {
    IntervalSlot* slot = tables.slots.data() + context * kIntervalSlots;
    for (const Interval& interval : contexts[context]) {
      for (uint8_t i = 0; i < interval.frequency; ++i) {
        *slot++ = {i, interval.frequency, interval.base, RawBitsByte(interval)};
      }
    }
  }
}
#endif

// ---- Encoder ----

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128 && HWY_ARCH_X86
// States that have room, numbers of 16 bits, with what they code.
template <class D>
HWY_INLINE hn::Vec<D> EncodeSlots(D d, hn::Vec<D> y, hn::Vec<D> frequency, hn::Vec<D> start, hn::Vec<D> reciprocal) {
  // The rest and 256 times the quotient are y and 256 - frequency times the quotient.
  const auto quotient = hn::MulHigh(y, reciprocal), others = hn::Sub(hn::Set(d, kIntervalSlots), frequency);
  const auto sum = hn::Add(y, hn::Mul(quotient, others)), rest = hn::Sub(sum, hn::ShiftLeft<8>(quotient));
  const auto x = hn::Add(sum, start);
  // Where the rest is not below the frequency, the quotient is one more.
  const hn::RebindToSigned<D> ds;
  const auto is_less = hn::RebindMask(d, hn::Lt(hn::BitCast(ds, rest), hn::BitCast(ds, frequency)));
  return hn::IfThenElse(is_less, x, hn::Add(x, others));
}
#endif

#if HWY_TARGET <= HWY_AVX3_DL && HWY_ARCH_X86

void FillCode(IntervalContexts contexts, IntervalCode& code) {
  constexpr size_t kOfFour = 4;
  for (auto& row : code.before_four) row.fill(255);
  for (auto& row : code.before) row.fill(255);
  for (size_t context = 0; context < contexts.size(); ++context) {
    uint32_t start = 0;
    size_t disjoint = 0, end = kMaxIntervals;
    const auto set = [&](size_t i, const Interval& interval, const IntervalEntry& entry) {
      const size_t number = context * kMaxIntervals + i;
      code.base[number] = interval.base ^ 0x80;
      code.raw_mask[number] = entry.raw_mask;
      code.frequency[number] = entry.frequency;
      code.start[number] = entry.start;
      code.reciprocal_low[number] = static_cast<uint8_t>(entry.reciprocal);
      code.reciprocal_high[number] = static_cast<uint8_t>(entry.reciprocal >> 8);
    };
    for (const Interval& interval : contexts[context]) {
      const IntervalEntry entry = EntryOf(interval, start);
      start += interval.frequency;
      if (interval.is_mode) {
        set(--end, interval, entry);
      } else if (interval.base == 0 && interval.raw_bits == 8) {
        set(--end, interval, entry);
        code.all[context] = static_cast<uint8_t>(context * kMaxIntervals + end);
        if (disjoint == 0) set(0, interval, entry);  // others are found first, where there are any
      } else {
        const size_t i = disjoint++, four = i / kOfFour, place = i % kOfFour;
        const uint8_t before = static_cast<uint8_t>((interval.base ^ 0x80) - 1);
        if (place > 0) {
          code.before[place - 1][context * kOfFour + four] = before;
        } else if (four > 0) {
          code.before_four[four - 1][context] = before;
        }
        set(i, interval, entry);
      }
    }
  }
}

// Bytes of vectors are of lanes in descending order here: the stream, which begins with what is encoded last, is
// written from its end, and compressed bytes are simpler to append.

// What a step codes.
struct StepEntries {
  ByteVec raw, raw_mask, frequency, start, reciprocal_low, reciprocal_high;
};

// Of steps that follow each other, in turns: what one waits for, another does not.
template <size_t kRoom, size_t kSteps>
HWY_INLINE void FindStepEntries(const IntervalCode& code, const uint16_t* HWY_RESTRICT symbols,
                                StepEntries (&entries)[kSteps]) {
  const ByteTag d;
  ByteVec low[kSteps], context[kSteps], value[kSteps], interval[kSteps], distance[kSteps];
  hn::Mask<ByteTag> is_mode[kSteps], is_upper[kSteps];
  const auto each = [](auto visit) HWY_ATTR {
    for (size_t s = 0; s < kSteps; ++s) visit(s);
  };
  const ByteVec place = hn::Sub(hn::Set(d, kRansLanes - 1), hn::Iota(d, 0));
  const ByteVec even = hn::Add(place, place), odd = hn::Add(even, hn::Set(d, 1));
  each([&](size_t s) HWY_ATTR {
    const __m512i first = _mm512_loadu_si512(symbols + s * kRansLanes);
    const __m512i second = _mm512_loadu_si512(symbols + s * kRansLanes + kRansLanes / 2);
    low[s].raw = _mm512_permutex2var_epi8(first, even.raw, second);
    const ByteVec high{_mm512_permutex2var_epi8(first, odd.raw, second)};
    is_mode[s] = hn::Eq(high, hn::Set(d, static_cast<uint8_t>(ModeEntries(code.contexts) / 256)));
    context[s] = hn::IfThenElse(is_mode[s], low[s], high);
    is_upper[s] = AreUpper<kRoom>(context[s]);
    value[s] = hn::Xor(low[s], hn::Set(d, 0x80));
  });
  each([&](size_t s) HWY_ATTR {
    LastSlots unused = {};
    interval[s] = FindIntervals<kRoom>(code.before_four, code.before, context[s], value[s], unused);
  });
  const auto look_up_of = [&](const IntervalCode::Bytes& table, size_t s)
                              HWY_ATTR { return LookUpOfIntervals<kRoom>(table, interval[s], is_upper[s]); };
  each([&](size_t s) HWY_ATTR {
    entries[s].raw_mask = look_up_of(code.raw_mask, s);
    distance[s] = hn::Sub(value[s], look_up_of(code.base, s));
  });
  each([&](size_t s) HWY_ATTR {
    // Values that are in none of the disjoint intervals, or the mode.
    const auto is_other = hn::Gt(distance[s], entries[s].raw_mask);
    interval[s] = hn::IfThenElse(is_other, LookUpAmong(code.all, context[s]), interval[s]);
    const ByteVec shifted = hn::BitCast(d, hn::ShiftLeft<4>(hn::BitCast(PairTag16(), context[s])));
    interval[s] = hn::IfThenElse(is_mode[s], hn::Or(shifted, hn::Set(d, 15)), interval[s]);
    const ByteVec mask = hn::IfThenElse(is_other, hn::Set(d, 255), entries[s].raw_mask);
    entries[s].raw_mask = hn::IfThenZeroElse(is_mode[s], mask);
    entries[s].raw = hn::And(hn::IfThenElse(is_other, low[s], distance[s]), entries[s].raw_mask);
  });
  const auto look_up = [&](const IntervalCode::Bytes& table, ByteVec StepEntries::*entry)
                           HWY_ATTR { each([&](size_t s) HWY_ATTR { entries[s].*entry = look_up_of(table, s); }); };
  look_up(code.frequency, &StepEntries::frequency);
  look_up(code.start, &StepEntries::start);
  look_up(code.reciprocal_low, &StepEntries::reciprocal_low);
  look_up(code.reciprocal_high, &StepEntries::reciprocal_high);
}

// Appends the low bytes of the lanes in the mask.
HWY_INLINE void PutBytes(const PairHalves& x, hn::Mask<ByteTag> mask, std::byte*& next) {
  _mm512_storeu_si512(next, _mm512_maskz_compress_epi8(mask.raw, LowBytes(x).raw));
  next += std::popcount(mask.raw);
}

template <bool kPartial>
HWY_INLINE void EncodeStep(const StepEntries& entries, size_t active, PairHalves& x, std::byte*& next) {
  const ByteTag d;
  const PairTag16 d16;
  const PairHalves old = x;
  const auto each = [&](auto visit) HWY_ATTR {
    visit(&PairHalves::even);
    visit(&PairHalves::odd);
  };
  hn::Mask<ByteTag> lanes{};
  PairHalves is_active{};
  if constexpr (kPartial) {
    lanes = hn::Not(hn::FirstN(d, kRansLanes - active));
    const ByteVec bytes = hn::VecFromMask(d, lanes);
    is_active = Join(bytes, bytes);
  }
  const auto put = [&](hn::Mask<ByteTag> is_full)
                       HWY_ATTR { PutBytes(x, kPartial ? hn::And(is_full, lanes) : is_full, next); };
  const auto one = hn::Set(d16, 1);
  {
    const PairHalves raw = Widen(entries.raw);
    PairHalves scale = Widen(entries.raw_mask), over;
    each([&](auto half) HWY_ATTR {
      scale.*half = hn::Add(scale.*half, one);
      over.*half = hn::MulHigh(x.*half, scale.*half);
    });
    put(hn::Ne(LowBytes(over), hn::Zero(d)));
    each([&](auto half) HWY_ATTR {
      const auto is_full = hn::Ne(over.*half, hn::Zero(d16));
      const PairVec16 y = hn::IfThenElse(is_full, hn::ShiftRight<8>(x.*half), x.*half);
      x.*half = hn::Add(hn::Mul(y, scale.*half), raw.*half);
    });
  }
  put({_mm512_cmpge_epu8_mask(HighBytes(x).raw, entries.frequency.raw)});
  const PairHalves frequency = Widen(entries.frequency), start = Widen(entries.start),
                   reciprocal = Join(entries.reciprocal_low, entries.reciprocal_high);
  each([&](auto half) HWY_ATTR {
    const PairVec16 high = hn::ShiftRight<8>(x.*half);
    const PairVec16 y = hn::IfThenElse(hn::Gt(frequency.*half, high), x.*half, high);
    x.*half = EncodeSlots(d16, y, frequency.*half, start.*half, reciprocal.*half);
    if constexpr (kPartial) x.*half = hn::IfThenElse(hn::MaskFromVec(is_active.*half), x.*half, old.*half);
  });
}

// Whether the last `count` steps before `end` are there and all their lanes active.
bool AreFull(std::span<const uint8_t> active, size_t end, size_t count) {
  size_t lanes = 0;
  for (size_t i = count; i > 0 && count <= end; --i) lanes += active[end - i];
  return lanes == count * kRansLanes;
}

HWY_INLINE ByteVec Reverse(ByteVec v) {
  const ByteTag d;
  const ByteVec from = hn::Sub(hn::Set(d, static_cast<uint8_t>(hn::Lanes(d) - 1)), hn::Iota(d, 0));
  return {_mm512_permutexvar_epi8(from.raw, v.raw)};
}

// Reverses the order of bytes in place.
void ReverseBytes(std::span<std::byte> bytes) {
  const ByteTag d;
  uint8_t *begin = reinterpret_cast<uint8_t*>(bytes.data()), *end = begin + bytes.size();
  for (const size_t n = hn::Lanes(d); static_cast<size_t>(end - begin) >= 2 * n; begin += n) {
    end -= n;
    const ByteVec first = hn::LoadU(d, begin), last = hn::LoadU(d, end);
    hn::StoreU(Reverse(last), d, begin);
    hn::StoreU(Reverse(first), d, end);
  }
  std::reverse(begin, end);
}

template <size_t kRoom>
std::span<std::byte> EncodeAllSteps(std::span<const uint8_t> active, const uint16_t* symbols, const IntervalCode& code,
                                    std::span<std::byte> buffer) {
  const ByteTag d;
  const PairVec16 low = hn::Set(PairTag16(), kByteStateLow);
  PairHalves banks[kRansBanks] = {{low, low}, {low, low}};
  std::byte* const begin = buffer.data() + kByteStateBytes;
  std::byte* next = begin;
  size_t step = active.size();
  constexpr size_t kAtOnce = 2 * kRansBanks;
  while (step > 0) {
    if (step % kRansBanks != 0 || !AreFull(active, step, kAtOnce)) {
      --step;
      StepEntries entries[1];
      FindStepEntries<kRoom>(code, symbols + kRansLanes * step, entries);
      EncodeStep<true>(entries[0], active[step], banks[step % kRansBanks], next);
      continue;
    }
    PairHalves first = banks[0], second = banks[1];
    do {
      step -= kAtOnce;
      StepEntries entries[kAtOnce];
      FindStepEntries<kRoom>(code, symbols + kRansLanes * step, entries);
      EncodeStep<false>(entries[3], kRansLanes, second, next);
      EncodeStep<false>(entries[2], kRansLanes, first, next);
      EncodeStep<false>(entries[1], kRansLanes, second, next);
      EncodeStep<false>(entries[0], kRansLanes, first, next);
    } while (AreFull(active, step, kAtOnce));
    banks[0] = first;
    banks[1] = second;
  }
  ReverseBytes({begin, next});
  for (size_t bank = 0; bank < kRansBanks; ++bank) {
    const ByteVec lower = Reverse(LowBytes(banks[bank])), upper = Reverse(HighBytes(banks[bank]));
    hn::StoreInterleaved2(lower, upper, d, reinterpret_cast<uint8_t*>(buffer.data()) + bank * 2 * kRansLanes);
  }
  return {buffer.data(), next};
}

std::span<std::byte> EncodeSteps(std::span<const uint8_t> active, const uint16_t* symbols, const IntervalCode& code,
                                 std::span<std::byte> buffer) {
  switch (code.room) {
    case kFewestIntervalContexts:
      return EncodeAllSteps<kFewestIntervalContexts>(active, symbols, code, buffer);
    case kFewIntervalContexts:
      return EncodeAllSteps<kFewIntervalContexts>(active, symbols, code, buffer);
    default:
      return EncodeAllSteps<kMaxIntervalContexts>(active, symbols, code, buffer);
  }
}

#else

void FillCode(IntervalContexts contexts, IntervalCode& code) {
  BuildIntervalEntries(contexts, code.entries);
}

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128 || !HWY_ARCH_X86

std::span<std::byte> EncodeSteps(std::span<const uint8_t> active, const uint16_t* symbols, const IntervalCode& code,
                                 std::span<std::byte> buffer) {
  ByteRansEncoder encoder(buffer);
  for (size_t step = active.size(); step-- > 0;) {
    EncodeIntervalsPlain(encoder, step % kRansBanks, code.entries.data(), symbols + kRansLanes * step, active[step]);
  }
  return encoder.Finish();
}

#else

using StateTag = hn::CappedTag<uint16_t, kRansLanes>;
using StateVec = hn::Vec<StateTag>;
using StateMask = hn::Mask<StateTag>;

// The entries of a step, as vectors want them.
struct StepEntries {
  alignas(64) uint64_t entry[kRansLanes];
};
HWY_INLINE void LookUpEntries(const IntervalEntry* HWY_RESTRICT entries, const uint16_t* HWY_RESTRICT symbols,
                              StepEntries& result) {
  static_assert(sizeof(IntervalEntry) == sizeof(uint64_t));
  const uint64_t* const table = reinterpret_cast<const uint64_t*>(entries);
#pragma GCC unroll 8
  for (size_t i = 0; i < kRansLanes; i += 2) {
    _mm_store_si128(reinterpret_cast<__m128i*>(result.entry + i), LookUp2(table, symbols + i));
  }
}

// Writes the low bytes of the lanes in the mask, in ascending order, below `next`.
HWY_INLINE void PutBytes(StateVec x, StateMask mask, std::byte*& next) {
  const StateTag d;
  const hn::Repartition<uint8_t, StateTag> d8;
  const hn::CappedTag<uint8_t, 8> d_eight;
  alignas(64) uint8_t low[hn::MaxLanes(d8)];
  alignas(8) uint8_t bits[8];
  hn::StoreMaskBits(d, mask, bits);
  hn::Store(hn::BitCast(d8, x), d8, low);
  for (size_t part = hn::Lanes(d) / 8; part-- > 0;) {
    // Of eight lanes, whose low bytes are every second one.
    const hn::CappedTag<uint8_t, 16> d16;
    const auto from = hn::LoadU(d_eight, kPackUpEvenBytes8[bits[part]].data());
    const auto packed = hn::TableLookupBytesOr0(hn::Load(d16, low + 16 * part), hn::ZeroExtendVector(d16, from));
    hn::StoreU(hn::LowerHalf(d_eight, packed), d_eight, reinterpret_cast<uint8_t*>(next - 8));
    next -= std::popcount(bits[part]);
  }
}

// Lanes that are full put a byte.
template <bool kPartial>
HWY_INLINE StateVec MakeRoom(StateVec x, StateMask is_full, StateMask lanes, std::byte*& next) {
  if constexpr (kPartial) is_full = hn::And(is_full, lanes);
  PutBytes(x, is_full, next);
  return hn::IfThenElse(is_full, hn::ShiftRight<8>(x), x);
}

template <bool kPartial>
HWY_INLINE void EncodeStep(const StepEntries& entries, size_t active, uint16_t* HWY_RESTRICT state, std::byte*& next) {
  const StateTag d;
  constexpr size_t kVectors = kRansLanes / hn::MaxLanes(d);
  StateVec x[kVectors], slots[kVectors], reciprocal[kVectors];
  StateMask lanes[kVectors];
  const auto low = hn::Set(d, 255);
#pragma GCC unroll 8
  for (size_t k = kVectors; k-- > 0;) {
    const size_t first = k * hn::Lanes(d);
    StateVec raw, unused;
    hn::LoadInterleaved4(d, reinterpret_cast<const uint16_t*>(entries.entry + first), slots[k], reciprocal[k], raw,
                         unused);
    if constexpr (kPartial) lanes[k] = hn::FirstN(d, active > first ? active - first : 0);
    const StateVec old = hn::Load(d, state + first);
    const StateVec scale = hn::Add(hn::And(raw, low), hn::Set(d, 1));
    const StateMask is_full = hn::Ne(hn::MulHigh(old, scale), hn::Zero(d));
    x[k] = hn::Add(hn::Mul(MakeRoom<kPartial>(old, is_full, lanes[k], next), scale), hn::ShiftRight<8>(raw));
  }
#pragma GCC unroll 8
  for (size_t k = kVectors; k-- > 0;) {
    const StateVec frequency = hn::And(slots[k], low);
    const StateMask is_full = hn::Not(hn::Lt(hn::ShiftRight<8>(x[k]), frequency));
    const StateVec y = MakeRoom<kPartial>(x[k], is_full, lanes[k], next);
    StateVec result = EncodeSlots(d, y, frequency, hn::ShiftRight<8>(slots[k]), reciprocal[k]);
    const size_t first = k * hn::Lanes(d);
    if constexpr (kPartial) result = hn::IfThenElse(lanes[k], result, hn::Load(d, state + first));
    hn::Store(result, d, state + first);
  }
}

std::span<std::byte> EncodeSteps(std::span<const uint8_t> active, const uint16_t* symbols, const IntervalCode& code,
                                 std::span<std::byte> buffer) {
  ByteRansEncoder encoder(buffer);
  // Entries are looked up a step ahead: wide loads wait for narrow stores to be in the cache.
  StepEntries step_entries[2];
  const auto look_up = [&](size_t step) HWY_ATTR {
    LookUpEntries(code.entries.data(), symbols + kRansLanes * step, step_entries[step % 2]);
  };
  std::byte* next = encoder.next;
  if (!active.empty()) look_up(active.size() - 1);
  for (size_t step = active.size(); step-- > 0;) {
    if (step > 0) look_up(step - 1);
    uint16_t* const state = encoder.state.data() + step % kRansBanks * kRansLanes;
    if (active[step] == kRansLanes) {
      EncodeStep<false>(step_entries[step % 2], kRansLanes, state, next);
    } else {
      EncodeStep<true>(step_entries[step % 2], active[step], state, next);
    }
  }
  encoder.next = next;
  return encoder.Finish();
}

#endif
#endif  // HWY_TARGET

// ---- Decoder ----

void DecodeSteps(ByteRansDecoder& decoder, const IntervalTables& tables, std::span<const uint8_t> active,
                 const uint8_t* contexts, uint8_t* residuals, bool* is_mode) {
  StepBytes zero, one;  // from two centers the mode is the same
  for (size_t k = 0; k < kByteVectors; ++k) {
    zero.part[k] = hn::Zero(ByteTag());
    one.part[k] = hn::Set(ByteTag(), 1);
  }
  for (size_t step = 0; step < active.size(); ++step) {
    const size_t at = kRansLanes * step;
    const StepResiduals found = active[step] == kRansLanes
                                    ? DecodeIntervals<false>(decoder, tables, contexts + at, kRansLanes)
                                    : DecodeIntervals<true>(decoder, tables, contexts + at, active[step]);
    alignas(64) uint8_t others[kRansLanes];
    StoreStep(CodesOf(zero.part[0], found, zero), residuals + at);
    StoreStep(CodesOf(zero.part[0], found, one), others);
    for (size_t i = 0; i < kRansLanes; ++i) is_mode[at + i] = residuals[at + i] == others[i];
  }
}

}  // namespace dcac::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {
namespace {

HWY_EXPORT(FillTables);
HWY_EXPORT(FillCode);
HWY_EXPORT(EncodeSteps);
HWY_EXPORT(DecodeSteps);

}  // namespace

void IntervalTables::Build(IntervalContexts contexts) {
  room = IntervalContextRoom(contexts.size());
  DCAC_DYNAMIC_DISPATCH(FillTables)(contexts, *this);
}

absl::Status ByteRansDecoder::Begin(ByteSpan stream) {
  if (stream.size() < kByteStateBytes) {
    return absl::DataLossError(
        absl::StrCat("lane states: found ", stream.size(), " bytes, expected at least ", kByteStateBytes));
  }
  for (size_t i = 0; i < low.size(); ++i) {
    low[i] = std::to_integer<uint8_t>(stream[2 * i]);
    high[i] = std::to_integer<uint8_t>(stream[2 * i + 1]);
    if (high[i] == 0) {
      return absl::DataLossError(absl::StrCat("state ", i, ": found ", low[i], ", expected 256 to 65535"));
    }
  }
  bank = 0;
  BeginWords(stream.subspan(kByteStateBytes));
  return absl::OkStatus();
}

absl::Status ByteRansDecoder::Finish() const {
  DCAC_RETURN_IF_ERROR(FinishWords());
  for (size_t i = 0; i < low.size(); ++i) {
    if (low[i] != 0 || high[i] != 1) {
      return absl::DataLossError(absl::StrCat("last state ", i, ": found ", 256 * high[i] + low[i], ", expected 256"));
    }
  }
  return absl::OkStatus();
}

IntervalEntry EntryOf(const Interval& interval, uint32_t start) {
  IntervalEntry entry;
  entry.frequency = interval.frequency;
  entry.start = static_cast<uint8_t>(start);
  entry.raw_mask = static_cast<uint8_t>((1u << interval.raw_bits) - 1);
  entry.reciprocal = static_cast<uint16_t>(std::min<uint32_t>((1u << 16) / interval.frequency, UINT16_MAX));
  return entry;
}

void BuildIntervalEntries(IntervalContexts contexts, std::span<IntervalEntry> entries) {
  for (size_t context = 0; context < contexts.size(); ++context) {
    uint32_t start = 0;
    std::array<uint8_t, 256> raw_bits;
    raw_bits.fill(UINT8_MAX);
    for (const Interval& interval : contexts[context]) {
      IntervalEntry entry = EntryOf(interval, start);
      start += interval.frequency;
      if (interval.is_mode) {
        entries[ModeEntries(contexts.size()) + context] = entry;
        continue;
      }
      const uint32_t size = 1u << interval.raw_bits;
      for (uint32_t raw = 0; raw < size; ++raw) {
        const size_t residual = (interval.base + raw) & 255;
        if (raw_bits[residual] < interval.raw_bits) continue;
        raw_bits[residual] = interval.raw_bits;
        entry.raw = static_cast<uint8_t>(raw);
        entries[context * 256 + residual] = entry;
      }
    }
  }
}

std::span<std::byte> ByteRansEncoder::Finish() {
  for (size_t i = state.size(); i-- > 0;) PutWord(state[i], next);
  return {next, end};
}

void IntervalCode::Build(IntervalContexts of_contexts) {
  contexts = of_contexts.size();
  room = IntervalContextRoom(contexts);
  DCAC_DYNAMIC_DISPATCH(FillCode)(of_contexts, *this);
}

std::span<std::byte> EncodeIntervalSteps(std::span<const uint8_t> active, const uint16_t* symbols,
                                         const IntervalCode& code, std::span<std::byte> buffer) {
  return DCAC_DYNAMIC_DISPATCH(EncodeSteps)(active, symbols, code, buffer);
}

absl::Status DecodeIntervalSteps(ByteSpan stream, const IntervalTables& tables, std::span<const uint8_t> active,
                                 const uint8_t* contexts, uint8_t* residuals, bool* is_mode) {
  ByteRansDecoder decoder;
  DCAC_RETURN_IF_ERROR(decoder.Begin(stream));
  DCAC_DYNAMIC_DISPATCH(DecodeSteps)(decoder, tables, active, contexts, residuals, is_mode);
  return decoder.Finish();
}

}  // namespace dcac
#endif  // HWY_ONCE
