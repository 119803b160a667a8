// The model of a plane set in the lanes layout: parameters, and their code in the side information
// (docs/format-lanes.md).
#ifndef DCAC_CORE_CODEC_LANE_MODEL_H_
#define DCAC_CORE_CODEC_LANE_MODEL_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/codec/range_coder.h"
#include "core/codec/sample_map.h"
#include "core/codec/wave.h"
#include "core/kernels/byte_rans.h"
#include "core/kernels/coarse.h"
#include "core/kernels/lane_group.h"

namespace dcac {

// Spatial taps of a class of positions.  A raster that is not interlaced has one class, an interlaced one has two: even
// and odd columns.
inline constexpr size_t kLaneClasses = 2;
inline constexpr size_t kLaneTapsOfClass = 6;

inline constexpr int32_t kMaxLaneTapWeight = 1023;   // in 1/256
inline constexpr int32_t kMaxLaneTermWeight = 511;   // in 1/128
inline constexpr int32_t kMaxLaneSigmaWeight = 255;  // in 1/64
inline constexpr int32_t kMaxLaneUnitWeight = 2047;  // in eighths of the unit
inline constexpr int kLaneTapBits = 8, kLaneTermBits = 7, kLaneSigmaBits = 6;
inline constexpr int kMaxLaneErrorPrior = 1023;  // in quarters of the unit
inline constexpr int kMinLaneColumns = 3;        // of a group's raster
inline constexpr int kMaxLaneColumns = 1024;     // of all planes of a group but one: tables have an entry for each

struct LaneReference {
  int plane = 0;  // of an earlier group
  int32_t weight = 0;
};

struct LanePlane {
  int32_t mean = 0;  // a code
  std::vector<LaneReference> references;
  bool has_coarse_weights = false;  // byte lanes: in 32nds, not in 64ths
  int32_t unit = 0;                 // weight of the unit
  bool has_own_taps = false;
  std::array<std::array<int16_t, kLaneTapsOfClass>, kLaneClasses> own{};  // in 1/128, on top of the shared ones

  bool has_terms() const { return !references.empty() || unit != 0; }
};

struct LaneTapWeights {
  std::array<int32_t, kLaneTapsOfClass> tap{};
  int32_t unit = 0;
};

struct LaneSigmaWeights {
  std::array<int32_t, kLaneErrors> error{};
  int32_t range = 0, reference = 0, unit = 0;
};

// A code of binary32 that stands for one sample only: that with this lower half.
struct LaneExact {
  int32_t code = 0;
  uint16_t low = 0;
};

// Limit of ByteWeights: of the positive ones together, and of the negative ones.
inline constexpr int32_t kMaxByteWeights = 96;
// What their base may be, for sums to stay within 16 bits.
struct ByteBaseRange {
  int32_t low = 0, high = 0;
};
inline ByteBaseRange BaseRangeOf(const ByteWeights& weights) {
  ByteBaseRange range{INT16_MIN, INT16_MAX};
  for (const int32_t weight : weights.weight) (weight < 0 ? range.low : range.high) -= 255 * weight;
  return range;
}
// What is left for the mean of a plane.
inline int32_t MeanWeight(const ByteWeights& taps) {
  int32_t rest = 1 << kByteTapBits;
  for (const int32_t weight : taps.weight) rest -= weight;
  return rest;
}
// Bases of planes that have means of their own.
class ByteBases {
 public:
  // `mean`: what the base of the taps is for.
  ByteBases(const ByteWeights& taps, int32_t mean)
      : base_(taps.base), mean_(mean), mean_weight_(MeanWeight(taps)), range_(BaseRangeOf(taps)) {}

  int32_t Of(int32_t plane_mean) const {
    return std::clamp(base_ + (plane_mean - mean_) * mean_weight_, range_.low, range_.high);
  }

 private:
  int32_t base_, mean_, mean_weight_;
  ByteBaseRange range_;
};
inline constexpr int32_t kMaxBytePairWeight = 127;  // of two references of byte lanes together

// Thresholds of byte lanes, by number: from 16 on bytes have the bins of their upper halves.
inline constexpr uint32_t kNumByteThresholds = 30;
constexpr uint8_t ByteThreshold(uint32_t number) {
  return static_cast<uint8_t>(number < 16 ? number : 16 * (number - 14) - 1);
}
constexpr uint32_t ByteThresholdNumber(uint8_t threshold) {
  return threshold < 16 ? threshold : threshold / 16u + 15;
}

struct LaneModel {
  std::optional<CoarseMap> coarse;  // of floats that are modelled as u8: which codes they are
  std::optional<ByteTaps> bytes;    // of byte lanes, which have these taps only; error_prior is a byte
  bool has_intervals = false;       // in place of tokens: byte lanes always, other narrow ones without fillers
  int innovation_bits = 0;          // of byte lanes, below the point
  bool interlaced = false;
  int num_taps = 3;      // 3 or 6; interlaced: 6
  int group_planes = 1;  // of every group but perhaps the last
  int table_bits = 10;
  int base_exponent = 0;
  int32_t low_code = 0, high_code = 255;
  bool has_mode = false, has_escape = false;
  int32_t mode_code = 0;
  std::vector<LaneExact> exact;  // binary32: codes of one sample only, different ones
  int shift = 0;
  int unit_exponent = 0;  // wide: the unit is 2^unit_exponent; narrow: it is a step
  bool sends_means = false;
  int32_t mean = 0;  // of all planes, where their own are not sent
  int error_prior = 0;
  std::array<LaneTapWeights, kLaneClasses> spatial;
  std::array<LaneSigmaWeights, kLaneClasses> sigma;
  std::vector<LanePlane> planes;
  int32_t position_base = 0;
  int position_shift = 0;
  int32_t activity_base = 0;
  int activity_shift = 0;
  std::vector<uint8_t> position_thresholds, activity_thresholds;  // up to 15
  std::vector<uint8_t> cluster;                                   // of each cell, rows of activity bins
  std::vector<bool> fixed_center;
  std::vector<int32_t> center;  // of each position bin
  int num_tokens = 0;
  std::vector<std::vector<uint32_t>> tables;     // weights of each cluster's tokens, empty with intervals
  std::vector<std::vector<Interval>> intervals;  // of each cluster

  size_t num_classes() const { return interlaced ? 2 : 1; }
  // Whether rows of planes of such a width have positions that stand for no sample.
  bool has_fillers(int width) const { return interlaced && width % 2 != 0; }
  size_t position_bins() const { return position_thresholds.size() + 1; }
  size_t activity_bins() const { return activity_thresholds.size() + 1; }
  // Whether a plane has a model of its own, beside its mean.
  bool has_terms() const {
    return std::any_of(planes.begin(), planes.end(),
                       [](const LanePlane& plane) { return plane.has_terms() || plane.has_own_taps; });
  }
  int first_residual_token() const { return (has_mode ? 1 : 0) + (has_escape ? 1 : 0); }
  int escape_token() const { return has_escape ? (has_mode ? 1 : 0) : -1; }
  int GroupBegin(int plane) const { return plane / group_planes * group_planes; }
};

// Whether `planes` planes whose raster rows have `columns` columns can be groups of `group_planes`.
inline bool CanBeLaneGroups(int planes, int columns, int group_planes) {
  const int last = (planes - 1) % group_planes + 1;
  return int64_t{last} * columns >= kMinLaneColumns && int64_t{group_planes - 1} * columns < kMaxLaneColumns;
}

inline int BitWidth(uint32_t value) {
  return static_cast<int>(std::bit_width(value));
}

// Magnitude classes of residuals: 0 .. 7 are themselves, then four an octave up to 63, two up to 511, then one.
struct LaneClass {
  uint32_t base;
  int raw_bits;
};
constexpr LaneClass LaneClassOf(int q) {
  if (q < 8) return {static_cast<uint32_t>(q), 0};
  if (q < 20) return {static_cast<uint32_t>(4 + (q & 3)) << (1 + (q - 8) / 4), 1 + (q - 8) / 4};
  if (q < 26) return {static_cast<uint32_t>(2 + (q & 1)) << (5 + (q - 20) / 2), 5 + (q - 20) / 2};
  return {1u << (9 + q - 26), 9 + q - 26};
}
constexpr int ClassOfMagnitude(uint32_t magnitude) {
  if (magnitude < 8) return static_cast<int>(magnitude);
  const int exponent = static_cast<int>(std::bit_width(magnitude)) - 1;
  if (exponent < 6) return 8 + 4 * (exponent - 3) + static_cast<int>((magnitude >> (exponent - 2)) & 3);
  if (exponent < 9) return 20 + 2 * (exponent - 6) + static_cast<int>((magnitude >> (exponent - 1)) & 1);
  return 26 + exponent - 9;
}
// Raw bits of a residual's token; those of a narrow set are in the state.
constexpr int LaneRawBits(int residual_token, int shift) {
  return shift + LaneClassOf(residual_token / 2).raw_bits;
}

// `model` stays as it is: the description of the code that both ways share takes a mutable one.
void EncodeLaneModel(RangeEncoder& coder, SampleKind kind, const SetShape& shape, const std::vector<int>& same_channel,
                     LaneModel& model);
// coder.failed() is set where a value is out of range; the model can be used in that case, too.
LaneModel DecodeLaneModel(RangeDecoder& coder, SampleKind kind, const SetShape& shape,
                          const std::vector<int>& same_channel);

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_MODEL_H_
