// Encoder of the body of a segment of rows (docs/format.md, "Rows").
#ifndef DCAC_CORE_CODEC_ROW_ENCODER_H_
#define DCAC_CORE_CODEC_ROW_ENCODER_H_

#include <span>

#include "core/base/bytes.h"
#include "core/codec/row_model.h"
#include "dcac/options.h"

namespace dcac {

// What DecodeRows reads; empty if a parameter has no code.  `samples`: row after row.
Bytes EncodeRows(const RowShape& shape, std::span<const uint32_t> samples, const EncodeOptions& options);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_ROW_ENCODER_H_
