#include "core/codec/rans.h"

#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"

namespace dcac {

RansContext MakeRansContext(std::vector<uint32_t> frequency) {
  RansContext context;
  context.start.resize(frequency.size());
  uint32_t start = 0;
  for (size_t i = 0; i < frequency.size(); ++i) {
    context.start[i] = start;
    start += frequency[i];
  }
  context.frequency = std::move(frequency);
  return context;
}

namespace {

// A token of a context, for the encoder.
struct EncoderEntry {
  uint32_t reciprocal;  // ceil(2^shift / frequency): exact for quotients of what is below 2^31
  uint32_t frequency;
  uint32_t start;
  uint32_t shift;
};

EncoderEntry MakeEntry(uint32_t frequency, uint32_t start) {
  if (frequency == 0) return {};  // of a token that does not occur
  const uint32_t shift = 31 + static_cast<uint32_t>(std::bit_width(frequency - 1));
  return {static_cast<uint32_t>(((uint64_t{1} << shift) + frequency - 1) / frequency), frequency, start, shift};
}

}  // namespace

Bytes RansEncode(const std::vector<RansSymbol>& symbols, const std::vector<uint32_t>& wave_sizes,
                 const std::vector<RansContext>& contexts, int table_bits, int lanes_log2) {
  std::vector<EncoderEntry> entries;
  std::vector<size_t> first_entry;  // of each context
  for (const RansContext& context : contexts) {
    first_entry.push_back(entries.size());
    for (size_t token = 0; token < context.frequency.size(); ++token) {
      entries.push_back(MakeEntry(context.frequency[token], context.start[token]));
    }
  }
  const uint32_t lane_mask = (1u << lanes_log2) - 1;
  std::vector<uint32_t> states(size_t{1} << lanes_log2, kRansLow);
  std::vector<uint16_t> words;  // last first, num_words of them
  size_t num_words = 0;
  size_t wave_end = symbols.size();
  for (size_t wave = wave_sizes.size(); wave-- > 0;) {
    const size_t wave_begin = wave_end - wave_sizes[wave];
    if (words.size() < num_words + wave_sizes[wave]) words.resize(2 * words.size() + wave_sizes[wave]);
    for (size_t i = wave_end; i-- > wave_begin;) {
      const RansSymbol& symbol = symbols[i];
      const EncoderEntry& entry = entries[first_entry[symbol.context] + symbol.token];
      uint32_t& x = states[(i - wave_begin) & lane_mask];
      const uint64_t limit = uint64_t{entry.frequency} << (31 - table_bits - symbol.state_bits);
      const uint32_t is_full = x >= limit ? 1 : 0;  // no branch: many of them would be mispredicted
      words[num_words] = static_cast<uint16_t>(x);
      num_words += is_full;
      const uint32_t y = (x >> (16 * is_full) << symbol.state_bits) | symbol.state_raw;
      const uint32_t quotient = static_cast<uint32_t>((uint64_t{y} * entry.reciprocal) >> entry.shift);
      x = (quotient << table_bits) + (y - quotient * entry.frequency) + entry.start;
    }
    wave_end = wave_begin;
  }
  Bytes out;
  out.reserve(states.size() * 4 + num_words * 2);
  for (uint32_t state : states) AppendLittleEndian(state, 4, out);
  for (size_t i = num_words; i-- > 0;) AppendLittleEndian(words[i], 2, out);
  return out;
}

RansDecoder::RansDecoder(const std::vector<RansContext>& contexts, const std::vector<uint8_t>& state_bits,
                         int table_bits)
    : table_bits_(table_bits), slots_(contexts.size() << table_bits) {
  for (size_t c = 0; c < contexts.size(); ++c) {
    for (size_t token = 0; token < contexts[c].frequency.size(); ++token) {
      const uint32_t frequency = contexts[c].frequency[token];
      Slot* slot = slots_.data() + (c << table_bits) + contexts[c].start[token];
      for (uint32_t offset = 0; offset < frequency; ++offset) {
        slot[offset] = Slot{static_cast<uint16_t>(frequency), static_cast<uint16_t>(offset),
                            static_cast<uint8_t>(token), state_bits[token]};
      }
    }
  }
}

absl::Status ReadRansStates(ByteSpan data, std::span<uint32_t> states) {
  if (data.size() < 4 * states.size() || data.size() % 2 != 0) {
    return absl::DataLossError(
        absl::StrCat("entropy-coded data of ", data.size(), " bytes for ", states.size(), " lanes"));
  }
  for (size_t lane = 0; lane < states.size(); ++lane) {
    states[lane] = static_cast<uint32_t>(LoadLittleEndian(data.data() + 4 * lane, 4));
    if (states[lane] < kRansLow || states[lane] >> 31)
      return absl::DataLossError(absl::StrCat("start state ", states[lane], " is out of range"));
  }
  return absl::OkStatus();
}

absl::Status RansDecoder::Begin(ByteSpan data, int lanes_log2) {
  data_ = data;
  states_.resize(size_t{1} << lanes_log2);
  lane_mask_ = states_.size() - 1;
  position_ = 4 * states_.size();
  return ReadRansStates(data, states_);
}

absl::Status RansDecoder::Finish() const {
  if (overrun_) return absl::DataLossError("entropy-coded data is too short");
  if (position_ != data_.size()) {
    return absl::DataLossError(absl::StrCat("entropy-coded data has ", data_.size() - position_, " bytes too many"));
  }
  for (uint32_t state : states_) {
    if (state != kRansLow) return absl::DataLossError(absl::StrCat("final state is ", state, ", expected ", kRansLow));
  }
  return absl::OkStatus();
}

absl::Status BitReader::Finish() const {
  if (overrun_) return absl::DataLossError("raw bits are too short");
  if (position_ != data_.size() || buffer_ != 0) return absl::DataLossError("raw bits have a rest");
  return absl::OkStatus();
}

}  // namespace dcac
