// What an encoder holds of a plane set while it builds the model: samples, codes, values and the spatial prediction.
#ifndef DCAC_CORE_CODEC_SET_ANALYSIS_H_
#define DCAC_CORE_CODEC_SET_ANALYSIS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/codec/plane_predictor.h"
#include "core/codec/sample_map.h"
#include "core/codec/set_model.h"
#include "core/codec/wave.h"

namespace dcac {

// The samples of a plane set and what the encoder knows about them.
struct SetInput {
  SampleKind kind = SampleKind::kU8;
  SetShape shape;
  std::vector<uint32_t> samples;  // planes x height x width
  std::vector<int> same_channel;  // of each plane: the plane of the same channel of the item before, or -1
  std::vector<int> item_begin;    // of each plane: the first plane of its item
};

// Visits at most about `limit` of `total` indices, evenly spread.
inline size_t SampleStep(size_t total, size_t limit) {
  return total / limit + 1;
}

template <typename Arithmetic>
struct SetAnalysis {
  using Value = typename Arithmetic::Value;

  SetAnalysis(const SetInput& set_input, const SetModel& model)
      : input(set_input),
        shape(set_input.shape),
        map(set_input.kind, model.base_exponent),
        arithmetic(map, {model.low_code, model.high_code, model.unit_exponent}) {}

  const SetInput& input;
  const SetShape shape;
  SampleMap map;
  Arithmetic arithmetic;
  std::vector<int32_t> codes;
  std::vector<CodedPlane<Arithmetic>> planes;
  std::vector<int> samples_before = SamplesBefore(shape);
  std::vector<Value> mean;        // planes x local times: what the spatial prediction uses as mean
  std::vector<Value> spatial;     // planes x height x width
  std::vector<Value> prediction;  // likewise
  std::vector<Value> sigma;       // likewise

  size_t plane_samples() const { return static_cast<size_t>(shape.plane_samples()); }
  size_t plane_times() const { return static_cast<size_t>(shape.num_local_times()); }
  size_t SampleIndex(int plane, int y, int x) const {
    return static_cast<size_t>(plane) * plane_samples() + static_cast<size_t>(y * shape.width + x);
  }
  Value MeanAt(int plane, int y, int x) const {
    return mean[static_cast<size_t>(plane) * plane_times() + static_cast<size_t>(x + 2 * y)];
  }

  // Whether the value is at the end of the range and the prediction beyond it: the range hides what it would have been.
  bool IsHidden(int32_t code, Value p) const {
    const Value low = arithmetic.ValueOf(low_code()), high = arithmetic.ValueOf(high_code());
    return (code <= low_code() && p < low) || (code >= high_code() && p > high);
  }
  int32_t low_code() const { return low_code_; }
  int32_t high_code() const { return high_code_; }
  void SetRange(int32_t low, int32_t high) {
    low_code_ = low;
    high_code_ = high;
  }

 private:
  int32_t low_code_ = 0, high_code_ = 0;
};

// The running means of a plane before each local time.  `sums`: of the quanta of the samples of each.
inline std::vector<int32_t> RunningMeans(const SetShape& shape, const std::vector<int>& samples_before, int32_t prior,
                                         const std::vector<int64_t>& sums) {
  RunningMean running(prior, RunningMean::PriorWeight(shape));
  std::vector<int32_t> means(sums.size());
  for (size_t time = 0; time < sums.size(); ++time) {
    means[time] = running.Get(samples_before[time]);
    running.Add(sums[time]);
  }
  return means;
}

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SET_ANALYSIS_H_
