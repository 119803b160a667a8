// Encoder: samples of planes as codes and values of a raster (core/kernels/lane_group.h).
#ifndef DCAC_CORE_KERNELS_LANE_SOURCE_H_
#define DCAC_CORE_KERNELS_LANE_SOURCE_H_

#include <cstddef>
#include <cstdint>

#include "core/kernels/exact_halves.h"

namespace dcac {

// Rows of samples, and where their codes go: row by row; interlaced, the even columns of a row and then its odd ones.
// The last of the odd ones is repeated where the columns are odd.
struct LaneSource {
  const std::byte* samples = nullptr;  // packed rows
  size_t height = 0, width = 0;
  bool interlaced = false;
};

// Of samples of 8 bits; `sign` is 0x80 if they are signed, else 0.
void LoadLaneCodes(const LaneSource& source, uint8_t sign, uint8_t* codes);

// How samples of 16 bits become codes, as SampleMap has them.
struct WideSamples {
  size_t sample_bytes = 2;  // 4: of binary32, whose upper halves they are
  bool is_float = false;
  uint32_t sign = 0;     // integers: 0x8000 if they are signed
  bool is_half = false;  // floats: binary16, else bfloat16
  int mantissa_bits = 0;
  int base = 0, end = 0;  // biased binary32 exponents that have codes
  ExactHalves exact;      // binary32: samples of these upper halves and other lower ones have no codes
};

// False if there are samples without codes (kLaneEscapeCode).
bool LoadLaneCodes(const LaneSource& source, const WideSamples& samples, int32_t* codes);

// Rows of the planes of a group: packed codes of each plane, `plane_stride` apart; in the raster the rows of the planes
// lie side by side, raster rows being `stride` apart.
struct LaneRows {
  size_t planes = 0, rows = 0, columns = 0, plane_stride = 0, stride = 0;
};
// Values, and the codes too unless `raster_codes` is null.
void StoreLaneValues(const LaneRows& rows, const uint8_t* codes, int16_t* values, uint8_t* raster_codes);
struct WideValues {
  bool is_float = false;
  int mantissa_bits = 0;
};
void StoreLaneValues(const LaneRows& rows, const WideValues& kind, const int32_t* codes, float* values,
                     int32_t* raster_codes);

// The codes alone.
void CopyLaneCodes(const LaneRows& rows, const uint8_t* codes, uint8_t* raster_codes);

// Least and greatest of codes, without escapes which count as 0, and their sum.
struct LaneCodeRange {
  int32_t low = INT32_MAX, high = INT32_MIN;
  int64_t sum = 0;  // narrow only
};
LaneCodeRange RangeOfLaneCodes(size_t count, const uint8_t* codes);
LaneCodeRange RangeOfLaneCodes(size_t count, const int32_t* codes);

// The lower halves of binary32 samples, but for those with an upper half of `exact`.  Returns their number; `out` has
// room for kLowPadding more.
inline constexpr size_t kLowPadding = 64;
size_t PackLowHalves(const std::byte* samples, size_t count, const ExactHalves& exact, uint16_t* out);

}  // namespace dcac

#endif  // DCAC_CORE_KERNELS_LANE_SOURCE_H_
