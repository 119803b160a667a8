// The threads that code segments; gRPC's own threads only move messages.
#ifndef DCAC_SERVER_WORKER_POOL_H_
#define DCAC_SERVER_WORKER_POOL_H_

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <functional>

namespace dcac::server {

class WorkerPool {
 public:
  explicit WorkerPool(int threads)
      : workers_(oneapi::tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads) + 1),
        arena_(threads, /*reserved_for_masters=*/0) {}

  // Runs `task` on a worker; tasks start in the order of their calls.  The task must not throw.
  void Enqueue(std::function<void()> task) {
    // Isolated: while a task waits for the parallel loops in it, its thread must not begin another stream's task on the
    // same stack.
    arena_.enqueue([task = std::move(task)] { oneapi::tbb::this_task_arena::isolate(task); });
  }

 private:
  // Without it the arena gets one worker less than the machine has processors, whatever its size.
  oneapi::tbb::global_control workers_;
  oneapi::tbb::task_arena arena_;
};

}  // namespace dcac::server

#endif  // DCAC_SERVER_WORKER_POOL_H_
