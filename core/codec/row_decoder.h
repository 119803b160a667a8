// Decoder of the body of a segment of rows (docs/format.md, "Rows").
#ifndef DCAC_CORE_CODEC_ROW_DECODER_H_
#define DCAC_CORE_CODEC_ROW_DECODER_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"
#include "core/codec/row_model.h"

namespace dcac {

struct SegmentAccount;

// Decodes all that `reader` has left into `samples`, row after row.  With `account`, where the bits went is entered
// there: planes are the columns.  Errors: DataLoss.
absl::Status DecodeRows(const RowShape& shape, ByteReader& reader, std::vector<uint32_t>& samples,
                        SegmentAccount* account = nullptr);

// The model of rows out of the side information.  Errors: DataLoss.
absl::StatusOr<RowModel> ParseRowModel(const RowShape& shape, ByteSpan side_bytes);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_ROW_DECODER_H_
