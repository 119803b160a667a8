// Work on pieces in their order, by whoever is done with what had to come before.
#ifndef DCAC_CORE_BASE_IN_ORDER_H_
#define DCAC_CORE_BASE_IN_ORDER_H_

#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace dcac {

// Threads tell what they are done with, in any order; each piece that has nothing left is worked on when all before it
// were, by one thread at a time.  Nobody waits: who finds another one at work leaves it the piece.
class InOrder {
 public:
  // `parts` of each of `pieces` must be done before it.
  InOrder(size_t pieces, size_t parts) : left_(pieces, parts) {}

  // A part of a piece is done.  work(piece): for all pieces whose turn it is.
  template <typename Work>
  void Done(size_t piece, const Work& work) {
    std::unique_lock lock(mutex_);
    --left_[piece];
    if (std::exchange(is_working_, true)) return;
    for (; next_ < left_.size() && left_[next_] == 0; ++next_) {
      lock.unlock();
      work(next_);
      lock.lock();
    }
    is_working_ = false;
  }

 private:
  std::mutex mutex_;
  std::vector<size_t> left_;
  size_t next_ = 0;
  bool is_working_ = false;
};

}  // namespace dcac

#endif  // DCAC_CORE_BASE_IN_ORDER_H_
