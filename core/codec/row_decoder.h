// Decoder of the body of a segment of rows (docs/format.md, "Rows").
#ifndef DCAC_CORE_CODEC_ROW_DECODER_H_
#define DCAC_CORE_CODEC_ROW_DECODER_H_

#include <vector>

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "core/codec/row_model.h"

namespace dcac {

// Decodes all that `reader` has left into `samples`, row after row.  Errors: DataLoss.
absl::Status DecodeRows(const RowShape& shape, ByteReader& reader, std::vector<uint32_t>& samples);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_ROW_DECODER_H_
