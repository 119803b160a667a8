// Encodes a plane set: builds its model and codes its samples.
#ifndef DCAC_CORE_CODEC_SET_ENCODER_H_
#define DCAC_CORE_CODEC_SET_ENCODER_H_

#include "core/base/bytes.h"
#include "core/codec/range_coder.h"
#include "core/codec/set_analysis.h"
#include "core/codec/term_search.h"

namespace dcac {

struct SetEncoderOptions {
  bool use_terms = true;  // mode ls
  TermSearchOptions search;
};

struct EncodedSet {
  SetModel model;
  Bytes entropy_coded;
  Bytes raw_bits;
};

// The smallest coding found: with the terms that the search proposes, or without any where they do not pay.
EncodedSet EncodeSet(const SetInput& input, const SetEncoderOptions& options);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SET_ENCODER_H_
