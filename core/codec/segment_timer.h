// Measures the work on one segment where somebody wants to know.
#ifndef DCAC_CODEC_SEGMENT_TIMER_H_
#define DCAC_CODEC_SEGMENT_TIMER_H_

#include <chrono>
#include <cstdint>

#include "dcac/segment_observer.h"

namespace dcac {

class SegmentTimer {
 public:
  // Null: nobody does, and not even the clock is read.
  explicit SegmentTimer(SegmentObserver* observer) : observer_(observer) {
    if (observer_ != nullptr) start_ = std::chrono::steady_clock::now();
  }

  void Done(std::uint64_t raw_bytes, std::uint64_t stored_bytes) const {
    if (observer_ == nullptr) return;
    observer_->OnSegment({raw_bytes, stored_bytes, std::chrono::steady_clock::now() - start_});
  }

 private:
  SegmentObserver* const observer_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace dcac

#endif  // DCAC_CODEC_SEGMENT_TIMER_H_
