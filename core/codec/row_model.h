// The model of rows: token layouts, where a row has the features of one token and a token resembles earlier ones, at
// any distance (docs/format.md, "Rows").
#ifndef DCAC_CORE_CODEC_ROW_MODEL_H_
#define DCAC_CORE_CODEC_ROW_MODEL_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/codec/cells.h"
#include "core/codec/range_coder.h"
#include "core/codec/token_tables.h"
#include "dcac/options.h"

namespace dcac {

inline constexpr size_t kMinRowColumns = 16;
inline constexpr size_t kMaxRowTerms = 8;
inline constexpr int kRowWeightBits = 5;       // weights are in 1/32
inline constexpr int32_t kMinRowWeight = -64;  // and have a byte
inline constexpr int32_t kMaxRowWeight = 191;
inline constexpr int kRowTableBits = 11;

// Rows of a segment: `items` sequences of `positions` rows of `columns` samples.
struct RowShape {
  SampleKind kind = SampleKind::kBF16;
  size_t items = 0, positions = 0, columns = 0;
  size_t head_dim = 0;  // columns of a head, of layout heads; 0: unknown

  size_t rows() const { return items * positions; }
  size_t samples() const { return rows() * columns; }
};

// A row that another is predicted from.
struct RowTerm {
  uint32_t row = 0;  // an earlier one
  int32_t weight = 0;
};

struct RowCoding {
  bool repeats = false;  // the samples are those of the only reference
  std::vector<RowTerm> references;
  int32_t scale = 0;  // added to those of the columns
};

struct ColumnCoding {
  int32_t scale = 0;  // expected error, as CellMap::GridOf takes it
  int32_t mean = 0;   // in units of MeanUnit(scale)
};

struct RowModel {
  std::optional<Rope> rope;
  int lanes_log2 = 2;
  bool has_zero = false, has_escape = false;  // special tokens, in this order
  std::vector<ColumnCoding> columns;
  std::vector<RowCoding> rows;
  std::vector<uint8_t> cluster;  // of each context of a cell token
  int num_tokens = 0;
  std::vector<std::vector<uint32_t>> tables;

  int num_specials() const { return has_zero + has_escape; }
};

inline constexpr int32_t kMaxColumnMean = 1 << 22;
inline constexpr double kMaxRowValue = 0x1p64;  // of samples that have a value

// A sixteenth of the expected error of the column, or less.
inline float MeanUnit(int32_t scale) {
  return PowerOfTwo((scale >> 3) - 4);
}

void EncodeRowModel(RangeEncoder& coder, const RowShape& shape, const RowModel& model);
// coder.failed() where a value is out of its range; the model may then only be thrown away.
RowModel DecodeRowModel(RangeDecoder& coder, const RowShape& shape);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_ROW_MODEL_H_
