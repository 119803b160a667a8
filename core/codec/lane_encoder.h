// Encodes a plane set in the lanes layout (docs/format-lanes.md).
#ifndef DCAC_CORE_CODEC_LANE_ENCODER_H_
#define DCAC_CORE_CODEC_LANE_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/scratch.h"
#include "core/codec/lane_model.h"
#include "core/codec/model_side.h"

namespace dcac {

// What an encoder spends on a plane set.
struct LaneEncoderOptions {
  bool bytes = false;       // byte lanes, where samples have 8 bits; what they do not have, is not looked at
  bool weighted = false;    // byte lanes: errors are expected from weighted ones, which references need
  bool interlaced = false;  // where rows have four samples or more
  int num_taps = 3;
  int min_columns = 130;      // of a raster, where there are as many: a decoder is faster where rows are long
  bool whole_vectors = true;  // more columns, where rows are these then and few planes lose references by that
  int max_references = 0;
  int window = 0;  // earlier planes that are searched; 0: all
  bool previous_item = true;
  double min_saved_bits = 0;      // of each sample, by a term: a decoder is faster with fewer
  double min_reference_gain = 0;  // bits of each sample: unless planes at the end gain as much, none have references
  bool own_taps = false;
  bool errors = true;  // of the row above tell of those to come; a decoder is faster without them
  size_t max_contexts = 64, max_all_pairs = 72;
  int position_bins = 16, activity_bins = 16;
  bool fixed_centers = false;
  bool intervals = false;            // narrow: in place of tokens, where there are no fillers; a decoder is faster
  size_t fit_samples = 4096;         // that spatial weights and expected errors are fitted to
  bool fits_twice = false;           // spatial weights: then with less weight of samples that are far off
  size_t sample_positions = 65536;   // that are analysed, in rows of all planes: many, for rows differ
  bool analyses_once = false;        // intervals of narrow lanes: all positions, whose symbols are made of that
  size_t context_positions = 65536;  // of those, that contexts are made of
  size_t search_samples = 512;       // of each plane
  size_t count_every = 1;            // intervals: of so many steps one tells how frequent residuals are
};

struct EncodedLaneSet {
  LaneModel model;
  Bytes escapes;
  Bytes details;        // coarse sets
  ByteSpan words, low;  // within the memory of each
  ScratchLease<Scratch<std::byte>> words_memory;
  ScratchLease<Scratch<uint16_t>> low_memory;
};

// `planes`: the samples of each plane of the set, packed.  Rows of all of them together have twice kMinLaneColumns
// samples at least.
EncodedLaneSet EncodeLaneSet(const PlaneSet& set, const std::vector<const std::byte*>& planes,
                             const LaneEncoderOptions& options);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_ENCODER_H_
