#include "core/codec/upsampling.h"

#include <array>
#include <cstdint>
#include <cstring>

namespace dcac {
namespace {

// Rows of samples as numbers T.  Loops over whole ones know how often a sample is repeated, and so become vectors.
template <typename T, size_t kScale>
struct Rows {
  static T At(const std::byte* row, size_t x) {
    T sample;
    std::memcpy(&sample, row + x * sizeof(T), sizeof(T));
    return sample;
  }

  static bool IsUpsampled(const std::byte* row, size_t width) {
    if (At(row, 0) != At(row, 1)) return false;  // of most planes
    const size_t whole = width / kScale * kScale;
    T differs = 0;
    for (size_t x = 0; x < whole; x += kScale) {
      const T first = At(row, x);
      for (size_t i = 1; i < kScale; ++i) differs |= static_cast<T>(At(row, x + i) ^ first);
    }
    for (size_t x = whole; x < width; ++x) differs |= static_cast<T>(At(row, x) ^ At(row, whole));
    return differs == 0;
  }

  static void Downsample(const std::byte* row, size_t width, std::byte* small) {
    for (size_t x = 0; x < width; x += kScale, small += sizeof(T)) std::memcpy(small, row + x * sizeof(T), sizeof(T));
  }

  static void Upsample(const std::byte* small, size_t width, std::byte* row) {
    std::array<T, kScale> samples;
    for (; width >= kScale; width -= kScale, small += sizeof(T), row += sizeof(samples)) {
      samples.fill(At(small, 0));
      std::memcpy(row, samples.data(), sizeof(samples));
    }
    if (width == 0) return;
    samples.fill(At(small, 0));
    std::memcpy(row, samples.data(), width * sizeof(T));
  }
};

template <typename T, typename Visit>
auto VisitScale(size_t scale, Visit visit) {
  switch (scale) {
    case 2:
      return visit(Rows<T, 2>());
    case 4:
      return visit(Rows<T, 4>());
    default:
      return visit(Rows<T, 8>());
  }
}

// visit(Rows<T, scale>()) of the extent's samples.
template <typename Visit>
auto VisitRows(const PlaneExtent& extent, size_t scale, Visit visit) {
  switch (extent.sample_bytes) {
    case 1:
      return VisitScale<uint8_t>(scale, visit);
    case 2:
      return VisitScale<uint16_t>(scale, visit);
    default:
      return VisitScale<uint32_t>(scale, visit);
  }
}

size_t RowBytes(const PlaneExtent& extent) {
  return extent.width * extent.sample_bytes;
}
size_t SmallRowBytes(const PlaneExtent& extent, size_t scale) {
  return (extent.width + scale - 1) / scale * extent.sample_bytes;
}

}  // namespace

bool IsUpsampled(const PlaneExtent& extent, size_t scale, const std::byte* plane) {
  if (extent.height <= scale || extent.width <= scale) return false;
  return VisitRows(extent, scale, [&](auto rows) {
    const size_t row_bytes = RowBytes(extent);
    for (size_t y = 0; y < extent.height; ++y) {
      const std::byte* const row = plane + y * row_bytes;
      const bool is_upsampled = y % scale == 0 ? decltype(rows)::IsUpsampled(row, extent.width)
                                               : std::memcmp(row, row - row_bytes, row_bytes) == 0;
      if (!is_upsampled) return false;
    }
    return true;
  });
}

Bytes Downsample(const PlaneExtent& extent, size_t scale, const std::byte* plane) {
  const size_t small_rows = (extent.height + scale - 1) / scale, small_bytes = SmallRowBytes(extent, scale);
  Bytes small(small_rows * small_bytes);
  VisitRows(extent, scale, [&](auto rows) {
    for (size_t y = 0; y < small_rows; ++y) {
      decltype(rows)::Downsample(plane + y * scale * RowBytes(extent), extent.width, small.data() + y * small_bytes);
    }
  });
  return small;
}

void Upsample(const PlaneExtent& extent, size_t scale, const std::byte* small, std::byte* plane) {
  VisitRows(extent, scale, [&](auto rows) {
    const size_t row_bytes = RowBytes(extent);
    for (size_t y = 0; y < extent.height; ++y, plane += row_bytes) {
      if (y % scale == 0) {
        decltype(rows)::Upsample(small, extent.width, plane);
        small += SmallRowBytes(extent, scale);
      } else {
        std::memcpy(plane, plane - row_bytes, row_bytes);
      }
    }
  });
}

}  // namespace dcac
