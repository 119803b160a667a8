// Planes in the order in which waves visit them (docs/format.md, "Waves"): all samples of one local time together, by
// rows.  A wave's samples of a plane, each of its taps, and the samples of another plane at the same places or beside
// them, are then contiguous.
#ifndef DCAC_CORE_CODEC_SKEWED_LAYOUT_H_
#define DCAC_CORE_CODEC_SKEWED_LAYOUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/codec/wave.h"

namespace dcac {

// Where the samples of a plane are, with a border of one sample around it.  Vectors may reach up to kMaxLanes samples
// beyond what they are about: into other samples or the slack around all planes.
class SkewedLayout {
 public:
  static constexpr int kMaxLanes = 16;

  explicit SkewedLayout(const SetShape& shape) {
    const int width = shape.width + 2, height = shape.height + 2;
    const int times = width + 2 * (height - 1);
    const int slack = 2 * kMaxLanes;
    rows_.reserve(static_cast<size_t>(times) + 1);
    rows_.push_back(slack);  // before all times: a tap of the first sample, which has none
    ptrdiff_t end = slack;
    for (int time = 0; time < times; ++time) {
      const int y_begin = time >= width ? (time - width + 2) / 2 : 0;
      rows_.push_back(end - y_begin + kBorder);
      end += std::min(height, time / 2 + 1) - y_begin;
    }
    plane_size_ = static_cast<size_t>(end - slack);
    slack_ = static_cast<size_t>(slack);
  }

  // Sample (y, local_time - 2 y) of a plane is at Row(local_time) + y from the plane's start.  Valid for all local
  // times of the plane and its border, and for one before.
  ptrdiff_t Row(int local_time) const { return rows_[static_cast<size_t>(local_time + kFirstTime)]; }

  size_t plane_size() const { return plane_size_; }
  // Of an array for `planes` planes, each plane_size() after the one before.
  size_t array_size(int planes) const { return static_cast<size_t>(planes) * plane_size_ + 2 * slack_; }

 private:
  static constexpr int kBorder = 1;                   // rows before row 0
  static constexpr int kFirstTime = 3 * kBorder + 1;  // the corner (-1, -1) has the local time -3

  std::vector<ptrdiff_t> rows_;
  size_t plane_size_ = 0, slack_ = 0;
};

// Samples of all planes of a set, at first 0.
template <typename T>
class SkewedPlanes {
 public:
  SkewedPlanes(const SkewedLayout& layout, int planes) : layout_(layout), data_(layout.array_size(planes)) {}

  T* Plane(int plane) { return data_.data() + static_cast<size_t>(plane) * layout_.plane_size(); }
  const T* Plane(int plane) const { return data_.data() + static_cast<size_t>(plane) * layout_.plane_size(); }

 private:
  const SkewedLayout& layout_;
  std::vector<T> data_;
};

}  // namespace dcac

#endif  // DCAC_CORE_CODEC_SKEWED_LAYOUT_H_
