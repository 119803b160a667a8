// Decodes a plane set wave by wave, in vectors.
#ifndef DCAC_CORE_CODEC_WAVE_DECODER_H_
#define DCAC_CORE_CODEC_WAVE_DECODER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "core/codec/sample_map.h"
#include "core/codec/set_model.h"
#include "core/codec/wave.h"

namespace dcac {

// As DecodeSet without an account; on the best vectors of this machine, with one result on all.
absl::Status DecodeWaves(SampleKind kind, const SetShape& shape, const SetModel& model, ByteSpan entropy_coded,
                         ByteSpan raw_bits, std::vector<uint32_t>& samples);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_WAVE_DECODER_H_
