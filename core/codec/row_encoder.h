// Encoder of the body of a segment of rows (docs/format.md, "Rows").
#ifndef DCAC_CORE_CODEC_ROW_ENCODER_H_
#define DCAC_CORE_CODEC_ROW_ENCODER_H_

#include <span>

#include "core/base/bytes.h"
#include "core/codec/row_model.h"
#include "dcac/options.h"

namespace dcac {

// Appends to `body` what DecodeRows reads.  `samples`: row after row.
void EncodeRows(const RowShape& shape, std::span<const uint32_t> samples, const EncodeOptions& options, Bytes& body);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_ROW_ENCODER_H_
