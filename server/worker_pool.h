// The threads that code segments; gRPC's own threads only move messages.
#ifndef DCAC_SERVER_WORKER_POOL_H_
#define DCAC_SERVER_WORKER_POOL_H_

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_scheduler_observer.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>

#include "server/task_pool.h"

namespace dcac::server {

class WorkerPool final : public TaskPool {
 public:
  explicit WorkerPool(int threads)
      : workers_(oneapi::tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads) + 1),
        arena_(threads, /*reserved_for_masters=*/0) {}

  int threads() const { return arena_.max_concurrency(); }

  void Enqueue(std::function<void()> task) override {
    // Isolated: while a task waits for the parallel loops in it, its thread must not begin another stream's task on the
    // same stack.
    queued_.fetch_add(1, std::memory_order_relaxed);
    arena_.enqueue([this, task = std::move(task)] {
      queued_.fetch_sub(1, std::memory_order_relaxed);
      oneapi::tbb::this_task_arena::isolate(task);
    });
  }

  // Has a worker run `work`: for threads of other pools, which have something to code.  They do not do it themselves,
  // for each thread that codes keeps the memory that it takes.  What `work` returns or throws comes out of the future.
  template <typename Work>
  std::future<std::invoke_result_t<Work>> Start(Work work) {
    const auto task = std::make_shared<std::packaged_task<std::invoke_result_t<Work>()>>(std::move(work));
    auto result = task->get_future();
    Enqueue([task] { (*task)(); });
    return result;
  }

  // That wait for a thread.
  std::uint64_t queued_tasks() const { return queued_.load(std::memory_order_relaxed); }

  // That work, or look for work and are about to rest.
  std::uint64_t busy_threads() const { return threads_.count(); }

 private:
  // Counts those that are in the arena.
  class Threads final : public oneapi::tbb::task_scheduler_observer {
   public:
    explicit Threads(oneapi::tbb::task_arena& arena) : task_scheduler_observer(arena) { observe(true); }
    ~Threads() override { observe(false); }
    void on_scheduler_entry(bool) override { count_.fetch_add(1, std::memory_order_relaxed); }
    void on_scheduler_exit(bool) override { count_.fetch_sub(1, std::memory_order_relaxed); }
    std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }

   private:
    std::atomic<std::uint64_t> count_{0};
  };

  // Without it the arena gets one worker less than the machine has processors, whatever its size.
  oneapi::tbb::global_control workers_;
  std::atomic<std::uint64_t> queued_{0};
  oneapi::tbb::task_arena arena_;
  Threads threads_{arena_};
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_WORKER_POOL_H_
