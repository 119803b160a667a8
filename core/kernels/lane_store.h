// From decoded rasters to planes: rows are put in their places, those of even and odd columns together.
#ifndef DCAC_CORE_KERNELS_LANE_STORE_H_
#define DCAC_CORE_KERNELS_LANE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/kernels/exact_halves.h"
#include "core/kernels/lane_group.h"

namespace dcac {

// A plane, and the rows of a raster that have it.
struct LanePlaneRows {
  size_t height = 0, width = 0;  // of the plane
  bool interlaced = false;       // two raster rows for one of the plane: even columns, then odd ones
  size_t stride = 0;             // of raster rows, in samples
};

// Samples of 1 or 2 bytes.  The rows of the planes begin `columns` samples apart; planes need not be aligned.
void StoreLanePlanes(const LanePlaneRows& rows, const uint8_t* from, size_t columns,
                     std::span<std::byte* const> planes);
void StoreLanePlanes(const LanePlaneRows& rows, const uint16_t* from, size_t columns,
                     std::span<std::byte* const> planes);

// bytes[i] ^= flip.
void FlipBytes(uint8_t flip, size_t count, uint8_t* bytes);

// Samples of wide codes.  Of floats, `offset` is what code 1 has as bits, less 1.
void SamplesOfLaneCodes(const LaneTables& tables, uint32_t offset, const int32_t* codes, size_t count,
                        uint16_t* samples);

// binary32 from upper halves, and from lower halves of those that are not exact.  `low` .. `end`: the lower halves
// left; returns the first that was not taken, nullptr if there are too few.
const std::byte* JoinLaneHalves(const uint16_t* upper, size_t count, const ExactHalves& exact, const std::byte* low,
                                const std::byte* end, std::byte* to);

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_LANE_STORE_H_
