// The two streams of a plane set as codes of samples, a wave at a time.
#ifndef DCAC_CORE_CODEC_WAVE_SYMBOLS_H_
#define DCAC_CORE_CODEC_WAVE_SYMBOLS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "core/codec/sample_map.h"
#include "core/codec/set_model.h"
#include "core/codec/tokens.h"

namespace dcac {

// A sample whose token says where to find it.
struct IndirectSample {
  uint32_t index = 0;  // in its wave
  uint32_t token = 0;
  uint32_t raw = 0;  // escapes: the sample
};

class WaveSymbols {
 public:
  // `model` is as DecodeSetModel returned it, without failure; it must outlive this.
  WaveSymbols(SampleKind kind, const SetModel& model) : is_narrow_(IsNarrow(kind)), model_(model), specials_(model) {}

  // Errors: DataLoss.
  absl::Status Begin(SampleKind kind, ByteSpan entropy_coded, ByteSpan raw_bits);

  // Decodes the codes of a wave's `count` samples from their cells and the codes nearest to their predictions.  False
  // if one is out of the set's range.  Where indirect() says so, codes[] is yet to be found.
  bool DecodeWave(size_t count, const int32_t* cells, const int32_t* nearest, int32_t* codes);

  // Those of the last wave, ascending.
  std::span<const IndirectSample> indirect() const { return {indirect_.data(), num_indirect_}; }
  const SpecialTokens& specials() const { return specials_; }

  // Whether all that was read was there.
  absl::Status CheckOverrun() const;
  // Every state must have come back to its first value, and both streams must have been used up.
  absl::Status Finish() const;

 private:
  struct Cell {
    uint32_t slots = 0;        // first of its cluster
    int32_t nearest_mask = 0;  // 0 where the center is fixed, else -1
    int32_t center = 0;
  };
  struct TokenRaw {
    uint32_t mask = 0;
    uint32_t bits = 0;
  };
  // The code is (center & center_mask) + ((base + raw) ^ inversion): an inverted number is that less 1, negative.
  struct TokenCode {
    int64_t base = 0, center_mask = 0, inversion = 0;
    uint64_t is_indirect = 0;
  };
  // Input from `position` on, followed by zeros for as many bytes as are asked for.
  class Input {
   public:
    void Begin(ByteSpan data) { data_ = data; }
    const std::byte* At(size_t position, size_t bytes);
    size_t size() const { return data_.size(); }
    ByteSpan data() const { return data_; }

   private:
    ByteSpan data_;
    Bytes tail_;
  };

  template <bool kIsNarrow>
  void ReadTokens(size_t count, const int32_t* cells);
  bool FindCodes(size_t count, const int32_t* cells, const int32_t* nearest, int32_t* codes);
  size_t lanes() const { return size_t{1} << model_.lanes_log2; }
  void FillSlots();
  void FillCells();
  absl::Status FillTokens(SampleKind kind);

  static uint32_t MakeSlot(uint32_t frequency, uint32_t offset, uint32_t token) {
    return (frequency - 1) | offset << 12 | token << 24;
  }

  bool is_narrow_;
  const SetModel& model_;
  SpecialTokens specials_;
  std::vector<uint32_t> slots_;
  std::vector<Cell> cells_;
  std::array<TokenRaw, kMaxTokens> token_raw_{};
  std::array<TokenCode, kMaxTokens> token_codes_{};
  std::array<uint32_t, size_t{1} << kMaxLanesLog2> states_{};
  Input words_, raw_;
  size_t words_position_ = 0;  // bytes
  size_t raw_position_ = 0;    // bits
  std::vector<uint8_t> tokens_of_wave_;
  std::vector<uint32_t> raw_of_wave_;
  std::vector<IndirectSample> indirect_;
  size_t num_indirect_ = 0;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_WAVE_SYMBOLS_H_
