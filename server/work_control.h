// What the work on a call has to heed, and whom it tells of its segments.
#ifndef DCAC_SERVER_WORK_CONTROL_H_
#define DCAC_SERVER_WORK_CONTROL_H_

#include <atomic>

#include "dcac/segment_observer.h"

namespace dcac::server {

struct WorkControl {
  const std::atomic<bool>& cancelled;  // once true, nobody wants the result
  SegmentObserver* segments = nullptr;

  // An encoder or decoder is to heed it.
  template <typename Coder>
  void Apply(Coder& coder) const {
    coder.CancelOn(&cancelled);
    coder.ObserveSegments(segments);
  }
  bool is_cancelled() const { return cancelled.load(std::memory_order_relaxed); }
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_WORK_CONTROL_H_
