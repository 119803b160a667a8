// Stands in for oneTBB's header in the preset tsan, as parallel_for.h does.
#ifndef DCAC_TESTS_TSAN_ONEAPI_TBB_TASK_ARENA_H_
#define DCAC_TESTS_TSAN_ONEAPI_TBB_TASK_ARENA_H_

#include <oneapi/tbb/blocked_range.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace tbb {
namespace this_task_arena {

inline thread_local int width = 4;

inline int max_concurrency() {
  return width;
}

template <typename Function>
auto isolate(const Function& function) {
  return function();
}

}  // namespace this_task_arena

// Threads start with the first task, or before.
class task_arena {
 public:
  static constexpr int automatic = -1;

  explicit task_arena(int threads = automatic, unsigned /*reserved_for_masters*/ = 1)
      : width_(threads > 0 ? threads : 4) {}
  task_arena(const task_arena&) = delete;
  task_arena& operator=(const task_arena&) = delete;

  // Ends when all tasks have.
  ~task_arena() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void initialize() {
    const std::lock_guard lock(mutex_);
    StartThreads();
  }

  template <typename Function>
  void enqueue(Function task) {
    const std::lock_guard lock(mutex_);
    StartThreads();
    tasks_.emplace_back(std::move(task));
    changed_.notify_one();
  }

  template <typename Function>
  auto execute(Function&& function) {
    const Width width(width_);
    return function();
  }

  int max_concurrency() const { return width_; }

  // Is called with true and false around each task.  The one before is not called any more when this returns.
  void Observe(std::function<void(bool)> observer) {
    std::unique_lock lock(mutex_);
    observer_ = std::move(observer);
    changed_.wait(lock, [this] { return observed_tasks_ == 0; });
  }

 private:
  void StartThreads() {
    if (!threads_.empty()) return;
    for (int i = 0; i < width_; ++i) threads_.emplace_back([this] { Run(); });
  }

  struct Width {
    explicit Width(int width) : before(std::exchange(this_task_arena::width, width)) {}
    ~Width() { this_task_arena::width = before; }
    const int before;
  };

  void Run() {
    const Width width(width_);
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      const std::function<void(bool)> observer = observer_;
      ++observed_tasks_;
      lock.unlock();
      if (observer) observer(true);
      task();
      if (observer) observer(false);
      lock.lock();
      --observed_tasks_;
      changed_.notify_all();
    }
  }

  const int width_;
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  std::function<void(bool)> observer_;
  int observed_tasks_ = 0;
  bool ending_ = false;
};

}  // namespace tbb

#endif  // DCAC_TESTS_TSAN_ONEAPI_TBB_TASK_ARENA_H_
