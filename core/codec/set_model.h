// Everything a decoder must know of a plane set besides its entropy-coded samples (docs/format.md, "Plane set model").
#ifndef DCAC_CORE_CODEC_SET_MODEL_H_
#define DCAC_CORE_CODEC_SET_MODEL_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "core/codec/sample_map.h"
#include "core/codec/token_tables.h"
#include "core/codec/wave.h"

namespace dcac {

inline constexpr int kNumTaps = 6;

struct TapOffset {
  int dy, dx;
};
// W, N, NW, NE, NN, WW.
inline constexpr std::array<TapOffset, kNumTaps> kTaps = {{{0, -1}, {-1, 0}, {-1, -1}, {-1, 1}, {-2, 0}, {0, -2}}};

// Which taps exist: everywhere but in the first row and column, in the first row, in the first column, at the first
// sample. Taps beyond another edge repeat the edge.
inline constexpr int kNumClasses = 4;
inline constexpr std::array<int, kNumClasses> kClassNumTaps = {6, 2, 3, 0};
inline constexpr std::array<std::array<int, kNumTaps>, kNumClasses> kClassTaps = {
    {{0, 1, 2, 3, 4, 5}, {0, 5}, {1, 3, 4}, {}}};

inline int ClassOf(int y, int x) {
  return y > 0 ? (x > 0 ? 0 : 2) : (x > 0 ? 1 : 3);
}

// The eight neighbours of a reference plane's sample.
inline constexpr std::array<TapOffset, 8> kNeighbours = {
    {{0, -1}, {0, 1}, {-1, 0}, {1, 0}, {-1, -1}, {-1, 1}, {1, -1}, {1, 1}}};

// Neighbours of a reference plane are decoded when the planes are this many waves apart.
inline constexpr int kNeighbourLead = 4;

inline constexpr int32_t kMaxWeight = 2047;        // magnitude of any weight
inline constexpr int32_t kMeanWeightOffset = 256;  // weights of means are coded as their distance from 1
inline constexpr int32_t kMinMeanWeight = kMeanWeightOffset - kMaxWeight;
inline constexpr int kMaxTerms = 32;
// Of a plane of a set: few samples are not to bring more memory of terms than of themselves.
inline constexpr int kSamplesPerTerm = 4;
inline int MaxTerms(const SetShape& shape) {
  return static_cast<int>(std::min<int64_t>(kMaxTerms, shape.plane_samples() / kSamplesPerTerm));
}
inline constexpr int kMaxReferences = 16;
inline constexpr int kMaxPositionBins = 24;
inline constexpr int kMaxActivityBins = 12;
inline constexpr int kMaxSkew = 4;

// Weights of the spatial prediction of a class, in 1/256.  `tap` is in the order of kClassTaps.
struct SpatialWeights {
  std::array<int32_t, kNumTaps> tap{};
  int32_t unit = 0;
  int32_t mean = 0;
};

// Weights of the expected error of a class, in 1/64.
struct SigmaWeights {
  std::array<int32_t, kNumTaps> tap{};
  int32_t spread = 0;   // mean |tap - spatial prediction|
  int32_t running = 0;  // running mean of the plane's errors
  int32_t unit = 0;
  int32_t recent = 0;     // moving mean of the errors of earlier planes at the same place
  int32_t reference = 0;  // mean |innovation| of the reference planes
  int32_t local = 0;      // 3x3 mean of |innovation| of the first reference plane
};

enum class TermKind : uint8_t {
  kUnit = 0,        // the constant
  kInnovation = 1,  // innovation of plane `plane` at the same place
  kSpatial = 2,     // the spatial prediction
  kTap = 3,         // tap `index` less the spatial prediction
  kNeighbour = 4,   // neighbour `index` of the sample of plane `plane`, less that sample
};
inline constexpr uint32_t kNumTermKinds = 5;

struct Term {
  TermKind kind = TermKind::kUnit;
  int plane = 0;
  int index = 0;
  int32_t weight = 0;  // in 1/128

  bool refers() const { return kind == TermKind::kInnovation || kind == TermKind::kNeighbour; }
};

struct PlaneModel {
  int32_t mean = 0;  // where the set sends means: in steps of MeanShift()
  std::vector<Term> terms;
  std::vector<int> references;  // distinct planes of the terms, in order of appearance; derived
};

struct SetModel {
  int skew = 1;
  int lanes_log2 = 2;
  int table_bits = 10;

  int base_exponent = 1;  // float kinds
  int32_t low_code = 0, high_code = 0;
  bool has_mode = false;
  uint32_t mode_sample = 0;
  bool has_west = false, has_north = false, has_reference = false, has_escape = false;
  int shift = 0;
  int unit_exponent = 0;

  bool sends_means = false;
  int32_t mean_prior = 0;   // quanta; of the running means where no means are sent
  int32_t error_prior = 0;  // quanta

  std::array<SpatialWeights, kNumClasses> spatial{};
  std::array<SigmaWeights, kNumClasses> sigma{};
  std::vector<PlaneModel> planes;

  std::vector<int32_t> position_thresholds;  // ascending; bin = number of thresholds <= position
  std::vector<int32_t> activity_thresholds;
  std::vector<uint8_t> cluster;    // of each cell: position bin * activity bins + activity bin
  std::vector<bool> fixed_center;  // of each cell
  std::vector<int32_t> center;     // of each position bin
  int num_tokens = 0;
  std::vector<std::vector<uint32_t>> tables;  // weight of each token in each cluster

  int position_bins() const { return static_cast<int>(position_thresholds.size()) + 1; }
  int activity_bins() const { return static_cast<int>(activity_thresholds.size()) + 1; }

  // Number of special tokens, which precede the residual tokens.
  int num_specials() const { return has_mode + has_west + has_north + has_reference + has_escape; }
};

// The bin of a value: how many of the ascending thresholds it reaches.
class Quantizer {
 public:
  explicit Quantizer(const std::vector<int32_t>& thresholds) {
    thresholds_.fill(INT32_MAX);
    std::copy(thresholds.begin(), thresholds.end(), thresholds_.begin());
  }

  // `value` is below INT32_MAX, as every position and activity is.
  size_t BinOf(int32_t value) const {
    size_t bin = 0;
    for (size_t step = kSize / 2; step > 0; step /= 2) bin += thresholds_[bin + step - 1] <= value ? step : 0;
    return bin;
  }

 private:
  static constexpr size_t kSize = 32;
  static_assert(kMaxPositionBins <= kSize && kMaxActivityBins <= kSize);
  std::array<int32_t, kSize> thresholds_;
};

// Low bits that the centers of position bins leave out of the distance from the least code.
inline int CenterDrop(const SetModel& model) {
  constexpr int kCenterBits = 12;
  const int64_t span = int64_t{model.high_code} - model.low_code;
  return std::max(0, static_cast<int>(std::bit_width(static_cast<uint64_t>(span))) - kCenterBits);
}

// Fills PlaneModel::references.
void DeriveReferences(SetModel& model);

class RangeEncoder;
class RangeDecoder;

// Writes a model to, or reads it from, the side information.  Kind, shape and `same_channel` (for every plane, the
// plane of the same channel of the item before, or -1) are known to both sides.  The decoder leaves coder.failed() set
// where a value is out of range; the model may then only be thrown away.
void EncodeSetModel(RangeEncoder& coder, SampleKind kind, const SetShape& shape, const std::vector<int>& same_channel,
                    const SetModel& model);
SetModel DecodeSetModel(RangeDecoder& coder, SampleKind kind, const SetShape& shape,
                        const std::vector<int>& same_channel);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SET_MODEL_H_
