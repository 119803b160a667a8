// Encoder: which earlier rows a row is predicted from.
#ifndef DCAC_CORE_CODEC_ROW_SEARCH_H_
#define DCAC_CORE_CODEC_ROW_SEARCH_H_

#include <vector>

#include "core/codec/row_model.h"

namespace dcac {

struct RowSearchOptions {
  size_t max_references = 4;
  size_t window = 0;  // earlier rows that are searched; 0: all that the budget of work allows
  bool across_items = true;
};

// Of each column: the mean, and the root of the mean squared deviation from it; rows of extreme magnitude count little.
struct ColumnStatistics {
  std::vector<float> mean, deviation;
};
ColumnStatistics MeasureColumns(const RowShape& shape, const std::vector<float>& values);

// `values`: rows x columns, their rotation undone; `statistics`: theirs.  Fills `references` of all rows that do not
// repeat.
void SearchRowReferences(const RowShape& shape, const std::vector<float>& values, const ColumnStatistics& statistics,
                         const RowSearchOptions& options, std::vector<RowCoding>& rows);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_ROW_SEARCH_H_
