// Samples of a row as cells and raw bits (docs/format.md, "Cells").
//
// The values around a prediction are cut into cells, whose width is a power of two near half of the expected error, but
// no finer than the samples there can be.  Which cell is said by a token; the rest of the sample, which is close to
// uniform within a cell, by raw bits.  Cells begin at zero and grow with the magnitude on both sides of it, so that the
// raw bits are mantissa bits as they are.
#ifndef DCAC_CORE_CODEC_CELLS_H_
#define DCAC_CORE_CODEC_CELLS_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>

#include "core/codec/arithmetic.h"
#include "core/codec/rans.h"
#include "core/codec/sample_map.h"

namespace dcac {

// Contexts of a cell token: how wide the expected error is in cells, and where in its cell the prediction is.
inline constexpr size_t kErrorBins = 20;
inline constexpr size_t kPlaceBins = 8;

// Expected errors are powers of 2^(1/8).
inline constexpr int kScaleSteps = 8;
inline constexpr int kMaxScale = 120 * kScaleSteps;

// Cells of one prediction.
struct CellGrid {
  int exponent = 0;       // the width of a cell is 2^exponent
  int64_t predicted = 0;  // cell of the prediction
  size_t context = 0;     // kPlaceBins * error bin + place bin
};

struct Cell {
  int64_t number = 0;
  uint64_t raw = 0;
  int raw_bits = 0;
};

class CellMap {
 public:
  explicit CellMap(SampleKind kind) : integers_(kind, 1), kind_(kind), mantissa_bits_(SampleMap::MantissaBits(kind)) {
    if (kind == SampleKind::kF16) {
      least_exponent_ = -14;
      most_exponent_ = 15;
    }
  }

  // The value that predictions are made of; nothing for an escape: NaN, infinities, magnitudes of 2^64 and more.
  std::optional<float> ToValue(uint32_t sample) const {
    if (!IsFloat(kind_)) return static_cast<float>(IntegerOf(sample));
    const Parts parts = Split(sample);
    if (!parts.is_regular) return std::nullopt;
    const float magnitude = static_cast<float>(parts.significand) * PowerOfTwoWide(parts.unit);
    return parts.is_negative ? -magnitude : magnitude;
  }

  // `prediction`: finite; of integers within -2^31 .. 2^31.  `scale`: expected error, -kMaxScale .. kMaxScale.
  CellGrid GridOf(float prediction, int scale) const {
    CellGrid grid;
    const int wished = scale - kScaleSteps;  // cells of half the expected error
    grid.exponent = CellExponent(wished >> 3, prediction);
    const float in_cells = prediction * PowerOfTwo(-grid.exponent);
    grid.predicted = static_cast<int64_t>(in_cells);
    if (static_cast<float>(grid.predicted) > in_cells) --grid.predicted;
    const int place = static_cast<int>((in_cells - static_cast<float>(grid.predicted)) * float{kPlaceBins});
    const int error = std::clamp((wished - kScaleSteps * grid.exponent) >> 1, -16, 3) + 16;
    grid.context = static_cast<size_t>(error) * kPlaceBins + static_cast<size_t>(std::clamp(place, 0, 7));
    return grid;
  }

  // Nothing where the sample must be an escape.
  std::optional<Cell> CellOf(uint32_t sample, int exponent) const {
    return IsFloat(kind_) ? FloatCell(sample, exponent) : IntegerCell(sample, exponent);
  }

  // The sample of cell `number`, its raw bits being next in `raw`; nothing if there is no such sample.
  std::optional<uint32_t> SampleOf(int64_t number, int exponent, BitReader& raw) const {
    return IsFloat(kind_) ? FloatSample(number, exponent, raw) : IntegerSample(number, exponent, raw);
  }

 private:
  static constexpr int kMinCellExponent = -120, kMaxCellExponent = 100, kMaxIntegerCellExponent = 24;
  static constexpr int kMaxCellBits = 26;  // of a float's cell number
  static constexpr int kMaxZeros = 24;     // octaves below a cell that samples are found in

  struct Parts {
    bool is_regular = false, is_negative = false;
    uint32_t significand = 0;  // magnitude in units of 2^unit
    int unit = 0;
  };

  Parts Split(uint32_t sample) const {
    const int sign_shift = SampleBits(kind_) - 1;
    const uint32_t magnitude = sample & ((1u << sign_shift) - 1);
    const uint32_t field = magnitude >> mantissa_bits_;
    const uint32_t mantissa = magnitude & ((1u << mantissa_bits_) - 1);
    Parts parts;
    parts.is_negative = (sample >> sign_shift) != 0;
    parts.significand = field == 0 ? mantissa : mantissa | (1u << mantissa_bits_);
    const int exponent = static_cast<int>(std::max(field, 1u)) - 1 + least_exponent_;
    parts.unit = exponent - mantissa_bits_;
    parts.is_regular = exponent <= most_exponent_;
    return parts;
  }

  // 2^exponent, exponent >= -149.
  static float PowerOfTwoWide(int exponent) {
    return exponent >= -126 ? PowerOfTwo(exponent) : PowerOfTwo(exponent + 64) * PowerOfTwo(-64);
  }

  int32_t IntegerOf(uint32_t sample) const { return *integers_.ToCode(sample); }

  int CellExponent(int wished, float prediction) const {
    if (!IsFloat(kind_)) return std::clamp(wished, 0, kMaxIntegerCellExponent);
    const int exponent = static_cast<int>((std::bit_cast<uint32_t>(prediction) >> 23) & 255) - 127;
    const int finest = std::max(exponent, least_exponent_) - mantissa_bits_;
    return std::clamp(std::max(wished, finest), kMinCellExponent, kMaxCellExponent);
  }

  std::optional<Cell> IntegerCell(uint32_t sample, int exponent) const {
    const int64_t value = IntegerOf(sample);
    return Cell{value >> exponent, static_cast<uint64_t>(value) & ((uint64_t{1} << exponent) - 1), exponent};
  }

  std::optional<uint32_t> IntegerSample(int64_t number, int exponent, BitReader& raw) const {
    const int64_t rest = static_cast<int64_t>(raw.Get(exponent));
    if (number < INT32_MIN || number > INT32_MAX) return std::nullopt;
    const int64_t value = number * (int64_t{1} << exponent) + rest;
    if (value < integers_.MinCode() || value > integers_.MaxCode()) return std::nullopt;
    return integers_.ToSample(static_cast<int32_t>(value));
  }

  std::optional<Cell> FloatCell(uint32_t sample, int exponent) const {
    const Parts parts = Split(sample);
    if (!parts.is_regular) return std::nullopt;
    const int drop = exponent - parts.unit;
    const int width = std::bit_width(parts.significand);
    if (width - drop > kMaxCellBits) return std::nullopt;
    Cell cell;
    if (drop <= 0) {
      cell.number = int64_t{parts.significand} << (parts.significand == 0 ? 0 : -drop);
    } else if (width > drop) {
      cell.number = parts.significand >> drop;
      cell.raw = parts.significand & ((1u << drop) - 1);
      cell.raw_bits = drop;
    } else if (!BelowOne(parts, exponent, cell)) {
      return std::nullopt;
    }
    if (parts.is_negative) cell.number = -1 - cell.number;
    return cell;
  }

  // Cell 0: the octave in unary, then the mantissa.
  bool BelowOne(const Parts& parts, int exponent, Cell& cell) const {
    const int octaves = exponent - least_exponent_;  // above the subnormal numbers
    if (octaves <= 0) {
      cell.raw = parts.significand;
      cell.raw_bits = exponent - parts.unit;
      return true;
    }
    const bool is_normal = (parts.significand >> mantissa_bits_) != 0;
    const int zeros = is_normal ? exponent - 1 - (parts.unit + mantissa_bits_) : octaves;
    if (zeros > kMaxZeros) return false;
    const uint64_t mantissa = parts.significand & ((1u << mantissa_bits_) - 1);
    const int head = zeros + (is_normal ? 1 : 0);
    cell.raw = (is_normal ? uint64_t{1} << zeros : 0) | mantissa << head;
    cell.raw_bits = head + mantissa_bits_;
    return true;
  }

  std::optional<uint32_t> FloatSample(int64_t number, int exponent, BitReader& raw) const {
    const bool is_negative = number < 0;
    const int64_t magnitude = is_negative ? -1 - number : number;
    if (magnitude >> kMaxCellBits) return std::nullopt;
    Parts parts;
    parts.is_negative = is_negative;
    if (magnitude == 0) return SampleBelowOne(parts, exponent, raw);
    const int lead = exponent + std::bit_width(static_cast<uint64_t>(magnitude)) - 1;  // exponent of the sample
    if (lead > most_exponent_) return std::nullopt;
    parts.unit = std::max(lead, least_exponent_) - mantissa_bits_;
    const int drop = exponent - parts.unit;
    if (drop > 0) {
      parts.significand = static_cast<uint32_t>((static_cast<uint64_t>(magnitude) << drop) | raw.Get(drop));
    } else {
      if (-drop > kMaxCellBits) return std::nullopt;
      parts.significand = static_cast<uint32_t>(magnitude >> -drop);
      if ((int64_t{parts.significand} << -drop) != magnitude) return std::nullopt;
    }
    return Join(parts);
  }

  std::optional<uint32_t> SampleBelowOne(Parts& parts, int exponent, BitReader& raw) const {
    const int octaves = exponent - least_exponent_;
    parts.unit = least_exponent_ - mantissa_bits_;
    if (octaves <= 0) {
      parts.significand = static_cast<uint32_t>(raw.Get(std::max(0, exponent - parts.unit)));
      return Join(parts);
    }
    int zeros = 0;
    while (zeros < octaves && raw.Get(1) == 0) {
      if (++zeros > kMaxZeros) return std::nullopt;
    }
    parts.significand = static_cast<uint32_t>(raw.Get(mantissa_bits_));
    if (zeros < octaves) {
      parts.significand |= 1u << mantissa_bits_;
      parts.unit = exponent - 1 - zeros - mantissa_bits_;
    }
    return Join(parts);
  }

  uint32_t Join(const Parts& parts) const {
    const uint32_t field = (parts.significand >> mantissa_bits_) == 0
                               ? 0
                               : static_cast<uint32_t>(parts.unit + mantissa_bits_ - least_exponent_ + 1);
    const uint32_t mantissa = parts.significand & ((1u << mantissa_bits_) - 1);
    return (parts.is_negative ? 1u << (SampleBits(kind_) - 1) : 0) | field << mantissa_bits_ | mantissa;
  }

  SampleMap integers_;
  SampleKind kind_;
  int mantissa_bits_;
  int least_exponent_ = -126, most_exponent_ = 63;  // of normal numbers; above: escapes
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_CELLS_H_
