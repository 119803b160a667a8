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
  DCAC_RETURN_IF_ERROR(ReadRansStates(entropy_coded, std::span(states_).first(size_t{1} << model_.lanes_log2)));
  lane_mask_ = (size_t{1} << model_.lanes_log2) - 1;
  words_position_ = 4 * (lane_mask_ + 1);
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
    Token& entry = tokens_[at];
    entry.raw_bits = is_narrow_ ? bits.state[at] : bits.stream[at];
    entry.raw_mask = static_cast<uint32_t>((uint64_t{1} << entry.raw_bits) - 1);
    if (token >= specials_.count) {
      const int residual = token - specials_.count;
      entry.base = static_cast<int64_t>(ClassBase(residual / 2) << model_.shift);
      entry.center_mask = -1;
      entry.inversion = residual % 2 == 1 ? -1 : 0;
      continue;
    }
    const SampleMap map(kind, model_.base_exponent);
    const std::optional<int32_t> mode = token == specials_.mode ? map.ToCode(model_.mode_sample) : std::nullopt;
    entry.is_indirect = mode ? 0 : 1;
    entry.base = mode ? *mode : model_.low_code;  // any code of the range
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

template <bool kIsNarrow>
bool WaveSymbols::DecodeSymbols(size_t count, const int32_t* cells, const int32_t* nearest, int32_t* codes) {
  const PhaseTimer timer(Phase::kEntropy);
  const std::byte* words = words_.At(words_position_, 2 * count + 2);
  const std::byte* const first_word = words;
  const std::byte* const raw = kIsNarrow ? nullptr : raw_.At(raw_position_ / 8, 4 * count + 16);
  const size_t raw_begin = raw_position_ / 8 * 8;
  size_t raw_position = raw_position_ % 8;
  if (!kIsNarrow && indirect_.size() < count + 1) indirect_.resize(count + 1);
  size_t num_indirect = 0;

  const int table_bits = model_.table_bits;
  const uint32_t slot_mask = (1u << table_bits) - 1;
  const int64_t low = model_.low_code;
  const uint64_t span = static_cast<uint64_t>(int64_t{model_.high_code} - low);
  const uint32_t* const slots = slots_.data();
  const Cell* const cell_table = cells_.data();
  uint64_t out_of_range = 0;
  for (size_t i = 0; i < count; ++i) {
    const Cell& cell = cell_table[cells[i]];
    uint32_t x = states_[i & lane_mask_];
    const uint32_t slot = slots[cell.slots + (x & slot_mask)];
    x = ((slot & 0xfff) + 1) * (x >> table_bits) + ((slot >> 12) & 0xfff);
    const Token& token = tokens_[slot >> 24];
    uint32_t raw_value;
    if constexpr (kIsNarrow) {
      raw_value = x & token.raw_mask;
      x >>= token.raw_bits;
    } else {
      const uint64_t bits = LoadLittleEndian(raw + raw_position / 8, 8);
      raw_value = static_cast<uint32_t>(bits >> (raw_position % 8)) & token.raw_mask;
      raw_position += token.raw_bits;
    }
    const uint32_t word = static_cast<uint32_t>(LoadLittleEndian(words, 2));
    const bool is_low = x < kRansLow;
    x = is_low ? x << 16 | word : x;
    words += is_low ? 2 : 0;
    states_[i & lane_mask_] = x;

    const int64_t center = (nearest[i] & cell.nearest_mask) + cell.center;
    const int64_t code = (center & token.center_mask) + ((token.base + int64_t{raw_value}) ^ token.inversion);
    out_of_range |= (static_cast<uint64_t>(code - low) > span ? 1u : 0u) & ~uint64_t{token.is_indirect};
    if constexpr (!kIsNarrow) {
      indirect_[num_indirect] = {static_cast<uint32_t>(i), slot >> 24, raw_value};
      num_indirect += token.is_indirect;
    }
    codes[i] = static_cast<int32_t>(code);
  }
  words_position_ += static_cast<size_t>(words - first_word);
  raw_position_ = raw_begin + raw_position;
  num_indirect_ = num_indirect;
  return out_of_range == 0;
}

template bool WaveSymbols::DecodeSymbols<true>(size_t, const int32_t*, const int32_t*, int32_t*);
template bool WaveSymbols::DecodeSymbols<false>(size_t, const int32_t*, const int32_t*, int32_t*);

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
  for (size_t lane = 0; lane <= lane_mask_; ++lane) {
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
