// Encoder: codes of the samples of a plane set, in the order of the raster (docs/format-lanes.md).
#ifndef DCAC_CORE_CODEC_LANE_SAMPLES_H_
#define DCAC_CORE_CODEC_LANE_SAMPLES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/codec/lane_model.h"
#include "core/codec/lane_raster.h"

namespace dcac {

// The k-th of `count` indices below `total` >= count, evenly spread but in no step with rows or columns.
inline size_t SpreadIndex(size_t k, size_t count, size_t total) {
  const size_t begin = k * total / count, end = (k + 1) * total / count;
  return begin + (static_cast<uint32_t>(k) * 2654435761u >> 12) % (end - begin);
}

// Rows and columns that the distances of TapDistances reach back.
struct RasterStep {
  int rows, columns;
};
inline constexpr std::array<RasterStep, kLaneTapsOfClass> kRasterSteps = {
    {{1, 0}, {1, 1}, {1, -1}, {2, 0}, {1, 2}, {1, -2}}};
inline constexpr std::array<RasterStep, kMaxLaneTaps> kInterlacedSteps = {
    {{1, 0}, {1, 1}, {1, -1}, {2, 0}, {2, 1}, {2, -1}, {3, 0}, {3, -1}, {4, 0}}};

// Planes x raster rows x raster columns of codes; kLaneEscapeCode where a sample has none.
struct LaneCodes {
  const int32_t* codes = nullptr;
  size_t planes = 0, rows = 0, columns = 0;
  size_t width = 0;  // of the planes
  bool interlaced = false;

  size_t plane_samples() const { return rows * columns; }
  size_t ClassOfRow(size_t row) const { return interlaced ? row & 1 : 0; }
  // Whether a place stands for no sample: what rows of odd columns have too many.
  bool IsFiller(size_t row, size_t column) const { return interlaced && 2 * column + (row & 1) >= width; }
  const int32_t* Plane(size_t plane) const { return codes + plane * plane_samples(); }
};

// Values of codes, in steps (narrow) or as they are, for fits.
class LaneValues {
 public:
  LaneValues(SampleKind kind, const SampleMap& map, float unit, const LaneCodes& codes)
      : narrow_(IsNarrow(kind)), unit_(unit), map_(map), codes_(codes) {}

  bool is_narrow() const { return narrow_; }
  float unit() const { return unit_; }
  // What deviations must be large against to count by their size.
  float slack() const { return narrow_ ? 2.0f : unit_; }

  float OfCode(int32_t code) const {
    if (code == kLaneEscapeCode) code = 0;
    return narrow_ ? static_cast<float>(code) : map_.ToValue(code);
  }

  // Tap t of a position as the kernels see it; `mean` above the first row.
  float Tap(size_t plane, size_t row, size_t column, size_t t, float mean) const {
    const size_t index = TapDistanceIndex(codes_.interlaced, codes_.ClassOfRow(row), t, column, codes_.width);
    const RasterStep step = codes_.interlaced ? kInterlacedSteps[index] : kRasterSteps[index];
    if (row < static_cast<size_t>(step.rows)) return mean;
    const size_t at = (row - static_cast<size_t>(step.rows)) * codes_.columns +
                      static_cast<size_t>(static_cast<ptrdiff_t>(column) - step.columns);
    return OfCode(codes_.Plane(plane)[at]);
  }

 private:
  bool narrow_;
  float unit_;
  const SampleMap& map_;
  const LaneCodes& codes_;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_SAMPLES_H_
