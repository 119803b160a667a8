// Memory that a thread keeps from call to call: fresh pages cost more than what is computed in them.
#ifndef DCAC_CORE_BASE_SCRATCH_H_
#define DCAC_CORE_BASE_SCRATCH_H_

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace dcac {

inline constexpr size_t kScratchAlignment = 64;  // bytes: that of the longest vectors and of lines of caches

// An array of uninitialised elements, aligned to kScratchAlignment, that keeps its size; but where it was made large
// and much less is wanted now, it is not to be kept for that.
template <typename T>
class Scratch {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // At least `count` elements; what was in it is lost.
  T* Get(size_t count) {
    const bool is_oversized = capacity_ > kLargeBytes / sizeof(T) && count < capacity_ / kMuchLess;
    if (count > capacity_ || is_oversized) {
      data_.reset();
      capacity_ = 0;
      const size_t room = count + count / 8;
      data_.reset(static_cast<T*>(::operator new(room * sizeof(T), kAlignment)));
      capacity_ = room;
    }
#ifndef NDEBUG
    // What others have left here is mostly what is put here next, which hides who reads it.
    constexpr int kLeftovers = 0xa5;
    if (count > 0) std::memset(static_cast<void*>(data_.get()), kLeftovers, count * sizeof(T));
#endif
    return data_.get();
  }

 private:
  static constexpr size_t kLargeBytes = size_t{16} << 20, kMuchLess = 8;
  static constexpr std::align_val_t kAlignment{kScratchAlignment};
  struct Delete {
    void operator()(T* data) const { ::operator delete(data, kAlignment); }
  };

  std::unique_ptr<T, Delete> data_;
  size_t capacity_ = 0;
};

// A T of this thread, for as long as the lease lives, with what it has allocated before.  A thread that takes another
// task while it waits within a lease gets another T.
template <typename T>
class ScratchLease {
 public:
  ScratchLease() {
    std::vector<std::unique_ptr<T>>& free = Free();
    if (free.empty()) {
      object_ = std::make_unique<T>();
    } else {
      object_ = std::move(free.back());
      free.pop_back();
    }
  }
  ~ScratchLease() {
    if (!object_) return;
    try {
      Free().push_back(std::move(object_));
    } catch (const std::bad_alloc&) {  // then it is not kept
    }
  }
  ScratchLease(ScratchLease&&) noexcept = default;
  ScratchLease& operator=(ScratchLease&& other) noexcept {
    object_.swap(other.object_);
    return *this;
  }

  T& operator*() const { return *object_; }
  T* operator->() const { return object_.get(); }

 private:
  static std::vector<std::unique_ptr<T>>& Free() {
    static thread_local std::vector<std::unique_ptr<T>> free;
    return free;
  }

  std::unique_ptr<T> object_;
};

}  // namespace dcac

#endif  // DCAC_CORE_BASE_SCRATCH_H_
