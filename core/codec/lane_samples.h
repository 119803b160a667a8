// Encoder: codes of the samples of a plane set, in the order of the raster (docs/format-lanes.md).
#ifndef DCAC_CORE_CODEC_LANE_SAMPLES_H_
#define DCAC_CORE_CODEC_LANE_SAMPLES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/codec/lane_model.h"
#include "core/codec/lane_raster.h"
#include "core/kernels/lane_source.h"

namespace dcac {

// `count` > 0 indices below `total` >= count, evenly spread but in no step with rows or columns.
class SpreadIndices {
 public:
  SpreadIndices(size_t count, size_t total) : step_((uint64_t{total} << kFraction) / count) {}

  size_t operator[](size_t k) const {
    const uint64_t begin = k * step_ >> kFraction, end = (k + 1) * step_ >> kFraction;
    uint32_t anywhere = static_cast<uint32_t>(k) * 2654435761u;
    anywhere = (anywhere ^ anywhere >> 15) * 2246822519u;
    return static_cast<size_t>(begin + (uint64_t{anywhere} * (end - begin) >> 32));
  }

 private:
  static constexpr int kFraction = 20;
  uint64_t step_;
};

// Rows and columns that the distances of TapDistances reach back.
struct RasterStep {
  int rows, columns;
};
inline constexpr std::array<RasterStep, kLaneTapsOfClass> kRasterSteps = {
    {{1, 0}, {1, 1}, {1, -1}, {2, 0}, {1, 2}, {1, -2}}};
inline constexpr std::array<RasterStep, kMaxLaneTaps> kInterlacedSteps = {
    {{1, 0}, {1, 1}, {1, -1}, {2, 0}, {2, 1}, {2, -1}, {3, 0}, {3, -1}, {4, 0}}};

// Planes x raster rows x raster columns of codes; kLaneEscapeCode where a wide sample has none.
template <typename Lanes>
struct LaneCodes {
  using Code = typename Lanes::Code;

  const Code* codes = nullptr;
  size_t planes = 0, rows = 0, columns = 0;
  size_t width = 0;  // of the planes
  bool interlaced = false;

  size_t plane_samples() const { return rows * columns; }
  size_t ClassOfRow(size_t row) const { return interlaced ? row & 1 : 0; }
  // Whether a place stands for no sample: what rows of odd columns have too many.
  bool IsFiller(size_t row, size_t column) const { return interlaced && 2 * column + (row & 1) >= width; }
  const Code* Plane(size_t plane) const { return codes + plane * plane_samples(); }

  // How far before the places of a column, in rows of class c, their tap t is.
  RasterStep StepOfTap(size_t c, size_t column, size_t t) const {
    const size_t index = TapDistanceIndex(interlaced, c, t, column, width);
    return interlaced ? kInterlacedSteps[index] : kRasterSteps[index];
  }
  // The place of tap t of a place of a plane; nothing above the first row.
  std::optional<size_t> TapPlace(size_t row, size_t column, size_t t) const {
    const RasterStep step = StepOfTap(ClassOfRow(row), column, t);
    if (row < static_cast<size_t>(step.rows)) return std::nullopt;
    return (row - static_cast<size_t>(step.rows)) * columns +
           static_cast<size_t>(static_cast<ptrdiff_t>(column) - step.columns);
  }
};

// Values of codes, in steps (narrow) or as they are, for fits.
class LaneValues {
 public:
  LaneValues(SampleKind kind, const SampleMap& map, float unit) : narrow_(IsNarrow(kind)), unit_(unit), map_(map) {}

  float unit() const { return unit_; }
  // What deviations must be large against to count by their size.
  float slack() const { return narrow_ ? 2.0f : unit_; }

  float OfCode(int32_t code) const {
    if (code == kLaneEscapeCode) code = 0;
    return narrow_ ? static_cast<float>(code) : map_.ToValue(code);
  }
  void OfCodes(size_t count, const int32_t* codes, float* values) const {
    StoreLaneValues({1, 1, count, count, count}, WideValuesOf(map_.kind()), codes, values, nullptr);
  }

  static WideValues WideValuesOf(SampleKind kind) { return {IsFloat(kind), SampleMap::MantissaBits(kind)}; }

 private:
  bool narrow_;
  float unit_;
  const SampleMap& map_;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_LANE_SAMPLES_H_
