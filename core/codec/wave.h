// Geometry of a plane set and the order in which its samples are coded (docs/format.md, "Waves").
//
// Sample (y, x) of a plane has the local time x + 2 y; plane p starts skew * p later.  All samples of one time form a
// wave: none of them depends on another, every tap, and every reference plane's sample at the same place, is of an
// earlier wave.
#ifndef DCAC_CORE_CODEC_WAVE_H_
#define DCAC_CORE_CODEC_WAVE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dcac {

struct SetShape {
  int planes = 0;
  int height = 0;
  int width = 0;

  int plane_samples() const { return height * width; }
  size_t samples() const { return static_cast<size_t>(planes) * static_cast<size_t>(plane_samples()); }
  int num_local_times() const { return width + 2 * (height - 1); }
};

// The samples of plane `plane` in one wave: rows y_begin .. y_end - 1, each at column local_time - 2 y.
struct WaveRun {
  int plane, local_time, y_begin, y_end;
};

// Calls run(WaveRun) for every run of wave `time`, planes ascending.
template <typename Run>
void ForEachRunOfWave(const SetShape& shape, int skew, int time, Run run) {
  const int last = shape.num_local_times() - 1;
  const int plane_begin = time > last ? (time - last + skew - 1) / skew : 0;
  const int plane_end = std::min(shape.planes, time / skew + 1);
  for (int plane = plane_begin; plane < plane_end; ++plane) {
    const int local = time - skew * plane;
    const int y_begin = local >= shape.width ? (local - shape.width + 2) / 2 : 0;
    const int y_end = std::min(shape.height, local / 2 + 1);
    if (y_begin < y_end) run(WaveRun{plane, local, y_begin, y_end});
  }
}

inline int NumWaves(const SetShape& shape, int skew) {
  return shape.planes == 0 ? 0 : skew * (shape.planes - 1) + shape.num_local_times();
}

// counts[t] = samples of a plane with a local time below t, for t = 0 .. num_local_times().
inline std::vector<int> SamplesBefore(const SetShape& shape) {
  std::vector<int> counts(static_cast<size_t>(shape.num_local_times()) + 1, 0);
  for (int local = 0; local < shape.num_local_times(); ++local) {
    const int y_begin = local >= shape.width ? (local - shape.width + 2) / 2 : 0;
    const int y_end = std::min(shape.height, local / 2 + 1);
    counts[static_cast<size_t>(local) + 1] = counts[static_cast<size_t>(local)] + std::max(0, y_end - y_begin);
  }
  return counts;
}

// A plane with a border of one sample that repeats its edge, so that taps need no case distinction.
template <typename T>
class PaddedPlane {
 public:
  PaddedPlane() = default;
  PaddedPlane(int height, int width)
      : height_(height),
        width_(width),
        stride_(width + 2),
        data_(static_cast<size_t>(stride_) * static_cast<size_t>(height + 2)) {}

  int stride() const { return stride_; }
  const T* At(int y, int x) const { return data_.data() + Index(y, x); }

  void Set(int y, int x, T value) {
    T* at = data_.data() + Index(y, x);
    SetInRow(at, x, value);
    if (y == 0) SetInRow(at - stride_, x, value);
    if (y == height_ - 1) SetInRow(at + stride_, x, value);
  }

  // Sets row `y` to `values`, as many as the plane is wide.
  void SetRow(int y, const T* values) {
    T* const row = data_.data() + Index(y, -1);
    std::copy_n(values, width_, row + 1);
    row[0] = values[0];
    row[width_ + 1] = values[width_ - 1];
    if (y == 0) std::copy_n(row, stride_, row - stride_);
    if (y == height_ - 1) std::copy_n(row, stride_, row + stride_);
  }

 private:
  ptrdiff_t Index(int y, int x) const { return static_cast<ptrdiff_t>(y + 1) * stride_ + x + 1; }
  void SetInRow(T* at, int x, T value) {
    *at = value;
    if (x == 0) at[-1] = value;
    if (x == width_ - 1) at[1] = value;
  }

  int height_ = 0, width_ = 0, stride_ = 0;
  std::vector<T> data_;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_WAVE_H_
