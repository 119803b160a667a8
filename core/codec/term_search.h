// Encoder: which earlier planes, and which other terms, predict a plane (docs/architecture.md, "Plane search").
#ifndef DCAC_CORE_CODEC_TERM_SEARCH_H_
#define DCAC_CORE_CODEC_TERM_SEARCH_H_

#include "core/codec/set_analysis.h"
#include "core/codec/set_model.h"

namespace dcac {

struct TermSearchOptions {
  int max_references = 12;       // candidates that survive the search
  int max_terms = 16;            // terms of a plane besides the unit
  int neighbour_references = 2;  // references whose eight neighbours are offered
  int window = 0;                // earlier planes searched; 0: all
  bool previous_item = true;     // whether planes of earlier items may be references
};

// Fills the terms of model.planes and returns the estimated gain in bits, side information taken off.  Runs in parallel
// over the planes on the calling thread's arena.
template <typename Arithmetic>
double SearchTerms(const SetAnalysis<Arithmetic>& analysis, const TermSearchOptions& options, SetModel& model);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_TERM_SEARCH_H_
