// Encoder: samples of floats that occur again and again, as what a clip or an activation leaves at its end does.
#ifndef DCAC_CORE_CODEC_FREQUENT_SAMPLES_H_
#define DCAC_CORE_CODEC_FREQUENT_SAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"

namespace dcac {

// Calls visit(sample) with a pointer to each of about `limit` samples, every n-th of all planes.
template <typename Visit>
void VisitSpread(const std::vector<const std::byte*>& planes, size_t plane_samples, size_t sample_bytes, size_t limit,
                 Visit visit) {
  const size_t samples = planes.size() * plane_samples, step = samples / limit + 1;
  size_t plane = 0, at = 0;
  for (size_t i = 0; i < samples; i += step, at += step) {
    while (at >= plane_samples) {
      at -= plane_samples;
      ++plane;
    }
    visit(planes[plane] + at * sample_bytes);
  }
}

struct FrequentSample {
  uint32_t sample;
  size_t count;           // how often it was found
  size_t neighbours = 0;  // how many others were found that differ from it in their fine bits only
};
struct FrequentSamples {
  size_t total = 0;                     // how many were looked at; 0 where none is frequent
  std::vector<FrequentSample> samples;  // most frequent first
};

// Looks at some of the samples of all planes, each of `plane_samples` samples of `sample_bytes` (2 or 4) bytes.
// fine_bits(sample): the low bits that its neighbours may differ from it in, fewer than a sample has.
FrequentSamples FindFrequentSamples(const std::vector<const std::byte*>& planes, size_t plane_samples,
                                    size_t sample_bytes, absl::FunctionRef<int(uint32_t)> fine_bits);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_FREQUENT_SAMPLES_H_
