// Who wants to know how long segments take: for the metrics of programs that serve.
#ifndef DCAC_SEGMENT_OBSERVER_H_
#define DCAC_SEGMENT_OBSERVER_H_

#include <chrono>
#include <cstdint>

namespace dcac {

// What the work on one segment came to.
struct SegmentWork {
  std::uint64_t raw_bytes = 0;
  std::uint64_t stored_bytes = 0;  // of its body in the frame
  std::chrono::nanoseconds duration{};
};

// Told of each segment by the thread that coded it.  Frames and samples do not depend on it.
class SegmentObserver {
 public:
  virtual ~SegmentObserver() = default;

  // From several threads at a time; cheap, and must not throw.
  virtual void OnSegment(const SegmentWork& work) = 0;
};

}  // namespace dcac

#endif  // DCAC_SEGMENT_OBSERVER_H_
