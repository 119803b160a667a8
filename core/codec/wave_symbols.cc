#include "core/codec/wave_symbols.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/phase_timer.h"
#include "core/base/status_macros.h"
#include "core/codec/rans.h"
#include "core/codec/token_bits.h"

namespace dcac {

absl::Status WaveSymbols::Begin(SampleKind kind, ByteSpan entropy_coded, ByteSpan raw_bits) {
  DCAC_RETURN_IF_ERROR(FillTokens(kind));
  DCAC_RETURN_IF_ERROR(ReadRansStates(entropy_coded, std::span(states_).first(lanes())));
  words_position_ = 4 * lanes();
  words_.Begin(entropy_coded);
  raw_.Begin(raw_bits);
  FillSlots();
  FillCells();
  return absl::OkStatus();
}

absl::Status WaveSymbols::FillTokens(SampleKind kind) {
  DCAC_ASSIGN_OR_RETURN(const TokenBits bits, TokenBits::Create(kind, model_, specials_));
  for (int token = 0; token < model_.num_tokens; ++token) {
    const size_t at = static_cast<size_t>(token);
    TokenRaw& raw = token_raw_[at];
    raw.bits = is_narrow_ ? bits.state[at] : bits.stream[at];
    raw.mask = static_cast<uint32_t>((uint64_t{1} << raw.bits) - 1);
    TokenCode& code = token_codes_[at];
    if (token >= specials_.count) {
      const int residual = token - specials_.count;
      code.base = static_cast<int64_t>(ClassBase(residual / 2) << model_.shift);
      code.center_mask = -1;
      code.inversion = residual % 2 == 1 ? -1 : 0;
      continue;
    }
    const SampleMap map(kind, model_.base_exponent);
    const std::optional<int32_t> mode = token == specials_.mode ? map.ToCode(model_.mode_sample) : std::nullopt;
    code.is_indirect = mode ? 0 : 1;
    code.base = mode.value_or(0);
  }
  return absl::OkStatus();
}

void WaveSymbols::FillSlots() {
  const int table_bits = model_.table_bits;
  slots_.resize(model_.tables.size() << table_bits);
  uint32_t* slot = slots_.data();
  for (const auto& table : model_.tables) {
    const std::vector<uint32_t> frequencies = NormalizeTable(table, table_bits);
    for (size_t token = 0; token < frequencies.size(); ++token) {
      const uint32_t frequency = frequencies[token];
      for (uint32_t offset = 0; offset < frequency; ++offset) {
        *slot++ = MakeSlot(frequency, offset, static_cast<uint32_t>(token));
      }
    }
  }
}

void WaveSymbols::FillCells() {
  cells_.resize(model_.cluster.size());
  for (size_t cell = 0; cell < cells_.size(); ++cell) {
    const bool fixed = model_.fixed_center[cell];
    cells_[cell].slots = uint32_t{model_.cluster[cell]} << model_.table_bits;
    cells_[cell].nearest_mask = fixed ? 0 : -1;
    cells_[cell].center = fixed ? model_.center[cell / static_cast<size_t>(model_.activity_bins())] : 0;
  }
}

const std::byte* WaveSymbols::Input::At(size_t position, size_t bytes) {
  const size_t left = data_.size() - std::min(position, data_.size());
  if (bytes <= left) return data_.data() + position;
  tail_.assign(bytes, std::byte{0});
  std::copy_n(data_.end() - static_cast<ptrdiff_t>(left), left, tail_.begin());
  return tail_.data();
}

bool WaveSymbols::DecodeWave(size_t count, const int32_t* cells, const int32_t* nearest, int32_t* codes) {
  const PhaseTimer timer(Phase::kEntropy);
  if (tokens_of_wave_.size() < count) {
    tokens_of_wave_.resize(count);
    raw_of_wave_.resize(count);
    indirect_.resize(count);
  }
  if (is_narrow_) {
    ReadTokens<true>(count, cells);
  } else {
    ReadTokens<false>(count, cells);
  }
  return FindCodes(count, cells, nearest, codes);
}

template <bool kIsNarrow>
void WaveSymbols::ReadTokens(size_t count, const int32_t* cells) {
  const std::byte* words = words_.At(words_position_, 2 * count + 2);
  const std::byte* const first_word = words;
  const std::byte* const raw = kIsNarrow ? nullptr : raw_.At(raw_position_ / 8, 4 * count + 16);
  size_t raw_position = raw_position_ % 8;
  const int table_bits = model_.table_bits;
  const uint32_t slot_mask = (1u << table_bits) - 1;
  const uint32_t* const slots = slots_.data();
  const TokenRaw* const token_raw = token_raw_.data();
  uint32_t* const states = states_.data();
  std::array<uint32_t, size_t{1} << kMaxLanesLog2> slot;
  for (size_t begin = 0; begin < count; begin += lanes()) {
    const size_t n = std::min(lanes(), count - begin);
    // All at once, so that they do not wait for each other's slots.
    for (size_t lane = 0; lane < n; ++lane) {
      slot[lane] = slots[cells_[static_cast<size_t>(cells[begin + lane])].slots + (states[lane] & slot_mask)];
    }
    for (size_t lane = 0; lane < n; ++lane) {
      const uint32_t s = slot[lane];
      uint32_t x = ((s & 0xfff) + 1) * (states[lane] >> table_bits) + ((s >> 12) & 0xfff);
      const TokenRaw token = token_raw[s >> 24];
      if constexpr (kIsNarrow) {
        raw_of_wave_[begin + lane] = x & token.mask;
        x >>= token.bits;
      } else {
        const uint64_t bits = LoadLittleEndian64(raw + raw_position / 8);
        raw_of_wave_[begin + lane] = static_cast<uint32_t>(bits >> (raw_position % 8)) & token.mask;
        raw_position += token.bits;
      }
      const uint32_t word = static_cast<uint32_t>(LoadLittleEndian(words, 2));
      const uint32_t is_low = x < kRansLow ? 1 : 0;  // no branch: half of them would be mispredicted
      states[lane] = x << (16 * is_low) | (word & (0 - is_low));
      words += 2 * is_low;
      tokens_of_wave_[begin + lane] = static_cast<uint8_t>(s >> 24);
    }
  }
  words_position_ += static_cast<size_t>(words - first_word);
  raw_position_ += raw_position - raw_position_ % 8;
}

bool WaveSymbols::FindCodes(size_t count, const int32_t* cells, const int32_t* nearest, int32_t* codes) {
  const int64_t low = model_.low_code;
  const uint64_t span = static_cast<uint64_t>(int64_t{model_.high_code} - low);
  const Cell* const cell_table = cells_.data();
  const TokenCode* const token_codes = token_codes_.data();
  const uint8_t* const tokens = tokens_of_wave_.data();
  const uint32_t* const raw = raw_of_wave_.data();
  IndirectSample* const indirect = indirect_.data();
  size_t num_indirect = 0;
  uint64_t out_of_range = 0;
  for (size_t i = 0; i < count; ++i) {
    const Cell& cell = cell_table[cells[i]];
    const TokenCode& token = token_codes[tokens[i]];
    const int64_t center = (nearest[i] & cell.nearest_mask) + cell.center;
    const int64_t code = (center & token.center_mask) + ((token.base + int64_t{raw[i]}) ^ token.inversion);
    out_of_range |= (static_cast<uint64_t>(code - low) > span ? 1u : 0u) & ~token.is_indirect;
    indirect[num_indirect] = {static_cast<uint32_t>(i), tokens[i], raw[i]};
    num_indirect += token.is_indirect;
    codes[i] = static_cast<int32_t>(code);
  }
  num_indirect_ = num_indirect;
  return out_of_range == 0;
}

absl::Status WaveSymbols::CheckOverrun() const {
  if (words_position_ > words_.size()) return absl::DataLossError("entropy-coded data is too short");
  if (raw_position_ > 8 * raw_.size()) return absl::DataLossError("raw bits are too short");
  return absl::OkStatus();
}

absl::Status WaveSymbols::Finish() const {
  DCAC_RETURN_IF_ERROR(CheckOverrun());
  if (words_position_ != words_.size()) {
    return absl::DataLossError(
        absl::StrCat("entropy-coded data has ", words_.size() - words_position_, " bytes too many"));
  }
  for (size_t lane = 0; lane < lanes(); ++lane) {
    if (states_[lane] != kRansLow)
      return absl::DataLossError(absl::StrCat("final state is ", states_[lane], ", expected ", kRansLow));
  }
  const size_t used = (raw_position_ + 7) / 8;
  const bool padded =
      raw_position_ % 8 == 0 || std::to_integer<uint32_t>(raw_.data()[used - 1]) >> raw_position_ % 8 == 0;
  if (used != raw_.size() || !padded) return absl::DataLossError("raw bits have a rest");
  return absl::OkStatus();
}

}  // namespace dcac
