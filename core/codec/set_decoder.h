// Decodes the samples of a plane set from its model and its two streams.
#ifndef DCAC_CORE_CODEC_SET_DECODER_H_
#define DCAC_CORE_CODEC_SET_DECODER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "core/codec/sample_map.h"
#include "core/codec/segment_account.h"
#include "core/codec/set_model.h"
#include "core/codec/wave.h"

namespace dcac {

// `samples` receives the samples, planes x height x width.  `model` is as DecodeSetModel returned it, without failure.
// Scratch memory: at most about 24 bytes a sample.  With `account`, what the samples cost is added up there; that takes
// several times as long.
// Errors: DataLoss.
absl::Status DecodeSet(SampleKind kind, const SetShape& shape, const SetModel& model, ByteSpan entropy_coded,
                       ByteSpan raw_bits, std::vector<uint32_t>& samples, SetAccount* account = nullptr);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SET_DECODER_H_
