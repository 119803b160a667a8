#include "core/kernels/lane_rans.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/kernels/target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/kernels/lane_rans.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file again.
#include "core/kernels/lane_rans-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace dcac::HWY_NAMESPACE {

template <LaneRaw kRaw>
void EncodeAllSteps(const LaneSteps& steps, const uint64_t* table, int table_bits, LaneRansEncoder& encoder) {
  for (size_t step = steps.active.size(); step-- > 0;) {
    const size_t at = kRansLanes * step, active = steps.active[step];
    for (size_t stage = steps.raw_stages.size(); stage-- > 0;) {
      EncodeRaw(encoder, steps.raw_stages[stage].raw + at, steps.raw_stages[stage].num_bits + at, active);
    }
    const uint8_t* raw = kRaw == LaneRaw::kNone ? nullptr : steps.raw + at;
    EncodeSymbols<kRaw>(encoder, table, table_bits, steps.symbols + at, raw, active);
  }
}

void EncodeSteps(const LaneSteps& steps, const uint64_t* table, int table_bits, LaneRansEncoder& encoder) {
  if (steps.raw == nullptr) {
    EncodeAllSteps<LaneRaw::kNone>(steps, table, table_bits, encoder);
  } else {
    EncodeAllSteps<LaneRaw::kInState>(steps, table, table_bits, encoder);
  }
}

template <LaneRaw kRaw>
void DecodeAllSteps(LaneRansDecoder& decoder, const uint32_t* slots, int table_bits, const LaneDecodedSteps& steps) {
  for (size_t step = 0; step < steps.active.size(); ++step) {
    const size_t at = kRansLanes * step, active = steps.active[step];
    uint32_t* raw = kRaw == LaneRaw::kNone ? nullptr : steps.raw + at;
    DecodeSymbols<kRaw>(decoder, slots, table_bits, steps.contexts + at, active, steps.entries + at, raw);
    for (const LaneDecodedSteps::RawStage& stage : steps.raw_stages) {
      DecodeRaw(decoder, stage.num_bits + at, active, stage.raw + at);
    }
  }
}

void DecodeSteps(LaneRansDecoder& decoder, const uint32_t* slots, int table_bits, const LaneDecodedSteps& steps) {
  if (steps.raw == nullptr) {
    DecodeAllSteps<LaneRaw::kNone>(decoder, slots, table_bits, steps);
  } else {
    DecodeAllSteps<LaneRaw::kInState>(decoder, slots, table_bits, steps);
  }
}

void FillSlots(std::span<const SlotRange> ranges, LaneRaw raw, int table_bits, std::span<const uint16_t> payloads,
               uint32_t* slots) {
  const int field_bits = SlotFieldBits(raw);
  // Of 16, so that what is written beyond a range stays within the stride.
  const hn::CappedTag<uint32_t, 16> d;
  for (const SlotRange& range : ranges) {
    const uint32_t complement = (1u << table_bits) - range.frequency;
    const auto entry =
        hn::Set(d, range.start | complement << field_bits | uint32_t{payloads[range.token]} << 2 * field_bits);
    const uint32_t end = SlotIndex(uint32_t{range.start} + range.frequency, table_bits);
    for (uint32_t i = SlotIndex(range.start, table_bits); i < end; i += static_cast<uint32_t>(hn::Lanes(d))) {
      hn::StoreU(entry, d, slots + i);
    }
  }
}

}  // namespace dcac::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dcac {
namespace {

HWY_EXPORT(EncodeSteps);
HWY_EXPORT(DecodeSteps);
HWY_EXPORT(FillSlots);

}  // namespace

std::vector<SlotRange> PlaceTokens(std::span<const uint16_t> frequencies, int table_bits) {
  constexpr uint32_t kShared = 1u << kSharedSlotBits;
  const uint32_t total = 1u << table_bits, single = total - static_cast<uint32_t>(FirstSingleSlot(table_bits));
  const size_t largest =
      static_cast<size_t>(std::max_element(frequencies.begin(), frequencies.end()) - frequencies.begin());
  // Tokens of frequencies up to `small` keep them: they find room in the single slots.
  std::array<uint16_t, (1u << kMaxLaneTableBits) / 8 + 1> sums{};
  for (size_t token = 0; token < frequencies.size(); ++token) {
    if (token != largest && frequencies[token] <= single) sums[frequencies[token]] += frequencies[token];
  }
  uint32_t small = 0, left = single;
  while (small < single && sums[small + 1] <= left) left -= sums[++small];
  // Those of others are multiples; the one of the largest makes good what they are too many or too few.
  std::vector<SlotRange> ranges;
  ranges.reserve(frequencies.size());
  const int32_t most_error = static_cast<int32_t>(kShared / 2 + frequencies[largest] / 16);
  int32_t error = 0;
  for (size_t token = 0; token < frequencies.size(); ++token) {
    const uint32_t exact = frequencies[token];
    if (exact <= small || token == largest) continue;
    uint32_t rounded = (exact + kShared / 2) / kShared * kShared;
    const int32_t after = error + static_cast<int32_t>(rounded) - static_cast<int32_t>(exact);
    if (after > most_error && rounded > exact) rounded -= kShared;
    if (after < -most_error && rounded < exact) rounded += kShared;
    rounded = std::max(rounded, kShared);
    error += static_cast<int32_t>(rounded) - static_cast<int32_t>(exact);
    ranges.push_back({static_cast<uint16_t>(token), 0, static_cast<uint16_t>(rounded)});
  }
  // Where there are very many: at least one of them is two multiples then.
  for (; error >= static_cast<int32_t>(frequencies[largest]); error -= static_cast<int32_t>(kShared)) {
    std::max_element(ranges.begin(), ranges.end(), [](const SlotRange& a, const SlotRange& b) {
      return a.frequency < b.frequency;
    })->frequency -= kShared;
  }
  ranges.push_back(
      {static_cast<uint16_t>(largest), 0, static_cast<uint16_t>(static_cast<int32_t>(frequencies[largest]) - error)});
  for (size_t token = 0; token < frequencies.size(); ++token) {
    if (frequencies[token] == 0 || frequencies[token] > small || token == largest) continue;
    ranges.push_back({static_cast<uint16_t>(token), 0, frequencies[token]});
  }
  uint16_t start = 0;
  for (SlotRange& range : ranges) {
    range.start = start;
    start = static_cast<uint16_t>(start + range.frequency);
  }
  return ranges;
}

void BuildSlots(std::span<const SlotRange> ranges, LaneRaw raw, int table_bits, std::span<const uint16_t> payloads,
                uint32_t* slots) {
  DCAC_DYNAMIC_DISPATCH(FillSlots)(ranges, raw, table_bits, payloads, slots);
}

absl::Status LaneRansDecoder::Begin(ByteSpan stream) {
  if (stream.size() < kLaneStateBytes) {
    return absl::DataLossError(
        absl::StrCat("lane states: found ", stream.size(), " bytes, expected at least ", kLaneStateBytes));
  }
  for (size_t i = 0; i < kRansLanes; ++i) {
    state[i] = static_cast<uint32_t>(LoadLittleEndian(stream.data() + 4 * i, 4));
    if (state[i] < kLaneStateLow || state[i] >> 31 != 0) {
      return absl::DataLossError(
          absl::StrCat("state of lane ", i, ": found ", state[i], ", expected 2^15 to 2^31 - 1"));
    }
  }
  BeginWords(stream.subspan(kLaneStateBytes));
  return absl::OkStatus();
}

void LaneWords::BeginWords(ByteSpan words) {
  next = words.data();
  end = next + words.size();
  in_tail = failed = false;
  if (words.size() < kLaneStageBytes) {
    Refill();
  } else {
    limit = end - kLaneStageBytes;
  }
}

void LaneWords::Refill() {
  if (in_tail) {
    failed = true;
    next = limit = tail.data();
    return;
  }
  in_tail = true;
  tail.fill(std::byte{0});
  std::copy(next, end, tail.begin());
  limit = tail.data() + (end - next);
  next = tail.data();
}

absl::Status LaneWords::FinishWords() const {
  const std::byte* words_end = in_tail ? limit : end;
  if (failed || next > words_end) return absl::DataLossError("lane words: found too few");
  if (next < words_end) {
    return absl::DataLossError(absl::StrCat("lane words: ", words_end - next, " bytes are left"));
  }
  return absl::OkStatus();
}

absl::Status LaneRansDecoder::Finish() const {
  DCAC_RETURN_IF_ERROR(FinishWords());
  for (size_t i = 0; i < kRansLanes; ++i) {
    if (state[i] != kLaneStateLow) {
      return absl::DataLossError(absl::StrCat("last state of lane ", i, ": found ", state[i], ", expected 2^15"));
    }
  }
  return absl::OkStatus();
}

uint64_t LaneEncodeEntry(uint32_t frequency, uint32_t start, uint32_t raw_bits, int table_bits) {
  // reciprocal = ceil(2^(31 + log) / f) with f <= 2^log makes the error of y * reciprocal less than 2^(31 + log) / f
  // for all y < 2^31, so that the quotient is exact.
  uint64_t reciprocal = 0xffffffff;
  uint32_t bias = start + (1u << table_bits) - 1, shift = 0;
  if (frequency > 1) {
    const int log = std::bit_width(frequency - 1);
    reciprocal = ((uint64_t{1} << (31 + log)) + frequency - 1) / frequency;
    bias = start;
    shift = static_cast<uint32_t>(log - 1);
  }
  return reciprocal << 32 | raw_bits << 27 | shift << 23 | bias << 11 | frequency;
}

void BuildEncodeEntries(std::span<const SlotRange> ranges, std::span<const uint8_t> raw_bits, int table_bits,
                        uint64_t* entries) {
  for (const SlotRange& range : ranges) {
    entries[range.token] =
        LaneEncodeEntry(range.frequency, range.start, raw_bits.empty() ? 0 : raw_bits[range.token], table_bits);
  }
}

std::byte* LaneRansEncoder::Finish() {
  for (size_t i = kRansLanes; i-- > 0;) {
    PutWord(state[i] >> 16, next);
    PutWord(state[i], next);
  }
  return next;
}

std::span<std::byte> EncodeLaneSteps(const LaneSteps& steps, const uint64_t* table, int table_bits,
                                     std::span<std::byte> buffer) {
  LaneRansEncoder encoder(buffer);
  DCAC_DYNAMIC_DISPATCH(EncodeSteps)(steps, table, table_bits, encoder);
  const std::byte* begin = encoder.Finish();
  return buffer.subspan(static_cast<size_t>(begin - buffer.data()));
}

absl::Status DecodeLaneSteps(ByteSpan stream, const uint32_t* slots, int table_bits, const LaneDecodedSteps& steps) {
  LaneRansDecoder decoder;
  DCAC_RETURN_IF_ERROR(decoder.Begin(stream));
  DCAC_DYNAMIC_DISPATCH(DecodeSteps)(decoder, slots, table_bits, steps);
  return decoder.Finish();
}

}  // namespace dcac
#endif  // HWY_ONCE
